//! The processor's instructions against their emulation.

use super::emulated::EmulatedWords;
use super::words::Words;
use crate::lanes::{Mask, Row};

/// Words at which carries, signs and the 52 bits of a factor turn over, and some without a pattern.
const WORDS: [u64; 20] = [
    0,
    1,
    2,
    (1 << 12) - 1,
    (1 << 26) + 1,
    1 << 51,
    (1 << 52) - 1,
    1 << 52,
    (1 << 52) + 1,
    (1 << 53) - 1,
    1 << 63,
    (1 << 63) - 1,
    u64::MAX,
    u64::MAX - 1,
    u64::MAX << 52,
    u64::MAX << 51,
    0x0123_4567_89ab_cdef,
    0xfedc_ba98_7654_3210,
    0x000f_0f0f_0f0f_0f0f,
    0x5555_5555_5555_5555,
];

/// Compares each operation of `W` with its emulation; a difference panics with the operation's name.
pub(in crate::lanes) fn compare_with_emulation<W: Words>() {
    for shift in 0..WORDS.len() {
        let drawn = |start: usize| -> [u64; 8] {
            std::array::from_fn(|i| WORDS[(start + i * (shift + 1)) % WORDS.len()])
        };
        for start in 0..WORDS.len() {
            compare::<W>(drawn(start), drawn(start + shift), drawn(3 * start + 7 * shift + 1));
        }
    }
    let rows: [[u64; 8]; 8] = std::array::from_fn(|row| std::array::from_fn(|i| (8 * row + i) as u64));
    assert_eq!(
        W::transpose(rows.map(W::from_array)).map(W::to_array),
        EmulatedWords::transpose(rows.map(EmulatedWords::from_array)).map(EmulatedWords::to_array),
        "transpose"
    );
}

fn compare<W: Words>(a: [u64; 8], b: [u64; 8], c: [u64; 8]) {
    let (real, emulated) = (results::<W>(a, b, c), results::<EmulatedWords>(a, b, c));
    for ((name, real), (_, emulated)) in real.into_iter().zip(emulated) {
        assert_eq!(real, emulated, "{name} of {a:x?}, {b:x?}, {c:x?}");
    }
}

fn results<W: Words>(a: [u64; 8], b: [u64; 8], c: [u64; 8]) -> Vec<(&'static str, [u64; 8])> {
    let mask = Mask((a[0] ^ b[1] ^ c[2] >> 8) as u8);
    let (a, b, c) = (W::from_array(a), W::from_array(b), W::from_array(c));
    let mut row = Row::default();
    a.store(&mut row);
    let as_words = |mask: Mask| [u64::from(mask.0); 8];
    vec![
        ("splat", W::splat(c.to_array()[3]).to_array()),
        ("store", row.0),
        ("load", W::load(&row).to_array()),
        ("add", a.add(b).to_array()),
        ("sub", a.sub(b).to_array()),
        ("sub_where", a.sub_where(mask, b).to_array()),
        ("add_low", a.add_low(b, c).to_array()),
        ("add_high", a.add_high(b, c).to_array()),
        ("and", a.and(b).to_array()),
        ("or", a.or(b).to_array()),
        ("xor", a.xor(b).to_array()),
        ("shift_left by 12", a.shift_left::<12>().to_array()),
        ("shift_left by 16", a.shift_left::<16>().to_array()),
        ("shift_left by 24", a.shift_left::<24>().to_array()),
        ("shift_left by 36", a.shift_left::<36>().to_array()),
        ("shift_left by 40", a.shift_left::<40>().to_array()),
        ("shift_left by 52", a.shift_left::<52>().to_array()),
        ("shift_right by 12", a.shift_right::<12>().to_array()),
        ("shift_right by 16", a.shift_right::<16>().to_array()),
        ("shift_right by 24", a.shift_right::<24>().to_array()),
        ("shift_right by 28", a.shift_right::<28>().to_array()),
        ("shift_right by 36", a.shift_right::<36>().to_array()),
        ("shift_right by 40", a.shift_right::<40>().to_array()),
        ("shift_right by 52", a.shift_right::<52>().to_array()),
        ("shift_right_signed by 52", a.shift_right_signed::<52>().to_array()),
        ("equal", as_words(a.equal(b))),
        ("less_than_signed", as_words(a.less_than_signed(b))),
        ("select", W::select(mask, a, b).to_array()),
    ]
}

/// The comparison with the emulation itself finds nothing, and would find a wrong operation.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emulation_knows_the_edges_of_the_instructions() {
        compare_with_emulation::<EmulatedWords>();
        let ones = [u64::MAX; 8];
        let results = results::<EmulatedWords>([5; 8], ones, ones);
        let of = |name| results.iter().find(|(found, _)| *found == name).map(|(_, words)| words[0]);
        // (2^52 - 1)^2 = (2^52 - 2) * 2^52 + 1: the factors are cut to 52 bits.
        assert_eq!(of("add_low"), Some(5 + 1));
        assert_eq!(of("add_high"), Some(5 + (1 << 52) - 2));
        assert_eq!(of("less_than_signed"), Some(0));
    }
}
