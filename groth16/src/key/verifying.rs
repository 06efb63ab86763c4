//! What a verifier knows about a circuit.

use ark_bn254::{G1Affine, G2Affine};

/// The verifying key of one circuit, in the names of ark and of the Groth16 paper (eprint 2016/260).
///
/// Every point is in its group of prime order; whoever reads a key checks that, or trusts its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// `alpha * G`.
    pub alpha_g1: G1Affine,
    /// `beta * H`.
    pub beta_g2: G2Affine,
    /// `gamma * H`.
    pub gamma_g2: G2Affine,
    /// `delta * H`.
    pub delta_g2: G2Affine,
    /// One point for the constant 1, then one for each public input.
    pub gamma_abc_g1: Vec<G1Affine>,
}
