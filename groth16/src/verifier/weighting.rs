//! Points of G1 multiplied by random 128-bit factors, in lanes.

use ark_bn254::{Fq, Fr, G1Affine, G1Projective, g1};
use ark_ec::AffineRepr;
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ff::AdditiveGroup;
use rand::{CryptoRng, RngCore};

use crate::lanes::{Backend, Kernel, Lanes as _, MAX_LANES, Mask};
use crate::pairing::{Evaluation, invert};

/// A factor `low + high * lambda` that is not zero, where lambda is the cube root of one in Fr that
/// multiplies a point (x, y) by taking it to (beta x, y).
///
/// The 2^128 - 1 pairs of halves give as many different elements of Fr. For in the ring Z[lambda] the
/// difference of two of them, a + b lambda, has the norm a^2 - ab + b^2 < 3 * 2^128, and the norm of
/// anything but zero that is zero in Fr is a multiple of r > 2^253.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Randomiser {
    low: u64,
    high: u64,
}

impl Randomiser {
    /// Any of them, each as likely.
    pub(crate) fn sample(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        loop {
            let (low, high) = (rng.next_u64(), rng.next_u64());
            if (low, high) != (0, 0) {
                return Self { low, high };
            }
        }
    }

    /// The factor in Fr.
    pub(crate) fn to_scalar(self) -> Fr {
        Fr::from(self.low) + g1::Config::LAMBDA * Fr::from(self.high)
    }
}

/// Points in Jacobian coordinates, `x = X / Z^2` and `y = Y / Z^3`; Z is zero for infinity, Y never is.
#[derive(Clone, Copy)]
pub(crate) struct Weighted<B: Backend> {
    x: B::Fq,
    y: B::Fq,
    z: B::Fq,
}

/// Multiplies each point by its factor, in groups of lanes. The last group is filled with infinity.
pub(crate) fn weigh<B: Backend>(backend: B, points: &[G1Affine], factors: &[Randomiser]) -> Vec<Weighted<B>> {
    let lanes = B::Fq::LANES;
    let groups = points.chunks(lanes).zip(factors.chunks(lanes));
    groups.map(|(points, factors)| backend.run(Weigh { backend, points, factors })).collect()
}

/// What lines need to know of each point.
pub(crate) fn evaluations<B: Backend>(backend: B, points: &[Weighted<B>]) -> Vec<Evaluation<B>> {
    let mut evaluations = Vec::with_capacity(points.len());
    backend.run(Evaluate { points, evaluations: &mut evaluations });
    evaluations
}

/// The points of all lanes, as ark's.
pub(crate) fn to_points<B: Backend>(backend: B, points: &[Weighted<B>]) -> Vec<G1Projective> {
    let mut all = Vec::with_capacity(points.len() * B::Fq::LANES);
    backend.run(ToPoints { points, all: &mut all });
    all
}

struct Weigh<'a, B: Backend> {
    backend: B,
    points: &'a [G1Affine],
    factors: &'a [Randomiser],
}

impl<B: Backend> Kernel for Weigh<'_, B> {
    type Output = Weighted<B>;

    /// Double and add, one bit of both halves at a time, so with three points to add: P, lambda P, and
    /// their sum, which is -lambda^2 P as 1 + lambda + lambda^2 is zero.
    ///
    /// No addition meets equal or opposite points. The sum so far is 2w P, the addend d P, with w and d
    /// in Z[lambda]; d is a unit, so 2w - d and 2w + d are not zero, and their norms are below r.
    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Weighted<B> {
        let (points, factors) = (self.points, self.factors);
        let mut halves = [(0, 0); MAX_LANES];
        let (mut x, mut y) = ([Fq::ZERO; MAX_LANES], [Fq::ZERO; MAX_LANES]);
        for (lane, (point, factor)) in points.iter().zip(factors).enumerate() {
            // Without a factor the lane stays at infinity.
            if let Some((point_x, point_y)) = point.xy() {
                (x[lane], y[lane]) = (point_x, point_y);
                halves[lane] = (factor.low, factor.high);
            }
        }
        let p_x = B::Fq::from_lanes(&x[..B::Fq::LANES]);
        let p_y = B::Fq::from_lanes(&y[..B::Fq::LANES]);
        let beta = B::Fq::splat(g1::Config::ENDO_COEFFS[0]);
        let turned_x = p_x.mul(&beta);
        let twice_turned_x = turned_x.mul(&beta);

        let mut sum = Weighted::<B> { x: B::Fq::one(), y: B::Fq::one(), z: B::Fq::zero() };
        let mut started = Mask::NONE;
        for bit in (0..64).rev() {
            let (low, high) = bits(&halves, bit);
            let some = low.or(high);
            let both = low.and(high);
            let addend_x = B::Fq::select(low, &p_x, &turned_x);
            let addend_x = B::Fq::select(both, &twice_turned_x, &addend_x);
            let addend_y = p_y.negate_where(both);
            if started.any() {
                sum = self.backend.run(Double(&sum));
            }
            if some.any() {
                let added = self.backend.run(Add(&sum, &addend_x, &addend_y));
                let first = some.without(started);
                let later = some.and(started);
                sum = Weighted {
                    x: B::Fq::select(first, &addend_x, &B::Fq::select(later, &added.x, &sum.x)),
                    y: B::Fq::select(first, &addend_y, &B::Fq::select(later, &added.y, &sum.y)),
                    z: B::Fq::select(first, &B::Fq::one(), &B::Fq::select(later, &added.z, &sum.z)),
                };
                started = started.or(some);
            }
        }
        sum
    }
}

