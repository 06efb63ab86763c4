//! The third tier: one message id, and everything but the signal done in advance.

use std::{fmt, sync::Arc};

use ark_ff::AdditiveGroup;
use weir_circuits::{Fr, Witness};
use weir_core::RateLimitProof;

use super::{Engine, Proposition, ProveError, Scope};
use crate::{Epoch, MerkleRoot, MessageId, ShareX};

/// A message id of one epoch and tree, ready to become the proof of one signal.
///
/// A second signal under one message id reveals the member's secret. So a slot is neither `Clone`
/// nor serializable, and [`Slot::prove`] consumes it: one slot can become one proof and no more.
/// Two slots of the same message id must not be made; that is for whoever hands the ids out.
///
/// Holds the identity secret; erased when dropped, used or not.
#[must_use = "a slot that is dropped is work thrown away"]
pub struct Slot {
    engine: Arc<Engine>,
    witness: Witness,
    scope: Scope,
    message_id: MessageId,
    root: MerkleRoot,
}

impl Slot {
    /// The relation is checked here, since no part of it depends on the signal.
    pub(super) fn new(
        engine: Arc<Engine>,
        witness: Witness,
        scope: Scope,
        message_id: MessageId,
        root: MerkleRoot,
    ) -> Result<Self, ProveError> {
        let Proposition { witness, .. } = Proposition::new(witness, scope, ShareX(Fr::ZERO))?;
        Ok(Self { engine, witness, scope, message_id, root })
    }

    /// The epoch it is for.
    pub const fn epoch(&self) -> Epoch {
        self.scope.epoch
    }

    /// The message id it is for.
    pub const fn message_id(&self) -> MessageId {
        self.message_id
    }

    /// The root its proof is against. Useless once verifiers accept it no more.
    pub const fn root(&self) -> MerkleRoot {
        self.root
    }

    /// Becomes the proof of `signal`.
    pub fn prove(self, signal: ShareX) -> Result<RateLimitProof, ProveError> {
        self.engine.prove(&Proposition::new(self.witness, self.scope, signal)?)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("epoch", &self.scope.epoch)
            .field("message_id", &self.message_id)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
