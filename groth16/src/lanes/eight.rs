//! Eight lanes of five 52-bit limbs in Montgomery form with radix 2^260.
//!
//! A residue x is held as some representative v of x * 2^260 mod p. Between operations two things are
//! always true, and every function here ends by making them true again; write d = 2^208, the weight of
//! limb 4:
//!
//! - each limb is in 0..2^52 ("normalised"), as the multiplier reads just 52 bits of a limb;
//! - v is below the bound B = 2p + 2d. Comparing top limbs alone decides a reduction up to
//!   a few d, which is cheap, and d is a 2^45th of p, so the slack costs nothing.
//!
//! B is below 2^255, so a stored value fits four 64-bit words.

mod columns;
mod constants;
#[cfg(any(test, feature = "test-utils"))]
mod emulated;
#[cfg(target_arch = "x86_64")]
mod ifma;
#[cfg(any(test, feature = "test-utils"))]
mod instructions;
#[cfg(any(test, feature = "test-utils"))]
mod outlined;
mod words;

#[cfg(any(test, feature = "test-utils"))]
pub(super) use emulated::Emulated;
#[cfg(target_arch = "x86_64")]
pub(super) use ifma::Ifma;
#[cfg(all(target_arch = "x86_64", any(test, feature = "test-utils")))]
pub(super) use ifma::IfmaWords;
#[cfg(any(test, feature = "test-utils"))]
pub(super) use instructions::compare_with_emulation;
use words::Words;

use std::fmt;
use std::marker::PhantomData;

use ark_ff::{BigInt, Fp, MontBackend, MontConfig};

use self::columns::Columns;
use self::constants::{Constants, LIMB_MASK, limbs_of_words, words_of_limbs};
use super::{Lanes, MAX_LANES, Mask, Row};

/// Five limbs, least significant first, of eight numbers.
type Limbs<W> = [W; 5];

/// Eight residues modulo the prime that `C` configures.
pub(super) struct Residue<C, W> {
    limbs: Limbs<W>,
    marker: PhantomData<fn() -> C>,
}

impl<C: MontConfig<4>, W: Words> Residue<C, W> {
    #[inline(always)]
    fn new(limbs: Limbs<W>) -> Self {
        Self { limbs, marker: PhantomData }
    }

    #[inline(always)]
    fn constant(limbs: [u64; 5]) -> Self {
        Self::new(splat(limbs))
    }

    /// Brings numbers of unsigned limbs below 2^63, whose value is below 2^260, to limbs below 2^52.
    #[inline(always)]
    fn carried(limbs: Limbs<W>) -> Self {
        let mask = W::splat(LIMB_MASK);
        let [l0, l1, l2, l3, l4] = limbs;
        let l1 = l1.add(l0.shift_right::<52>());
        let l2 = l2.add(l1.shift_right::<52>());
        let l3 = l3.add(l2.shift_right::<52>());
        let l4 = l4.add(l3.shift_right::<52>());
        Self::new([l0.and(mask), l1.and(mask), l2.and(mask), l3.and(mask), l4])
    }

    /// As [`Self::carried`] for signed limbs in -2^62..2^62, whose value is in 0..2^260.
    ///
    /// The shift rounds down, so limbs 0 to 3 come out in 0..2^52, and what is left in limb 4 is the
    /// value divided by 2^208, rounded down: not negative, because the value is not.
    #[inline(always)]
    fn borrowed(limbs: Limbs<W>) -> Self {
        let mask = W::splat(LIMB_MASK);
        let [l0, l1, l2, l3, l4] = limbs;
        let l1 = l1.add(l0.shift_right_signed::<52>());
        let l2 = l2.add(l1.shift_right_signed::<52>());
        let l3 = l3.add(l2.shift_right_signed::<52>());
        let l4 = l4.add(l3.shift_right_signed::<52>());
        Self::new([l0.and(mask), l1.and(mask), l2.and(mask), l3.and(mask), l4])
    }

    /// A sum for the multiplier alone: below 2B, not B.
    #[inline(always)]
    fn loose_sum(&self, other: &Self) -> Self {
        let mut limbs = self.limbs;
        for (limb, addend) in limbs.iter_mut().zip(other.limbs) {
            *limb = limb.add(addend);
        }
        Self::carried(limbs)
    }

    /// A difference for the multiplier alone: 3p is added, as B < 3p; below B + 3p, not B.
    #[inline(always)]
    fn loose_difference(&self, other: &Self) -> Self {
        let mut limbs = self.limbs;
        for (i, limb) in limbs.iter_mut().enumerate() {
            *limb = limb.add(W::splat(C::THRICE_MODULUS[i])).sub(other.limbs[i]);
        }
        Self::borrowed(limbs)
    }

