//! What makes a proof tell nothing but that its statement holds.

use std::fmt;

use ark_bn254::Fr;
use ark_ff::UniformRand;
use rand::{CryptoRng, RngCore};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Groth16's r and s: two secrets that are drawn for one proof and used for no other.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Randomizers {
    pub(crate) r: Fr,
    pub(crate) s: Fr,
}

impl Randomizers {
    /// Draws both uniformly.
    pub fn sample<R: RngCore + CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self { r: Fr::rand(rng), s: Fr::rand(rng) }
    }

    /// Takes both from the caller, which is for tests that compare provers: a proof is zero-knowledge
    /// only if nobody can guess them.
    pub fn from_parts(r: Fr, s: Fr) -> Self {
        Self { r, s }
    }
}

impl fmt::Debug for Randomizers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Randomizers([REDACTED])")
    }
}
