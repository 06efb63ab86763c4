//! The rows of a table: each base times the powers of two at which windows begin.

use ark_ec::AffineRepr;
use ark_ff::AdditiveGroup;

use super::digits::Windows;
use super::group::{Coordinate, TableGroup};
use super::slopes::{STEPS, Slopes};
use crate::lanes::{Backend, Kernel, MAX_LANES, Row};
use crate::large_pages::rows_with_capacity;

/// Calculates the point `2^(bits * window) * base` for every window and base that is not infinity.
/// Those of the first window, the bases themselves, come first.
pub(super) struct DoubledBases<G: TableGroup> {
    bases: Vec<G::Affine>,
    windows: Windows,
}

impl<G: TableGroup> DoubledBases<G> {
    pub(super) fn new(bases: &[G::Affine]) -> Self {
        let bases: Vec<_> = bases.iter().filter(|base| !base.is_zero()).copied().collect();
        Self { windows: Windows::for_bases(bases.len()), bases }
    }
}

impl<G: TableGroup> Kernel for DoubledBases<G> {
    type Output = Vec<Row>;

    #[inline(always)]
    fn run<B: Backend>(self, _: B) -> Vec<Row> {
        let lanes = <G::Coordinate<B> as Coordinate>::LANES;
        let count = self.windows.count * self.bases.len() * G::ROWS;
        let mut rows = rows_with_capacity(count);
        rows.resize(count, Row::default());
        let mut slopes = Slopes::<G::Coordinate<B>>::new();
        let mut points = Vec::with_capacity(STEPS);
        for (chunk, bases) in self.bases.chunks(STEPS * lanes).enumerate() {
            points.clear();
            points.extend(bases.chunks(lanes).map(into_lanes::<G, B>));
            for window in 0..self.windows.count {
                let first = (window * self.bases.len() + chunk * STEPS * lanes) * G::ROWS;
                let rows = &mut rows[first..first + bases.len() * G::ROWS];
                for ((x, y), rows) in points.iter().zip(rows.chunks_mut(lanes * G::ROWS)) {
                    Coordinate::store(x, y, rows);
                }
                if window + 1 < self.windows.count {
                    for _ in 0..self.windows.bits {
                        points.iter().for_each(|point| slopes.double(*point));
                        slopes.finish(|step, x, y| points[step] = (x, y));
                    }
                }
            }
        }
        rows
    }
}

/// The coordinates of as many points as there are lanes, or fewer: the first then fills the lanes left.
#[inline(always)]
fn into_lanes<G: TableGroup, B: Backend>(points: &[G::Affine]) -> (G::Coordinate<B>, G::Coordinate<B>) {
    let lanes = <G::Coordinate<B> as Coordinate>::LANES;
    let (mut x, mut y) = ([G::BaseField::ZERO; MAX_LANES], [G::BaseField::ZERO; MAX_LANES]);
    for lane in 0..lanes {
        let point = points.get(lane).unwrap_or(&points[0]);
        (x[lane], y[lane]) = point.xy().expect("bases at infinity were left out");
    }
    (Coordinate::from_lanes(&x[..lanes]), Coordinate::from_lanes(&y[..lanes]))
}
