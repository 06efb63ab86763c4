//! Making proofs, with zerokit's prover and the keys embedded in it.

use ark_serialize::CanonicalSerialize;
use weir_circuits::{Fr, Statement, Violation, Witness, check, evaluate};
use weir_core::RateLimitProof;
use zerokit_rln::prelude::{
    ArkGroth16Backend, Graph, PoseidonHash, Proof, RLNMerkleProof, RLNProofValues, RLNWitnessInput,
    RLNZkProof, SecretFr, default_graph_single, default_zkey_single,
};

use crate::{
    Epoch, ExternalNullifier, IdentitySecret, MerklePath, MessageId, RlnIdentifier, ShareX, UserMessageLimit,
    field::field_to_bytes, verifier::verifying_key,
};

/// Makes proofs, about 0.35 s of processor time each, spread over rayon's threads. `Send` and
/// `Sync`; share one.
///
/// Holds the expanded proving key and the witness graph, about 12 MB that stay for the life of the
/// process.
pub struct Prover {
    backend: ArkGroth16Backend<PoseidonHash>,
}

/// What a proof is to say.
#[derive(Debug, Clone, Copy)]
pub struct ProveRequest<'a> {
    /// Who sends.
    pub identity: &'a IdentitySecret,
    /// Messages the sender registered for.
    pub limit: UserMessageLimit,
    /// Which of them this is. Reserved for this signal alone, durably, before it comes here.
    pub message_id: MessageId,
    /// The sender's way to a root that verifiers still accept.
    pub path: &'a MerklePath,
    /// The epoch of the message's timestamp.
    pub epoch: Epoch,
    /// The application it counts in.
    pub rln_identifier: RlnIdentifier,
    /// What is sent, see [`crate::signal_hash`].
    pub signal: ShareX,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The proving key in use is not that of the verifying key everyone checks with.
    #[error("the embedded proving key is not the one this node verifies with; the build mixes rln versions")]
    ForeignKey,
    /// The built-in verifying key could not be read.
    #[error(transparent)]
    VerifyingKey(#[from] crate::VerifyingKeyError),
    /// The request breaks the relation, so no proof of it exists.
    #[error("the request cannot be proven: {0}")]
    Relation(#[from] Violation),
    /// Zerokit failed.
    #[error("the prover failed: {0}")]
    Backend(String),
    /// Zerokit proved another statement than was asked for.
    #[error("the prover and this node disagree about what was proven")]
    Disagreement,
}

impl Prover {
    /// Expands the embedded keys and checks that they belong to the pinned verifying key. About
    /// 10 ms.
    pub fn load() -> Result<Self, ProveError> {
        let key = default_zkey_single().clone();
        if key.0.vk != verifying_key().map_err(crate::VerifyingKeyError::from)? {
            return Err(ProveError::ForeignKey);
        }
        let graph: std::sync::Arc<Graph> = default_graph_single().clone();
        Ok(Self { backend: ArkGroth16Backend::new(key, graph) })
    }

    /// Proves `request`. The relation is checked first, so that a bad request costs no proof and has
    /// a named reason, and the proof's public values are compared with ours afterwards.
    pub fn prove(&self, request: &ProveRequest<'_>) -> Result<RateLimitProof, ProveError> {
        let external_nullifier = ExternalNullifier::new(request.epoch, &request.rln_identifier);
        let witness = Witness {
            secret: request.identity.0,
            limit: request.limit.get(),
            message_id: request.message_id.0,
            path: request.path.branch(),
        };
        let statement = evaluate(&witness, external_nullifier.0, request.signal.0);
        check(&statement, &witness)?;
        let (proof, values) =
            self.backend.generate_proof(&zerokit_witness(&witness, &statement)?).map_err(backend_error)?;
        if statement_of(&values) != Some(statement) {
            return Err(ProveError::Disagreement);
        }
        rate_limit_proof(&proof, &statement, request)
    }
}

fn zerokit_witness(witness: &Witness, statement: &Statement) -> Result<RLNWitnessInput, ProveError> {
    let index = witness.path.is_right.iter().map(|&is_right| u8::from(is_right)).collect();
    RLNWitnessInput::new_single()
        .identity_secret(SecretFr::from(&mut witness.secret.clone()))
        .user_message_limit(Fr::from(witness.limit))
        .merkle_proof(RLNMerkleProof::new(witness.path.siblings.to_vec(), index))
        .x(statement.x)
        .external_nullifier(statement.external_nullifier)
        .message_id(Fr::from(witness.message_id))
        .build()
        .map_err(backend_error)
}

/// The statement that zerokit says it proved.
fn statement_of(values: &RLNProofValues) -> Option<Statement> {
    Some(Statement {
        root: values.root(),
        external_nullifier: values.external_nullifier(),
        x: values.x(),
        y: values.y()?,
        nullifier: values.nullifier()?,
    })
}

fn rate_limit_proof(
    proof: &Proof,
    statement: &Statement,
    request: &ProveRequest<'_>,
) -> Result<RateLimitProof, ProveError> {
    let mut bytes = [0; 128];
    proof.serialize_compressed(bytes.as_mut_slice()).map_err(backend_error)?;
    Ok(RateLimitProof {
        proof: bytes,
        merkle_root: field_to_bytes(&statement.root),
        epoch: request.epoch.to_bytes(),
        share_x: field_to_bytes(&statement.x),
        share_y: field_to_bytes(&statement.y),
        nullifier: field_to_bytes(&statement.nullifier),
        rln_identifier: request.rln_identifier.to_bytes(),
    })
}

fn backend_error(error: impl std::error::Error) -> ProveError {
    ProveError::Backend(error.to_string())
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prover")
    }
}
