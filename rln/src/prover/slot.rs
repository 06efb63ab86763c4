//! The third tier: one message id, and everything but the signal done in advance.

use std::{convert::Infallible, fmt, sync::Arc};

use weir_core::RateLimitProof;
use weir_groth16::prover::Slot as Groth16Slot;

use super::{Engine, Proposition, ProveError};
use crate::{Epoch, FastPath, MerkleRoot, MessageId, ShareX};

/// A message id of one epoch and tree, ready to become the proof of one signal.
///
/// A second signal under one message id reveals the member's secret. So a slot is neither `Clone`
/// nor serializable, and [`Slot::prove`] consumes it: one slot can become one proof and no more.
/// Two slots of the same message id must not be made; that is for whoever hands the ids out.
///
/// Holds the identity secret, in one place however often it is moved; erased when dropped, used or
/// not.
#[must_use = "a slot that is dropped is work thrown away"]
pub struct Slot(Box<Content>);

struct Content {
    engine: Arc<Engine>,
    /// Of a signal that is none.
    proposition: Proposition,
    message_id: MessageId,
    /// Without it the whole proof is made when the signal comes.
    ready: Option<Groth16Slot>,
}

impl Slot {
    pub(super) fn new(
        engine: Arc<Engine>,
        proposition: Proposition,
        message_id: MessageId,
        ready: Option<Groth16Slot>,
    ) -> Self {
        Self(Box::new(Content { engine, proposition, message_id, ready }))
    }

    /// The epoch it is for.
    pub fn epoch(&self) -> Epoch {
        self.0.proposition.scope.epoch
    }

    /// The message id it is for.
    pub fn message_id(&self) -> MessageId {
        self.0.message_id
    }

    /// The root its proof is against. Useless once verifiers accept it no more.
    pub fn root(&self) -> MerkleRoot {
        MerkleRoot(self.0.proposition.statement.root)
    }

    /// Becomes the proof of `signal`.
    pub fn prove(self, signal: ShareX) -> Result<RateLimitProof, ProveError> {
        let Content { engine, mut proposition, ready, .. } = *self.0;
        proposition.move_to(signal);
        let finish = |slot: Groth16Slot| {
            let finish = || Ok::<_, Infallible>(slot.finish(signal.0).to_bytes());
            engine.health.attempt(FastPath::ProveSlot, finish)
        };
        match ready.and_then(finish) {
            Some(proof) => Ok(proposition.signed(proof)),
            None => engine.prove(&proposition),
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("epoch", &self.epoch())
            .field("message_id", &self.message_id())
            .field("root", &self.root())
            .finish_non_exhaustive()
    }
}
