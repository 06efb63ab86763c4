//! Multiples of a point that is known in advance.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, PrimeField};

/// How many bits of a scalar one addition takes care of.
const WINDOW: usize = 8;
/// A digit is between -2^7 and 2^7, so that half of the multiples serve.
const HALF_RANGE: usize = 1 << (WINDOW - 1);
/// Enough windows for a scalar below 2^254; the highest digit is at most 2^6, carry included.
const WINDOWS: usize = 256 / WINDOW;

/// The multiples `d * 2^(8w) * P` of a point P, for d from 1 to 128 and each window w.
#[derive(Clone, Debug)]
pub(super) struct FixedBase {
    multiples: Vec<G1Affine>,
}

impl FixedBase {
    /// 32 times 128 multiples.
    pub(super) fn new(base: &G1Affine) -> Self {
        let mut multiples = Vec::with_capacity(WINDOWS * HALF_RANGE);
        let mut unit = base.into_group();
        for _ in 0..WINDOWS {
            let mut multiple = unit;
            for _ in 0..HALF_RANGE {
                multiples.push(multiple);
                multiple += unit;
            }
            // The last one pushed is 2^7 times the unit.
            unit = multiples[multiples.len() - 1].double();
        }
        Self { multiples: G1Projective::normalize_batch(&multiples) }
    }

    /// Adds the point times `scalar` to `sum`.
    pub(super) fn add_multiple(&self, sum: &mut G1Projective, scalar: Fr) {
        let bytes = scalar.into_bigint().0.map(u64::to_le_bytes);
        let mut carry = 0;
        for (byte, of_window) in bytes.as_flattened().iter().zip(self.multiples.chunks_exact(HALF_RANGE)) {
            let digit = usize::from(*byte) + carry;
            // From 129 on: the negative multiple that is 256 less, and one more in the next window.
            carry = usize::from(digit > HALF_RANGE);
            let magnitude = if carry == 1 { (1 << WINDOW) - digit } else { digit };
            match (magnitude, carry) {
                (0, _) => {}
                (_, 0) => *sum += of_window[magnitude - 1],
                _ => *sum -= of_window[magnitude - 1],
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{Field, UniformRand};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn multiples_are_those_of_ark() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for base in [G1Affine::rand(&mut rng), G1Affine::identity()] {
            let table = FixedBase::new(&base);
            let mut scalars = vec![Fr::ZERO, Fr::ONE, -Fr::ONE];
            scalars.extend([127u64, 128, 129, 255, 256, 0x8080_8080, 0x8181, u64::MAX].map(Fr::from));
            scalars.extend((0..50).map(|_| Fr::rand(&mut rng)));
            for scalar in scalars {
                let mut sum = G1Affine::generator().into_group();
                table.add_multiple(&mut sum, scalar);
                assert_eq!(sum, G1Affine::generator() + base * scalar);
            }
        }
    }
}
