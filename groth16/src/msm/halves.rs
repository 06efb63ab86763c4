//! Scalars cut in half with the curves' endomorphism (Gallant, Lambert, Vanstone).
//!
//! On both groups `(x, y) -> (beta x, y)`, with a cube root of one `beta`, multiplies by a number
//! `lambda`, a cube root of one modulo the order r. A scalar is `k = k1 + lambda k2` modulo r with halves of
//! at most 128 bits, so with the price of one more point there are half as many doublings.
//!
//! The pairs `(k1, k2)` of the scalar 0 are a lattice with the basis `(-N22 + N12, N12)`, `(-N12, -N22)`.
//! To get short halves one takes the lattice point near `(k, 0)` away from it.

use ark_bn254::{Fr, g1};
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ff::{BigInt, PrimeField};

/// Entries of the basis, as ark has them.
const N12: u128 = 9_931_322_734_385_697_763;
const N22: u128 = 147_946_756_881_789_319_010_696_353_538_189_108_491;

/// `N22 * 2^256 / r` and `N12 * 2^256 / r`, rounded down: divisions by r become products and shifts.
const N22_BY_ORDER: [u64; 3] = [0x5398_fd03_00ff_6565, 0x4cce_f014_a773_d2d2, 0x2];
const N12_BY_ORDER: [u64; 2] = [0xd91d_232e_c7e0_b3d7, 0x2];

/// Half of a scalar: its sign and its absolute value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Half {
    pub(super) is_negative: bool,
    pub(super) magnitude: u128,
}

/// `k1` and `k2` with `scalar = k1 + lambda * k2`.
///
/// The quotients below are too small by less than 5/4: 1 for rounding down, and 1/4 for the constants,
/// each of which is too small by less than 1, times k / 2^256 < 1/4. What is left of `(k, 0)` is then
/// within 5/4 of the two basis vectors, so each half within 5/4 * (N22 + N12) < 2^128.
pub(super) fn halves(scalar: &Fr) -> [Half; 2] {
    let limbs = scalar.into_bigint().0;
    let along_first = Fr::from(high_product(&limbs, &N22_BY_ORDER));
    let along_second = Fr::from(high_product(&limbs, &N12_BY_ORDER));
    let second = along_first * Fr::from(N12) - along_second * Fr::from(N22);
    let first = *scalar - second * g1::Config::LAMBDA;
    [first, second].map(|half| Half::of(&half))
}

impl Half {
    fn of(scalar: &Fr) -> Self {
        let is_negative = scalar.into_bigint() > Fr::MODULUS_MINUS_ONE_DIV_TWO;
        let magnitude = if is_negative { -*scalar } else { *scalar };
        let BigInt([low, high, 0, 0]) = magnitude.into_bigint() else {
            unreachable!("halves are below 2^128");
        };
        Self { is_negative, magnitude: u128::from(high) << 64 | u128::from(low) }
    }
}

/// The product divided by 2^256. Both quotients that are taken this way are below 2^128.
fn high_product(scalar: &[u64; 4], constant: &[u64]) -> u128 {
    let mut product = [0u64; 7];
    for (i, factor) in constant.iter().enumerate() {
        let mut carry = 0;
        for (j, limb) in scalar.iter().enumerate() {
            (product[i + j], carry) = limb.carrying_mul_add(*factor, product[i + j], carry);
        }
        product[i + scalar.len()] = carry;
    }
    u128::from(product[5]) << 64 | u128::from(product[4])
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    fn value(half: Half) -> Fr {
        let magnitude = Fr::from(half.magnitude);
        if half.is_negative { -magnitude } else { magnitude }
    }

    #[test]
    fn halves_make_up_the_scalar() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let two = Fr::from(2u64);
        let lambda = g1::Config::LAMBDA;
        let mut scalars = vec![Fr::ZERO, Fr::ONE, -Fr::ONE, lambda, -lambda, lambda.square(), two.pow([253])];
        scalars.extend((0..254).map(|bit| two.pow([bit]) - Fr::ONE));
        scalars.extend((0..2000).map(|_| Fr::rand(&mut rng)));
        for scalar in scalars {
            let [first, second] = halves(&scalar);
            assert_eq!(value(first) + lambda * value(second), scalar);
        }
    }

    #[test]
    fn the_constants_are_the_quotients_of_the_basis() {
        let basis = g1::Config::SCALAR_DECOMP_COEFFS;
        assert_eq!(basis[1], (true, BigInt::from(N12 as u64)));
        assert_eq!(basis[3].1.0[..2], [N22 as u64, (N22 >> 64) as u64]);
        // constant * r = n * 2^256 - remainder, and the remainder is below r.
        for (n, constant) in [(N22, &N22_BY_ORDER[..]), (N12, &N12_BY_ORDER[..])] {
            let product = high_product(&Fr::MODULUS.0, constant);
            assert_eq!(product, n - 1, "the quotient is rounded down");
            let mut next = constant.to_vec();
            next[0] += 1;
            assert_eq!(high_product(&Fr::MODULUS.0, &next), n);
        }
    }
}
