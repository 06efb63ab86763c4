//! Many additions of affine points at the price of one inversion.
//!
//! The chord through two points, or the tangent in one, has the slope `rise / run`. With the slope a sum
//! takes three multiplications more. The divisions are shared (Montgomery's trick): the runs are
//! multiplied up in step after step, the product of all is inverted, and on the way back each step takes
//! its own inverse out of it, for three multiplications.

use ark_ff::AdditiveGroup;

use super::group::Coordinate;
use crate::lanes::{MAX_LANES, Mask};

/// As many products are built up next to each other, so that one multiplication need not wait for the
/// one before.
const CHAINS: usize = 4;

/// As many steps share an inversion. What a chunk keeps, 6 coordinates a step, stays in the second level
/// cache: 192 KiB with one lane for G1, 384 KiB for G2.
pub(super) const STEPS: usize = 1024;

/// One addition in each lane: `(x1, y1)` and a point with the coordinate `x2`.
#[derive(Clone, Copy)]
struct Step<C> {
    x1: C,
    y1: C,
    x2: C,
    rise: C,
    run: C,
    /// The product of the runs of all steps of the same chain before this one.
    product: C,
}

/// Additions that share an inversion. Overwritten when it goes, for the points may be secret.
pub(super) struct Slopes<C: Coordinate> {
    steps: Vec<Step<C>>,
    products: [C; CHAINS],
}

impl<C: Coordinate> Slopes<C> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { steps: Vec::with_capacity(STEPS), products: [C::one(); CHAINS] }
    }

    /// Prepares the sum of two points in each lane, and says in which lanes it is infinity. What
    /// [`Self::finish`] gives there has no meaning.
    #[inline(always)]
    pub(super) fn add(&mut self, (x1, y1): (C, C), (x2, y2): (C, C)) -> Mask {
        let (mut rise, mut run) = (y2.sub(&y1), x2.sub(&x1));
        let mut infinite = Mask::NONE;
        let same_x = run.is_zero();
        if same_x.any() {
            // Opposite points add up to infinity: any run that can be inverted will do. Else the points
            // are equal, and the tangent takes the place of the chord.
            infinite = same_x.and(y1.add(&y2).is_zero());
            let x_squared = x1.square();
            rise = C::select(same_x, &x_squared.double().add(&x_squared), &rise);
            run = C::select(same_x, &y1.double(), &run);
            run = C::select(infinite, &C::one(), &run);
        }
        self.push(Step { x1, y1, x2, rise, run, product: C::one() });
        infinite
    }

    /// Prepares the doubling of a point in each lane.
    #[inline(always)]
    pub(super) fn double(&mut self, (x, y): (C, C)) {
        let x_squared = x.square();
        let rise = x_squared.double().add(&x_squared);
        self.push(Step { x1: x, y1: y, x2: x, rise, run: y.double(), product: C::one() });
    }

    #[inline(always)]
    fn push(&mut self, mut step: Step<C>) {
        let product = &mut self.products[self.steps.len() % CHAINS];
        step.product = *product;
        *product = product.mul(&step.run);
        self.steps.push(step);
    }

    /// Calls `take(index, x, y)` with the sum of each step, the last step first, and starts anew.
    #[inline(always)]
    pub(super) fn finish(&mut self, mut take: impl FnMut(usize, C, C)) {
        let mut inverses = inverted(&self.products);
        for (index, step) in self.steps.iter().enumerate().rev() {
            let inverse = &mut inverses[index % CHAINS];
            let slope = step.rise.mul(&inverse.mul(&step.product));
            *inverse = inverse.mul(&step.run);
            let x = slope.square().sub(&step.x1).sub(&step.x2);
            let y = slope.mul_difference(&step.x1, &x).sub(&step.y1);
            take(index, x, y);
        }
        self.steps.clear();
        self.products = [C::one(); CHAINS];
    }
}

impl<C: Coordinate> Drop for Slopes<C> {
    fn drop(&mut self) {
        let zero = C::zero();
        let nothing = Step { x1: zero, y1: zero, x2: zero, rise: zero, run: zero, product: zero };
        self.steps.resize(self.steps.capacity(), nothing);
        // Lanes are no type that `zeroize` knows. Something unknown may look at the zeros, so they are written.
        std::hint::black_box(&mut self.steps);
    }
}

/// The inverses in every lane, with a single inversion.
#[inline(always)]
fn inverted<C: Coordinate>(products: &[C; CHAINS]) -> [C; CHAINS] {
    let mut values = [C::Value::ZERO; CHAINS * MAX_LANES];
    let values = &mut values[..CHAINS * C::LANES];
    for (product, values) in products.iter().zip(values.chunks_exact_mut(C::LANES)) {
        product.to_lanes(values);
    }
    ark_ff::batch_inversion(values);
    let mut inverses = *products;
    for (inverse, values) in inverses.iter_mut().zip(values.chunks_exact(C::LANES)) {
        *inverse = C::from_lanes(values);
    }
    inverses
}
