//! What the relay is told, and what it answers with.

use weir_core::{MessageHash, PeerId, PubsubTopic, RateLimitProof, Timestamp, WakuMessage};
use weir_rln::{Epoch, Evidence, MerkleRoot, Nullifier, ProofClaim, Share, ShareX};

use super::{Accepted, Origin, PublishError, Verdict};

/// Names one gossiped message until its verdict. Given by the network, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GossipId(pub u64);

/// Names one verification. Given by the relay, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Names one publish until its answer. Given by whoever publishes, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A peer sent a message.
    Gossip(Gossip),
    /// The proof pool is done with a job.
    ProofChecked {
        /// The id of [`Effect::VerifyProof`].
        id: JobId,
        /// What came of it.
        outcome: ProofOutcome,
    },
    /// A client of this node publishes.
    Publish {
        /// For the answer.
        ticket: Ticket,
        /// Where to.
        topic: PubsubTopic,
        /// What; the timestamp is set.
        message: WakuMessage,
        /// Length of the message as it is given, encoded.
        encoded_size: usize,
    },
    /// The prover is done with a publish.
    Proved {
        /// The ticket of [`Effect::Prove`].
        ticket: Ticket,
        /// The proof.
        result: Result<RateLimitProof, ProofRefusal>,
    },
    /// The network is done with a publish.
    Broadcasted {
        /// The ticket of [`Effect::Broadcast`].
        ticket: Ticket,
        /// Peers it was sent to.
        result: Result<usize, BroadcastError>,
    },
    /// New roots of the membership tree, oldest first.
    Roots(Vec<MerkleRoot>),
    /// The deadline has come.
    Tick,
}

/// A message a peer sent.
#[derive(Debug)]
pub struct Gossip {
    /// For the verdict.
    pub id: GossipId,
    /// Who sent it, which need not be who made it.
    pub from: PeerId,
    /// Where to.
    pub topic: PubsubTopic,
    /// Length of the encoded message.
    pub size: usize,
    /// What.
    pub content: Content,
}

/// What a peer sent.
#[derive(Debug)]
pub enum Content {
    /// A message.
    Message(WakuMessage),
    /// Bytes that are no message.
    Undecodable,
    /// A message whose content topic this node cannot keep: blank, not UTF-8, or longer than its bound.
    ForeignContentTopic,
}

/// What came of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofOutcome {
    /// The proof holds.
    Valid,
    /// The proof does not hold.
    Invalid,
    /// The verifier failed; nothing is known.
    Failed,
    /// The pool did not take the job.
    Shed,
}

/// Why there is no proof for a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofRefusal {
    /// Every message id of the epoch is used.
    QuotaExhausted {
        /// Messages an epoch.
        limit: u32,
        /// The epoch.
        epoch: Epoch,
        /// When the next one begins.
        resets_at: Timestamp,
    },
    /// The node has no membership.
    NoMembership,
    /// The node's membership is not in the tree yet.
    NotYetRegistered,
    /// The prover has too much to do.
    Overloaded,
    /// The used message id could not be written down.
    Storage(String),
    /// The prover failed.
    Failed(String),
}

/// Why the network did not send a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroadcastError {
    /// No peer takes part in the topic.
    NoPeers,
    /// The very same bytes were sent or received before.
    Duplicate,
    /// The frame would be longer than the network allows.
    TooLarge,
    /// Every peer's queue is full.
    QueuesFull,
    /// The network is not subscribed to the topic.
    NotSubscribed,
}

/// Something to do. Effects are to be performed in order.
#[derive(Debug)]
pub enum Effect {
    /// Tell gossipsub what to do with a message. Comes exactly once for each [`Input::Gossip`].
    Verdict {
        /// The message.
        id: GossipId,
        /// What to do with it.
        verdict: Verdict,
    },
    /// Check a proof; answer with [`Input::ProofChecked`].
    VerifyProof {
        /// For the answer.
        id: JobId,
        /// Who sent it first.
        from: Origin,
        /// What to check.
        claim: ProofClaim,
    },
    /// Take a message id and make a proof; answer with [`Input::Proved`].
    Prove {
        /// For the answer.
        ticket: Ticket,
        /// The epoch of the message's timestamp, which the proof must be for.
        epoch: Epoch,
        /// The message's timestamp.
        timestamp: Timestamp,
        /// The hash of the message.
        signal: ShareX,
    },
    /// Send a message; answer with [`Input::Broadcasted`].
    Broadcast {
        /// For the answer.
        ticket: Ticket,
        /// Where to.
        topic: PubsubTopic,
        /// What.
        message: WakuMessage,
    },
    /// Hand an accepted message to everyone on this node who wants it.
    Deliver(Accepted),
    /// Keep a nullifier over a restart.
    RecordNullifier {
        /// The epoch.
        epoch: Epoch,
        /// The line.
        nullifier: Nullifier,
        /// The point on it.
        share: Share,
    },
    /// Keep the proof that a member broke its quota.
    RecordEvidence(Box<Evidence>),
    /// Read the membership ledger now; answer with [`Input::Roots`] if there are new ones.
    RefreshRoots,
    /// Answer a publish. Comes exactly once for each [`Input::Publish`].
    Answer {
        /// The publish.
        ticket: Ticket,
        /// What came of it.
        result: Result<Published, PublishError>,
    },
}

/// What came of a publish that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The message's name on its topic.
    pub hash: MessageHash,
    /// Peers it was sent to. Zero when there are none, or when the same message was sent before.
    pub peers: usize,
}
