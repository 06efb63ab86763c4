//! Why a network does not start or a command is refused.

use weir_core::PubsubTopic;

use crate::address::AddressError;

/// Why the network does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key is not one of the curve: zero, or not below the group's order.
    #[error("the node key is not a secp256k1 secret key; remove it to have a new one made")]
    Key,
    /// An address to listen on or to announce is not one.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// A secure WebSocket without a certificate.
    #[error("cannot listen on {address} without a certificate")]
    NoCertificate {
        /// The address.
        address: String,
    },
    /// Another process listens there.
    #[error("{address} is in use by another process; stop it or choose another port ({setting})")]
    PortInUse {
        /// The address.
        address: String,
        /// The option of its port.
        setting: &'static str,
    },
    /// The host does not let the node listen there.
    #[error(
        "cannot listen on {address}: {cause}; choose another address or port (--listen-address, {setting})"
    )]
    Listen {
        /// The address.
        address: String,
        /// What the host says.
        cause: String,
        /// The option of its port.
        setting: &'static str,
    },
    /// A fault of this crate.
    #[error("the network could not be set up: {0}; please report this")]
    Setup(String),
}

/// Why a message was not published. Nothing was sent in any of these cases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No connected peer is subscribed to the topic.
    #[error("no peer is subscribed to {0}")]
    NoPeers(PubsubTopic),
    /// The same bytes went through this node in the last two minutes.
    #[error("the message was already published or relayed")]
    Duplicate,
    /// Peers would close their stream on such a frame.
    #[error("the message takes a frame of {frame} bytes; the network allows {max}")]
    TooLarge {
        /// Bytes of the frame.
        frame: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Every peer is behind. Worth trying again after [`crate::Event::QueueRoom`].
    #[error("the queues of all {0} peers are full; try again later")]
    QueuesFull(usize),
    /// The topic belongs to another cluster.
    #[error("{0} is not a topic of this node's cluster")]
    ForeignTopic(PubsubTopic),
    /// The network is closing.
    #[error("the node is stopping")]
    Closing,
}

/// A topic of another cluster cannot be subscribed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a topic of this node's cluster")]
pub struct SubscribeError(pub PubsubTopic);
