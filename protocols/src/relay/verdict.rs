//! What gossipsub is told of a message, and why.
//!
//! Each reason says whose fault it is. A reject costs the sender: gossipsub squares the number of
//! rejects (weight -100, waku-wire 4.2), so ten in a short time are enough for the graylist. An
//! ignore costs nothing; the message is not forwarded.

use strum::{IntoStaticStr, VariantArray};
use weir_rln::Rejection;

use crate::ingress::Refusal;

/// The answer to one gossiped message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Forward it.
    Accept,
    /// Do not forward it, and hold it against the sender.
    Reject(RejectReason),
    /// Do not forward it.
    Ignore(IgnoreReason),
}

/// gossipsub's three answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Acceptance {
    /// Forward.
    Accept,
    /// Drop and punish.
    Reject,
    /// Drop.
    Ignore,
}

/// Why a message is dropped at its sender's cost. The label is the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RejectReason {
    /// Not a `WakuMessage`, or one that breaks a bound of its fields that all nodes share.
    ///
    /// # Peer scoring
    /// Reject: every honest relay decodes before it forwards (waku-wire 4.4).
    Undecodable,
    /// Longer than the network allows.
    ///
    /// # Peer scoring
    /// Reject: the limit is the same in the whole cluster.
    TooLarge,
    /// No proof where one is needed.
    ///
    /// # Peer scoring
    /// Reject: whoever forwards without a proof does not enforce the rate limit.
    NoProof,
    /// The proof field is not a proof.
    ///
    /// # Peer scoring
    /// Reject: an honest relay parses it before it forwards.
    MalformedProof,
    /// A field element of the proof is not canonical.
    ///
    /// # Peer scoring
    /// Reject: an honest relay parses it before it forwards.
    NonCanonicalProof,
    /// The proof's epoch is not a number.
    ///
    /// # Peer scoring
    /// Reject: the message alone tells.
    EpochNotANumber,
    /// The proof's epoch is not the one of the timestamp.
    ///
    /// # Peer scoring
    /// Reject: the message alone tells.
    EpochMismatch,
    /// The proof's x is not the hash of the message.
    ///
    /// # Peer scoring
    /// Reject: a proof taken from another message.
    SignalMismatch,
    /// The root was not in the window, and not after a refresh either.
    ///
    /// # Peer scoring
    /// Reject, as nwaku: the ledger was read again and does not have it, so no honest relay that
    /// follows the same ledger has it either.
    UnknownRoot,
    /// Groth16 says no.
    ///
    /// # Peer scoring
    /// Reject, as nwaku (RFC 64 would ignore it): an honest relay verifies before it forwards.
    InvalidProof,
    /// A second signal under one message id, from the peer that sent the first one: a member broke its
    /// quota, and the peer is that member or does not enforce the quota.
    ///
    /// # Peer scoring
    /// Reject: an honest relay forwards at most one message of a nullifier.
    DoubleSignal,
}

