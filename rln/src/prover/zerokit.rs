//! The slow path that is known to be right: zerokit's prover and the keys embedded in it.

use ark_serialize::{CanonicalSerialize, SerializationError};
use weir_circuits::{Fr, Statement, Witness};
use zerokit_rln::prelude::{
    ArkGroth16Backend, Graph, PoseidonHash, RLNMerkleProof, RLNProofValues, RLNWitnessInput, RLNZkProof,
    SecretFr, default_graph_single, default_zkey_single,
};

use super::ProveError;
use crate::verifier::verifying_key;

/// Length of the proving key's file.
pub(super) const KEY_FILE_BYTES: usize = 3_405_784;

/// Proves in about 0.35 s of processor time, spread over rayon's threads.
///
/// Holds the expanded proving key and the witness graph, about 12 MB that stay for the life of the
/// process.
pub(super) struct Zerokit {
    backend: ArkGroth16Backend<PoseidonHash>,
}

impl Zerokit {
    /// Expands the embedded keys and checks that they belong to the pinned verifying key.
    pub(super) fn load() -> Result<Self, ProveError> {
        let key = default_zkey_single().clone();
        if key.0.vk != verifying_key().map_err(crate::VerifyingKeyError::from)? {
            return Err(ProveError::ForeignKey);
        }
        let graph: std::sync::Arc<Graph> = default_graph_single().clone();
        Ok(Self { backend: ArkGroth16Backend::new(key, graph) })
    }

    /// Proves `statement`, which `witness` satisfies. The public values that zerokit computes itself
    /// must be the same.
    pub(super) fn prove(&self, witness: &Witness, statement: &Statement) -> Result<[u8; 128], ProveError> {
        let input = witness_input(witness, statement)?;
        let (proof, values) = self.backend.generate_proof(&input).map_err(backend_error)?;
        if statement_of(&values) != Some(*statement) {
            return Err(ProveError::Disagreement);
        }
        let mut bytes = [0; 128];
        proof.serialize_compressed(bytes.as_mut_slice()).map_err(backend_error)?;
        Ok(bytes)
    }
}

fn witness_input(witness: &Witness, statement: &Statement) -> Result<RLNWitnessInput, ProveError> {
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

/// The bytes of the proving key's file, `rln_final.arkzkey`. Zerokit embeds them and keeps them to
/// itself, so they are written anew from what it read.
pub(super) fn key_file() -> Vec<u8> {
    let (key, matrices) = &**default_zkey_single();
    let counts = [
        matrices.num_instance_variables,
        matrices.num_witness_variables,
        matrices.num_constraints,
        matrices.a_num_non_zero,
        matrices.b_num_non_zero,
        matrices.c_num_non_zero,
    ];
    let mut file = Vec::with_capacity(KEY_FILE_BYTES);
    let write = |part: Result<(), SerializationError>| part.expect("memory takes everything");
    write(key.serialize_uncompressed(&mut file));
    for count in counts {
        write(count.serialize_uncompressed(&mut file));
    }
    for matrix in [&matrices.a, &matrices.b, &matrices.c] {
        write(matrix.serialize_uncompressed(&mut file));
    }
    file
}

fn backend_error(error: impl std::error::Error) -> ProveError {
    ProveError::Backend(error.to_string())
}
