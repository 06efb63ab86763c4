//! One lane of four 64-bit words in Montgomery form with radix 2^256, as ark stores its elements.
//!
//! A value x is held as any of the representatives of x * 2^256 mod p below 2p. Both moduli are below
//! 2^254, so sums of two such values fit in 256 bits, and a product needs no last subtraction: with
//! a, b < 2p and p / 2^256 < 0.19 it comes out below a * b / 2^256 + p < 1.76 p.

#[cfg(target_arch = "x86_64")]
mod adx;

#[cfg(target_arch = "x86_64")]
pub(super) use adx::PortableAdx;

use std::fmt;
use std::marker::PhantomData;

use ark_bn254::{FqConfig, FrConfig};
use ark_ff::{BigInt, Fp, MontBackend, MontConfig};

use super::{Backend, BackendKind, Kernel, Lanes, MAX_LANES, Mask, Row};

type Words = [u64; 4];

/// One element of the field that `C` configures, multiplied by `M`.
pub(super) struct PortableElement<C, M> {
    words: Words,
    marker: PhantomData<fn() -> (C, M)>,
}

/// How two elements are multiplied. Words below 2p come in and go out.
pub(super) trait Multiplier: Copy + Send + Sync + 'static {
    /// `a * b / 2^256` modulo p.
    fn multiply<C: MontConfig<4>>(a: &Words, b: &Words) -> Words;

    /// `(a * b + c * d) / 2^256` modulo p, below 3p: not reduced enough to come in again. `c` may be 2p.
    fn multiply_and_add<C: MontConfig<4>>(a: &Words, b: &Words, c: &Words, d: &Words) -> Words;

    /// `a * a / 2^256` modulo p.
    fn square<C: MontConfig<4>>(a: &Words) -> Words;
}

impl<C: MontConfig<4>, M: Multiplier> PortableElement<C, M> {
    /// 2p.
    const TWICE_MODULUS: Words = shifted_left(C::MODULUS.0);

    #[inline(always)]
    fn new(words: Words) -> Self {
        Self { words, marker: PhantomData }
    }

    /// From words below 4p.
    #[inline(always)]
    fn reduced(words: &Words) -> Self {
        let (reduced, borrow) = subtract(words, &Self::TWICE_MODULUS);
        Self::new(choose(borrow, words, &reduced))
    }

    #[inline(always)]
    fn canonical(&self) -> Words {
        let (reduced, borrow) = subtract(&self.words, &C::MODULUS.0);
        choose(borrow, &self.words, &reduced)
    }
}

impl<C: MontConfig<4>, M: Multiplier> Lanes<Fp<MontBackend<C, 4>, 4>> for PortableElement<C, M> {
    const LANES: usize = 1;

    #[inline(always)]
    fn splat(value: Fp<MontBackend<C, 4>, 4>) -> Self {
        Self::new(value.0.0)
    }

    #[inline(always)]
    fn zero() -> Self {
        Self::new([0; 4])
    }

    #[inline(always)]
    fn one() -> Self {
        Self::new(C::R.0)
    }

    #[inline(always)]
    fn from_lanes(values: &[Fp<MontBackend<C, 4>, 4>]) -> Self {
        assert_eq!(values.len(), 1, "one element for one lane");
        Self::splat(values[0])
    }

    #[inline(always)]
    fn to_lanes(&self, out: &mut [Fp<MontBackend<C, 4>, 4>]) {
        assert_eq!(out.len(), 1, "one lane for one element");
        out[0] = Fp::new_unchecked(BigInt::new(self.canonical()));
    }

    #[inline(always)]
    fn add(&self, other: &Self) -> Self {
        let (sum, _) = add(&self.words, &other.words);
        Self::reduced(&sum)
    }

    #[inline(always)]
    fn sub(&self, other: &Self) -> Self {
        let (difference, borrow) = subtract(&self.words, &other.words);
        let (raised, _) = add(&difference, &choose(borrow, &Self::TWICE_MODULUS, &[0; 4]));
        Self::new(raised)
    }

    #[inline(always)]
    fn mul(&self, other: &Self) -> Self {
        Self::new(M::multiply::<C>(&self.words, &other.words))
    }

    #[inline(always)]
    fn double(&self) -> Self {
        self.add(self)
    }

    #[inline(always)]
    fn neg(&self) -> Self {
        Self::new([0; 4]).sub(self)
    }

    #[inline(always)]
    fn square(&self) -> Self {
        Self::new(M::square::<C>(&self.words))
    }

    #[inline(always)]
    fn sum_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        Self::reduced(&M::multiply_and_add::<C>(&a.words, &b.words, &c.words, &d.words))
    }

    #[inline(always)]
    fn difference_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        // At most 2p, which the multiplier takes for its third factor.
        let (negated, _) = subtract(&Self::TWICE_MODULUS, &c.words);
        Self::reduced(&M::multiply_and_add::<C>(&a.words, &b.words, &negated, &d.words))
    }

    #[inline(always)]
    fn is_zero(&self) -> Mask {
        // Below 2p, zero is held as 0 or as p.
        let zero = is_equal(&self.words, &[0; 4]) | is_equal(&self.words, &C::MODULUS.0);
        Mask(u8::from(zero))
    }

    #[inline(always)]
    fn equals(&self, other: &Self) -> Mask {
        Mask(u8::from(is_equal(&self.canonical(), &other.canonical())))
    }

    #[inline(always)]
    fn select(mask: Mask, if_set: &Self, if_clear: &Self) -> Self {
        Self::new(choose(mask.0 & 1 == 1, &if_set.words, &if_clear.words))
    }

    #[inline(always)]
    fn negate_where(&self, mask: Mask) -> Self {
        Self::select(mask, &self.neg(), self)
    }

    #[inline(always)]
    fn load(rows: [&Row; MAX_LANES]) -> (Self, Self) {
        let [a0, a1, a2, a3, b0, b1, b2, b3] = rows[0].0;
        (Self::new([a0, a1, a2, a3]), Self::new([b0, b1, b2, b3]))
    }

    #[inline(always)]
    fn store(a: &Self, b: &Self, rows: &mut [Row]) {
        assert!(rows.len() <= 1, "one row for one lane");
        if let Some(row) = rows.first_mut() {
            row.0[..4].copy_from_slice(&a.words);
            row.0[4..].copy_from_slice(&b.words);
        }
    }
}

