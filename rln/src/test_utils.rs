//! Members and messages for tests of this crate and of those above it.
//!
//! Behind the feature `test-utils`. Proofs made here have right public values and a Groth16 part
//! that does not hold, so that a test of the rules need not prove anything.

use bytes::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use weir_circuits::{Witness, evaluate};
use weir_core::{ContentTopic, Meta, ProofField, RateLimitProof, Timestamp, WakuMessage};

use crate::{
    EpochLength, ExternalNullifier, Identity, MembershipIndex, MerklePath, MerkleRoot, MerkleTree, MessageId,
    ProveRequest, RateCommitment, RlnIdentifier, UserMessageLimit, field::field_to_bytes, signal_hash,
};

/// A member that is alone in its tree.
#[derive(Debug, Clone)]
pub struct Member {
    /// Who it is.
    pub identity: Identity,
    /// Its quota.
    pub limit: UserMessageLimit,
    /// The way to the root of its tree.
    pub path: MerklePath,
    /// The root of its tree.
    pub root: MerkleRoot,
}

impl Member {
    /// The member that belongs to `seed`, at index 0 of a tree of its own.
    pub fn new(seed: u64, limit: u32) -> Self {
        let identity = Identity::generate(&mut ChaCha20Rng::seed_from_u64(seed));
        let limit = UserMessageLimit::new(limit).expect("a test's limit is in range");
        let index = MembershipIndex::new(0).expect("0 is in range");
        let mut tree = MerkleTree::new();
        tree.set(index, RateCommitment::new(identity.commitment(), limit));
        let path = tree.path(index).expect("just set");
        Self { identity, limit, path, root: tree.root() }
    }

    /// What to prove for `message` as the member's message `id`.
    pub fn request(&self, message: &WakuMessage, length: EpochLength, id: MessageId) -> ProveRequest<'_> {
        ProveRequest {
            identity: self.identity.secret(),
            limit: self.limit,
            message_id: id,
            path: &self.path,
            epoch: length.of(message.timestamp),
            rln_identifier: RlnIdentifier::WAKU,
            signal: signal_hash(&message.payload, &message.content_topic, message.timestamp),
        }
    }

    /// `message` with a proof that claims what a true one would and does not hold.
    pub fn unproven(&self, mut message: WakuMessage, length: EpochLength, id: MessageId) -> WakuMessage {
        let request = self.request(&message, length, id);
        let witness = Witness {
            secret: request.identity.0,
            limit: request.limit.get(),
            message_id: id.0,
            path: self.path.branch(),
        };
        let scope = ExternalNullifier::new(request.epoch, &request.rln_identifier);
        let statement = evaluate(&witness, scope.0, request.signal.0);
        message.proof = ProofField::Present(Box::new(RateLimitProof {
            proof: [0; 128],
            merkle_root: field_to_bytes(&statement.root),
            epoch: request.epoch.to_bytes(),
            share_x: field_to_bytes(&statement.x),
            share_y: field_to_bytes(&statement.y),
            nullifier: field_to_bytes(&statement.nullifier),
            rln_identifier: request.rln_identifier.to_bytes(),
        }));
        message
    }
}

/// A message without a proof.
pub fn message(payload: &str, timestamp: Timestamp) -> WakuMessage {
    WakuMessage {
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        content_topic: ContentTopic::new("/weir/1/test/proto").expect("well formed"),
        version: 0,
        timestamp,
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}
