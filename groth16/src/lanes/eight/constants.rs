//! Numbers of the fields in limbs of 52 bits, calculated by the compiler from ark's.

use ark_ff::MontConfig;

/// The bits of a limb.
pub(super) const LIMB_MASK: u64 = (1 << 52) - 1;

/// What the eight-lane arithmetic needs to know of a field.
pub(super) trait Constants: MontConfig<4> {
    /// p.
    const MODULUS_LIMBS: [u64; 5] = limbs_of_words(Self::MODULUS.0);
    /// 2p.
    const TWICE_MODULUS: [u64; 5] = multiple(Self::MODULUS_LIMBS, 2);
    /// 3p.
    const THRICE_MODULUS: [u64; 5] = multiple(Self::MODULUS_LIMBS, 3);
    /// -1 / p modulo 2^52.
    const INVERSE_52: u64 = Self::INV & LIMB_MASK;
    /// 2^260 mod p, the form of one.
    const ONE: [u64; 5] = limbs_of_words(doubled::<Self>(Self::R.0, 4));
    /// 2^264 mod p: multiplying by it turns x * 2^256 into x * 2^256 * 2^264 / 2^260 = x * 2^260.
    const INTO_RADIX_260: [u64; 5] = limbs_of_words(doubled::<Self>(Self::R.0, 8));
    /// 2^256 mod p: multiplying by it turns x * 2^260 into x * 2^256.
    const INTO_RADIX_256: [u64; 5] = limbs_of_words(Self::R.0);
}

impl<C: MontConfig<4>> Constants for C {}

/// A number below 2^256 in limbs.
pub(super) const fn limbs_of_words(words: [u64; 4]) -> [u64; 5] {
    let [w0, w1, w2, w3] = words;
    [
        w0 & LIMB_MASK,
        (w0 >> 52 | w1 << 12) & LIMB_MASK,
        (w1 >> 40 | w2 << 24) & LIMB_MASK,
        (w2 >> 28 | w3 << 36) & LIMB_MASK,
        w3 >> 16,
    ]
}

/// A number below 2^256 from limbs below 2^52.
pub(super) const fn words_of_limbs(limbs: [u64; 5]) -> [u64; 4] {
    let [l0, l1, l2, l3, l4] = limbs;
    [l0 | l1 << 52, l1 >> 12 | l2 << 40, l2 >> 24 | l3 << 28, l3 >> 36 | l4 << 16]
}

/// A number times a small factor, in limbs again.
const fn multiple(limbs: [u64; 5], factor: u64) -> [u64; 5] {
    let mut result = [0; 5];
    let mut carry = 0;
    let mut i = 0;
    while i < 5 {
        let sum = limbs[i] * factor + carry;
        result[i] = sum & LIMB_MASK;
        carry = sum >> 52;
        i += 1;
    }
    result
}

/// A residue below p doubled modulo p, `times` times over.
const fn doubled<C: MontConfig<4>>(mut words: [u64; 4], times: u32) -> [u64; 4] {
    let mut done = 0;
    while done < times {
        let [w0, w1, w2, w3] = words;
        words = canonical::<C>([w0 << 1, w1 << 1 | w0 >> 63, w2 << 1 | w1 >> 63, w3 << 1 | w2 >> 63]);
        done += 1;
    }
    words
}

/// A number below 2p modulo p.
pub(super) const fn canonical<C: MontConfig<4>>(words: [u64; 4]) -> [u64; 4] {
    let p = C::MODULUS.0;
    let mut reduced = [0; 4];
    let mut borrow = false;
    let mut i = 0;
    while i < 4 {
        let (difference, below) = words[i].overflowing_sub(p[i]);
        let (difference, below_by_one) = difference.overflowing_sub(borrow as u64);
        reduced[i] = difference;
        borrow = below | below_by_one;
        i += 1;
    }
    if borrow { words } else { reduced }
}
