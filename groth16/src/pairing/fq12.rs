//! Fq12 = Fq6[w] / (w^2 - v) in lanes.

use super::Fq2;
use super::final_exponentiation::CyclotomicSquare;
use super::fq6::Fq6;
use crate::lanes::{Backend, Kernel, MAX_LANES};

/// `c0 + c1 w` in each lane.
#[derive(Clone, Copy)]
pub(crate) struct Fq12<B: Backend> {
    pub(crate) c0: Fq6<B>,
    pub(crate) c1: Fq6<B>,
}

impl<B: Backend> Fq12<B> {
    #[inline(always)]
    pub(crate) fn new(c0: Fq6<B>, c1: Fq6<B>) -> Self {
        Self { c0, c1 }
    }

    #[inline(always)]
    pub(crate) fn one(backend: B) -> Self {
        let zero = Fq2::zero(backend);
        Self::new(Fq6::new(Fq2::one(backend), zero, zero), Fq6::new(zero, zero, zero))
    }

    /// The six coefficients over Fq2, in the order of ark's towers.
    #[inline(always)]
    pub(crate) fn coefficients(&self) -> [&Fq2<B>; 6] {
        let Self { c0, c1 } = self;
        [&c0.c0, &c0.c1, &c0.c2, &c1.c0, &c1.c1, &c1.c2]
    }

    /// From coefficients in the order of [`Self::coefficients`].
    #[inline(always)]
    pub(crate) fn from_coefficients(coefficients: [Fq2<B>; 6]) -> Self {
        let [a0, a1, a2, b0, b1, b2] = coefficients;
        Self::new(Fq6::new(a0, a1, a2), Fq6::new(b0, b1, b2))
    }

    /// The same element of ark's in every lane.
    #[inline(always)]
    pub(crate) fn splat(backend: B, value: &ark_bn254::Fq12) -> Self {
        let (a, b) = (&value.c0, &value.c1);
        Self::from_coefficients([a.c0, a.c1, a.c2, b.c0, b.c1, b.c2].map(|c| Fq2::splat(backend, c)))
    }

    /// The elements of all lanes, as ark's.
    #[inline(always)]
    pub(crate) fn to_lanes(self, out: &mut [ark_bn254::Fq12]) {
        let mut parts = [[ark_bn254::Fq2::default(); MAX_LANES]; 6];
        for (part, coefficient) in parts.iter_mut().zip(self.coefficients()) {
            coefficient.to_lanes(&mut part[..out.len()]);
        }
        for (lane, element) in out.iter_mut().enumerate() {
            let [a0, a1, a2, b0, b1, b2] = parts.map(|part| part[lane]);
            let (a, b) = (ark_bn254::Fq6::new(a0, a1, a2), ark_bn254::Fq6::new(b0, b1, b2));
            *element = ark_bn254::Fq12::new(a, b);
        }
    }

    #[inline(always)]
    pub(crate) fn backend(&self) -> B {
        self.c0.c0.backend()
    }

    #[inline(always)]
    pub(crate) fn square(&self) -> Self {
        self.backend().run(Square(self))
    }

    /// The square of an element of the cyclotomic subgroup.
    #[inline(always)]
    pub(crate) fn cyclotomic_square(&self) -> Self {
        self.backend().run(CyclotomicSquare(self))
    }

    #[inline(always)]
    pub(crate) fn mul(&self, other: &Self) -> Self {
        self.backend().run(Product(self, other))
    }

    /// `c0 - c1 w`, the p^6-th power; the inverse of an element whose norm over Fq6 is one.
    #[inline(always)]
    pub(crate) fn conjugate(&self) -> Self {
        Self::new(self.c0, self.c1.neg())
    }

    /// The product with the line `1 + l w` where `l = b3 + b4 v`: ten products, as
    /// `(a + b w) (1 + l w) = a + bl v + (b + al) w`.
    #[inline(always)]
    pub(crate) fn mul_by_line(&self, b3: &Fq2<B>, b4: &Fq2<B>) -> Self {
        let Self { c0: a, c1: b } = self;
        let b34 = b3.add(b4);
        let al = a.mul_by_01(b3, b4, &b34);
        let bl = b.mul_by_01(b3, b4, &b34);
        Self::new(a.add(&bl.mul_by_v()), b.add(&al))
    }

    /// The product with the line `b0 + b3 w + b4 v w`: Karatsuba over Fq6, thirteen products.
    #[inline(always)]
    pub(crate) fn mul_by_scaled_line(&self, b0: &Fq2<B>, b3: &Fq2<B>, b4: &Fq2<B>) -> Self {
        let Self { c0: a, c1: b } = self;
        let low = a.scale(b0);
        let high = b.mul_by_01(b3, b4, &b3.add(b4));
        let b03 = b0.add(b3);
        let cross = a.add(b).mul_by_01(&b03, b4, &b03.add(b4));
        Self::new(low.add(&high.mul_by_v()), cross.sub(&low).sub(&high))
    }
}

/// `(a + b w)^2 = (a + b) (a + b v) - ab - ab v + 2ab w`: two products instead of three.
struct Square<'a, B: Backend>(&'a Fq12<B>);

impl<B: Backend> Kernel for Square<'_, B> {
    type Output = Fq12<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Fq12<B> {
        let Fq12 { c0: a, c1: b } = self.0;
        let ab = a.mul(b);
        let even = a.add(b).mul(&a.add(&b.mul_by_v())).sub(&ab).sub(&ab.mul_by_v());
        Fq12::new(even, ab.double())
    }
}

struct Product<'a, B: Backend>(&'a Fq12<B>, &'a Fq12<B>);

impl<B: Backend> Kernel for Product<'_, B> {
    type Output = Fq12<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Fq12<B> {
        let Self(a, b) = self;
        let low = a.c0.mul(&b.c0);
        let high = a.c1.mul(&b.c1);
        let cross = a.c0.add(&a.c1).mul(&b.c0.add(&b.c1)).sub(&low).sub(&high);
        Fq12::new(low.add(&high.mul_by_v()), cross)
    }
}