    /// Eight residues from words that hold numbers below B.
    #[inline(always)]
    fn unpacked(words: [W; 4]) -> Self {
        let mask = W::splat(LIMB_MASK);
        let [w0, w1, w2, w3] = words;
        Self::new([
            w0.and(mask),
            w0.shift_right::<52>().or(w1.shift_left::<12>()).and(mask),
            w1.shift_right::<40>().or(w2.shift_left::<24>()).and(mask),
            w2.shift_right::<28>().or(w3.shift_left::<36>()).and(mask),
            w3.shift_right::<16>(),
        ])
    }

    /// The other way: exact, as B is below 2^256.
    #[inline(always)]
    fn packed(&self) -> [W; 4] {
        let [l0, l1, l2, l3, l4] = self.limbs;
        [
            l0.or(l1.shift_left::<52>()),
            l1.shift_right::<12>().or(l2.shift_left::<40>()),
            l2.shift_right::<24>().or(l3.shift_left::<28>()),
            l3.shift_right::<36>().or(l4.shift_left::<16>()),
        ]
    }

    /// The lanes in which every limb is as in `limbs`.
    #[inline(always)]
    fn is_exactly(&self, limbs: [u64; 5]) -> Mask {
        let mut different = W::splat(0);
        for (limb, expected) in self.limbs.iter().zip(limbs) {
            different = different.or(limb.xor(W::splat(expected)));
        }
        different.equal(W::splat(0))
    }
}

impl<C: MontConfig<4>, W: Words> Lanes<Fp<MontBackend<C, 4>, 4>> for Residue<C, W> {
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(value: Fp<MontBackend<C, 4>, 4>) -> Self {
        Self::constant(limbs_of_words(value.0.0)).mul(&Self::constant(C::INTO_RADIX_260))
    }

    #[inline(always)]
    fn zero() -> Self {
        Self::constant([0; 5])
    }

    #[inline(always)]
    fn one() -> Self {
        Self::constant(C::ONE)
    }

    #[inline(always)]
    fn from_lanes(values: &[Fp<MontBackend<C, 4>, 4>]) -> Self {
        assert_eq!(values.len(), Self::LANES, "one element for each lane");
        let mut words = [[0; MAX_LANES]; 4];
        for (lane, value) in values.iter().enumerate() {
            for (word, part) in words.iter_mut().zip(value.0.0) {
                word[lane] = part;
            }
        }
        let [w0, w1, w2, w3] = words;
        Self::unpacked([W::from_array(w0), W::from_array(w1), W::from_array(w2), W::from_array(w3)])
            .mul(&Self::constant(C::INTO_RADIX_260))
    }

    #[inline(always)]
    fn to_lanes(&self, out: &mut [Fp<MontBackend<C, 4>, 4>]) {
        assert_eq!(out.len(), Self::LANES, "one lane for each element");
        // Now the values are representatives for radix 2^256, ark's own.
        let limbs = self.mul(&Self::constant(C::INTO_RADIX_256)).limbs.map(W::to_array);
        for (lane, element) in out.iter_mut().enumerate() {
            let words = words_of_limbs(limbs.map(|limb| limb[lane]));
            *element = Fp::new_unchecked(BigInt::new(constants::canonical::<C>(words)));
        }
    }

    /// With top limbs a4 and b4 and t = a4 + b4, the sum s is in t * d .. (t + 2) * d. Let T2 and T3 be
    /// the top limbs of 2p and 3p.
    ///
    /// - t > T3: s >= (T3 + 1) * d > 3p, and s - 3p < 2B - 3p = p + 4d.
    /// - t > T2 otherwise: s > 2p, and s - 2p < (T3 + 2) * d - 2p <= p + 2d.
    /// - otherwise s < (T2 + 2) * d <= 2p + 2d.
    ///
    /// Each is below B. Before the borrows are settled, limbs are above -2^54 and below 2^53.
    #[inline(always)]
    fn add(&self, other: &Self) -> Self {
        let top = self.limbs[4].add(other.limbs[4]);
        let above_2p = W::splat(C::TWICE_MODULUS[4]).less_than_signed(top);
        let above_3p = W::splat(C::THRICE_MODULUS[4]).less_than_signed(top);
        let mut limbs = self.limbs;
        for (i, limb) in limbs.iter_mut().enumerate() {
            *limb = limb
                .add(other.limbs[i])
                .sub_where(above_2p, W::splat(C::TWICE_MODULUS[i]))
                .sub_where(above_3p, W::splat(C::MODULUS_LIMBS[i]));
        }
        Self::borrowed(limbs)
    }

