//! Sums of many points times scalars, over points that are known long before the scalars.
//!
//! ```text
//!  bases ──doubling──► table: 2^(c w) * base for every window w          once for a key
//!
//!  scalars ──digits──► signed, c bits each
//!          ──terms───► lists: which rows of the table belong to which |digit|, a bucket
//!          ──rounds──► the sum of each bucket, by affine additions in lanes (slopes)
//!          ──weighted► the sum of |digit| times its bucket
//! ```
//!
//! With the multiples for every window in the table all windows share one set of buckets, and no doubling
//! is left for the time of proving.
//!
//! Two smaller ways are for sums of a few points: [`few`] over points that are not known before, and
//! [`PointTable`] for a single point that is.
//!
//! Every pair of points is added rightly, whatever they are: equal, opposite, infinity. How long a sum
//! takes, and which memory it reads, depends on the scalars, as it does in ark: proofs are made by
//! the owner of the witness, on a machine of theirs.

mod digits;
mod doubling;
mod few;
mod group;
mod halves;
mod point_table;
mod points;
mod rounds;
mod slopes;
mod terms;
mod weighted;

#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;

use ark_bn254::Fr;
use ark_ec::AffineRepr;
use ark_ff::PrimeField;
use zeroize::Zeroizing;

use crate::lanes::{Backend, BackendKind, Kernel, Row, dispatch};
use digits::Windows;
use doubling::DoubledBases;
pub use few::few;
pub use group::{Coordinate, TableGroup, TableGroupName};
pub use point_table::PointTable;
use points::ReadPoints;
use rounds::{Pool, SumLists};
use terms::{Lists, Term};
use weighted::Weights;

/// Multiples of points that many sums are taken over.
pub struct FixedBaseTable<G: TableGroup> {
    kind: BackendKind,
    windows: Windows,
    /// Where each base is among those in the table. Bases that are infinity are not.
    columns: Vec<Option<u32>>,
    /// The rows of all bases for window 0, then those for window 1, and so on.
    rows: Vec<Row>,
    group: PhantomData<G>,
}

/// What a table has to look like: it follows from the bases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableShape {
    /// The group of the points.
    pub group: TableGroupName,
    /// How many bases there are that are not infinity.
    pub columns: usize,
    /// How many bits a digit has.
    pub window_bits: u32,
    /// How many rows of 64 bytes there are in all.
    pub rows: usize,
}

impl<G: TableGroup> FixedBaseTable<G> {
    /// Calculates the table for the sums over `bases`. It takes about 64 bytes times 16 to 20 for each
    /// base of G1 and twice that for G2.
    ///
    /// Bases have to be on the curve; results over others have no meaning.
    ///
    /// # Panics
    ///
    /// For more than 2^26 bases, and if the processor lacks `kind`.
    pub fn build(kind: BackendKind, bases: &[G::Affine]) -> Self {
        let rows = dispatch(kind, DoubledBases::<G>::new(bases));
        Self::from_rows(kind, bases, rows).expect("the rows were made for these bases")
    }

    /// Takes a table from [`Self::rows`] of one that was built for the same kind and bases.
    ///
    /// Only their number is checked. `None` if it is another.
    pub fn from_rows(kind: BackendKind, bases: &[G::Affine], rows: Vec<Row>) -> Option<Self> {
        let shape = Self::shape_for(bases);
        let mut next_column = 0u32..;
        let columns =
            bases.iter().map(|base| if base.is_zero() { None } else { next_column.next() }).collect();
        let windows = Windows::of_bits(shape.window_bits);
        (rows.len() == shape.rows).then_some(Self { kind, windows, columns, rows, group: PhantomData })
    }

    /// What a table for `bases` looks like.
    pub fn shape_for(bases: &[G::Affine]) -> TableShape {
        let columns = bases.iter().filter(|base| !base.is_zero()).count();
        let windows = Windows::for_bases(columns);
        // Terms number the points of the table and of the sums, of which there are never more.
        assert!(columns * windows.count < Term::LIMIT / 2, "too many bases for a table");
        let rows = columns * windows.count * G::ROWS;
        TableShape { group: G::NAME, columns, window_bits: windows.bits, rows }
    }

    /// The rows, in the representation of this table's kind of backend.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How much memory the rows take.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.rows[..])
    }

    /// How many bases the table is for, those that are infinity included.
    pub fn bases(&self) -> usize {
        self.columns.len()
    }

    /// The sum of every base times its scalar.
    ///
    /// # Panics
    ///
    /// Unless there are as many scalars as bases.
    pub fn msm(&self, scalars: &[Fr]) -> G {
        assert_eq!(scalars.len(), self.bases(), "one scalar for each base");
        let columns = self.columns.iter().copied();
        dispatch(self.kind, SumBuckets::new(self, self.bucket_lists(columns.zip(scalars))))
    }

    /// The sum of some bases, given by their indices, times scalars. An index may come more than once.
    ///
    /// # Panics
    ///
    /// If there is no base with an index, or for more than 2^25 scalars.
    pub fn msm_sparse(&self, scalars: &[(usize, Fr)]) -> G {
        dispatch(self.kind, SumBuckets::new(self, self.sparse(scalars)))
    }

    fn sparse(&self, scalars: &[(usize, Fr)]) -> Lists {
        assert!(scalars.len() * self.windows.count < Term::LIMIT / 2, "too many scalars for a sum");
        self.bucket_lists(scalars.iter().map(|(base, scalar)| (self.columns[*base], scalar)))
    }

    /// Which points of the table belong to which bucket.
    fn bucket_lists<'a>(&self, scalars: impl Iterator<Item = (Option<u32>, &'a Fr)> + Clone) -> Lists {
        let columns = self.rows.len() / G::ROWS / self.windows.count;
        let scalars = scalars.filter_map(|(column, scalar)| Some((column? as usize, scalar)));
        let terms = scalars.flat_map(move |(column, scalar)| {
            self.windows.digits(scalar.into_bigint().0).map(move |(window, digit)| {
                let bucket = digit.unsigned_abs() as usize - 1;
                (bucket, Term::new(window * columns + column, digit < 0))
            })
        });
        Lists::collect(self.windows.buckets(), terms)
    }
}

/// The sum of all buckets, each times its number. The first has the number 1.
struct SumBuckets<'a, G> {
    table: &'a [Row],
    lists: Lists,
    group: PhantomData<G>,
}

impl<'a, G: TableGroup> SumBuckets<'a, G> {
    fn new(table: &'a FixedBaseTable<G>, lists: Lists) -> Self {
        Self { table: &table.rows, lists, group: PhantomData }
    }
}

impl<G: TableGroup> Kernel for SumBuckets<'_, G> {
    type Output = G;

    #[inline(always)]
    fn run<B: Backend>(mut self, backend: B) -> G {
        let weights = Weights::new(self.lists.lengths.len());
        let mut pool = Pool::for_lists::<G>(&self.lists, weights.len());
        let buckets = backend.run(SumLists::<G>::new(self.table, &mut pool, &mut self.lists));
        let mut lists = weights.lists(&buckets);
        let sums = backend.run(SumLists::<G>::new(self.table, &mut pool, &mut lists));
        let sums =
            Zeroizing::new(backend.run(ReadPoints::<G> { points: pool.points(self.table), terms: &sums }));
        weights.total(&sums)
    }
}

impl<G: TableGroup> fmt::Debug for FixedBaseTable<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FixedBaseTable")
            .field("group", &G::NAME)
            .field("kind", &self.kind)
            .field("bases", &self.bases())
            .field("windows", &self.windows)
            .finish_non_exhaustive()
    }
}