/// Why a message is dropped at nobody's cost. The label is the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum IgnoreReason {
    /// The sender is faster than its ingress quota.
    ///
    /// # Peer scoring
    /// Ignore: the quota is ours, the network does not know it.
    RateLimited,
    /// More peers are active than there are ingress quotas.
    ///
    /// # Peer scoring
    /// Ignore: the sender has done nothing.
    TooManyPeers,
    /// The content topic is blank or longer than this node keeps.
    ///
    /// # Peer scoring
    /// Ignore: the bound is ours. nwaku forwards such a message, so a reject would let its author turn
    /// us against honest relays.
    ForeignContentTopic,
    /// The node does not take part in the topic.
    ///
    /// # Peer scoring
    /// Ignore: it may have been sent before our unsubscription arrived.
    NotSubscribed,
    /// A second signal under one message id: a member broke its quota. The first one came from elsewhere.
    ///
    /// # Peer scoring
    /// Ignore (nwaku rejects): the sender may have seen only this one of the two, and a reject would let
    /// a member that sends one half to each of two nodes turn them against each other.
    DoubleSignal,
    /// The same share is known: the same message once more.
    ///
    /// # Peer scoring
    /// Ignore: it harms nobody (RLN-API LIP; nwaku rejects it).
    Duplicate,
    /// The sender has as many proofs in the queue as its share.
    ///
    /// # Peer scoring
    /// Ignore: they may all be honest.
    PeerShareUsed,
    /// Our queue is full.
    ///
    /// # Peer scoring
    /// Ignore: our fault.
    Overloaded,
    /// The proof pool dropped the job.
    ///
    /// # Peer scoring
    /// Ignore: our fault.
    ProofShed,
    /// The verifier failed without an answer.
    ///
    /// # Peer scoring
    /// Ignore: our fault.
    ProofFailed,
    /// The answer of the proof pool came too late.
    ///
    /// # Peer scoring
    /// Ignore: our fault.
    ProofTimedOut,
    /// The nullifier log is full for the epoch, so a double signal could not be told.
    ///
    /// # Peer scoring
    /// Ignore: our bound, though only a flood of members can reach it.
    LogFull,
    /// The timestamp is more than 20 s from our clock.
    ///
    /// # Peer scoring
    /// Ignore (nwaku rejects): our clock may be the wrong one, and a message sent with the last
    /// second of its time ages past the limit between two honest relays; a reject would let its
    /// author set them against each other.
    TimestampOutOfWindow,
    /// The proof is for another RLN application.
    ///
    /// # Peer scoring
    /// Ignore: nwaku lets the message choose, so an honest nwaku relay forwards it.
    ForeignIdentifier,
    /// The line of this share is known as broken; nothing on it is looked at any more.
    ///
    /// # Peer scoring
    /// Ignore: the member is known already, and unverified bytes prove nothing against the peer.
    BreachedNullifier,
    /// A remembered share contradicts a verified one.
    ///
    /// # Peer scoring
    /// Ignore: our memory is damaged.
    InconsistentShares,
    /// The epoch is one whose nullifiers were forgotten.
    ///
    /// # Peer scoring
    /// Ignore: our clock jumped, or theirs did.
    EpochForgotten,
    /// The root is not known, and the ledger was not read since the message came: not at all yet, or it
    /// cannot be read now.
    ///
    /// # Peer scoring
    /// Ignore: the peer may have read what we have not.
    Synchronizing,
    /// The node is stopping.
    ///
    /// # Peer scoring
    /// Ignore: our choice.
    Stopping,
}

impl Verdict {
    /// What gossipsub is told.
    pub const fn acceptance(self) -> Acceptance {
        match self {
            Self::Accept => Acceptance::Accept,
            Self::Reject(_) => Acceptance::Reject,
            Self::Ignore(_) => Acceptance::Ignore,
        }
    }

    /// The reason as a metric label, `none` for an accepted message.
    pub fn label(self) -> &'static str {
        match self {
            Self::Accept => "none",
            Self::Reject(reason) => reason.into(),
            Self::Ignore(reason) => reason.into(),
        }
    }
}

impl From<&Rejection> for Verdict {
    fn from(rejection: &Rejection) -> Self {
        use Rejection as R;
        match rejection {
            R::NoProof => Self::Reject(RejectReason::NoProof),
            R::MalformedProof => Self::Reject(RejectReason::MalformedProof),
            R::NonCanonical { .. } => Self::Reject(RejectReason::NonCanonicalProof),
            R::EpochNotANumber => Self::Reject(RejectReason::EpochNotANumber),
            R::EpochMismatch { .. } => Self::Reject(RejectReason::EpochMismatch),
            R::SignalMismatch => Self::Reject(RejectReason::SignalMismatch),
            R::UnknownRoot(_) => Self::Reject(RejectReason::UnknownRoot),
            R::InvalidProof => Self::Reject(RejectReason::InvalidProof),
            R::DoubleSignal(_) => Self::Ignore(IgnoreReason::DoubleSignal),
            R::TimestampOutOfWindow { .. } => Self::Ignore(IgnoreReason::TimestampOutOfWindow),
            R::ForeignIdentifier => Self::Ignore(IgnoreReason::ForeignIdentifier),
            R::EpochForgotten(_) => Self::Ignore(IgnoreReason::EpochForgotten),
            R::DuplicateSignal => Self::Ignore(IgnoreReason::Duplicate),
            // The second never comes of gossip.
            R::BreachedNullifier | R::OwnMessageIdReused(_) => Self::Ignore(IgnoreReason::BreachedNullifier),
            R::InconsistentShares(_) => Self::Ignore(IgnoreReason::InconsistentShares),
            R::LogFull(_) => Self::Ignore(IgnoreReason::LogFull),
        }
    }
}

impl From<Refusal> for IgnoreReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::RateLimited => Self::RateLimited,
            Refusal::TooManyPeers => Self::TooManyPeers,
        }
    }
}