impl<C, M> Clone for PortableElement<C, M> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, M> Copy for PortableElement<C, M> {}

impl<C, M> fmt::Debug for PortableElement<C, M> {
    /// Elements may be secret, so none is printed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PortableElement([REDACTED])")
    }
}

/// The portable backend on any other processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortablePlain;

macro_rules! portable_backend {
    ($backend:ty) => {
        impl Backend for $backend {
            type Fq = PortableElement<FqConfig, Self>;
            type Fr = PortableElement<FrConfig, Self>;
            const KIND: BackendKind = BackendKind::Portable;

            #[inline(never)]
            fn run<K: Kernel>(&self, kernel: K) -> K::Output {
                kernel.run(*self)
            }

            #[inline(always)]
            fn prefetch(row: &Row) {
                prefetch(row);
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
portable_backend!(PortableAdx);
portable_backend!(PortablePlain);

impl Multiplier for PortablePlain {
    /// One word of `b` at a time, so that four words and a carry hold the sum t. With a <= 2p it stays
    /// below 3p + 1 between the steps, and below 2^64 * 4p within one.
    #[inline(always)]
    fn multiply<C: MontConfig<4>>(a: &Words, b: &Words) -> Words {
        let mut t = [0; 4];
        for &word in b {
            t = reduce_lowest::<C>(add_row([t[0], t[1], t[2], t[3], 0], a, word));
        }
        t
    }

    /// As above, with t below 5p + 1 between the steps: still below 2^256, which is 5.2 p. It ends below
    /// 8 p^2 / 2^256 + p < 2.6 p.
    #[inline(always)]
    fn multiply_and_add<C: MontConfig<4>>(a: &Words, b: &Words, c: &Words, d: &Words) -> Words {
        let mut t = [0; 4];
        for i in 0..4 {
            let with_first = add_row([t[0], t[1], t[2], t[3], 0], a, b[i]);
            t = reduce_lowest::<C>(add_row(with_first, c, d[i]));
        }
        t
    }

    #[inline(always)]
    fn square<C: MontConfig<4>>(a: &Words) -> Words {
        Self::multiply::<C>(a, a)
    }
}

/// `t + a * word`.
#[inline(always)]
fn add_row(t: [u64; 5], a: &Words, word: u64) -> [u64; 5] {
    let (t0, carry) = a[0].carrying_mul_add(word, t[0], 0);
    let (t1, carry) = a[1].carrying_mul_add(word, t[1], carry);
    let (t2, carry) = a[2].carrying_mul_add(word, t[2], carry);
    let (t3, carry) = a[3].carrying_mul_add(word, t[3], carry);
    [t0, t1, t2, t3, t[4] + carry]
}

/// `(t + m * p) / 2^64` with the m below 2^64 that makes the lowest word zero.
#[inline(always)]
fn reduce_lowest<C: MontConfig<4>>(t: [u64; 5]) -> Words {
    let p = &C::MODULUS.0;
    let m = t[0].wrapping_mul(C::INV);
    let (_, carry) = m.carrying_mul_add(p[0], t[0], 0);
    let (r0, carry) = m.carrying_mul_add(p[1], t[1], carry);
    let (r1, carry) = m.carrying_mul_add(p[2], t[2], carry);
    let (r2, carry) = m.carrying_mul_add(p[3], t[3], carry);
    [r0, r1, r2, t[4] + carry]
}

#[inline(always)]
fn add(a: &Words, b: &Words) -> (Words, bool) {
    let (s0, carry) = a[0].carrying_add(b[0], false);
    let (s1, carry) = a[1].carrying_add(b[1], carry);
    let (s2, carry) = a[2].carrying_add(b[2], carry);
    let (s3, carry) = a[3].carrying_add(b[3], carry);
    ([s0, s1, s2, s3], carry)
}

#[inline(always)]
fn subtract(a: &Words, b: &Words) -> (Words, bool) {
    let (d0, borrow) = a[0].borrowing_sub(b[0], false);
    let (d1, borrow) = a[1].borrowing_sub(b[1], borrow);
    let (d2, borrow) = a[2].borrowing_sub(b[2], borrow);
    let (d3, borrow) = a[3].borrowing_sub(b[3], borrow);
    ([d0, d1, d2, d3], borrow)
}

/// `if_true` or `if_false`, without a branch.
#[inline(always)]
fn choose(condition: bool, if_true: &Words, if_false: &Words) -> Words {
    let mask = u64::from(condition).wrapping_neg();
    std::array::from_fn(|i| if_true[i] & mask | if_false[i] & !mask)
}

#[inline(always)]
fn is_equal(a: &Words, b: &Words) -> bool {
    (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) == 0
}

/// Twice a number below 2^255.
const fn shifted_left(words: Words) -> Words {
    [
        words[0] << 1,
        words[1] << 1 | words[0] >> 63,
        words[2] << 1 | words[1] >> 63,
        words[3] << 1 | words[2] >> 63,
    ]
}

/// Asks for the cache line of `row`.
#[inline(always)]
pub(super) fn prefetch(row: &Row) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: part of SSE, which every x86-64 processor has; the address is that of a live reference.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(row).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}
