//! What the peer manager is told, and what it answers with.

use weir_core::{ClusterId, PeerAddress, PeerId, ShardId};

use super::{Direction, GRAYLIST_SCORE, Origin};
use crate::metadata::Mismatch;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The first connection to a peer is up.
    Connected {
        /// Where the connection leads, with the peer's id. For an incoming one the port is the
        /// peer's ephemeral one, until identify tells better.
        address: PeerAddress,
        /// Who dialled.
        direction: Direction,
    },
    /// The last connection to a peer is gone.
    Disconnected(PeerId),
    /// A dial failed.
    DialFailed(PeerId),
    /// A peer told who it is.
    Identified {
        /// Who.
        peer: PeerId,
        /// Its user agent.
        agent: String,
        /// Protocols it speaks.
        protocols: Vec<String>,
        /// Where it listens; the first is taken.
        addresses: Vec<PeerAddress>,
    },
    /// A peer answered the metadata request.
    MetadataReceived {
        /// Who.
        peer: PeerId,
        /// Its cluster, if it told one.
        cluster: Option<ClusterId>,
        /// Its shards.
        shards: Vec<ShardId>,
    },
    /// The metadata request failed or timed out.
    MetadataFailed(PeerId),
    /// Somebody told of a peer.
    Add {
        /// Where it is.
        address: PeerAddress,
        /// Who told.
        origin: Origin,
    },
    /// The gossipsub scores of connected peers.
    Scores(Vec<(PeerId, f64)>),
    /// The deadline has come.
    Tick,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Dial this address.
    Dial(PeerAddress),
    /// Close every connection to the peer.
    Disconnect {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: DisconnectReason,
    },
    /// Ask the peer for its cluster and shards.
    RequestMetadata(PeerId),
    /// Keep the peer over a restart.
    Remember {
        /// Where it can be dialled.
        address: PeerAddress,
        /// Protocols it speaks.
        protocols: Vec<String>,
    },
    /// Do not keep the peer over a restart.
    Forget(PeerId),
}

/// Why a peer is disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum DisconnectReason {
    /// It is of another network.
    #[error(transparent)]
    WrongCluster(#[from] Mismatch),
    /// It does not answer the metadata request.
    #[error("the peer did not answer the metadata request")]
    NoMetadata,
    /// It misbehaved until its score fell below [`GRAYLIST_SCORE`].
    #[error("the peer's score is below {GRAYLIST_SCORE}")]
    Graylisted,
    /// More peers connect to this node than it keeps.
    #[error("the node has as many incoming connections as it keeps")]
    TooManyInbound,
    /// Every known peer is connected or static, so this one cannot be known.
    #[error("the peer store is full of connected and static peers")]
    StoreFull,
}
