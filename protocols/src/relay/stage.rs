//! The stages of a message as types: what exists has passed.
//!
//! ```text
//! ingress::Admitted ──> WellFormed ──┬── rln::Verified ──┬──> Accepted
//! Input::Publish ─────────┘          └── Unlimited ──────┘
//! ```

use weir_core::{
    MessageHash, PeerId, ProofField, PubsubTopic, RateLimitProof, WakuMessage, store::StoredMessage,
};
use weir_rln::Verified;

use super::{Content, Gossip, GossipId, IgnoreReason, PublishError, RejectReason, Ticket, Verdict};
use crate::ingress::Admitted;

/// Where a message entered this node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A peer sent it.
    Peer(PeerId),
    /// A client of this node published it.
    Local,
}

/// A message on a topic this node takes part in, of a length the network allows.
#[derive(Debug)]
pub(super) struct WellFormed {
    topic: PubsubTopic,
    message: WakuMessage,
    size: usize,
}

/// A message that passed every check of the relay: on a subscribed topic, of allowed length and,
/// where the cluster limits rates, with a proof that holds and a share not seen before.
///
/// # Invariants
/// Only the relay makes one, so whatever takes an `Accepted` takes nothing unchecked. `hash` is the
/// message's hash on `topic`.
#[derive(Debug, Clone)]
pub struct Accepted {
    topic: PubsubTopic,
    hash: MessageHash,
    message: WakuMessage,
    origin: Origin,
}

/// Stands for [`Verified`] in a cluster without rate limits. Made with such a relay only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unlimited(());

/// What entitles a well-formed message to be accepted.
#[derive(Debug)]
pub(super) enum Clearance {
    /// Its proof.
    Verified(Verified),
    /// That none is needed.
    Unlimited(Unlimited),
}

/// Who waits for what becomes of a message.
#[derive(Debug, Clone)]
pub(super) enum Claimant {
    Gossip { id: GossipId, from: PeerId },
    Publish(Ticket),
}

/// A message under way with who waits for it.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) claimant: Claimant,
    pub(super) message: WellFormed,
}

/// What the messages of a topic must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) subscribed: bool,
    pub(super) max_size: usize,
}

impl WellFormed {
    pub(super) fn from_gossip(gossip: Admitted<Gossip>, form: Form) -> Result<Self, Verdict> {
        let Gossip { topic, size, content, .. } = gossip.into_inner();
        let message = match content {
            Content::Undecodable => return Err(Verdict::Reject(RejectReason::Undecodable)),
            Content::ForeignContentTopic => return Err(Verdict::Ignore(IgnoreReason::ForeignContentTopic)),
            Content::Message(message) => message,
        };
        if !form.subscribed {
            return Err(Verdict::Ignore(IgnoreReason::NotSubscribed));
        }
        if size > form.max_size {
            return Err(Verdict::Reject(RejectReason::TooLarge));
        }
        Ok(Self { topic, message, size })
    }

    pub(super) fn from_publish(
        topic: PubsubTopic,
        message: WakuMessage,
        size: usize,
        form: Form,
    ) -> Result<Self, PublishError> {
        if !form.subscribed {
            return Err(PublishError::NotSubscribed(topic));
        }
        if size > form.max_size {
            return Err(PublishError::TooLarge { max: form.max_size });
        }
        Ok(Self { topic, message, size })
    }

    pub(super) const fn message(&self) -> &WakuMessage {
        &self.message
    }

    /// The message with the proof this node made for it. The proof is not part of the message hash
    /// and its length was counted before it was made.
    pub(super) fn with_proof(mut self, proof: RateLimitProof) -> Self {
        self.message.proof = ProofField::Present(Box::new(proof));
        self
    }

    /// Room it takes while it waits: one unit for the work and one for each 32 KiB held, so that
    /// 1024 units are at most 1024 jobs and 32 MiB.
    pub(super) const fn units(&self) -> usize {
        1 + self.size / (32 * 1024)
    }
}

impl Claimant {
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Gossip { from, .. } => Origin::Peer(from.clone()),
            Self::Publish(_) => Origin::Local,
        }
    }
}

impl Unlimited {
    /// For a relay that is set up without rate limits.
    pub(super) const fn without_rln() -> Self {
        Self(())
    }
}

impl Accepted {
    /// Hashes the message, once in its life.
    pub(super) fn new(message: WellFormed, origin: Origin, _clearance: Clearance) -> Self {
        let WellFormed { topic, message, .. } = message;
        Self { topic, hash: message.hash(topic), message, origin }
    }

    /// The topic it is on.
    pub const fn topic(&self) -> PubsubTopic {
        self.topic
    }

    /// Its hash on that topic.
    pub const fn hash(&self) -> MessageHash {
        self.hash
    }

    /// The message itself.
    pub const fn message(&self) -> &WakuMessage {
        &self.message
    }

    /// Where it entered this node.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// As an archive keeps it.
    pub fn into_stored(self) -> StoredMessage {
        StoredMessage { hash: self.hash, topic: self.topic, message: self.message }
    }
}

/// An accepted message for tests of what comes after the relay.
#[cfg(test)]
pub(crate) fn accepted_in_tests(topic: PubsubTopic, message: WakuMessage) -> Accepted {
    let message = WellFormed { topic, message, size: 0 };
    Accepted::new(message, Origin::Local, Clearance::Unlimited(Unlimited(())))
}
