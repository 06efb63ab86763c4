//! The pairing against ark's, on every backend.

use ark_bn254::{Bn254, Fq12 as ArkFq12, Fr, G1Affine, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::{Field, PrimeField, UniformRand, Zero};
use num_bigint::{BigInt, BigUint};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::lanes::{Backend, BackendKind, Kernel, Lanes as _, MAX_LANES, dispatch};

/// The backends that this machine can run.
pub(crate) fn backends() -> impl Iterator<Item = BackendKind> {
    [BackendKind::Portable, BackendKind::Emulated, BackendKind::Ifma]
        .into_iter()
        .filter(|kind| kind.is_available())
}

/// `(-x / y, 1 / y)`, zeros for infinity.
fn factors(point: &G1Affine) -> (ark_bn254::Fq, ark_bn254::Fq) {
    point.xy().map_or_else(Default::default, |(x, y)| {
        let inverse = y.inverse().expect("the order is odd");
        (-x * inverse, inverse)
    })
}

struct Values<'a>(&'a [(G1Affine, G2Affine)]);

impl Kernel for Values<'_> {
    /// The product, the single values, and which points of G2 are in the subgroup.
    type Output = (ArkFq12, Vec<ArkFq12>, Vec<bool>);

    fn run<B: Backend>(self, backend: B) -> Self::Output {
        let points: Vec<G2Affine> = self.0.iter().map(|pair| pair.1).collect();
        let (lines, in_subgroup) = walk(backend, &points);
        let at: Vec<Evaluation<B>> = self
            .0
            .chunks(B::Fq::LANES)
            .map(|group| {
                let mut factors_of = [Default::default(); MAX_LANES];
                for (lane, (point, _)) in group.iter().enumerate() {
                    factors_of[lane] = factors(point);
                }
                let (slope, intercept): (Vec<_>, Vec<_>) = factors_of[..B::Fq::LANES].iter().copied().unzip();
                Evaluation {
                    slope_factor: B::Fq::from_lanes(&slope),
                    intercept_factor: B::Fq::from_lanes(&intercept),
                }
            })
            .collect();
        (product(backend, &lines, &at), each(backend, &lines, &at), in_subgroup)
    }
}

fn random_pairs(count: usize, rng: &mut ChaCha8Rng) -> Vec<(G1Affine, G2Affine)> {
    (0..count).map(|_| (G1Affine::rand(rng), G2Affine::rand(rng))).collect()
}

#[test]
fn pairings_are_those_of_ark_on_every_backend() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for count in [1, 2, 7, 8, 9, 17] {
        let mut pairs = random_pairs(count, &mut rng);
        pairs[count / 2].0 = G1Affine::zero();
        for kind in backends() {
            let (product, each, in_subgroup) = dispatch(kind, Values(&pairs));
            assert!(in_subgroup.iter().all(|inside| *inside) && in_subgroup.len() == count, "{kind}");
            let (p, q): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
            assert_eq!(final_exponentiation(&product), Bn254::multi_pairing(p, q).0, "{kind}");
            for (value, (p, q)) in each.iter().zip(&pairs) {
                assert_eq!(final_exponentiation(value), Bn254::pairing(p, q).0, "{kind}");
            }
        }
    }
}

struct Alone<'a>(&'a (G1Affine, G2Affine), &'a [(G1Affine, G2Affine)]);

impl Kernel for Alone<'_> {
    type Output = Option<ArkFq12>;

    fn run<B: Backend>(self, backend: B) -> Self::Output {
        let lines: Vec<_> = self.1.iter().map(|pair| FixedLines::new(&pair.1)).collect();
        let fixed: Vec<_> = lines.iter().zip(self.1).map(|(lines, pair)| (lines, factors(&pair.0))).collect();
        single_product(backend, &self.0.1, &factors(&self.0.0), &fixed)
    }
}

#[test]
fn one_pairing_beside_fixed_ones_is_that_of_ark() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut pairs = random_pairs(3, &mut rng);
    for round in 0..3 {
        let value = dispatch(BackendKind::Portable, Alone(&pairs[0], &pairs[1..])).expect("in the subgroup");
        let (p, q): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
        assert_eq!(final_exponentiation(&value), Bn254::multi_pairing(p, q).0);
        match round {
            0 => pairs[1].1 = G2Affine::zero(),
            _ => pairs[0].0 = G1Affine::zero(),
        }
    }
}

