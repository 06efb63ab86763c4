//! The second tier: one member, one tree, many messages.

use std::{fmt, sync::Arc};

use weir_circuits::Witness;
use weir_core::RateLimitProof;

use super::{Engine, Proposition, ProveError, Scope, Slot};
use crate::{
    Epoch, IdentitySecret, MerklePath, MerkleRoot, MessageId, RateCommitment, RlnIdentifier, ShareX,
    UserMessageLimit,
};

/// Proves for one member in one tree. Made by [`crate::Prover::member`], anew whenever the tree has
/// changed and the old root is about to leave the window.
///
/// Holds the identity secret; erased when dropped.
pub struct MemberProver {
    engine: Arc<Engine>,
    identity: IdentitySecret,
    limit: UserMessageLimit,
    path: MerklePath,
    root: MerkleRoot,
}

impl MemberProver {
    pub(super) fn new(
        engine: Arc<Engine>,
        identity: IdentitySecret,
        limit: UserMessageLimit,
        path: MerklePath,
    ) -> Self {
        let root = path.root_of(RateCommitment::new(identity.commitment(), limit));
        Self { engine, identity, limit, path, root }
    }

    /// The root that its proofs are against.
    pub const fn root(&self) -> MerkleRoot {
        self.root
    }

    /// Proves that `signal` is message `message_id` of `epoch`. The id is reserved for this signal
    /// alone, durably, before it comes here.
    pub fn prove(
        &self,
        epoch: Epoch,
        rln_identifier: RlnIdentifier,
        message_id: MessageId,
        signal: ShareX,
    ) -> Result<RateLimitProof, ProveError> {
        let scope = Scope { epoch, rln_identifier };
        self.engine.prove(&Proposition::new(self.witness(message_id), scope, signal)?)
    }

    /// Does everything of a proof that does not depend on the signal. The id is reserved for this
    /// slot alone, durably, before it comes here.
    pub fn slot(
        &self,
        epoch: Epoch,
        rln_identifier: RlnIdentifier,
        message_id: MessageId,
    ) -> Result<Slot, ProveError> {
        let scope = Scope { epoch, rln_identifier };
        Slot::new(Arc::clone(&self.engine), self.witness(message_id), scope, message_id, self.root)
    }

    fn witness(&self, message_id: MessageId) -> Witness {
        Witness {
            secret: self.identity.0,
            limit: self.limit.get(),
            message_id: message_id.0,
            path: self.path.branch(),
        }
    }
}

impl fmt::Debug for MemberProver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberProver").field("root", &self.root).finish_non_exhaustive()
    }
}
