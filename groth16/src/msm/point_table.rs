//! Multiples of a single point.

use std::fmt;

use ark_bn254::Fr;
use ark_ff::PrimeField;
use zeroize::Zeroize;

use super::digits::Windows;
use super::group::TableGroup;

/// All multiples of one point that a signed digit of some window may ask for, so that a scalar times the
/// point is one addition a window and no doubling.
///
/// With windows of 8 bits that is 32 additions over 4096 points, 288 KiB for G1.
pub struct PointTable<G: TableGroup> {
    windows: Windows,
    /// For window after window `1, 2, 3, ... 2^(bits - 1)` times `2^(bits * window)` times the point. Empty
    /// if the point is infinity.
    multiples: Vec<G::Affine>,
}

impl<G: TableGroup> PointTable<G> {
    /// The widest windows there may be: more would take longer to calculate than they ever save.
    const WIDEST: u32 = 10;

    /// Calculates the table with windows of `window_bits` bits: `2^(window_bits - 1)` additions for each
    /// of `255 / window_bits` windows.
    ///
    /// # Panics
    ///
    /// Unless `window_bits` is one of 2 to 10.
    pub fn new(point: G, window_bits: u32) -> Self {
        assert!((2..=Self::WIDEST).contains(&window_bits), "a window has 2 to {} bits", Self::WIDEST);
        let windows = Windows::of_bits(window_bits);
        if point.is_zero() {
            return Self { windows, multiples: Vec::new() };
        }
        let mut multiples = Vec::with_capacity(windows.count * windows.buckets());
        let mut unit = point;
        for _ in 0..windows.count {
            let mut multiple = unit;
            for _ in 0..windows.buckets() {
                multiples.push(multiple);
                multiple += unit;
            }
            // The multiple after the last is (2^(bits - 1) + 1) units.
            unit = (multiple - unit).double();
        }
        let normalized = G::normalize_batch(&multiples);
        multiples.zeroize();
        Self { windows, multiples: normalized }
    }

    /// The point times `scalar`.
    pub fn mul(&self, scalar: &Fr) -> G {
        let mut product = G::zero();
        self.add_multiple(&mut product, scalar);
        product
    }

    /// Adds the point times `scalar` to `sum`.
    pub fn add_multiple(&self, sum: &mut G, scalar: &Fr) {
        if self.multiples.is_empty() {
            return;
        }
        for (window, digit) in self.windows.digits(scalar.into_bigint().0) {
            let multiple =
                &self.multiples[window * self.windows.buckets() + digit.unsigned_abs() as usize - 1];
            if digit < 0 {
                *sum -= multiple;
            } else {
                *sum += multiple;
            }
        }
    }

    /// How much memory the table takes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.multiples[..])
    }
}

/// The point may be secret, as those of a slot are.
impl<G: TableGroup> Drop for PointTable<G> {
    fn drop(&mut self) {
        self.multiples.zeroize();
    }
}

impl<G: TableGroup> fmt::Debug for PointTable<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PointTable").field("windows", &self.windows).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ark_bn254::{G1Projective, G2Projective};
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    fn products_are_arks<G: TableGroup>(window_bits: u32) {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let two = Fr::from(2u64);
        let mut scalars =
            vec![Fr::ZERO, Fr::ONE, -Fr::ONE, two.pow([253]), Fr::from(255u64), -two.pow([127])];
        scalars.resize_with(20, || Fr::rand(&mut rng));
        for point in [G::rand(&mut rng), G::zero()] {
            let table = PointTable::<G>::new(point, window_bits);
            let mut sum = G::rand(&mut rng);
            for scalar in &scalars {
                assert_eq!(table.mul(scalar), point * scalar);
                let expected = sum + point * scalar;
                table.add_multiple(&mut sum, scalar);
                assert_eq!(sum, expected);
            }
        }
    }

    #[test]
    fn products_are_arks_with_windows_of_any_width() {
        (2..=10).for_each(products_are_arks::<G1Projective>);
        products_are_arks::<G2Projective>(4);
    }
}