/// A point of the curve, almost never in the subgroup.
pub(crate) fn any_point_of_the_twist(rng: &mut ChaCha8Rng) -> G2Affine {
    loop {
        if let Some(point) = G2Affine::get_point_from_x_unchecked(UniformRand::rand(rng), true) {
            return point;
        }
    }
}

/// Prime factors of the twist's order other than that of the subgroup. Points of such small orders are
/// what a test on a random combination would miss.
const SMALL_ORDERS: [u64; 2] = [10_069, 5_864_401];

/// The cofactor of the subgroup divided by one of its factors, least significant word first.
fn rest_of_cofactor(factor: u64) -> Vec<u64> {
    let mut remainder = 0;
    let mut quotient: Vec<u64> = Vec::new();
    for word in <ark_bn254::g2::Config as ark_ec::CurveConfig>::COFACTOR.iter().rev() {
        let dividend = u128::from(remainder) << 64 | u128::from(*word);
        quotient.insert(0, (dividend / u128::from(factor)) as u64);
        remainder = (dividend % u128::from(factor)) as u64;
    }
    assert_eq!(remainder, 0);
    quotient
}

/// Points of the curve that are not in the subgroup, the last ones plus a point that is.
pub(crate) fn outsiders(rng: &mut ChaCha8Rng) -> Vec<G2Affine> {
    let mut outsiders = vec![any_point_of_the_twist(rng)];
    for small in SMALL_ORDERS {
        let point = loop {
            let of_cofactor_order = any_point_of_the_twist(rng).mul_bigint(Fr::MODULUS);
            let point = of_cofactor_order.mul_bigint(rest_of_cofactor(small));
            if !point.is_zero() {
                break point.into_affine();
            }
        };
        outsiders.push(point);
        outsiders.push((point + G2Affine::rand(rng)).into_affine());
    }
    outsiders
}

#[test]
fn points_outside_the_subgroup_are_found_on_every_backend() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..4 {
        let mut pairs = random_pairs(9, &mut rng);
        for (index, outsider) in outsiders(&mut rng).into_iter().enumerate() {
            pairs[2 * index % 9].1 = outsider;
        }
        let expected: Vec<bool> =
            pairs.iter().map(|pair| pair.1.is_in_correct_subgroup_assuming_on_curve()).collect();
        assert_eq!(expected.iter().filter(|inside| !**inside).count(), 5);
        for kind in backends() {
            assert_eq!(dispatch(kind, Values(&pairs)).2, expected, "{kind}");
        }
        for (pair, inside) in pairs.iter().zip(expected) {
            assert_eq!(dispatch(BackendKind::Portable, Alone(pair, &[])).is_some(), inside);
        }
    }
}

/// ADR 0010: what the loop applies to a point is a + b psi, of norm a^2 + t a b + p b^2; a point that it
/// takes to zero has an order that divides this norm.
#[test]
fn only_points_of_the_subgroup_arrive_where_the_loop_expects_them() {
    let unsigned = |limbs: &[u64]| {
        let digits = limbs.iter().flat_map(|limb| [*limb as u32, (*limb >> 32) as u32]).collect();
        BigInt::from(BigUint::new(digits))
    };
    let x = unsigned(<ark_bn254::Config as ark_ec::bn::BnConfig>::X);
    let p = unsigned(&ark_bn254::Fq::MODULUS.0);
    let r = unsigned(&Fr::MODULUS.0);
    let cofactor = unsigned(<ark_bn254::g2::Config as ark_ec::CurveConfig>::COFACTOR);
    let t = &x * &x * 6 + 1;
    assert_eq!(&p + 1 - &t, r, "the order of the curve over the base field");

    // 6x + 2 + psi - psi^2 + psi^3, with psi^2 = t psi - p twice over.
    let a = &x * 6 + 2 + &p - &t * &p;
    let b = 1 - &t + &t * &t - &p;
    let norm: BigInt = &a * &a + &t * &a * &b + &p * &b * &b;
    let (mut divisor, mut rest) = (&r * &cofactor, norm);
    while rest != BigInt::ZERO {
        (divisor, rest) = (rest.clone(), divisor % rest);
    }
    assert!(divisor == r || divisor == -r.clone());
    assert_ne!(&cofactor % &r, BigInt::ZERO, "all points of order r are the subgroup");
}
