//! Scalars as signed digits.

use ark_bn254::Fr;
use ark_ff::PrimeField;

/// Limbs of a scalar below the group's order, least significant first.
pub(super) type Limbs = [u64; 4];

/// How scalars are cut: into `count` windows of `bits` bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    pub(super) bits: u32,
    pub(super) count: usize,
}

impl Windows {
    /// Wider windows would want more than 32768 buckets, whose sums no longer fit a processor's second
    /// level cache, and save no work for fewer than 2^17 bases.
    const WIDEST: u32 = 16;

    /// The width with which a sum over `bases` bases takes the fewest additions.
    ///
    /// Each base costs one addition a window. Each bucket costs two when the buckets are put together
    /// (see `weighted.rs`) and saves the one of its first term. Of equal widths the smaller is taken:
    /// fewer buckets.
    pub(super) fn for_bases(bases: usize) -> Self {
        (2..=Self::WIDEST)
            .map(Self::of_bits)
            .min_by_key(|windows| bases * windows.count + windows.buckets())
            .expect("there are widths to choose from")
    }

    pub(super) fn of_bits(bits: u32) -> Self {
        // One bit more than a scalar has, for the carry out of the last window: with it the last digit
        // needs no window after it.
        Self { bits, count: (Fr::MODULUS_BIT_SIZE + 1).div_ceil(bits) as usize }
    }

    /// How many absolute values a digit has, without zero. Bucket `b` is for `b + 1`.
    pub(super) fn buckets(&self) -> usize {
        1 << (self.bits - 1)
    }

    /// The digits that are not zero, each with its window, from the lowest window up: the scalar is the
    /// sum of `digit * 2^(bits * window)`.
    ///
    /// Digits lie in `-2^(bits - 1) + 1 ..= 2^(bits - 1)`: what is above is taken as negative and carried.
    #[inline(always)]
    pub(super) fn digits(self, limbs: Limbs) -> impl Iterator<Item = (usize, i32)> + Clone {
        let half = 1 << (self.bits - 1);
        let mut carry = 0;
        (0..self.count)
            .map(move |window| {
                let value = bits_at(&limbs, window * self.bits as usize, self.bits) + carry;
                carry = i32::from(value > half);
                (window, value - (carry << self.bits))
            })
            .filter(|&(_, digit)| digit != 0)
    }
}

/// `count` bits of a number from bit `start` on; bits above the number are zero. At most 16 are asked for.
#[inline(always)]
fn bits_at(limbs: &Limbs, start: usize, count: u32) -> i32 {
    let (limb, shift) = (start / 64, start % 64);
    let low = limbs.get(limb).map_or(0, |word| word >> shift);
    // Shifted twice, for a shift of 64 would be none at all.
    let high = limbs.get(limb + 1).map_or(0, |word| word << 1 << (63 - shift));
    ((low | high) & ((1 << count) - 1)) as i32
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn digits_of_any_width_add_up_to_the_scalar_and_stay_in_their_range() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let two = Fr::from(2u64);
        let mut scalars = vec![Fr::ZERO, Fr::ONE, -Fr::ONE, two.pow([253]) - Fr::ONE, -two.pow([128])];
        scalars.extend((0..50).map(|_| Fr::rand(&mut rng)));
        for windows in (2..=Windows::WIDEST).map(Windows::of_bits) {
            let half = 1 << (windows.bits - 1);
            for scalar in &scalars {
                let mut sum = Fr::ZERO;
                for (window, digit) in windows.digits(scalar.into_bigint().0) {
                    assert!(digit != 0 && digit > -half && digit <= half);
                    assert!(window < windows.count);
                    sum += Fr::from(digit) * two.pow([u64::from(windows.bits) * window as u64]);
                }
                assert_eq!(sum, *scalar, "{windows:?}");
            }
        }
    }

    #[test]
    fn widths_grow_with_the_number_of_bases() {
        let widths = [1, 500, 3845, 8192, 17875].map(|bases| Windows::for_bases(bases).bits);
        assert_eq!(widths, [5, 11, 13, 15, 16]);
    }
}
