//! Lanes whose operations are calls, for the emulated backend.
//!
//! An emulated addition is hundreds of instructions. Inlined into kernels of hundreds of operations, as
//! those of real backends have to be, they would take the compiler minutes.

use ark_ff::PrimeField;

use crate::lanes::{Lanes, MAX_LANES, Mask, Row};

/// `L` without inlining.
#[derive(Clone, Copy, Debug)]
pub(in crate::lanes) struct Outlined<L>(L);

impl<F: PrimeField, L: Lanes<F>> Lanes<F> for Outlined<L> {
    const LANES: usize = L::LANES;

    #[inline(never)]
    fn splat(value: F) -> Self {
        Self(L::splat(value))
    }

    #[inline(never)]
    fn zero() -> Self {
        Self(L::zero())
    }

    #[inline(never)]
    fn one() -> Self {
        Self(L::one())
    }

    #[inline(never)]
    fn from_lanes(values: &[F]) -> Self {
        Self(L::from_lanes(values))
    }

    #[inline(never)]
    fn to_lanes(&self, out: &mut [F]) {
        self.0.to_lanes(out);
    }

    #[inline(never)]
    fn add(&self, other: &Self) -> Self {
        Self(self.0.add(&other.0))
    }

    #[inline(never)]
    fn sub(&self, other: &Self) -> Self {
        Self(self.0.sub(&other.0))
    }

    #[inline(never)]
    fn mul(&self, other: &Self) -> Self {
        Self(self.0.mul(&other.0))
    }

    #[inline(never)]
    fn double(&self) -> Self {
        Self(self.0.double())
    }

    #[inline(never)]
    fn neg(&self) -> Self {
        Self(self.0.neg())
    }

    #[inline(never)]
    fn square(&self) -> Self {
        Self(self.0.square())
    }

    #[inline(never)]
    fn mul_sum(&self, a: &Self, b: &Self) -> Self {
        Self(self.0.mul_sum(&a.0, &b.0))
    }

    #[inline(never)]
    fn mul_difference(&self, a: &Self, b: &Self) -> Self {
        Self(self.0.mul_difference(&a.0, &b.0))
    }

    #[inline(never)]
    fn difference_of_squares(a: &Self, b: &Self) -> Self {
        Self(L::difference_of_squares(&a.0, &b.0))
    }

    #[inline(never)]
    fn sum_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        Self(L::sum_of_products(&a.0, &b.0, &c.0, &d.0))
    }

    #[inline(never)]
    fn difference_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        Self(L::difference_of_products(&a.0, &b.0, &c.0, &d.0))
    }

    #[inline(never)]
    fn is_zero(&self) -> Mask {
        self.0.is_zero()
    }

    #[inline(never)]
    fn equals(&self, other: &Self) -> Mask {
        self.0.equals(&other.0)
    }

    #[inline(never)]
    fn select(mask: Mask, if_set: &Self, if_clear: &Self) -> Self {
        Self(L::select(mask, &if_set.0, &if_clear.0))
    }

    #[inline(never)]
    fn negate_where(&self, mask: Mask) -> Self {
        Self(self.0.negate_where(mask))
    }

    #[inline(never)]
    fn load(rows: [&Row; MAX_LANES]) -> (Self, Self) {
        let (a, b) = L::load(rows);
        (Self(a), Self(b))
    }

    #[inline(never)]
    fn store(a: &Self, b: &Self, rows: &mut [Row]) {
        L::store(&a.0, &b.0, rows);
    }
}
