//! The quadratic extension of the base field in lanes: elements `c0 + c1 u` with `u^2 = -1`.

use ark_bn254::{Fq, Fq2};

use super::{Lanes, MAX_LANES, Mask};

/// [`Lanes::LANES`] independent elements of `Fq2`, calculated in step.
#[derive(Clone, Copy, Debug)]
pub struct Quadratic<L> {
    /// The part without `u`.
    pub c0: L,
    /// The coefficient of `u`.
    pub c1: L,
}

impl<L: Lanes<Fq>> Quadratic<L> {
    /// The same element in every lane.
    #[inline(always)]
    pub fn splat(value: Fq2) -> Self {
        Self { c0: L::splat(value.c0), c1: L::splat(value.c1) }
    }

    /// Zero in every lane.
    #[inline(always)]
    pub fn zero() -> Self {
        Self { c0: L::zero(), c1: L::zero() }
    }

    /// One in every lane.
    #[inline(always)]
    pub fn one() -> Self {
        Self { c0: L::one(), c1: L::zero() }
    }

    /// Takes one element for each lane, so exactly [`Lanes::LANES`] of them.
    #[inline(always)]
    pub fn from_lanes(values: &[Fq2]) -> Self {
        assert_eq!(values.len(), L::LANES, "one element for each lane");
        let mut parts = [Fq::default(); MAX_LANES];
        let parts = &mut parts[..L::LANES];
        parts.iter_mut().zip(values).for_each(|(part, value)| *part = value.c0);
        let c0 = L::from_lanes(parts);
        parts.iter_mut().zip(values).for_each(|(part, value)| *part = value.c1);
        Self { c0, c1: L::from_lanes(parts) }
    }

    /// Writes the canonical elements, exactly [`Lanes::LANES`] of them.
    #[inline(always)]
    pub fn to_lanes(&self, out: &mut [Fq2]) {
        assert_eq!(out.len(), L::LANES, "one place for each lane");
        let mut parts = [Fq::default(); MAX_LANES];
        let parts = &mut parts[..L::LANES];
        self.c0.to_lanes(parts);
        out.iter_mut().zip(parts.iter()).for_each(|(value, part)| value.c0 = *part);
        self.c1.to_lanes(parts);
        out.iter_mut().zip(parts.iter()).for_each(|(value, part)| value.c1 = *part);
    }

    /// The sum.
    #[inline(always)]
    pub fn add(&self, other: &Self) -> Self {
        Self { c0: self.c0.add(&other.c0), c1: self.c1.add(&other.c1) }
    }

    /// The difference.
    #[inline(always)]
    pub fn sub(&self, other: &Self) -> Self {
        Self { c0: self.c0.sub(&other.c0), c1: self.c1.sub(&other.c1) }
    }

    /// The product: four multiplications in the base field, of which two at a time are reduced as one.
    /// Karatsuba's three would need all three reductions and five additions besides.
    #[inline(always)]
    pub fn mul(&self, other: &Self) -> Self {
        Self {
            c0: L::difference_of_products(&self.c0, &other.c0, &self.c1, &other.c1),
            c1: L::sum_of_products(&self.c0, &other.c1, &self.c1, &other.c0),
        }
    }

    /// The square: two multiplications in the base field.
    #[inline(always)]
    pub fn square(&self) -> Self {
        Self { c0: L::difference_of_squares(&self.c0, &self.c1), c1: self.c0.mul_sum(&self.c1, &self.c1) }
    }

    /// Twice the value.
    #[inline(always)]
    pub fn double(&self) -> Self {
        Self { c0: self.c0.double(), c1: self.c1.double() }
    }

    /// The negative.
    #[inline(always)]
    pub fn neg(&self) -> Self {
        Self { c0: self.c0.neg(), c1: self.c1.neg() }
    }

    /// `c0 - c1 u`, which is the value raised to the power of the base field's modulus.
    #[inline(always)]
    pub fn conjugate(&self) -> Self {
        Self { c0: self.c0, c1: self.c1.neg() }
    }

    /// The lanes that hold zero.
    #[inline(always)]
    pub fn is_zero(&self) -> Mask {
        self.c0.is_zero().and(self.c1.is_zero())
    }

    /// The lanes in which both hold the same element.
    #[inline(always)]
    pub fn equals(&self, other: &Self) -> Mask {
        self.c0.equals(&other.c0).and(self.c1.equals(&other.c1))
    }

    /// Takes `if_set` in the lanes of `mask` and `if_clear` in the others.
    #[inline(always)]
    pub fn select(mask: Mask, if_set: &Self, if_clear: &Self) -> Self {
        Self { c0: L::select(mask, &if_set.c0, &if_clear.c0), c1: L::select(mask, &if_set.c1, &if_clear.c1) }
    }

    /// The negative in the lanes of `mask`, the value itself in the others.
    #[inline(always)]
    pub fn negate_where(&self, mask: Mask) -> Self {
        Self { c0: self.c0.negate_where(mask), c1: self.c1.negate_where(mask) }
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field, UniformRand, Zero};
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;
    use crate::lanes::{Backend, BackendKind, Kernel, dispatch};

    struct Comparison;

    impl Kernel for Comparison {
        type Output = ();

        fn run<B: Backend>(self, _: B) {
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            let mut drawn = |first: Fq2| -> Vec<Fq2> {
                let mut values = vec![first];
                values.resize_with(B::Fq::LANES, || Fq2::rand(&mut rng));
                values
            };
            for first in [Fq2::zero(), Fq2::ONE, -Fq2::ONE, Fq2::new(Fq::zero(), -Fq::ONE)] {
                let (a, b) = (drawn(first), drawn(-first));
                let (left, right) = (Quadratic::<B::Fq>::from_lanes(&a), Quadratic::<B::Fq>::from_lanes(&b));
                let check = |result: Quadratic<B::Fq>, operation: fn(Fq2, Fq2) -> Fq2| {
                    let mut values = vec![Fq2::zero(); B::Fq::LANES];
                    result.to_lanes(&mut values);
                    let expected: Vec<_> = a.iter().zip(&b).map(|(&a, &b)| operation(a, b)).collect();
                    assert_eq!(values, expected);
                };
                check(left.add(&right), |a, b| a + b);
                check(left.sub(&right), |a, b| a - b);
                check(left.mul(&right), |a, b| a * b);
                check(left.square(), |a, _| a.square());
                check(left.double(), |a, _| a.double());
                check(left.neg(), |a, _| -a);
                check(left.conjugate(), |a, _| Fq2::new(a.c0, -a.c1));
                check(left.negate_where(Mask::first(B::Fq::LANES)), |a, _| -a);
                check(Quadratic::select(Mask::NONE, &left, &right), |_, b| b);
                assert_eq!(left.is_zero().has(0), first.is_zero());
                assert_eq!(left.equals(&left), Mask::first(B::Fq::LANES));
                assert_eq!(left.equals(&right).has(0), first.is_zero());
            }
        }
    }

    #[test]
    fn the_extension_calculates_as_arks_does() {
        dispatch(BackendKind::detect(), Comparison);
    }
}
