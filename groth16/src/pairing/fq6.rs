//! Fq6 = Fq2[v] / (v^3 - (9 + u)) in lanes. Everything is inlined into the kernels of Fq12.

use super::Fq2;
use crate::lanes::Backend;

/// `c0 + c1 v + c2 v^2` in each lane.
#[derive(Clone, Copy)]
pub(crate) struct Fq6<B: Backend> {
    pub(crate) c0: Fq2<B>,
    pub(crate) c1: Fq2<B>,
    pub(crate) c2: Fq2<B>,
}

impl<B: Backend> Fq6<B> {
    #[inline(always)]
    pub(crate) fn new(c0: Fq2<B>, c1: Fq2<B>, c2: Fq2<B>) -> Self {
        Self { c0, c1, c2 }
    }

    #[inline(always)]
    pub(crate) fn add(&self, other: &Self) -> Self {
        Self::new(self.c0.add(&other.c0), self.c1.add(&other.c1), self.c2.add(&other.c2))
    }

    #[inline(always)]
    pub(crate) fn sub(&self, other: &Self) -> Self {
        Self::new(self.c0.sub(&other.c0), self.c1.sub(&other.c1), self.c2.sub(&other.c2))
    }

    #[inline(always)]
    pub(crate) fn double(&self) -> Self {
        Self::new(self.c0.double(), self.c1.double(), self.c2.double())
    }

    #[inline(always)]
    pub(crate) fn neg(&self) -> Self {
        Self::new(self.c0.neg(), self.c1.neg(), self.c2.neg())
    }

    /// The product with v.
    #[inline(always)]
    pub(crate) fn mul_by_v(&self) -> Self {
        Self::new(self.c2.mul_by_nonresidue(), self.c0, self.c1)
    }

    /// The product with an element of Fq2.
    #[inline(always)]
    pub(crate) fn scale(&self, factor: &Fq2<B>) -> Self {
        Self::new(self.c0.mul(factor), self.c1.mul(factor), self.c2.mul(factor))
    }

    /// Karatsuba on each pair of coefficients: six products instead of nine.
    #[inline(always)]
    pub(crate) fn mul(&self, other: &Self) -> Self {
        let v0 = self.c0.mul(&other.c0);
        let v1 = self.c1.mul(&other.c1);
        let v2 = self.c2.mul(&other.c2);
        let v12 = self.c1.add(&self.c2).mul(&other.c1.add(&other.c2)).sub(&v1).sub(&v2);
        let v01 = self.c0.add(&self.c1).mul(&other.c0.add(&other.c1)).sub(&v0).sub(&v1);
        let v02 = self.c0.add(&self.c2).mul(&other.c0.add(&other.c2)).sub(&v0).sub(&v2);
        Self::new(v0.add(&v12.mul_by_nonresidue()), v01.add(&v2.mul_by_nonresidue()), v02.add(&v1))
    }

    /// The product with `b0 + b1 v`, given `b01 = b0 + b1`: five products.
    #[inline(always)]
    pub(crate) fn mul_by_01(&self, b0: &Fq2<B>, b1: &Fq2<B>, b01: &Fq2<B>) -> Self {
        let v0 = self.c0.mul(b0);
        let v1 = self.c1.mul(b1);
        let v12 = self.c1.add(&self.c2).mul(b1).sub(&v1);
        let v01 = self.c0.add(&self.c1).mul(b01).sub(&v0).sub(&v1);
        let v02 = self.c0.add(&self.c2).mul(b0).sub(&v0);
        Self::new(v0.add(&v12.mul_by_nonresidue()), v01, v02.add(&v1))
    }
}
