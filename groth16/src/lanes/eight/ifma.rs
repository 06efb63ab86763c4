//! The AVX-512 IFMA instructions.
//!
//! [`Ifma`] and [`IfmaWords`] are not exported: a value of either exists only inside a kernel that
//! [`dispatch`](crate::lanes::dispatch) started after finding the instructions. That is the reason why
//! each `unsafe` block of this file is sound; what it needs beyond that is said beside it.

use std::arch::x86_64::*;

use ark_bn254::{FqConfig, FrConfig};

use super::{Residue, Words};
use crate::lanes::{Backend, BackendKind, Kernel, Mask, Row, prefetch};

/// The backend of eight lanes. Whoever holds one is on a processor that has its instructions.
#[derive(Clone, Copy, Debug)]
pub(in crate::lanes) struct Ifma {
    /// Made by [`Self::detect`] alone.
    _proof: (),
}

impl Ifma {
    /// The backend, if this processor and its system support all that [`run_with_instructions`] names.
    pub(in crate::lanes) fn detect() -> Option<Self> {
        let supported = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512ifma")
            && is_x86_feature_detected!("bmi2");
        supported.then_some(Self { _proof: () })
    }
}

impl Backend for Ifma {
    type Fq = Residue<FqConfig, IfmaWords>;
    type Fr = Residue<FrConfig, IfmaWords>;
    const KIND: BackendKind = BackendKind::Ifma;

    #[inline(always)]
    fn run<K: Kernel>(&self, kernel: K) -> K::Output {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { run_with_instructions(*self, kernel) }
    }

    #[inline(always)]
    fn prefetch(row: &Row) {
        prefetch(row);
    }
}

/// What is inlined into this function is compiled to the instructions; a call that stays a call passes
/// every vector through memory.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma,bmi2")]
fn run_with_instructions<K: Kernel>(backend: Ifma, kernel: K) -> K::Output {
    kernel.run(backend)
}

/// Eight words in a 512-bit register.
#[derive(Clone, Copy, Debug)]
pub(in crate::lanes) struct IfmaWords(__m512i);

impl Words for IfmaWords {
    #[inline(always)]
    fn splat(word: u64) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_set1_epi64(word.cast_signed()) })
    }

    #[inline(always)]
    fn from_array(words: [u64; 8]) -> Self {
        Self::load(&Row(words))
    }

    #[inline(always)]
    fn to_array(self) -> [u64; 8] {
        let mut row = Row::default();
        self.store(&mut row);
        row.0
    }

    #[inline(always)]
    fn load(row: &Row) -> Self {
        // SAFETY: see the module; a row is 64 bytes, aligned to 64.
        Self(unsafe { _mm512_load_si512(std::ptr::from_ref(row).cast()) })
    }

    #[inline(always)]
    fn store(self, row: &mut Row) {
        // SAFETY: see the module; a row is 64 bytes, aligned to 64, and ours to write.
        unsafe { _mm512_store_si512(std::ptr::from_mut(row).cast(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_add_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_sub_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn sub_where(self, mask: Mask, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_mask_sub_epi64(self.0, mask.0, self.0, other.0) })
    }

    #[inline(always)]
    fn add_low(self, a: Self, b: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_madd52lo_epu64(self.0, a.0, b.0) })
    }

    #[inline(always)]
    fn add_high(self, a: Self, b: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_madd52hi_epu64(self.0, a.0, b.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_and_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_or_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_slli_epi64::<BITS>(self.0) })
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_srli_epi64::<BITS>(self.0) })
    }

    #[inline(always)]
    fn shift_right_signed<const BITS: u32>(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_srai_epi64::<BITS>(self.0) })
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Mask {
        // SAFETY: see the module.
        Mask(unsafe { _mm512_cmpeq_epi64_mask(self.0, other.0) })
    }

    #[inline(always)]
    fn less_than_signed(self, other: Self) -> Mask {
        // SAFETY: see the module.
        Mask(unsafe { _mm512_cmplt_epi64_mask(self.0, other.0) })
    }

    #[inline(always)]
    fn select(mask: Mask, if_set: Self, if_clear: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_mask_blend_epi64(mask.0, if_clear.0, if_set.0) })
    }

    /// In three steps, each of which doubles the side of the blocks that are in place: single words
    /// within pairs of rows, pairs of words within fours, halves.
    #[inline(always)]
    fn transpose(rows: [Self; 8]) -> [Self; 8] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows.map(|row| row.0);
        // SAFETY: see the module.
        unsafe {
            // Words 0, 2, 4, 6 of two rows in turn, then words 1, 3, 5, 7.
            let even01 = _mm512_unpacklo_epi64(r0, r1);
            let odd01 = _mm512_unpackhi_epi64(r0, r1);
            let even23 = _mm512_unpacklo_epi64(r2, r3);
            let odd23 = _mm512_unpackhi_epi64(r2, r3);
            let even45 = _mm512_unpacklo_epi64(r4, r5);
            let odd45 = _mm512_unpackhi_epi64(r4, r5);
            let even67 = _mm512_unpacklo_epi64(r6, r7);
            let odd67 = _mm512_unpackhi_epi64(r6, r7);

            // Of four rows: a word in the low half, the word four places on in the high half.
            let near = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
            let far = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
            let words04_low = _mm512_permutex2var_epi64(even01, near, even23);
            let words04_high = _mm512_permutex2var_epi64(even45, near, even67);
            let words26_low = _mm512_permutex2var_epi64(even01, far, even23);
            let words26_high = _mm512_permutex2var_epi64(even45, far, even67);
            let words15_low = _mm512_permutex2var_epi64(odd01, near, odd23);
            let words15_high = _mm512_permutex2var_epi64(odd45, near, odd67);
            let words37_low = _mm512_permutex2var_epi64(odd01, far, odd23);
            let words37_high = _mm512_permutex2var_epi64(odd45, far, odd67);

            const LOW_HALVES: i32 = 0b01_00_01_00;
            const HIGH_HALVES: i32 = 0b11_10_11_10;
            [
                Self(_mm512_shuffle_i64x2::<LOW_HALVES>(words04_low, words04_high)),
                Self(_mm512_shuffle_i64x2::<LOW_HALVES>(words15_low, words15_high)),
                Self(_mm512_shuffle_i64x2::<LOW_HALVES>(words26_low, words26_high)),
                Self(_mm512_shuffle_i64x2::<LOW_HALVES>(words37_low, words37_high)),
                Self(_mm512_shuffle_i64x2::<HIGH_HALVES>(words04_low, words04_high)),
                Self(_mm512_shuffle_i64x2::<HIGH_HALVES>(words15_low, words15_high)),
                Self(_mm512_shuffle_i64x2::<HIGH_HALVES>(words26_low, words26_high)),
                Self(_mm512_shuffle_i64x2::<HIGH_HALVES>(words37_low, words37_high)),
            ]
        }
    }
}
