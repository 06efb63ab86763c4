//! The weighted sum of the buckets: the n-th bucket counts n times.
//!
//! A weight is cut in two, `n = high * 2^k + low`. Buckets with the same high part are added up, and so
//! are those with the same low part:
//!
//! ```text
//!  sum n * bucket(n)  =  2^k * sum high * row(high)  +  sum low * column(low)
//! ```
//!
//! That is two additions a bucket, as with a running sum over all buckets, but these are independent of
//! each other. Only the few rows and columns are left for running sums.

use super::group::TableGroup;
use super::terms::{Lists, Term};

/// How the weights `1 ..= 2^bits` are cut.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    low_bits: u32,
    rows: usize,
    columns: usize,
}

impl Weights {
    pub(super) fn new(buckets: usize) -> Self {
        let low_bits = buckets.ilog2() / 2;
        // Row 0 and column 0 count nothing and are left out.
        Self { low_bits, rows: buckets >> low_bits, columns: (1 << low_bits) - 1 }
    }

    /// How many rows and columns there are, so how many lists [`Self::lists`] gives.
    pub(super) fn len(self) -> usize {
        self.rows + self.columns
    }

    /// The rows, then the columns, of buckets given by their sums. The first has the weight 1.
    pub(super) fn lists(self, buckets: &[Option<Term>]) -> Lists {
        let terms = buckets.iter().enumerate().filter_map(|(index, term)| Some((index + 1, (*term)?)));
        let rows = terms.clone().map(move |(weight, term)| (weight >> self.low_bits, term));
        let columns = terms.map(move |(weight, term)| (weight & ((1 << self.low_bits) - 1), term));
        let rows = rows.filter(|(row, _)| *row != 0).map(|(row, term)| (row - 1, term));
        let columns = columns.filter(|(column, _)| *column != 0);
        Lists::collect(
            self.len(),
            rows.chain(columns.map(move |(column, term)| (self.rows + column - 1, term))),
        )
    }

    /// Puts together the sums of the lists.
    pub(super) fn total<G: TableGroup>(self, sums: &[Option<G::Affine>]) -> G {
        let (rows, columns) = sums.split_at(self.rows);
        let mut total = running_sum::<G>(rows);
        for _ in 0..self.low_bits {
            total.double_in_place();
        }
        total + running_sum::<G>(columns)
    }
}

/// `points[0] + 2 points[1] + 3 points[2] + ...`
fn running_sum<G: TableGroup>(points: &[Option<G::Affine>]) -> G {
    let (mut sum, mut total) = (G::zero(), G::zero());
    for point in points.iter().rev() {
        if let Some(point) = point {
            sum += point;
        }
        total += sum;
    }
    total
}
