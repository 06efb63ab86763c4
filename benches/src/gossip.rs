//! A peer in this process: the gossip of a real node, without its judgement and without REST.
//!
//! Messages with ready-made proofs cannot go in through a node's REST, which would prove them itself.

use std::{collections::BTreeSet, fmt, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use prometheus_client::registry::Registry;
use rand::RngCore;
use tokio::time::timeout;
use weir_core::{PeerId, PubsubTopic, WakuMessage};
use weir_net::{Acceptance, Config, Event, Network, PublishError, address};
use weir_wire::Metadata;
use zeroize::Zeroizing;

/// Connection, handshake and one exchange of subscriptions on one machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A peer that is connected to nodes and subscribed to one topic.
pub(crate) struct Peer {
    network: Network,
    topic: PubsubTopic,
}

/// What a peer experiences.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A message, which is passed on as an honest peer does.
    Message(WakuMessage),
    /// A node closed the connection.
    Left,
    /// There is room in the queues again.
    Room,
}

/// Why there is no such peer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// An address that nobody can dial.
    #[error("{0} is not the address of a node: {1}")]
    Address(String, String),
    /// The network could not be started.
    #[error("cannot start a peer: {0}")]
    Start(String),
    /// A node did not answer.
    #[error("a node was not connected and subscribed within {CONNECT_TIMEOUT:?}")]
    NotConnected,
}

impl Peer {
    /// Dials `nodes` and waits until each is subscribed to `topic`.
    pub(crate) async fn connect(nodes: &[&str], topic: PubsubTopic) -> Result<Self, PeerError> {
        let mut key = Zeroizing::new([0; 32]);
        rand::thread_rng().fill_bytes(key.as_mut());
        // Any 32 bytes below the order of the curve are a key; those that begin with 0 are.
        key[0] = 0;
        let config = Config::new(key, topic.cluster());
        let mut network = Network::new(config, &mut Registry::default())
            .map_err(|error| PeerError::Start(error.to_string()))?;
        network.set_metadata(Metadata { cluster: Some(topic.cluster()), shards: vec![topic.shard()] });
        network.subscribe(topic).map_err(|error| PeerError::Start(error.to_string()))?;
        for node in nodes {
            let address = address::parse(node)
                .map_err(|error| PeerError::Address((*node).to_owned(), error.to_string()))?;
            network.dial(&address);
        }
        let mut peer = Self { network, topic };
        timeout(CONNECT_TIMEOUT, peer.until_subscribed(nodes.len()))
            .await
            .map_err(|_| PeerError::NotConnected)?;
        Ok(peer)
    }

    /// Sends bytes as if they were a message.
    pub(crate) fn publish(&mut self, message: Bytes) -> Result<(), PublishError> {
        self.network.publish(self.topic, message).map(drop)
    }

    /// What comes next. Can be dropped and called again without loss.
    pub(crate) async fn next(&mut self) -> Seen {
        loop {
            match self.network.next().await {
                Some(Event::Gossip(gossip)) => {
                    self.network.report(gossip.id, Acceptance::Accept);
                    if let Ok(message) = gossip.message {
                        return Seen::Message(message);
                    }
                }
                Some(Event::Disconnected { .. }) | None => return Seen::Left,
                Some(Event::QueueRoom(_)) => return Seen::Room,
                Some(_) => {}
            }
        }
    }

    async fn until_subscribed(&mut self, nodes: usize) {
        let mut subscribed = BTreeSet::<PeerId>::new();
        while subscribed.len() < nodes {
            match self.network.next().await {
                Some(Event::Subscribed { peer, topic }) if topic == self.topic => {
                    subscribed.insert(peer);
                }
                Some(Event::Gossip(gossip)) => {
                    self.network.report(gossip.id, Acceptance::Accept);
                }
                Some(_) => {}
                // The stream ends when the network closes, which nobody asked for; the timeout tells.
                None => std::future::pending().await,
            }
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("topic", &self.topic).finish_non_exhaustive()
    }
}
