//! A peer in this process: the gossip of a real node, without its judgement and without REST.
//!
//! Messages with ready-made proofs cannot go in through a node's REST, which would prove them itself.

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use prometheus_client::registry::Registry;
use rand::RngCore;
use tokio::time::timeout;
use weir_core::{PubsubTopic, WakuMessage};
use weir_net::{Acceptance, Config, Event, Network, PublishError, address};
use weir_wire::Metadata;
use zeroize::Zeroizing;

/// Connection, handshake and one exchange of subscriptions on one machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Three heartbeats.
const MESH_PAUSE: Duration = Duration::from_secs(3);

/// A peer that is connected to a node and subscribed to one topic.
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
    /// Dials `node` and waits until it is subscribed to `topic`.
    async fn connect(node: &str, topic: PubsubTopic) -> Result<Self, PeerError> {
        let mut key = Zeroizing::new([0; 32]);
        rand::thread_rng().fill_bytes(key.as_mut());
        // Any 32 bytes below the order of the curve are a key; those that begin with 0 are.
        key[0] = 0;
        let config = Config::new(key, topic.cluster());
        let mut network = Network::new(config, &mut Registry::default())
            .map_err(|error| PeerError::Start(error.to_string()))?;
        network.set_metadata(Metadata { cluster: Some(topic.cluster()), shards: vec![topic.shard()] });
        network.subscribe(topic).map_err(|error| PeerError::Start(error.to_string()))?;
        let address =
            address::parse(node).map_err(|error| PeerError::Address(node.to_owned(), error.to_string()))?;
        network.dial(&address);
        let mut peer = Self { network, topic };
        let subscribed = timeout(CONNECT_TIMEOUT, peer.until_subscribed()).await;
        subscribed.map_err(|_| PeerError::NotConnected)?;
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

    /// Answers the nodes for so long, or until one leaves. A peer that is left alone for some seconds
    /// is disconnected.
    async fn idle(&mut self, time: Duration) {
        let attend = async { while !matches!(self.next().await, Seen::Left) {} };
        // The time being over is what is waited for.
        let _ = timeout(time, attend).await;
    }

    async fn until_subscribed(&mut self) {
        loop {
            match self.network.next().await {
                Some(Event::Subscribed { topic, .. }) if topic == self.topic => return,
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

/// One peer for each address, after they have had the time to be taken into the nodes' meshes: nodes
/// do that at their heartbeat, one a second.
pub(crate) async fn connect_all(addresses: &[&str], topic: PubsubTopic) -> Result<Vec<Peer>, PeerError> {
    let connected = join_all(addresses.iter().map(|address| Peer::connect(address, topic))).await;
    let mut peers = connected.into_iter().collect::<Result<Vec<Peer>, PeerError>>()?;
    join_all(peers.iter_mut().map(|peer| peer.idle(MESH_PAUSE))).await;
    Ok(peers)
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("topic", &self.topic).finish_non_exhaustive()
    }
}
