//! Every reason for which a message fails its rate limit check.

use std::time::Duration;

use strum::{AsRefStr, IntoStaticStr};

use crate::{ClaimError, Epoch, Evidence, EvidenceError, MerkleRoot, ProofField};

/// Why a message is not accepted. Each variant is one rule of 17/WAKU2-RLN-RELAY or of ours, so the
/// list of variants is the list of rules.
///
/// A rule that can be decided from the message alone, or by anyone who verifies, says something
/// about the peer that passed the message on, and its scoring is *Reject*. A rule that depends on
/// what this node has seen, or on its clock or its registry, may be broken for us and kept for an
/// honest peer, and its scoring is *Ignore*: not passed on, nobody punished. nwaku rejects all of
/// them.
///
/// The label of a variant, for metrics, is its name in snake case (`AsRef<str>`, `Into<&'static
/// str>`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, AsRefStr, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Rejection {
    /// The message carries no proof.
    ///
    /// # Peer scoring
    /// Reject: a peer of this cluster knows that messages need one.
    #[error("the message carries no rate limit proof")]
    NoProof,

    /// The proof field does not hold a proof.
    ///
    /// # Peer scoring
    /// Reject: the peer should have decoded it.
    #[error("the message's proof field is malformed")]
    MalformedProof,

    /// A field element of the proof is not canonical. nwaku (zerokit 2) refuses it as well.
    ///
    /// # Peer scoring
    /// Reject.
    #[error("{field} of the proof is not a canonical field element")]
    NonCanonical {
        /// The field at fault.
        field: ProofField,
    },

    /// The message's time is more than the allowed whole seconds away from ours.
    ///
    /// # Peer scoring
    /// Ignore: our clock may be wrong, and a message may age past the limit between two nodes.
    #[error("the message's timestamp is {} s away from this node's clock", skew.as_secs())]
    TimestampOutOfWindow {
        /// The distance, whichever is earlier.
        skew: Duration,
    },

    /// The epoch field holds something else than a number.
    ///
    /// # Peer scoring
    /// Reject.
    #[error("the proof's epoch is not a number")]
    EpochNotANumber,

    /// The epoch is not that of the message's timestamp.
    ///
    /// # Peer scoring
    /// Reject: it can be told from the message alone.
    #[error("the proof is for epoch {claimed} and the message's timestamp for epoch {expected}")]
    EpochMismatch {
        /// The proof's epoch.
        claimed: Epoch,
        /// The timestamp's epoch.
        expected: Epoch,
    },

    /// The epoch was already dropped from the nullifier log, so that a breach in it would go unseen.
    /// Happens when this node's clock was set back, or when a proof took too long to verify.
    ///
    /// # Peer scoring
    /// Ignore: it is our clock.
    #[error("epoch {0} is no longer in this node's nullifier log")]
    EpochForgotten(Epoch),

    /// The proof counts in another application. nwaku lets the message choose its application and so
    /// gives a member one quota for each name it invents; we do not.
    ///
    /// # Peer scoring
    /// Ignore: an honest nwaku node passes it on.
    #[error("the proof is for another RLN application")]
    ForeignIdentifier,

    /// The root is not among the newest. The registry may be ahead of us: refresh and check again.
    ///
    /// # Peer scoring
    /// Reject, as nwaku, when the registry was read again after the message came and does not have it.
    /// Ignore as long as it was not: our view of it may lag behind the peer's.
    #[error("the proof's membership root {0} is not among the accepted ones")]
    UnknownRoot(MerkleRoot),

    /// The share is not of this message: its x is not the hash of the signal.
    ///
    /// # Peer scoring
    /// Reject: the proof was taken from another message.
    #[error("the proof is not for this payload, content topic and timestamp")]
    SignalMismatch,

    /// The Groth16 proof does not hold.
    ///
    /// # Peer scoring
    /// Reject: verifying it is every peer's duty.
    #[error("the rate limit proof does not hold")]
    InvalidProof,

    /// The same share was seen before: the same signal again, perhaps with another meta or proof.
    /// nwaku calls this spam; it reveals nothing and costs a lookup.
    ///
    /// # Peer scoring
    /// Ignore: two honest peers may deliver it.
    #[error("the same signal was seen before")]
    DuplicateSignal,

    /// A second signal under one message id of one epoch, proof and all: the sender broke its quota
    /// and revealed its secret. Raised once a nullifier.
    ///
    /// # Peer scoring
    /// Reject a peer that sent the first signal too, as 17/WAKU2-RLN-RELAY says. Ignore any other: an
    /// honest relay that saw only this one of the two forwards it.
    #[error("the sender used one message id of epoch {epoch} for two messages", epoch = .0.epoch)]
    DoubleSignal(Box<Evidence>),

    /// A further signal on a nullifier whose sender is known to have broken its quota. Not verified:
    /// valid or not, it is not wanted.
    ///
    /// # Peer scoring
    /// Ignore: the sender is known already, and unverified bytes prove nothing against the peer.
    #[error("the sender's message id was used for two messages before")]
    BreachedNullifier,

    /// Two proofs hold whose shares cannot both be genuine. Impossible unless stored nullifiers are
    /// damaged or the proof system is broken.
    ///
    /// # Peer scoring
    /// Ignore: it is not the peer.
    #[error("the remembered share contradicts a verified one: {0}")]
    InconsistentShares(EvidenceError),

    /// The nullifier log is at its bound for this epoch.
    ///
    /// # Peer scoring
    /// Ignore: it is our memory.
    #[error("the nullifier log has no room for epoch {0}")]
    LogFull(Epoch),

    /// This node was about to publish a second signal under one message id and so reveal its own
    /// secret. The message is not sent.
    ///
    /// # Peer scoring
    /// None: no peer is involved.
    #[error(
        "message id already used in epoch {0}: refusing to publish, another process may use this identity"
    )]
    OwnMessageIdReused(Epoch),
}

impl From<ClaimError> for Rejection {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::NonCanonical { field } => Self::NonCanonical { field },
            ClaimError::Epoch(_) => Self::EpochNotANumber,
        }
    }
}