    /// With t = a4 - b4, the difference s is in (t - 1) * d .. (t + 1) * d, both excluded. Let T1 be
    /// the top limb of p.
    ///
    /// - t > 0: s > 0, and s <= a < B.
    /// - t < -T1: s > -B, so s + 3p > p - 2d; and s < -T1 * d < d - p, so s + 3p < 2p + d.
    /// - otherwise s > -(T1 + 1) * d >= -p - d, so s + 2p > p - d; and s < d, so s + 2p < 2p + d.
    ///
    /// Each is in 0..B. Before the borrows are settled, limbs are above -2^52 and below 2^54.
    #[inline(always)]
    fn sub(&self, other: &Self) -> Self {
        let top = self.limbs[4].sub(other.limbs[4]);
        let maybe_negative = top.less_than_signed(W::splat(1));
        let below_minus_p = top.less_than_signed(W::splat(C::MODULUS_LIMBS[4].wrapping_neg()));
        let mut limbs = self.limbs;
        for (i, limb) in limbs.iter_mut().enumerate() {
            *limb = limb
                .sub(other.limbs[i])
                .sub_where(maybe_negative, W::splat(C::TWICE_MODULUS[i].wrapping_neg()))
                .sub_where(below_minus_p, W::splat(C::MODULUS_LIMBS[i].wrapping_neg()));
        }
        Self::borrowed(limbs)
    }

    /// The factors are below B: see [`Columns::reduced`] for the bound of the product.
    #[inline(always)]
    fn mul(&self, other: &Self) -> Self {
        let mut columns = Columns::zero();
        columns.add_product(&self.limbs, &other.limbs);
        Self::carried(columns.reduced::<C>())
    }

    #[inline(always)]
    fn double(&self) -> Self {
        self.add(self)
    }

    #[inline(always)]
    fn neg(&self) -> Self {
        Self::zero().sub(self)
    }

    #[inline(always)]
    fn square(&self) -> Self {
        Self::carried(Columns::square(&self.limbs).reduced::<C>())
    }

    /// The sum is not reduced, below 2B.
    #[inline(always)]
    fn mul_sum(&self, a: &Self, b: &Self) -> Self {
        self.mul(&a.loose_sum(b))
    }

    /// The difference is not reduced, below B + 3p.
    #[inline(always)]
    fn mul_difference(&self, a: &Self, b: &Self) -> Self {
        self.mul(&a.loose_difference(b))
    }

    #[inline(always)]
    fn difference_of_squares(a: &Self, b: &Self) -> Self {
        a.loose_sum(b).mul(&a.loose_difference(b))
    }

    #[inline(always)]
    fn sum_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        let mut columns = Columns::zero();
        columns.add_product(&a.limbs, &b.limbs);
        columns.add_product(&c.limbs, &d.limbs);
        Self::carried(columns.reduced::<C>())
    }

    /// `c` is made negative without a reduction, so that it is at most 3p.
    #[inline(always)]
    fn difference_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        Self::sum_of_products(a, b, &Self::zero().loose_difference(c), d)
    }

    /// Below B, zero is held as 0, p or 2p.
    #[inline(always)]
    fn is_zero(&self) -> Mask {
        self.is_exactly([0; 5]).or(self.is_exactly(C::MODULUS_LIMBS)).or(self.is_exactly(C::TWICE_MODULUS))
    }

    #[inline(always)]
    fn equals(&self, other: &Self) -> Mask {
        self.sub(other).is_zero()
    }

    #[inline(always)]
    fn select(mask: Mask, if_set: &Self, if_clear: &Self) -> Self {
        let mut limbs = if_clear.limbs;
        for (limb, set) in limbs.iter_mut().zip(if_set.limbs) {
            *limb = W::select(mask, set, *limb);
        }
        Self::new(limbs)
    }

    #[inline(always)]
    fn negate_where(&self, mask: Mask) -> Self {
        Self::select(mask, &self.neg(), self)
    }

    #[inline(always)]
    fn load(rows: [&Row; MAX_LANES]) -> (Self, Self) {
        let [a0, a1, a2, a3, b0, b1, b2, b3] = W::transpose([
            W::load(rows[0]),
            W::load(rows[1]),
            W::load(rows[2]),
            W::load(rows[3]),
            W::load(rows[4]),
            W::load(rows[5]),
            W::load(rows[6]),
            W::load(rows[7]),
        ]);
        (Self::unpacked([a0, a1, a2, a3]), Self::unpacked([b0, b1, b2, b3]))
    }

    #[inline(always)]
    fn store(a: &Self, b: &Self, rows: &mut [Row]) {
        assert!(rows.len() <= Self::LANES, "at most one row for each lane");
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a.packed(), b.packed());
        let lanes = W::transpose([a0, a1, a2, a3, b0, b1, b2, b3]);
        for (row, lane) in rows.iter_mut().zip(lanes) {
            lane.store(row);
        }
    }
}

#[inline(always)]
fn splat<W: Words>(limbs: [u64; 5]) -> Limbs<W> {
    [W::splat(limbs[0]), W::splat(limbs[1]), W::splat(limbs[2]), W::splat(limbs[3]), W::splat(limbs[4])]
}

impl<C, W: Copy> Clone for Residue<C, W> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, W: Copy> Copy for Residue<C, W> {}

impl<C, W> fmt::Debug for Residue<C, W> {
    /// Elements may be secret, so none is printed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Residue([REDACTED])")
    }
}