/// The lanes in which `bit` of the low half is set, and of the high half.
#[inline(always)]
fn bits(halves: &[(u64, u64); MAX_LANES], bit: u32) -> (Mask, Mask) {
    let (mut low, mut high) = (0, 0);
    for (lane, (low_half, high_half)) in halves.iter().enumerate() {
        low |= ((low_half >> bit & 1) as u8) << lane;
        high |= ((high_half >> bit & 1) as u8) << lane;
    }
    (Mask(low), Mask(high))
}

/// 2P. Infinity stays infinity, and Y stays other than zero, as no point has order two.
struct Double<'a, B: Backend>(&'a Weighted<B>);

impl<B: Backend> Kernel for Double<'_, B> {
    type Output = Weighted<B>;

    /// "dbl-2009-l" of the Explicit-Formulas Database.
    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Weighted<B> {
        let Weighted { x, y, z } = self.0;
        let xx = x.square();
        let yy = y.square();
        let yyyy = yy.square();
        let d = x.add(&yy).square().sub(&xx).sub(&yyyy).double();
        let e = xx.double().add(&xx);
        let x3 = e.square().sub(&d.double());
        let y3 = e.mul(&d.sub(&x3)).sub(&yyyy.double().double().double());
        Weighted { x: x3, y: y3, z: y.mul(z).double() }
    }
}

/// P + (x, y), neither infinity, nor equal, nor opposite: where that is not so the result is not used.
struct Add<'a, B: Backend>(&'a Weighted<B>, &'a B::Fq, &'a B::Fq);

impl<B: Backend> Kernel for Add<'_, B> {
    type Output = Weighted<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Weighted<B> {
        let Self(Weighted { x, y, z }, other_x, other_y) = self;
        let zz = z.square();
        let h = other_x.mul(&zz).sub(x);
        let r = other_y.mul(&zz.mul(z)).sub(y);
        let hh = h.square();
        let hhh = hh.mul(&h);
        let v = x.mul(&hh);
        let x3 = r.square().sub(&hhh).sub(&v.double());
        let y3 = r.mul(&v.sub(&x3)).sub(&y.mul(&hhh));
        Weighted { x: x3, y: y3, z: z.mul(&h) }
    }
}

struct Evaluate<'a, B: Backend> {
    points: &'a [Weighted<B>],
    evaluations: &'a mut Vec<Evaluation<B>>,
}

impl<B: Backend> Kernel for Evaluate<'_, B> {
    type Output = ();

    /// `x / y = X Z / Y` and `1 / y = Z^3 / Y`, with one inversion for all: zeros for infinity.
    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) {
        let Self { points, evaluations } = self;
        let mut product = B::Fq::one();
        for point in points {
            // Until the way back, this holds the product of all Y before.
            evaluations.push(Evaluation { slope_factor: product, intercept_factor: product });
            product = product.mul(&point.y);
        }
        let mut inverse = invert::<B>(&product);
        for (Weighted { x, y, z }, evaluation) in points.iter().zip(evaluations).rev() {
            let z_over_y = inverse.mul(&evaluation.slope_factor).mul(z);
            inverse = inverse.mul(y);
            *evaluation = Evaluation {
                slope_factor: x.mul(&z_over_y).neg(),
                intercept_factor: z.square().mul(&z_over_y),
            };
        }
    }
}

struct ToPoints<'a, B: Backend> {
    points: &'a [Weighted<B>],
    all: &'a mut Vec<G1Projective>,
}

impl<B: Backend> Kernel for ToPoints<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) {
        for point in self.points {
            let mut coordinates = [[Fq::ZERO; MAX_LANES]; 3];
            for (coordinate, lanes) in [point.x, point.y, point.z].iter().zip(&mut coordinates) {
                coordinate.to_lanes(&mut lanes[..B::Fq::LANES]);
            }
            let [x, y, z] = coordinates;
            self.all.extend((0..B::Fq::LANES).map(|l| G1Projective::new_unchecked(x[l], y[l], z[l])));
        }
    }
}
