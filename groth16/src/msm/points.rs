//! The points that terms name, read from their rows.

use std::marker::PhantomData;

use ark_ff::AdditiveGroup;

use super::group::{Coordinate, TableGroup};
use super::terms::Term;
use crate::lanes::{Backend, Kernel, MAX_LANES, Mask, Row};

/// All points that terms can name: first those of the table, then sums of points.
#[derive(Clone, Copy)]
pub(super) struct Points<'a, G> {
    table: &'a [Row],
    sums: &'a [Row],
    group: PhantomData<G>,
}

impl<'a, G: TableGroup> Points<'a, G> {
    pub(super) fn new(table: &'a [Row], sums: &'a [Row]) -> Self {
        Self { table, sums, group: PhantomData }
    }

    #[inline(always)]
    fn rows(&self, term: Term) -> &'a [Row] {
        let start = term.point() * G::ROWS;
        match start.checked_sub(self.table.len()) {
            None => &self.table[start..start + G::ROWS],
            Some(start) => &self.sums[start..start + G::ROWS],
        }
    }

    /// Loads one term into each lane. If there are fewer, the first fills the lanes left.
    #[inline(always)]
    pub(super) fn load<B: Backend>(
        &self,
        terms: impl ExactSizeIterator<Item = Term> + Clone,
    ) -> (G::Coordinate<B>, G::Coordinate<B>) {
        let first = terms.clone().next().expect("some lane is to be loaded");
        let mut rows = [self.rows(first); MAX_LANES];
        let mut negative = Mask::NONE;
        for (lane, term) in terms.enumerate() {
            rows[lane] = self.rows(term);
            negative.0 |= u8::from(term.is_negative()) << lane;
        }
        let (x, y) = <G::Coordinate<B> as Coordinate>::load(rows);
        (x, y.negate_where(negative))
    }

    /// Asks for the rows of a term, which will be loaded soon.
    #[inline(always)]
    pub(super) fn prefetch<B: Backend>(&self, term: Term) {
        self.rows(term).iter().for_each(B::prefetch);
    }
}

/// Takes terms over into ark's form.
pub(super) struct ReadPoints<'a, G> {
    pub(super) points: Points<'a, G>,
    pub(super) terms: &'a [Option<Term>],
}

impl<G: TableGroup> Kernel for ReadPoints<'_, G> {
    type Output = Vec<Option<G::Affine>>;

    #[inline(always)]
    fn run<B: Backend>(self, _: B) -> Self::Output {
        let lanes = <G::Coordinate<B> as Coordinate>::LANES;
        let (mut x, mut y) = ([G::BaseField::ZERO; MAX_LANES], [G::BaseField::ZERO; MAX_LANES]);
        let mut points = Vec::with_capacity(self.terms.len());
        for term in self.terms {
            points.push(term.map(|term| {
                let (x_lanes, y_lanes) = self.points.load::<B>([term].into_iter());
                x_lanes.to_lanes(&mut x[..lanes]);
                y_lanes.to_lanes(&mut y[..lanes]);
                G::point(x[0], y[0])
            }));
        }
        points
    }
}
