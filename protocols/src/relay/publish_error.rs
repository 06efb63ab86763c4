//! Why a publish failed, in nwaku's words.

use weir_core::{PubsubTopic, Timestamp};

use super::ProofRefusal;

/// Why a message was not published. The texts follow nwaku's (waku-wire 14.2), and clients look for
/// some of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum PublishError {
    /// The node does not take part in the topic.
    #[error("Node not subscribed to topic: {0}")]
    NotSubscribed(PubsubTopic),
    /// The encoded message, with its proof, is too long.
    #[error("Message size exceeded maximum of {max} bytes")]
    TooLarge {
        /// Longest encoded message.
        max: usize,
    },
    /// The message breaks a rule of the rate limit; the text says which.
    #[error("RLN validation failed: {0}")]
    Invalid(String),
    /// Nobody is there to send it to. The relay never says so, since a publish to nobody succeeds
    /// with [`super::Published::peers`] zero; callers for whom that is an error do.
    #[error("NoPeersToPublish: no connected peer takes part in the topic")]
    NoPeers,
    /// Every message id of the epoch is used.
    #[error(
        "error appending RLN proof to message: could not get new message id to generate an rln proof: \
         NonceLimitReached: Nonce limit reached. Please wait for the next epoch. requested nonce: {limit} & \
         nonceLimit: {limit}"
    )]
    QuotaExhausted {
        /// Messages an epoch.
        limit: u32,
        /// When the next epoch begins.
        resets_at: Timestamp,
    },
    /// The node has no membership, and the message no proof.
    #[error(
        "error appending RLN proof to message: could not generate rln-v2 proof: the node has no membership; \
         register one, or attach a proof"
    )]
    NoMembership,
    /// The node's membership is not in the tree yet.
    #[error(
        "error appending RLN proof to message: could not generate rln-v2 proof: the node's membership is not \
         in the tree yet; retry when it is registered"
    )]
    NotYetRegistered,
    /// The node knows no root of the membership tree yet.
    #[error("the node has not read the membership ledger yet; retry when it is ready")]
    Synchronizing,
    /// The node has too much to do.
    #[error("the node is overloaded; retry later")]
    Overloaded,
    /// The used message id could not be written down, so it was not used.
    #[error(
        "error appending RLN proof to message: could not get new message id to generate an rln proof: {0}"
    )]
    Storage(String),
    /// The proof could not be made or checked.
    #[error("error appending RLN proof to message: could not generate rln-v2 proof: {0}")]
    ProofFailed(String),
    /// No outcome within [`super::PUBLISH_TIMEOUT`]. The message may still have gone out.
    #[error("timedout")]
    Timeout,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

impl From<ProofRefusal> for PublishError {
    fn from(refusal: ProofRefusal) -> Self {
        match refusal {
            ProofRefusal::QuotaExhausted { limit, resets_at, .. } => {
                Self::QuotaExhausted { limit, resets_at }
            }
            ProofRefusal::NoMembership => Self::NoMembership,
            ProofRefusal::NotYetRegistered => Self::NotYetRegistered,
            ProofRefusal::Overloaded => Self::Overloaded,
            ProofRefusal::Storage(detail) => Self::Storage(detail),
            ProofRefusal::Failed(detail) => Self::ProofFailed(detail),
        }
    }
}
