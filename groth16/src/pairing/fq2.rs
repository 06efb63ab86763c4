//! Fq2 with its multiplications as functions of their own.

use std::ops::Deref;

use crate::lanes::{Backend, Kernel, Lanes as _, Mask, Quadratic};

/// An element of Fq2 in each lane, that knows its backend (which takes no space).
///
/// [`Quadratic`] is inlined wherever it is used. One line of a Miller loop alone takes ten products,
/// which would be hundreds of field operations in a row; here each product is one call.
#[derive(Clone, Copy)]
pub(crate) struct Fq2<B: Backend> {
    value: Quadratic<B::Fq>,
    backend: B,
}

impl<B: Backend> Deref for Fq2<B> {
    type Target = Quadratic<B::Fq>;

    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        &self.value
    }
}

impl<B: Backend> Fq2<B> {
    #[inline(always)]
    pub(crate) fn new(backend: B, value: Quadratic<B::Fq>) -> Self {
        Self { value, backend }
    }

    #[inline(always)]
    pub(crate) fn zero(backend: B) -> Self {
        Self::new(backend, Quadratic::zero())
    }

    #[inline(always)]
    pub(crate) fn one(backend: B) -> Self {
        Self::new(backend, Quadratic::one())
    }

    #[inline(always)]
    pub(crate) fn splat(backend: B, value: ark_bn254::Fq2) -> Self {
        Self::new(backend, Quadratic::splat(value))
    }

    #[inline(always)]
    pub(crate) fn backend(&self) -> B {
        self.backend
    }

    #[inline(always)]
    pub(crate) fn add(&self, other: &Self) -> Self {
        Self::new(self.backend, self.value.add(&other.value))
    }

    #[inline(always)]
    pub(crate) fn sub(&self, other: &Self) -> Self {
        Self::new(self.backend, self.value.sub(&other.value))
    }

    #[inline(always)]
    pub(crate) fn double(&self) -> Self {
        Self::new(self.backend, self.value.double())
    }

    #[inline(always)]
    pub(crate) fn neg(&self) -> Self {
        Self::new(self.backend, self.value.neg())
    }

    #[inline(always)]
    pub(crate) fn conjugate(&self) -> Self {
        Self::new(self.backend, self.value.conjugate())
    }

    #[inline(always)]
    pub(crate) fn select(mask: Mask, if_set: &Self, if_clear: &Self) -> Self {
        Self::new(if_set.backend, Quadratic::select(mask, &if_set.value, &if_clear.value))
    }

    #[inline(always)]
    pub(crate) fn mul(&self, other: &Self) -> Self {
        self.backend.run(Product(self, other))
    }

    #[inline(always)]
    pub(crate) fn square(&self) -> Self {
        self.backend.run(Square(self))
    }

    /// The product with an element of Fq.
    #[inline(always)]
    pub(crate) fn scale(&self, factor: &B::Fq) -> Self {
        Self::new(self.backend, Quadratic { c0: self.c0.mul(factor), c1: self.c1.mul(factor) })
    }

    /// The product with `9 + u`, of which Fq6 adjoins the cube root.
    #[inline(always)]
    pub(crate) fn mul_by_nonresidue(&self) -> Self {
        let nine = self.double().double().double().add(self);
        Self::new(self.backend, Quadratic { c0: nine.c0.sub(&self.c1), c1: nine.c1.add(&self.c0) })
    }

    /// `c0^2 + c1^2`, zero for zero alone.
    #[inline(always)]
    pub(crate) fn norm(&self) -> B::Fq {
        self.c0.square().add(&self.c1.square())
    }
}

struct Product<'a, B: Backend>(&'a Fq2<B>, &'a Fq2<B>);

impl<B: Backend> Kernel for Product<'_, B> {
    type Output = Fq2<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Fq2<B> {
        Fq2::new(self.0.backend, self.0.value.mul(&self.1.value))
    }
}

struct Square<'a, B: Backend>(&'a Fq2<B>);

impl<B: Backend> Kernel for Square<'_, B> {
    type Output = Fq2<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Fq2<B> {
        Fq2::new(self.0.backend, self.0.value.square())
    }
}
