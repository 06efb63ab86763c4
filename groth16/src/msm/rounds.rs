//! The sums of lists of points, by rounds of additions.
//!
//! A round adds up the first and the second term of each list, the third and the fourth, and so on: all
//! additions of a round are independent, so they go through the lanes side by side and share inversions
//! (see `slopes.rs`). After as many rounds as the longest list needs, each list is one term.
//!
//! ```text
//!  a b c d e │ f g │ h          ab cd e │ fg │ h          abcd e │ fg │ h          abcde │ fg │ h
//! ```

use std::marker::PhantomData;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::group::{Coordinate, TableGroup};
use super::points::Points;
use super::slopes::{STEPS, Slopes};
use super::terms::{Lists, Term};
use crate::lanes::{Backend, Kernel, Row};
use crate::large_pages::rows_with_capacity;

/// Lists are taken in blocks of about as many terms, so that the sums of one round are still in the
/// second level cache in the next: half a MiB for G1. Each block and round has a last, short
/// inversion, so blocks must not be much smaller.
const BLOCK_TERMS: usize = 1 << 14;

/// So many additions before it is used, a row is asked for: time enough for the third level cache.
const PREFETCHED_PAIRS: usize = 16;

/// Sums of points, kept until the memory is overwritten at the end.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub(super) struct Pool {
    rows: Vec<Row>,
}

impl Pool {
    /// A pool for the sums of `lists`, and then of `more` of them with at most so many terms.
    ///
    /// A vector that grew would leave a copy behind, so all is allocated at once. A list's sum stays;
    /// and in the course of a block there is at most one sum for each of its terms.
    pub(super) fn for_lists<G: TableGroup>(lists: &Lists, more: usize) -> Self {
        let longest = lists.lengths.iter().max().map_or(0, |&length| length as usize);
        let block = BLOCK_TERMS + longest.max(lists.lengths.len());
        Self { rows: rows_with_capacity((lists.lengths.len() + more + block) * G::ROWS) }
    }

    /// Everything that terms can name.
    pub(super) fn points<'a, G: TableGroup>(&'a self, table: &'a [Row]) -> Points<'a, G> {
        Points::new(table, &self.rows)
    }
}

/// Finds the sum of each list. Lists without terms, and those whose terms cancel, have none.
pub(super) struct SumLists<'a, G> {
    table: &'a [Row],
    pool: &'a mut Pool,
    lists: &'a mut Lists,
    group: PhantomData<G>,
}

impl<'a, G: TableGroup> SumLists<'a, G> {
    pub(super) fn new(table: &'a [Row], pool: &'a mut Pool, lists: &'a mut Lists) -> Self {
        Self { table, pool, lists, group: PhantomData }
    }
}

impl<G: TableGroup> Kernel for SumLists<'_, G> {
    type Output = Zeroizing<Vec<Option<Term>>>;

    #[inline(always)]
    fn run<B: Backend>(self, _: B) -> Self::Output {
        let mut slopes = Slopes::<G::Coordinate<B>>::new();
        let mut pairs = Vec::with_capacity(BLOCK_TERMS);
        let mut sums = Zeroizing::new(Vec::with_capacity(self.lists.lengths.len()));
        let (mut lengths, mut terms) = (&mut self.lists.lengths[..], &mut self.lists.terms[..]);
        while !lengths.is_empty() {
            let (block_lengths, block_terms);
            (block_lengths, lengths) = lengths.split_at_mut(lists_in_block(lengths));
            (block_terms, terms) = terms.split_at_mut(total(block_lengths));
            let mut block = Block { lengths: block_lengths, terms: block_terms };

            let first_row = self.pool.rows.len();
            loop {
                let first_sum = (self.table.len() + self.pool.rows.len()) / G::ROWS;
                block.pair_up(first_sum, &mut pairs);
                if pairs.is_empty() {
                    break;
                }
                let old_rows = self.pool.rows.len();
                self.pool.rows.resize(old_rows + pairs.len() * G::ROWS, Row::default());
                let (pool, new_rows) = self.pool.rows.split_at_mut(old_rows);
                let points = Points::new(self.table, pool);
                let infinite = add_pairs::<G, B>(points, &pairs, new_rows, &mut slopes);
                if !infinite.is_empty() {
                    block.forget(first_sum, &infinite);
                }
            }
            keep_sums::<G>(self.table.len(), &mut self.pool.rows, first_row, &block, &mut sums);
        }
        pairs.zeroize();
        sums
    }
}

/// How many lists make the next block: at least one, and then as many as there is space for.
fn lists_in_block(lengths: &[u32]) -> usize {
    let mut terms = 0;
    let fitting = lengths.iter().take_while(|&&length| {
        terms += length as usize;
        terms <= BLOCK_TERMS
    });
    fitting.count().max(1)
}

