//! The y of a point from its x: square roots in Fq and Fq2, in lanes.
//!
//! p is 3 modulo 4. So for a in Fq and `w = a^((p - 3) / 4)`, `a w` is a root of a or of -a, whichever
//! has one, and `w` is its inverse but for the sign.

use ark_bn254::{Config, Fq, Fq2};
use ark_ec::bn::BnConfig;
use ark_ec::short_weierstrass::SWCurveConfig;
use ark_ff::{Field, PrimeField};

use crate::lanes::{Backend, Kernel, Lanes as _, Mask, Quadratic};

/// The field of the coordinates of one of the two curves.
pub(crate) trait Coordinate: Field {
    /// Writes a y for each x such that (x, y) is on the curve, `N` vectors of each. Gives the lanes in
    /// which there is one.
    fn solve<B: Backend, const N: usize>(x: &[Self], y: &mut [Self]) -> [Mask; N];
}

/// Solves the curve's equation for `N` vectors of x side by side. A power is one long chain of products,
/// each waiting for the last; two chains take little longer than one.
pub(super) struct Solve<'a, X, const N: usize> {
    pub(super) x: &'a [X],
    pub(super) y: &'a mut [X],
}

impl<X: Coordinate, const N: usize> Kernel for Solve<'_, X, N> {
    type Output = [Mask; N];

    #[inline(always)]
    fn run<B: Backend>(self, _: B) -> [Mask; N] {
        X::solve::<B, N>(self.x, self.y)
    }
}

impl Coordinate for Fq {
    /// `y^2 = x^3 + 3`.
    #[inline(always)]
    fn solve<B: Backend, const N: usize>(x: &[Self], y: &mut [Self]) -> [Mask; N] {
        let b = B::Fq::splat(<<Config as BnConfig>::G1Config as SWCurveConfig>::COEFF_B);
        let mut square = [B::Fq::zero(); N];
        for (square, x) in square.iter_mut().zip(x.chunks(B::Fq::LANES)) {
            let x = B::Fq::from_lanes(x);
            *square = x.square().mul(&x).add(&b);
        }
        let power = powers::<B, N>(&square);
        let mut solved = [Mask::NONE; N];
        for (i, y) in y.chunks_mut(B::Fq::LANES).enumerate() {
            let root = square[i].mul(&power[i]);
            solved[i] = root.square().equals(&square[i]);
            root.to_lanes(y);
        }
        solved
    }
}

impl Coordinate for Fq2 {
    /// `y^2 = x^3 + 3 / (9 + u)`.
    #[inline(always)]
    fn solve<B: Backend, const N: usize>(x: &[Self], y: &mut [Self]) -> [Mask; N] {
        let b = Quadratic::splat(<<Config as BnConfig>::G2Config as SWCurveConfig>::COEFF_B);
        let mut square = [Quadratic::<B::Fq>::zero(); N];
        for (square, x) in square.iter_mut().zip(x.chunks(B::Fq::LANES)) {
            let x = Quadratic::from_lanes(x);
            *square = x.square().mul(&x).add(&b);
        }
        let root = roots_by_norm::<B, N>(&square);
        let mut solved = [Mask::NONE; N];
        for (i, y) in y.chunks_mut(B::Fq::LANES).enumerate() {
            solved[i] = root[i].square().equals(&square[i]);
            root[i].to_lanes(y);
        }
        solved
    }
}

/// A root of each element of Fq2 that has one, something else for the others.
///
/// The root r0 + r1 u of a0 + a1 u has r0^2 - r1^2 = a0, 2 r0 r1 = a1, and r0^2 + r1^2 = s with s^2 the
/// norm of a. So r0^2 = d with d = (a0 + s) / 2, or -r1^2 = d if s was taken with the other sign. Either
/// way `v = d w` is r0 or r1, and the other one is a1 / 2v.
#[inline(always)]
fn roots_by_norm<B: Backend, const N: usize>(elements: &[Quadratic<B::Fq>; N]) -> [Quadratic<B::Fq>; N] {
    let half = B::Fq::splat(HALF);
    let mut norm = [B::Fq::zero(); N];
    for (norm, a) in norm.iter_mut().zip(elements) {
        *norm = a.c0.square().add(&a.c1.square());
    }
    let power = powers::<B, N>(&norm);
    let mut d = [B::Fq::zero(); N];
    for i in 0..N {
        let a0 = &elements[i].c0;
        let sum = a0.add(&norm[i].mul(&power[i])).mul(&half);
        // Zero only if a1 is zero and s = -a0: then d with the other sign of s is a0.
        d[i] = B::Fq::select(sum.is_zero(), a0, &sum);
    }
    let power = powers::<B, N>(&d);
    let mut roots = *elements;
    for i in 0..N {
        let v = d[i].mul(&power[i]);
        let other = elements[i].c1.mul(&half).mul(&power[i]);
        // v w is 1 if d is a square and -1 if -d is.
        let is_real = v.square().equals(&d[i]);
        roots[i] = Quadratic {
            c0: B::Fq::select(is_real, &v, &other.neg()),
            c1: B::Fq::select(is_real, &other, &v),
        };
    }
    roots
}

/// 1 / 2.
const HALF: Fq =
    ark_ff::MontFp!("10944121435919637611123202872628637544348155578648911831344518947322613104292");

/// How many bits of the exponent are taken at once.
const WINDOW: usize = 4;

/// `a^((p - 3) / 4)` of each.
#[inline(always)]
fn powers<B: Backend, const N: usize>(bases: &[B::Fq; N]) -> [B::Fq; N] {
    let mut table = [[B::Fq::one(); N]; 1 << WINDOW];
    for i in 1..table.len() {
        for j in 0..N {
            table[i][j] = table[i - 1][j].mul(&bases[j]);
        }
    }
    let mut result = table[EXPONENT_DIGITS[0]];
    for digit in &EXPONENT_DIGITS[1..] {
        for _ in 0..WINDOW {
            for value in &mut result {
                *value = value.square();
            }
        }
        for (value, factor) in result.iter_mut().zip(&table[*digit]) {
            *value = value.mul(factor);
        }
    }
    result
}

/// The digits of (p - 3) / 4 in base 2^[`WINDOW`], the highest first.
const EXPONENT_DIGITS: [usize; 256 / WINDOW] = {
    let p = Fq::MODULUS.0;
    let mut digits = [0; 256 / WINDOW];
    let mut i = 0;
    while i < digits.len() {
        // p is 3 modulo 4, so (p - 3) / 4 is p shifted by two bits.
        let bit = (digits.len() - 1 - i) * WINDOW + 2;
        let low = p[bit / 64] >> (bit % 64);
        let high = if bit / 64 + 1 < 4 { p[bit / 64 + 1] << 1 << (63 - bit % 64) } else { 0 };
        digits[i] = ((low | high) & ((1 << WINDOW) - 1)) as usize;
        i += 1;
    }
    digits
};
