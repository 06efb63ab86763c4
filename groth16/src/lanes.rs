//! Field arithmetic in lanes: the same calculation on one element or on eight, written once.
//!
//! ```text
//!  a Kernel      (multi-scalar multiplication, transform, Miller loop: generic code, written once)
//!     │ dispatch(kind, kernel)        chooses the instructions, once per kernel
//!     ▼
//!  a Backend ──► Backend::Fq, Backend::Fr: Lanes
//!     ├─ PortableAdx, PortablePlain     1 lane,  4 words of 64 bits, Montgomery radix 2^256
//!     └─ Ifma                           8 lanes, 5 limbs of 52 bits, Montgomery radix 2^260
//! ```
//!
//! A kernel is compiled once for each backend. For that to give vector instructions, everything
//! between [`Kernel::run`] and the methods of [`Lanes`] has to be inlined into [`Backend::run`]: mark
//! it `#[inline(always)]`, closures are better written as loops, and make a kernel of its own of what
//! is large and called from many places.

mod backend;
#[cfg(any(test, feature = "test-utils"))]
pub mod conformance;
mod eight;
mod portable;
mod quadratic;
#[cfg(test)]
mod tests;

pub use backend::{BackendKind, dispatch};
use portable::prefetch;
pub use quadratic::Quadratic;

use ark_ff::PrimeField;

/// The largest number of lanes that any backend has.
pub const MAX_LANES: usize = 8;

/// [`Lanes::LANES`] independent elements of the prime field `F`, calculated in step.
///
/// Inside, a value may be any of a few representatives of its residue; every output fits every input,
/// so callers need not know which. Nothing branches on a value or takes it as an address, except
/// [`Self::to_lanes`] and what a caller does with a [`Mask`].
pub trait Lanes<F: PrimeField>: Copy + Send + Sync {
    /// How many elements one value holds: 1 or 8.
    const LANES: usize;

    /// The same element in every lane.
    fn splat(value: F) -> Self;

    /// Zero in every lane.
    fn zero() -> Self;

    /// One in every lane.
    fn one() -> Self;

    /// Takes one element for each lane, so exactly [`Self::LANES`] of them.
    fn from_lanes(values: &[F]) -> Self;

    /// Writes the canonical elements, exactly [`Self::LANES`] of them.
    fn to_lanes(&self, out: &mut [F]);

    /// The sum.
    fn add(&self, other: &Self) -> Self;

    /// The difference.
    fn sub(&self, other: &Self) -> Self;

    /// The product.
    fn mul(&self, other: &Self) -> Self;

    /// Twice the value.
    fn double(&self) -> Self;

    /// The negative.
    fn neg(&self) -> Self;

    /// The square.
    fn square(&self) -> Self;

    /// `self * (a + b)`. This and the next four may save reductions that the operations apart need.
    #[inline(always)]
    fn mul_sum(&self, a: &Self, b: &Self) -> Self {
        self.mul(&a.add(b))
    }

    /// `self * (a - b)`.
    #[inline(always)]
    fn mul_difference(&self, a: &Self, b: &Self) -> Self {
        self.mul(&a.sub(b))
    }

    /// `a^2 - b^2`, as `(a + b) * (a - b)`.
    #[inline(always)]
    fn difference_of_squares(a: &Self, b: &Self) -> Self {
        a.add(b).mul_difference(a, b)
    }

    /// `a * b + c * d`.
    #[inline(always)]
    fn sum_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        a.mul(b).add(&c.mul(d))
    }

    /// `a * b - c * d`.
    #[inline(always)]
    fn difference_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        a.mul(b).sub(&c.mul(d))
    }

    /// The lanes that hold zero.
    fn is_zero(&self) -> Mask;

    /// The lanes in which both hold the same element.
    fn equals(&self, other: &Self) -> Mask;

    /// Takes `if_set` in the lanes of `mask` and `if_clear` in the others.
    fn select(mask: Mask, if_set: &Self, if_clear: &Self) -> Self;

    /// The negative in the lanes of `mask`, the value itself in the others.
    fn negate_where(&self, mask: Mask) -> Self;

    /// Reads two elements a lane from the first [`Self::LANES`] rows, as [`Self::store`] wrote them.
    ///
    /// Rows that no `store` of the same backend wrote give elements without meaning, nothing worse.
    fn load(rows: [&Row; MAX_LANES]) -> (Self, Self);

    /// Writes the two elements of each of the first `rows.len()` lanes, at most [`Self::LANES`].
    ///
    /// Words 0 to 3 of a row are `a`, words 4 to 7 `b`: least significant first, in the Montgomery form
    /// of the backend, below 2^256 but not canonical.
    fn store(a: &Self, b: &Self, rows: &mut [Row]);
}

/// One bit for each lane, lane 0 in the lowest. Bits above the last lane are clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mask(pub u8);

impl Mask {
    /// No lane at all.
    pub const NONE: Self = Self(0);

    /// The first `lanes` lanes.
    #[inline(always)]
    pub fn first(lanes: usize) -> Self {
        debug_assert!(lanes <= MAX_LANES);
        Self(((1u32 << lanes) - 1) as u8)
    }

    /// Whether any lane is set.
    #[inline(always)]
    pub fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether `lane` is set.
    #[inline(always)]
    pub fn has(self, lane: usize) -> bool {
        self.0 >> lane & 1 == 1
    }

    /// The lanes in both.
    #[inline(always)]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The lanes in either.
    #[inline(always)]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The lanes of this mask that are not in `other`.
    #[inline(always)]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// 64 bytes, one cache line: two stored elements of one lane, see [`Lanes::store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C, align(64))]
pub struct Row(pub [u64; 8]);

impl zeroize::DefaultIsZeroes for Row {}

/// A way to calculate: which instructions, how many lanes, which representation.
pub trait Backend: Copy + Send + Sync + 'static {
    /// Elements of the base field, the coordinates of points.
    type Fq: Lanes<ark_bn254::Fq>;

    /// Elements of the scalar field.
    type Fr: Lanes<ark_bn254::Fr>;

    /// What it is called, and which format its rows have.
    const KIND: BackendKind;

    /// Runs a kernel compiled for this backend's instructions.
    ///
    /// It is never inlined: inside a kernel it makes a function of its own of a smaller kernel, which
    /// keeps the code of large ones small.
    fn run<K: Kernel>(&self, kernel: K) -> K::Output;

    /// Asks for a row's cache line, which will be read soon.
    fn prefetch(row: &Row);
}

/// A calculation that is written once for all backends.
pub trait Kernel {
    /// What it gives.
    type Output;

    /// Calculates. Implementations are `#[inline(always)]`, see the [module](self).
    fn run<B: Backend>(self, backend: B) -> Self::Output;
}