fn total(lengths: &[u32]) -> usize {
    lengths.iter().map(|&length| length as usize).sum()
}

/// Lists on their way to their sums. Terms are moved to the front as they get fewer.
struct Block<'a> {
    lengths: &'a mut [u32],
    terms: &'a mut [Term],
}

impl Block<'_> {
    /// Lists the additions of a round, and puts their sums, numbered from `first_sum`, in the place of
    /// their terms. The odd term at the end of a list stays as it is.
    fn pair_up(&mut self, first_sum: usize, pairs: &mut Vec<(Term, Term)>) {
        pairs.clear();
        let (mut from, mut to) = (0, 0);
        for length in &mut *self.lengths {
            let end = from + *length as usize;
            while from + 1 < end {
                let sum = Term::new(first_sum + pairs.len(), false);
                pairs.push((self.terms[from], self.terms[from + 1]));
                self.terms[to] = sum;
                (from, to) = (from + 2, to + 1);
            }
            if from < end {
                self.terms[to] = self.terms[from];
                (from, to) = (from + 1, to + 1);
            }
            *length = length.div_ceil(2);
        }
    }

    /// Takes out the sums of the last round that are infinity, given in rising order from `first_sum` on.
    fn forget(&mut self, first_sum: usize, infinite: &[usize]) {
        let is_infinite = |term: Term| {
            let sum = term.point().checked_sub(first_sum);
            sum.is_some_and(|sum| infinite.binary_search(&sum).is_ok())
        };
        let (mut from, mut to) = (0, 0);
        for length in &mut *self.lengths {
            let (start, end) = (to, from + *length as usize);
            for from in from..end {
                if !is_infinite(self.terms[from]) {
                    self.terms[to] = self.terms[from];
                    to += 1;
                }
            }
            from = end;
            *length = (to - start) as u32;
        }
    }
}

/// Adds the terms of each pair, and writes the sums in the same order. Gives the pairs that cancel.
#[inline(always)]
fn add_pairs<G: TableGroup, B: Backend>(
    points: Points<'_, G>,
    pairs: &[(Term, Term)],
    sums: &mut [Row],
    slopes: &mut Slopes<G::Coordinate<B>>,
) -> Vec<usize> {
    let lanes = <G::Coordinate<B> as Coordinate>::LANES;
    let mut infinite = Vec::new();
    for chunk in (0..pairs.len()).step_by(STEPS * lanes) {
        let end = pairs.len().min(chunk + STEPS * lanes);
        for start in (chunk..end).step_by(lanes) {
            for (one, other) in pairs.iter().skip(start + PREFETCHED_PAIRS).take(lanes) {
                points.prefetch::<B>(*one);
                points.prefetch::<B>(*other);
            }
            let in_step = &pairs[start..end.min(start + lanes)];
            let one = points.load::<B>(in_step.iter().map(|pair| pair.0));
            let other = points.load::<B>(in_step.iter().map(|pair| pair.1));
            let cancelling = slopes.add(one, other);
            if cancelling.any() {
                let lanes = (0..in_step.len()).filter(|&lane| cancelling.has(lane));
                infinite.extend(lanes.map(|lane| start + lane));
            }
        }
        slopes.finish(|step, x, y| {
            let start = chunk + step * lanes;
            let end = end.min(start + lanes);
            Coordinate::store(&x, &y, &mut sums[start * G::ROWS..end * G::ROWS]);
        });
    }
    infinite
}

/// Moves the sums of a finished block together, over what is no longer needed.
///
/// Lists are gone through in order, and each of them that has its sum in the pool began with a pair: so
/// the place of the n-th sum was that of the first sum of this list or of one before, and no sum is
/// overwritten before it is moved.
fn keep_sums<G: TableGroup>(
    table_rows: usize,
    pool: &mut Vec<Row>,
    first_row: usize,
    block: &Block<'_>,
    sums: &mut Vec<Option<Term>>,
) {
    let mut next_row = first_row;
    let mut terms = block.terms.iter();
    for &length in &*block.lengths {
        debug_assert!(length <= 1, "rounds go on until no list has two terms");
        let term = if length == 0 { None } else { terms.next().copied() };
        sums.push(term.map(|term| match (term.point() * G::ROWS).checked_sub(table_rows) {
            Some(row) if row >= first_row => {
                pool.copy_within(row..row + G::ROWS, next_row);
                let moved = Term::new((table_rows + next_row) / G::ROWS, false);
                next_row += G::ROWS;
                moved
            }
            _ => term,
        }));
    }
    pool.truncate(next_row);
}
