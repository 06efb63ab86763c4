//! The two hashes of RLN: Poseidon inside the circuit, Keccak-256 in front of it.
//!
//! ```text
//!  grain      the published round constants and matrix, out of their generator
//!    │
//!  schedule   the same function with fewer multiplications: constants moved, matrices made sparse
//!    │
//!  poseidon   runs a schedule, on one element or on several in step
//! ```

mod grain;
mod poseidon;
mod schedule;

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_ff::PrimeField;
use sha3::{Digest, Keccak256};

pub use poseidon::{HashElement, Schedule};

pub(crate) use grain::Parameters;

/// The most elements that [`poseidon()`] takes.
const MAX_INPUTS: usize = 3;

static ONE: LazyLock<Schedule<Fr, 1>> = LazyLock::new(|| Parameters::circomlib(2, 56).schedule());
static PAIR: LazyLock<Schedule<Fr, 2>> = LazyLock::new(|| Parameters::circomlib(3, 57).schedule());
static TRIPLE: LazyLock<Schedule<Fr, 3>> = LazyLock::new(|| Parameters::circomlib(4, 56).schedule());

/// Poseidon over one, two or three field elements, with circomlib's constants.
///
/// The state it works in is erased; copies that the compiler keeps are not. Its time does not depend
/// on the elements as far as ark's arithmetic does not. Another number of inputs does not compile.
pub fn poseidon<const N: usize>(inputs: &[Fr; N]) -> Fr {
    const { assert!(N >= 1 && N <= MAX_INPUTS, "RLN hashes one to three field elements") };
    match inputs.as_slice() {
        [a] => ONE.hash_erasing(&[*a]),
        [a, b] => PAIR.hash_erasing(&[*a, *b]),
        [a, b, c] => TRIPLE.hash_erasing(&[*a, *b, *c]),
        _ => unreachable!("the assertion above is made when this compiles"),
    }
}

/// The schedule of Poseidon over two elements, for who hashes pairs in lanes.
pub fn pair_schedule() -> &'static Schedule<Fr, 2> {
    &PAIR
}

/// Keccak-256 of `bytes`, its digest read little-endian and reduced modulo the field order.
pub fn hash_to_field(bytes: &[u8]) -> Fr {
    Fr::from_le_bytes_mod_order(&Keccak256::digest(bytes))
}

#[cfg(test)]
mod tests;
