//! The IFMA instructions by plain arithmetic, so that the eight-lane code can be tested on any machine.

use std::array::from_fn;

use ark_bn254::{FqConfig, FrConfig};

use super::constants::LIMB_MASK;
use super::outlined::Outlined;
use super::{Residue, Words};
use crate::lanes::{Backend, BackendKind, Kernel, Mask, Row};

/// The eight-lane backend without its instructions. Slow.
#[derive(Clone, Copy, Debug)]
pub(in crate::lanes) struct Emulated;

impl Backend for Emulated {
    type Fq = Outlined<Residue<FqConfig, EmulatedWords>>;
    type Fr = Outlined<Residue<FrConfig, EmulatedWords>>;
    const KIND: BackendKind = BackendKind::Emulated;

    #[inline(never)]
    fn run<K: Kernel>(&self, kernel: K) -> K::Output {
        kernel.run(*self)
    }

    #[inline(always)]
    fn prefetch(_: &Row) {}
}

/// Eight words in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lanes) struct EmulatedWords([u64; 8]);

impl EmulatedWords {
    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(u64, u64) -> u64) -> Self {
        Self(from_fn(|i| operation(self.0[i], other.0[i])))
    }
}

/// Both factors cut to 52 bits, as the instruction does.
#[inline(always)]
fn product(a: u64, b: u64) -> u128 {
    u128::from(a & LIMB_MASK) * u128::from(b & LIMB_MASK)
}

#[inline(always)]
fn mask_of(condition: impl Fn(usize) -> bool) -> Mask {
    Mask((0..8).fold(0, |mask, lane| mask | u8::from(condition(lane)) << lane))
}

impl Words for EmulatedWords {
    fn splat(word: u64) -> Self {
        Self([word; 8])
    }

    fn from_array(words: [u64; 8]) -> Self {
        Self(words)
    }

    fn to_array(self) -> [u64; 8] {
        self.0
    }

    fn load(row: &Row) -> Self {
        Self(row.0)
    }

    fn store(self, row: &mut Row) {
        row.0 = self.0;
    }

    fn add(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_add)
    }

    fn sub(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_sub)
    }

    fn sub_where(self, mask: Mask, other: Self) -> Self {
        Self::select(mask, self.sub(other), self)
    }

    fn add_low(self, a: Self, b: Self) -> Self {
        Self(from_fn(|i| self.0[i].wrapping_add(product(a.0[i], b.0[i]) as u64 & LIMB_MASK)))
    }

    fn add_high(self, a: Self, b: Self) -> Self {
        Self(from_fn(|i| self.0[i].wrapping_add((product(a.0[i], b.0[i]) >> 52) as u64)))
    }

    fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    fn xor(self, other: Self) -> Self {
        self.zip(other, |a, b| a ^ b)
    }

    fn shift_left<const BITS: u32>(self) -> Self {
        Self(self.0.map(|word| word << BITS))
    }

    fn shift_right<const BITS: u32>(self) -> Self {
        Self(self.0.map(|word| word >> BITS))
    }

    fn shift_right_signed<const BITS: u32>(self) -> Self {
        Self(self.0.map(|word| (word.cast_signed() >> BITS).cast_unsigned()))
    }

    fn equal(self, other: Self) -> Mask {
        mask_of(|lane| self.0[lane] == other.0[lane])
    }

    fn less_than_signed(self, other: Self) -> Mask {
        mask_of(|lane| self.0[lane].cast_signed() < other.0[lane].cast_signed())
    }

    fn select(mask: Mask, if_set: Self, if_clear: Self) -> Self {
        Self(from_fn(|lane| if mask.has(lane) { if_set.0[lane] } else { if_clear.0[lane] }))
    }

    fn transpose(rows: [Self; 8]) -> [Self; 8] {
        from_fn(|word| Self(from_fn(|lane| rows[lane].0[word])))
    }
}
