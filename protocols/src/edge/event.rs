//! What an application is told.

use weir_core::{ContentTopic, MessageHash, PubsubTopic, WakuMessage};

use super::SendId;
use crate::health::{ConnectionStatus, TopicHealth};

/// Something an application wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A service node has given the message to its peers. Comes once for each send, at most.
    Propagated {
        /// The send.
        send: SendId,
        /// The message as it went out.
        hash: MessageHash,
    },
    /// A store has the message. The last event of its send.
    Sent {
        /// The send.
        send: SendId,
        /// The message as it is stored.
        hash: MessageHash,
    },
    /// The message did not get out. The last event of its send.
    Error {
        /// The send.
        send: SendId,
        /// Why.
        error: SendError,
    },
    /// A message of a subscribed topic. Comes once for each message.
    Received {
        /// Where.
        topic: PubsubTopic,
        /// Its name.
        hash: MessageHash,
        /// What.
        message: Box<WakuMessage>,
    },
    /// The connection is better or worse than before.
    ConnectionStatus(ConnectionStatus),
    /// A content topic has more or fewer subscriptions than before.
    ContentTopicHealth {
        /// On which shard.
        topic: PubsubTopic,
        /// Which.
        content_topic: ContentTopic,
        /// How it is.
        health: TopicHealth,
    },
}

/// Why a message did not get out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As many sends are under way as are allowed.
    #[error("{0} messages are being sent already; retry later")]
    Overloaded(usize),
    /// Service peers refused it for a reason that others would have too; with the words of one of them.
    #[error("service peers refuse the message: {0}")]
    Refused(String),
    /// No new proof could be made for it.
    #[error("the message needs a new proof: {0}")]
    Proof(String),
    /// Nobody took it in time; with the last reason.
    #[error("no service peer published the message in time; the last reason: {0}")]
    TimedOut(String),
}
