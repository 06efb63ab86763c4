//! What a processor with AVX-512 IFMA does with eight words at once.

use crate::lanes::{Mask, Row};

/// Eight words of 64 bits; each operation works on the eight alike.
///
/// Implemented by the processor's own instructions and, for tests on any machine, by arrays.
pub(in crate::lanes) trait Words: Copy + Send + Sync + 'static {
    /// The same word eight times.
    fn splat(word: u64) -> Self;

    /// Word i from place i.
    fn from_array(words: [u64; 8]) -> Self;

    /// Word i in place i.
    fn to_array(self) -> [u64; 8];

    /// Reads the words of a row in order.
    fn load(row: &Row) -> Self;

    /// Writes a row in order.
    fn store(self, row: &mut Row);

    /// The sum modulo 2^64.
    fn add(self, other: Self) -> Self;

    /// The difference modulo 2^64.
    fn sub(self, other: Self) -> Self;

    /// The difference modulo 2^64 where the mask is set, the word itself elsewhere.
    fn sub_where(self, mask: Mask, other: Self) -> Self;

    /// `self + (a mod 2^52) * (b mod 2^52) mod 2^52`, modulo 2^64.
    fn add_low(self, a: Self, b: Self) -> Self;

    /// `self + (a mod 2^52) * (b mod 2^52) / 2^52` rounded down, modulo 2^64.
    fn add_high(self, a: Self, b: Self) -> Self;

    /// Bitwise and.
    fn and(self, other: Self) -> Self;

    /// Bitwise or.
    fn or(self, other: Self) -> Self;

    /// Bitwise exclusive or.
    fn xor(self, other: Self) -> Self;

    /// Shifted by `BITS` below 64 towards the high bits, zeros from below.
    fn shift_left<const BITS: u32>(self) -> Self;

    /// Shifted by `BITS` below 64 towards the low bits, zeros from above.
    fn shift_right<const BITS: u32>(self) -> Self;

    /// Shifted by `BITS` below 64 towards the low bits, copies of the sign from above.
    fn shift_right_signed<const BITS: u32>(self) -> Self;

    /// Where the words are equal.
    fn equal(self, other: Self) -> Mask;

    /// Where this word is less than the other as a signed number.
    fn less_than_signed(self, other: Self) -> Mask;

    /// `if_set` where the mask is set, `if_clear` elsewhere.
    fn select(mask: Mask, if_set: Self, if_clear: Self) -> Self;

    /// Word i of output j is word j of input i.
    fn transpose(rows: [Self; 8]) -> [Self; 8];
}
