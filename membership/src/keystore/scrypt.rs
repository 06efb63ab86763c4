//! scrypt (RFC 7914) without the RFC's bound `n < 2^(16 r)`.
//!
//! nwaku writes `n = 262144, r = 1`, which breaks that bound, so the `scrypt` crate refuses it; it
//! is the reference in the tests below. The caller bounds `n`, `r` and `p`: see [`super::kdf`].

use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Words of a Salsa20 block.
const BLOCK: usize = 16;

/// Fills `key` from a password. `n` is a power of two above 1; memory is `128 r (n + p)` bytes.
pub(super) fn scrypt(password: &[u8], salt: &[u8], n: usize, r: usize, p: usize, key: &mut [u8; 32]) {
    let mut lanes = Zeroizing::new(vec![0; 128 * r * p]);
    pbkdf2_hmac::<Sha256>(password, salt, 1, &mut lanes);
    let mut memory = Zeroizing::new(vec![0; 2 * r * BLOCK * n]);
    for lane in lanes.chunks_exact_mut(128 * r) {
        mix_lane(lane, &mut memory);
    }
    pbkdf2_hmac::<Sha256>(password, &lanes, 1, key);
}

/// scryptROMix: writes a long row of blocks, then reads it in an order only the content tells.
fn mix_lane(lane: &mut [u8], memory: &mut [u32]) {
    let (words, _) = lane.as_chunks_mut::<4>();
    let mut x = Zeroizing::new(words.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>());
    let mut y = Zeroizing::new(vec![0; x.len()]);
    for row in memory.chunks_exact_mut(x.len()) {
        row.copy_from_slice(&x);
        mix_blocks(row, &mut x);
    }
    let rows = memory.len() / x.len();
    for _ in 0..rows {
        let row = x[x.len() - BLOCK] as usize & (rows - 1);
        xor(&mut x, &memory[row * y.len()..][..y.len()]);
        mix_blocks(&x, &mut y);
        std::mem::swap(&mut x, &mut y);
    }
    for (bytes, word) in words.iter_mut().zip(x.iter()) {
        *bytes = word.to_le_bytes();
    }
}

/// scryptBlockMix: chains all blocks through Salsa20/8, even ones to the front half of `output`,
/// odd ones to the back.
fn mix_blocks(input: &[u32], output: &mut [u32]) {
    let (blocks, _) = input.as_chunks::<BLOCK>();
    let (outputs, _) = output.as_chunks_mut::<BLOCK>();
    let half = blocks.len() / 2;
    let mut x = blocks[blocks.len() - 1];
    for (i, block) in blocks.iter().enumerate() {
        xor(&mut x, block);
        salsa20_8(&mut x);
        outputs[i / 2 + (i % 2) * half] = x;
    }
}

fn xor(target: &mut [u32], with: &[u32]) {
    for (word, other) in target.iter_mut().zip(with) {
        *word ^= other;
    }
}

/// The Salsa20 core with 8 rounds: four times a column and a row round.
fn salsa20_8(x: &mut [u32; BLOCK]) {
    let input = *x;
    for _ in 0..4 {
        for [a, b, c, d] in [[0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11]] {
            quarter_round(x, a, b, c, d);
        }
        for [a, b, c, d] in [[0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14]] {
            quarter_round(x, a, b, c, d);
        }
    }
    for (word, start) in x.iter_mut().zip(input) {
        *word = word.wrapping_add(start);
    }
}

fn quarter_round(x: &mut [u32; BLOCK], a: usize, b: usize, c: usize, d: usize) {
    x[b] ^= x[a].wrapping_add(x[d]).rotate_left(7);
    x[c] ^= x[b].wrapping_add(x[a]).rotate_left(9);
    x[d] ^= x[c].wrapping_add(x[b]).rotate_left(13);
    x[a] ^= x[d].wrapping_add(x[c]).rotate_left(18);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_those_of_the_scrypt_crate_where_it_agrees_to_derive_any(
            password in prop::collection::vec(any::<u8>(), 0..20),
            salt in prop::collection::vec(any::<u8>(), 0..20),
            log_n in 1u8..8,
            r in 1u32..10,
            p in 1u32..4,
        ) {
            let parameters = scrypt::Params::new(log_n, r, p, 32).expect("log n is below 16 r");
            let mut theirs = [0; 32];
            scrypt::scrypt(&password, &salt, &parameters, &mut theirs).expect("32 bytes is a length");
            let mut ours = [0; 32];
            scrypt(&password, &salt, 1 << log_n, r as usize, p as usize, &mut ours);
            prop_assert_eq!(ours, theirs);
        }
    }
}
