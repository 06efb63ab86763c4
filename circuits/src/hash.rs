//! The two hashes of RLN: Poseidon inside the circuit, Keccak-256 in front of it.

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_ff::PrimeField;
use sha3::{Digest, Keccak256};
use zerokit_utils::poseidon::Poseidon;

/// Circomlib's Poseidon for the three widths that RLN uses, as (state width, full rounds, partial
/// rounds, matrices to skip): one, two and three inputs.
const ROUND_PARAMETERS: [(usize, usize, usize, usize); 3] = [(2, 8, 56, 0), (3, 8, 57, 0), (4, 8, 56, 0)];

/// Round constants are generated once, in a few milliseconds.
static POSEIDON: LazyLock<Poseidon<Fr>> = LazyLock::new(|| Poseidon::from(&ROUND_PARAMETERS));

/// Poseidon over one, two or three field elements, with circomlib's constants.
///
/// Another number of inputs does not compile.
pub fn poseidon<const N: usize>(inputs: &[Fr; N]) -> Fr {
    const { assert!(N >= 1 && N <= ROUND_PARAMETERS.len(), "RLN hashes one to three field elements") };
    POSEIDON.hash(inputs).expect("parameters exist for each number of inputs that compiles")
}

/// Keccak-256 of `bytes`, its digest read little-endian and reduced modulo the field order.
pub fn hash_to_field(bytes: &[u8]) -> Fr {
    Fr::from_le_bytes_mod_order(&Keccak256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_big_endian_hex(text: &str) -> Fr {
        Fr::from_be_bytes_mod_order(&hex::decode(text).expect("hex"))
    }

    #[test]
    fn poseidon_of_a_pair_agrees_with_the_vector_of_nwaku() {
        let left = from_big_endian_hex("126f4c026cd731979365f79bd345a46d673c5a3f6f588bdc718e6356d02b6fdc");
        let right = from_big_endian_hex("1f0e5db2b69d599166ab16219a97b82b662085c93220382b39f9f911d3b943b1");
        let hash = from_big_endian_hex("180543bc9afb81d9c2282df9c9946f87b4596cf6d3fec2cc32b6637427685353");
        assert_eq!(poseidon(&[left, right]), hash);
        assert_ne!(poseidon(&[right, left]), hash);
    }

    /// Circomlib's own test values (`test/poseidoncircuit.js` and poseidon-lite).
    #[test]
    fn poseidon_agrees_with_circomlib_for_one_and_two_inputs() {
        let one = from_big_endian_hex("29176100eaa962bdc1fe6c654d6a3c130e96a4d1168b33848b897dc502820133");
        let two = from_big_endian_hex("115cc0f5e7d690413df64c6b9662e9cf2a3617f2743245519e19607a4417189a");
        assert_eq!(poseidon(&[Fr::from(1)]), one);
        assert_eq!(poseidon(&[Fr::from(1), Fr::from(2)]), two);
    }

    #[test]
    fn a_digest_above_the_field_order_is_reduced_and_read_little_endian() {
        // Keccak-256 of nothing: c5d24601 … 5d85a470, last byte the most significant.
        let digest = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        let bytes = hex::decode(digest).expect("hex");
        assert_eq!(hash_to_field(&[]), Fr::from_le_bytes_mod_order(&bytes));
        assert_ne!(hash_to_field(&[]), Fr::from_be_bytes_mod_order(&bytes));
    }
}
