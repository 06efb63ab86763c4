//! The Miller loop of a proof that is checked alone.
//!
//! One point has nobody to share inversions with, so its multiples are projective: x = X / Z,
//! y = Y / Z, with the formulas of eprint 2013/722, section 4. Its lines have a constant coefficient.

use ark_bn254::{Config, Fq, Fq12 as ArkFq12, G2Affine};
use ark_ec::bn::BnConfig;
use ark_ec::short_weierstrass::SWCurveConfig;
use ark_ff::Field;

use super::lines::FixedLines;
use super::miller::{multiply_fixed, single_lane};
use super::steps::{Step, images, steps};
use super::{Fq2, Fq12};
use crate::lanes::{Backend, Kernel, Lanes as _};

/// The product of the values of (`at`, `q`) and of the fixed pairs; `None` if `q` is not in the subgroup.
///
/// Points of G1 are given as `(-x / y, 1 / y)`; `q` is on the curve and not infinity. For a backend of
/// one lane.
pub(crate) fn single_product<B: Backend>(
    backend: B,
    q: &G2Affine,
    at: &(Fq, Fq),
    fixed: &[(&FixedLines, (Fq, Fq))],
) -> Option<ArkFq12> {
    let mut walker = Walker::new(backend, q);
    let [frobenius, frobenius_twice, goal] = images(q);
    let negative = -*q;
    let mut f = Fq12::one(backend);
    for (index, step) in steps().enumerate() {
        if step == Step::Double && index > 0 {
            f = f.square();
        }
        let line = match step {
            Step::Double => backend.run(Double(&mut walker)),
            Step::Add => backend.run(Add(&mut walker, q)),
            Step::Subtract => backend.run(Add(&mut walker, &negative)),
            Step::AddFrobenius => backend.run(Add(&mut walker, &frobenius)),
            Step::SubtractFrobeniusTwice => backend.run(Add(&mut walker, &frobenius_twice)),
        };
        f = backend.run(LineProduct { f: &f, line: &line, at });
        f = multiply_fixed(backend, f, index, fixed);
    }
    backend.run(HasArrived(&walker, &goal)).then(|| single_lane(backend, &f))
}

/// T in projective coordinates.
///
/// Once a step meets T = Q or T = -Q, its Z is zero and stays zero to the end, where that shows.
struct Walker<B: Backend> {
    backend: B,
    x: Fq2<B>,
    y: Fq2<B>,
    z: Fq2<B>,
    half: B::Fq,
    curve_b: Fq2<B>,
}

/// `constant + slope * (-x/y) w + intercept / y w^3` at a point (x, y) of G1.
struct ScaledLine<B: Backend> {
    constant: Fq2<B>,
    slope: Fq2<B>,
    intercept: Fq2<B>,
}

impl<B: Backend> Walker<B> {
    fn new(backend: B, q: &G2Affine) -> Self {
        let half = Fq::from(2u64).inverse().expect("p is odd");
        backend.run(Start { backend, q, half })
    }
}

struct Start<'a, B: Backend> {
    backend: B,
    q: &'a G2Affine,
    half: Fq,
}

impl<B: Backend> Kernel for Start<'_, B> {
    type Output = Walker<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Walker<B> {
        let Self { backend, q, half } = self;
        let b = <<Config as BnConfig>::G2Config as SWCurveConfig>::COEFF_B;
        Walker {
            backend,
            x: Fq2::splat(backend, q.x),
            y: Fq2::splat(backend, q.y),
            z: Fq2::one(backend),
            half: B::Fq::splat(half),
            curve_b: Fq2::splat(backend, b),
        }
    }
}

struct Double<'a, B: Backend>(&'a mut Walker<B>);

impl<B: Backend> Kernel for Double<'_, B> {
    type Output = ScaledLine<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> ScaledLine<B> {
        let Walker { x, y, z, half, curve_b, .. } = self.0;
        let xy_half = x.mul(y).scale(half);
        let yy = y.square();
        let zz = z.square();
        let e = curve_b.mul(&zz.double().add(&zz));
        let e3 = e.double().add(&e);
        let g = yy.add(&e3).scale(half);
        let yz2 = y.add(z).square().sub(&yy).sub(&zz);
        let xx = x.square();
        let ee = e.square();
        *x = xy_half.mul(&yy.sub(&e3));
        *y = g.square().sub(&ee.double().add(&ee));
        *z = yy.mul(&yz2);
        ScaledLine { constant: yz2, slope: xx.double().add(&xx), intercept: yy.sub(&e) }
    }
}

struct Add<'a, B: Backend>(&'a mut Walker<B>, &'a G2Affine);

impl<B: Backend> Kernel for Add<'_, B> {
    type Output = ScaledLine<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> ScaledLine<B> {
        let Walker { backend, x, y, z, .. } = self.0;
        let (qx, qy) = (Fq2::splat(*backend, self.1.x), Fq2::splat(*backend, self.1.y));
        let theta = y.sub(&qy.mul(z));
        let lambda = x.sub(&qx.mul(z));
        let lambda_squared = lambda.square();
        let e = lambda.mul(&lambda_squared);
        let f = z.mul(&theta.square());
        let g = x.mul(&lambda_squared);
        let h = e.add(&f).sub(&g.double());
        *x = lambda.mul(&h);
        *y = theta.mul(&g.sub(&h)).sub(&e.mul(y));
        *z = z.mul(&e);
        ScaledLine { constant: lambda, slope: theta, intercept: theta.mul(&qx).sub(&lambda.mul(&qy)) }
    }
}

struct LineProduct<'a, B: Backend> {
    f: &'a Fq12<B>,
    line: &'a ScaledLine<B>,
    at: &'a (Fq, Fq),
}

impl<B: Backend> Kernel for LineProduct<'_, B> {
    type Output = Fq12<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Fq12<B> {
        let Self { f, line, at: (slope_factor, intercept_factor) } = self;
        f.mul_by_scaled_line(
            &line.constant,
            &line.slope.scale(&B::Fq::splat(*slope_factor)),
            &line.intercept.scale(&B::Fq::splat(*intercept_factor)),
        )
    }
}

struct HasArrived<'a, B: Backend>(&'a Walker<B>, &'a G2Affine);

impl<B: Backend> Kernel for HasArrived<'_, B> {
    type Output = bool;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> bool {
        let Walker { backend, x, y, z, .. } = self.0;
        let (goal_x, goal_y) = (Fq2::splat(*backend, self.1.x), Fq2::splat(*backend, self.1.y));
        let same = x.equals(&goal_x.mul(z)).and(y.equals(&goal_y.mul(z)));
        same.without(z.is_zero()).has(0)
    }
}
