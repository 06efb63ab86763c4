//! Peers that do not keep to the rules: the gossip of a real node, without its judgement.
//!
//! [`GossipPeer`] speaks to nodes over real sockets and sends whatever it is given. [`Offender`] is a
//! registered member that signs as often under one message id as it likes.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures::StreamExt;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot, watch};
use weir_core::{PeerId, PubsubTopic, Timestamp, WakuMessage};
use weir_membership::{Group, Ledger, RegistryFile};
use weir_net::{Acceptance, Config, Event, Network, PublishError, address};
use weir_rln::EpochLength;
use weir_testkit::Member;
use weir_wire::{Metadata, encode_message};
use zeroize::Zeroizing;

use crate::{
    node::Node,
    wait::{SOON, until_true},
};

/// What is asked of the network's task.
enum Command {
    Publish(PubsubTopic, Bytes, oneshot::Sender<Result<usize, PublishError>>),
    Subscribe(PubsubTopic, oneshot::Sender<bool>),
}

/// Whom the network's task sees.
#[derive(Debug, Clone, Default)]
struct Sight {
    connected: BTreeSet<PeerId>,
    subscribed: BTreeSet<(PeerId, PubsubTopic)>,
}

/// A peer in the test's process. Gone when dropped.
#[derive(Debug)]
pub(crate) struct GossipPeer {
    id: PeerId,
    commands: mpsc::Sender<Command>,
    sight: watch::Receiver<Sight>,
}

impl GossipPeer {
    /// Connects to `nodes` and waits until it can send them messages of `topic`.
    pub(crate) async fn connect(nodes: &[&Node], topic: PubsubTopic) -> Self {
        let mut network =
            Network::new(config(topic), &mut Registry::default()).expect("a network that only dials");
        network.set_metadata(Metadata { cluster: Some(topic.cluster()), shards: vec![topic.shard()] });
        network.subscribe(topic).expect("a topic of the network's cluster");
        for node in nodes {
            network.dial(&address::parse(node.address()).expect("a node tells an address to dial"));
        }
        let (commands, received) = mpsc::channel(1);
        let (seen, sight) = watch::channel(Sight::default());
        let id = network.local_peer();
        tokio::spawn(drive(network, received, seen));
        let peer = Self { id, commands, sight };
        for node in nodes {
            let what = format!("the peer can send to {}", node.name());
            let key = (id_of(node), topic);
            until_true(&what, SOON, async || peer.sight.borrow().subscribed.contains(&key)).await;
        }
        peer
    }

    /// Its id as text.
    pub(crate) fn id(&self) -> String {
        self.id.to_string()
    }

    /// Whether it is connected to `node`.
    pub(crate) fn sees(&self, node: &Node) -> bool {
        self.sight.borrow().connected.contains(&id_of(node))
    }

    /// Sends a message to all it is connected to; gives the number of peers.
    pub(crate) async fn send(&self, topic: PubsubTopic, message: &WakuMessage) -> usize {
        self.send_bytes(topic, encode_message(message)).await.expect("a connected peer takes the message")
    }

    /// Sends bytes as if they were a message.
    pub(crate) async fn send_bytes(&self, topic: PubsubTopic, bytes: Bytes) -> Result<usize, PublishError> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Publish(topic, bytes, reply)).await;
        answer.await.expect("the network's task answers")
    }

    /// Joins a topic; false when it is none of the cluster.
    pub(crate) async fn subscribe(&self, topic: PubsubTopic) -> bool {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Subscribe(topic, reply)).await;
        answer.await.expect("the network's task answers")
    }

    async fn command(&self, command: Command) {
        assert!(self.commands.send(command).await.is_ok(), "the network's task has ended");
    }
}

fn config(topic: PubsubTopic) -> Config {
    static PEERS: AtomicU8 = AtomicU8::new(1);
    // Any 32 bytes below the order of the curve are a key.
    let key = [PEERS.fetch_add(1, Ordering::Relaxed); 32];
    Config::new(Zeroizing::new(key), topic.cluster())
}

fn id_of(node: &Node) -> PeerId {
    node.peer_id().parse().expect("a node tells its peer id")
}

/// Drives the network until nobody commands it any more.
async fn drive(mut network: Network, mut commands: mpsc::Receiver<Command>, seen: watch::Sender<Sight>) {
    loop {
        tokio::select! {
            event = network.next() => match event {
                Some(event) => observe(&mut network, event, &seen),
                None => return,
            },
            command = commands.recv() => match command {
                Some(Command::Publish(topic, bytes, reply)) => {
                    drop(reply.send(network.publish(topic, bytes).map(|published| published.peers)));
                }
                Some(Command::Subscribe(topic, reply)) => drop(reply.send(network.subscribe(topic).is_ok())),
                None => return,
            },
        }
    }
}

fn observe(network: &mut Network, event: Event, seen: &watch::Sender<Sight>) {
    match event {
        // It passes on what others send, as an honest peer does.
        Event::Gossip(gossip) => {
            network.report(gossip.id, Acceptance::Accept);
        }
        Event::Connected { peer, .. } => seen.send_modify(|sight| {
            sight.connected.insert(peer);
        }),
        Event::Disconnected { peer, .. } => seen.send_modify(|sight| {
            sight.connected.remove(&peer);
            sight.subscribed.retain(|(other, _)| *other != peer);
        }),
        Event::Subscribed { peer, topic } => seen.send_modify(|sight| {
            sight.subscribed.insert((peer, topic));
        }),
        Event::Unsubscribed { peer, topic } => seen.send_modify(|sight| {
            sight.subscribed.remove(&(peer, topic));
        }),
        _ => {}
    }
}

/// A member of the nodes' registry that picks its message ids itself.
#[derive(Debug)]
pub(crate) struct Offender {
    member: Member,
    group: Group,
    epoch_length: EpochLength,
}

impl Offender {
    /// Registers one for `limit` messages an epoch.
    pub(crate) fn register(registry: &Path, limit: u32, epoch_length: EpochLength) -> Self {
        let mut ledger = RegistryFile::open(registry).expect("the nodes' registry");
        let member = Member::register(&mut ledger, 1, limit);
        let mut group = Group::new();
        group.apply_all(&ledger.poll().expect("a readable registry")).expect("a sound registry");
        Self { member, group, epoch_length }
    }

    /// Who it is.
    pub(crate) const fn member(&self) -> &Member {
        &self.member
    }

    /// The members it knows.
    pub(crate) const fn group(&self) -> &Group {
        &self.group
    }

    /// `message` signed as number `message_id` of the epoch of its timestamp. Takes a third of a
    /// second of the test's own thread.
    pub(crate) fn sign(&self, message: WakuMessage, message_id: u32) -> WakuMessage {
        self.member.sign(&self.group, message, self.epoch_length, message_id)
    }
}

/// The time now, which nodes compare with that of a message.
pub(crate) fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    Timestamp::ZERO.saturating_add(since_1970)
}

/// The time in `delay`.
pub(crate) fn now_plus(delay: Duration) -> Timestamp {
    now().saturating_add(delay)
}
