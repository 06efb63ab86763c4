//! From the value of Miller loops to the value of the pairings: the power (p^12 - 1) / r.
//!
//! The power (p^6 - 1) (p^2 + 1) is easy. It leads to the cyclotomic subgroup, where inverses are
//! conjugates and squares are cheap. What remains is (p^4 - p^2 + 1) / r, of which we take the multiple
//! by 2x (6x^2 + 3x + 1), as ark does: it is a sum of powers of p with small factors (Fuentes-Castaneda,
//! Knapp and Rodriguez-Henriquez, "Faster hashing to G2", section 5).

use ark_bn254::{Config, Fq12 as ArkFq12};
use ark_ec::bn::BnConfig;
use ark_ff::{BigInt, BigInteger, Field};

use super::miller::single_lane;
use super::{Fq2, Fq12};
use crate::lanes::{Backend, BackendKind, Kernel, dispatch};

/// The value of the pairings, given the value of their Miller loops, which is not zero.
pub(crate) fn final_exponentiation(value: &ArkFq12) -> ArkFq12 {
    let inverse = value.inverse().expect("the value of a line is never zero");
    let mut conjugate = *value;
    conjugate.conjugate_in_place();
    // value^(p^6 - 1), then that to the power p^2 + 1.
    let quotient = conjugate * inverse;
    let mut power = quotient;
    power.frobenius_map_in_place(2);
    dispatch(BackendKind::Portable, HardPart { value: power * quotient, digits: x_digits() })
}

/// x in digits -1, 0, 1 with few that are not zero, the lowest first.
fn x_digits() -> Vec<i8> {
    BigInt::<1>::new([Config::X[0]])
        .find_wnaf(2)
        .expect("a window of two bits")
        .iter()
        .map(|d| *d as i8)
        .collect()
}

struct HardPart {
    value: ArkFq12,
    digits: Vec<i8>,
}

impl Kernel for HardPart {
    type Output = ArkFq12;

    fn run<B: Backend>(self, backend: B) -> ArkFq12 {
        let minus_x = |f: &Fq12<B>| power(f, &self.digits).conjugate();
        let r = Fq12::splat(backend, &self.value);
        let y1 = minus_x(&r).cyclotomic_square();
        let y3 = y1.cyclotomic_square().mul(&y1);
        let y4 = minus_x(&y3);
        let y6 = minus_x(&y4.cyclotomic_square());
        let y8 = y6.conjugate().mul(&y4).mul(&y3.conjugate());
        let y9 = y8.mul(&y1);
        let y11 = y8.mul(&y4).mul(&r);
        let y15 = r.conjugate().mul(&y9);
        let product = frobenius(&y9, 1).mul(&y11).mul(&frobenius(&y8, 2)).mul(&frobenius(&y15, 3));
        single_lane(backend, &product)
    }
}

/// `f` to the power of the digits, for `f` in the cyclotomic subgroup.
fn power<B: Backend>(f: &Fq12<B>, digits: &[i8]) -> Fq12<B> {
    let inverse = f.conjugate();
    let mut result = Fq12::one(f.backend());
    for (done, digit) in digits.iter().rev().enumerate() {
        if done > 0 {
            result = result.cyclotomic_square();
        }
        match digit {
            0 => {}
            1.. => result = result.mul(f),
            _ => result = result.mul(&inverse),
        }
    }
    result
}

/// `f^(p^times)`. It is rare, so ark does it.
fn frobenius<B: Backend>(f: &Fq12<B>, times: usize) -> Fq12<B> {
    let mut element = single_lane(f.backend(), f);
    element.frobenius_map_in_place(times);
    Fq12::splat(f.backend(), &element)
}

/// The square in the cyclotomic subgroup, by three squares in Fq4 (Granger and Scott, eprint 2009/565).
pub(super) struct CyclotomicSquare<'a, B: Backend>(pub(super) &'a Fq12<B>);

impl<B: Backend> Kernel for CyclotomicSquare<'_, B> {
    type Output = Fq12<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Fq12<B> {
        let [z0, z4, z3, z2, z1, z5] = self.0.coefficients();
        let (a0, a1) = square_in_fq4(z0, z1);
        let (b0, b1) = square_in_fq4(z2, z3);
        let (c0, c1) = square_in_fq4(z4, z5);
        let c1 = c1.mul_by_nonresidue();
        // 3s - 2z and 3s + 2z.
        let minus = |s: &Fq2<B>, z: &Fq2<B>| s.sub(z).double().add(s);
        let plus = |s: &Fq2<B>, z: &Fq2<B>| s.add(z).double().add(s);
        Fq12::from_coefficients([
            minus(&a0, z0),
            minus(&b0, z4),
            minus(&c0, z3),
            plus(&c1, z2),
            plus(&a1, z1),
            plus(&b1, z5),
        ])
    }
}

/// `(a + b s)^2` in Fq2[s] / (s^2 - (9 + u)).
#[inline(always)]
fn square_in_fq4<B: Backend>(a: &Fq2<B>, b: &Fq2<B>) -> (Fq2<B>, Fq2<B>) {
    let (aa, bb) = (a.square(), b.square());
    (bb.mul_by_nonresidue().add(&aa), a.add(b).square().sub(&aa).sub(&bb))
}
