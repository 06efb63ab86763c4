//! A Groth16 key whose secrets are all one, so that a good proof is known without a circuit.

use ark_bn254::{Bn254, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use weir_groth16::key::VerifyingKey;
use weir_groth16::prover::Proof;
use weir_groth16::verifier::ProofBytes;

/// The key, with one public input.
pub fn key() -> VerifyingKey {
    let (g, h) = (G1Affine::generator(), G2Affine::generator());
    VerifyingKey { alpha_g1: g, beta_g2: h, gamma_g2: h, delta_g2: h, gamma_abc_g1: vec![g, g] }
}

/// The same as ark's type.
pub fn ark_key() -> ark_groth16::VerifyingKey<Bn254> {
    let VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 } = key();
    ark_groth16::VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 }
}

/// With logarithms 2, 3 and c, and the input x: 2 * 3 = 1 * 1 + (1 + x) * 1 + c * 1, so c = 4 - x.
pub fn good_proof() -> (ProofBytes, [Fr; 1]) {
    let (g, h) = (G1Affine::generator(), G2Affine::generator());
    let times = |factor: u64| Fr::from(factor);
    let proof = Proof { a: (g * times(2)).into(), b: (h * times(3)).into(), c: (g * times(3)).into() };
    (proof.to_bytes(), [Fr::from(1u64)])
}
