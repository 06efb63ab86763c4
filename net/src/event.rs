//! What the network tells its owner.

use std::fmt;

use bytes::Bytes;
use weir_core::{PeerAddress, PeerId, PubsubTopic, WakuMessage};
use weir_wire::{DecodeError, Metadata};

use crate::{Body, Service};

/// What happened on the network.
#[derive(Debug)]
pub enum Event {
    /// A message came in and waits for a verdict: [`crate::Network::report`].
    Gossip(InboundGossip),
    /// A peer subscribed to a topic of this cluster.
    Subscribed {
        /// The peer.
        peer: PeerId,
        /// The topic.
        topic: PubsubTopic,
    },
    /// A peer is not subscribed any more.
    Unsubscribed {
        /// The peer.
        peer: PeerId,
        /// The topic.
        topic: PubsubTopic,
    },
    /// The node can be reached there; ends in `/p2p/<own id>`.
    Listening(String),
    /// The node does not listen there any more.
    NotListening(String),
    /// A peer is connected.
    Connected {
        /// The peer.
        peer: PeerId,
        /// The address of its end; for an inbound connection not one to dial.
        address: PeerAddress,
        /// Who dialled.
        direction: Direction,
        /// Peers connected now.
        count: usize,
    },
    /// A peer is not connected any more.
    Disconnected {
        /// The peer.
        peer: PeerId,
        /// Why, as far as this node knows.
        reason: DisconnectReason,
        /// Peers connected now.
        count: usize,
    },
    /// Dialling did not lead to a connection.
    DialFailed {
        /// The peer that was to be reached.
        peer: PeerId,
        /// Why not.
        failure: DialFailure,
    },
    /// A peer told who it is; repeated every five minutes.
    Identified {
        /// The peer.
        peer: PeerId,
        /// What it told.
        identity: Identity,
    },
    /// The outcome of [`crate::Network::request_metadata`].
    Metadata {
        /// The peer.
        peer: PeerId,
        /// What it answered.
        result: Result<Metadata, MetadataError>,
    },
    /// A peer asks for a service of this node: [`crate::Network::answer`].
    Requested {
        /// Names the request.
        id: RequestId,
        /// The service.
        service: Service,
        /// The peer.
        peer: PeerId,
        /// The request, not decoded.
        body: Body,
    },
    /// The answer to a peer's request has been written to the end.
    AnswerSent(Service, RequestId),
    /// Nobody waits for the answer to a peer's request any more: the peer is gone, time is over, or the request
    /// was refused.
    Abandoned(Service, RequestId),
    /// The outcome of [`crate::Network::ask`].
    Answered {
        /// The question.
        id: QuestionId,
        /// The answer, not decoded.
        result: Result<Bytes, RequestError>,
    },
    /// A peer pushed a message, as to a filter client. Nobody has checked it.
    FilterPushed {
        /// The peer.
        peer: PeerId,
        /// Where it was published, as the peer says.
        topic: PubsubTopic,
        /// The message.
        message: WakuMessage,
    },
    /// The peer's score fell below the graylist threshold. It is being disconnected and denied for
    /// ten minutes.
    GraylistedPeer(PeerId),
    /// A peer did not get messages that were meant for it.
    MessagesLost {
        /// The peer.
        peer: PeerId,
        /// Messages it did not get, since the last such event.
        count: usize,
    },
    /// A peer's queue was full and is not any more.
    QueueRoom(PeerId),
    /// Everything queued has left and every connection is closed; the stream ends.
    Closed,
}

/// A message as it came in.
#[derive(Debug)]
pub struct InboundGossip {
    /// Names it in [`crate::Network::report`].
    pub id: GossipId,
    /// The peer that sent it first; not its author.
    pub from: PeerId,
    /// The topic it came on.
    pub topic: PubsubTopic,
    /// Bytes of the encoded message.
    pub size: usize,
    /// The message, or why the bytes are none.
    pub message: Result<WakuMessage, DecodeError>,
}

/// Names a message on the gossip layer: the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GossipId([u8; 32]);

impl GossipId {
    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for GossipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GossipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names a request of a peer, among those for all services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names a question of this node to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u64);

/// The verdict on a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acceptance {
    /// Forward it.
    Accept,
    /// Drop it and lower the score of those that sent it.
    Reject,
    /// Drop it and blame nobody.
    Ignore,
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer did.
    Inbound,
    /// This node did.
    Outbound,
}

/// Why a peer is not connected any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisconnectReason {
    /// This node's owner asked for it, or the peer closed the connection in order.
    Closed,
    /// Its score fell below the graylist threshold.
    Graylisted,
    /// It took messages too slowly for too long.
    TooSlow,
    /// It answered no ping three times in a row.
    Unresponsive,
    /// The connection broke or was unused for too long.
    Broken(String),
}

/// Why dialling did not lead to a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialFailure {
    /// The peer is connected, or being dialled.
    #[error("already connected or being dialled")]
    AlreadyConnected,
    /// The address is the node's own.
    #[error("this is the node itself")]
    OwnAddress,
    /// Somebody else answers there.
    #[error("the peer at this address is {0}")]
    WrongPeer(PeerId),
    /// The peer is denied or a connection limit is reached.
    #[error("refused by this node: {0}")]
    Refused(String),
    /// The address is not one to dial.
    #[error("the address cannot be dialled")]
    Address,
    /// The network is closing.
    #[error("the node is stopping")]
    Closing,
    /// The peer could not be reached, or a handshake failed.
    #[error("{0}")]
    Unreachable(String),
}

/// What a peer tells in identify. It may lie about all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name of its implementation.
    pub agent: String,
    /// The protocols it speaks.
    pub protocols: Vec<String>,
    /// Where it says it can be dialled, at most 16, of those this node could dial; TCP first.
    pub addresses: Vec<PeerAddress>,
    /// How it sees this node's address.
    pub observed: String,
}

/// Why a peer's metadata is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The peer is not connected, or went before it answered.
    #[error("the peer is not connected")]
    NotConnected,
    /// It does not speak the metadata protocol.
    #[error("the peer does not speak the metadata protocol")]
    Unsupported,
    /// It did not answer in time.
    #[error("the peer did not answer within 10 s")]
    Timeout,
    /// Its answer is not metadata, or its stream broke.
    #[error("the peer's answer cannot be read: {0}")]
    Unreadable(String),
}

/// Why a peer gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no connection to the peer, and none came about.
    #[error("the peer cannot be reached: {0}")]
    NotReached(DialFailure),
    /// The peer went before it answered.
    #[error("the peer closed the connection before it answered")]
    ConnectionClosed,
    /// It does not serve.
    #[error("the peer does not offer this service")]
    Unsupported,
    /// It did not answer in time.
    #[error("the peer did not answer within 60 s")]
    Timeout,
    /// Its answer is none, or its stream broke.
    #[error("the peer's answer cannot be read: {0}")]
    Unreadable(String),
}
