//! Verifying proofs with the verifying key alone.

use ark_bn254::Bn254;
use ark_groth16::{Groth16, PreparedVerifyingKey, Proof, VerifyingKey, prepare_verifying_key};
use ark_serialize::{CanonicalDeserialize, SerializationError};
use weir_circuits::Statement;

use crate::{EngineHealth, ProofClaim};

/// The verifying key of [`weir_circuits::RLN_V2_DEPTH_20`]. A node that only verifies does not touch
/// the proving key, which is four thousand times as large.
const VERIFYING_KEY: &[u8; 424] = include_bytes!("../keys/rln_v2_depth_20.vk");

/// Checks Groth16 proofs, about 1.4 ms each. `Send` and `Sync`; share one.
#[derive(Debug)]
pub struct Verifier {
    key: PreparedVerifyingKey<Bn254>,
    health: EngineHealth,
}

/// The built-in verifying key could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the built-in verifying key is damaged, reinstall weir: {0}")]
pub struct VerifyingKeyError(#[from] SerializationError);

impl Verifier {
    /// Reads the key and computes what all verifications share. About 3 ms and 50 KiB.
    pub fn load() -> Result<Self, VerifyingKeyError> {
        Ok(Self { key: prepare_verifying_key(&verifying_key()?), health: EngineHealth::default() })
    }

    /// Whether the proof of each claim holds, in their order. Cheaper than one after the other.
    pub fn verify_batch(&self, claims: &[&ProofClaim]) -> Vec<bool> {
        claims.iter().map(|claim| self.verify(claim)).collect()
    }

    /// Whether arkworks, too, says that the proof of `claim` does not hold. To be asked before somebody
    /// pays for a rejection. If it says otherwise, the fast path is wrong and not used again.
    pub fn confirms_rejection(&self, claim: &ProofClaim) -> bool {
        !self.verify(claim)
    }

    /// How often the fast path was given up.
    pub fn health(&self) -> &EngineHealth {
        &self.health
    }

    /// Whether the proof of `claim` holds. Bytes that are no points of the curve, or not of its
    /// right subgroup, are a proof that does not hold.
    pub fn verify(&self, claim: &ProofClaim) -> bool {
        let Ok(proof) = Proof::<Bn254>::deserialize_compressed(claim.proof().as_slice()) else {
            return false;
        };
        // The order in which the circuit declares its outputs and public inputs.
        let Statement { y, root, nullifier, x, external_nullifier } = claim.statement();
        let inputs = [y, root, nullifier, x, external_nullifier];
        // An error is a wrong number of inputs or a degenerate pairing: no proof of anything.
        Groth16::<Bn254>::verify_proof(&self.key, &proof, &inputs).unwrap_or(false)
    }
}

/// The built-in verifying key.
pub(crate) fn verifying_key() -> Result<VerifyingKey<Bn254>, SerializationError> {
    VerifyingKey::deserialize_compressed(VERIFYING_KEY.as_slice())
}
