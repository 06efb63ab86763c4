//! What the network counts.

use libp2p::gossipsub::FailedMessages;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use weir_core::PubsubTopic;
use weir_wire::protocol_id;

use crate::{Acceptance, Direction, PublishError, Service};

/// Protocols whose peers are counted. A peer may name any others; those make no series.
const COUNTED_PROTOCOLS: [&str; 8] = [
    protocol_id::RELAY,
    protocol_id::METADATA,
    protocol_id::STORE_QUERY,
    protocol_id::FILTER_SUBSCRIBE,
    protocol_id::FILTER_PUSH,
    protocol_id::LIGHTPUSH,
    protocol_id::LIGHTPUSH_LEGACY,
    protocol_id::PEER_EXCHANGE,
];

/// Instruments under `weir_net_`, and nwaku's names for connected peers.
///
/// Clones share the instruments, so that one set serves a network and those that take its place
/// ([`crate::Network::with_metrics`]).
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    gossip: Family<Outcome, Counter>,
    verdicts: Family<Outcome, Counter>,
    published: Family<Outcome, Counter>,
    metadata: Family<DirectedOutcome, Counter>,
    exchanges: Family<ServiceOutcome, Counter>,
    topic_bytes: Family<Shard, Counter>,
    connections: Family<Directed, Gauge>,
    /// nwaku's `waku_connected_peers`.
    protocol_peers: Family<DirectedProtocol, Gauge>,
    /// nim-libp2p's `libp2p_peers`.
    peers: Gauge,
    /// Moves when a dial is begun.
    pub(crate) dials: Counter,
    /// Moves when a dial ends without a connection.
    pub(crate) dials_failed: Counter,
    /// Moves when a handshake from outside fails or its connection is refused.
    pub(crate) inbound_failed: Counter,
    /// Moves when a connection from outside is refused for how many its IP address has.
    pub(crate) colocated: Counter,
    relayed: Family<RelayedLabels, Counter>,
    /// 1 while peers say that they can dial this node.
    pub(crate) reachable: Gauge,
    /// Moves when a peer is denied for its score.
    pub(crate) graylisted: Counter,
    /// Moves when a peer is disconnected because its queue stayed full.
    pub(crate) too_slow: Counter,
    lost: Counter,
    /// Messages that may be queued for peers, as of the last heartbeat.
    pub(crate) queued: Gauge,
}

/// What became of a message that gossipsub took in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    /// Handed out for a verdict.
    Decoded,
    /// Handed out for a verdict, though it is no message.
    Undecodable,
    /// Rejected: the topic is not a shard of the cluster.
    UnknownTopic,
    /// Rejected: the frame is above the network's limit.
    TooLarge,
    /// Ignored: too many messages wait for a verdict, or the network is closing.
    Shed,
}

/// What relays are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelayedKind {
    /// A place at this node, for a peer to be reached through it.
    Reservation,
    /// A connection through this node.
    Circuit,
    /// A direct connection in place of one through a relay.
    DirectConnection,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RelayedLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Directed {
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectedProtocol {
    direction: &'static str,
    protocol: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectedOutcome {
    direction: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceOutcome {
    /// By its protocol, as live nodes do.
    service: &'static str,
    direction: &'static str,
    outcome: &'static str,
}

/// At most 1024: only topics of the own cluster are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Shard {
    shard: u32,
    direction: &'static str,
}

impl DirectedOutcome {
    const fn new(direction: Direction, answered: bool) -> Self {
        Self { direction: label(direction), outcome: if answered { "answered" } else { "failed" } }
    }
}

impl Metrics {
    /// Makes the instruments and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register("libp2p_peers", "Connected peers", all.peers.clone());
        registry.register(
            "waku_connected_peers",
            "Connected peers by direction and protocol",
            all.protocol_peers.clone(),
        );
        let net = registry.sub_registry_with_prefix("weir_net");
        net.register("gossip_received", "Messages taken in from peers", all.gossip.clone());
        net.register("verdicts", "Verdicts on messages of peers", all.verdicts.clone());
        net.register("published", "Own messages, by outcome", all.published.clone());
        net.register("metadata", "Metadata exchanges", all.metadata.clone());
        net.register("exchanges", "Requests to services and their answers", all.exchanges.clone());
        net.register("topic_bytes", "Encoded messages per shard, in bytes", all.topic_bytes.clone());
        net.register("connections", "Connected peers", all.connections.clone());
        net.register("dials", "Dials begun", all.dials.clone());
        net.register("dials_failed", "Dials without a connection", all.dials_failed.clone());
        net.register("inbound_failed", "Inbound connections refused or failed", all.inbound_failed.clone());
        net.register("colocated", "Inbound connections refused by IP address", all.colocated.clone());
        net.register("relayed", "Reservations, circuits and direct connections", all.relayed.clone());
        net.register("reachable", "Whether peers can dial this node", all.reachable.clone());
        net.register("graylisted", "Peers denied for their score", all.graylisted.clone());
        net.register("too_slow", "Peers disconnected with a full queue", all.too_slow.clone());
        net.register("messages_lost", "Messages that did not reach a peer", all.lost.clone());
        net.register("queued_messages", "Messages that may be queued for peers", all.queued.clone());
        all.start();
        all
    }

    /// Sets what a network that has just started has: no peer, nothing queued. Counters go on.
    pub(crate) fn start(&self) {
        self.peers.set(0);
        self.queued.set(0);
        self.reachable.set(0);
        for direction in [Direction::Inbound, Direction::Outbound] {
            self.connections.get_or_create(&Directed { direction: label(direction) }).set(0);
            for protocol in COUNTED_PROTOCOLS {
                self.protocol_gauge(direction, protocol, |gauge| _ = gauge.set(0));
            }
        }
    }

    /// Moves once per message that gossipsub took in.
    pub(crate) fn received(&self, intake: Intake) {
        let outcome = match intake {
            Intake::Decoded => "decoded",
            Intake::Undecodable => "undecodable",
            Intake::UnknownTopic => "unknown_topic",
            Intake::TooLarge => "too_large",
            Intake::Shed => "shed",
        };
        self.gossip.get_or_create(&Outcome { outcome }).inc();
    }

    /// Moves once per request to this node, and once per attempt at a direct connection.
    pub(crate) fn relayed(&self, kind: RelayedKind, done: bool) {
        let kind = match kind {
            RelayedKind::Reservation => "reservation",
            RelayedKind::Circuit => "circuit",
            RelayedKind::DirectConnection => "direct",
        };
        let outcome = if done { "done" } else { "refused" };
        self.relayed.get_or_create(&RelayedLabels { kind, outcome }).inc();
    }

    /// Moves once per verdict; `None` when it came too late to have an effect.
    pub(crate) fn judged(&self, acceptance: Option<Acceptance>) {
        let outcome = match acceptance {
            Some(Acceptance::Accept) => "accept",
            Some(Acceptance::Reject) => "reject",
            Some(Acceptance::Ignore) => "ignore",
            None => "late",
        };
        self.verdicts.get_or_create(&Outcome { outcome }).inc();
    }

    /// Moves once per own message.
    pub(crate) fn published<T>(&self, result: &Result<T, PublishError>) {
        let outcome = match result {
            Ok(_) => "sent",
            Err(PublishError::NoPeers(_)) => "no_peers",
            Err(PublishError::Duplicate) => "duplicate",
            Err(PublishError::TooLarge { .. }) => "too_large",
            Err(PublishError::QueuesFull(_)) => "queues_full",
            Err(PublishError::ForeignTopic(_)) => "foreign_topic",
            Err(PublishError::Closing) => "closing",
        };
        self.published.get_or_create(&Outcome { outcome }).inc();
    }

    /// Moves by the bytes of one message, once on its way in and once per receiver on its way out.
    pub(crate) fn carried(&self, topic: PubsubTopic, direction: Direction, bytes: usize) {
        let labels = Shard { shard: topic.shard().0.into(), direction: label(direction) };
        self.topic_bytes.get_or_create(&labels).inc_by(bytes as u64);
    }

    /// Moves when a peer is connected.
    pub(crate) fn connected(&self, direction: Direction) {
        self.connections.get_or_create(&Directed { direction: label(direction) }).inc();
        self.peers.inc();
    }

    /// Moves when a peer that speaks `protocols` is not connected any more.
    pub(crate) fn disconnected(&self, direction: Direction, protocols: &[&'static str]) {
        self.connections.get_or_create(&Directed { direction: label(direction) }).dec();
        self.peers.dec();
        for protocol in protocols {
            self.protocol_gauge(direction, protocol, |gauge| _ = gauge.dec());
        }
    }

    /// Moves when a peer tells what it speaks: from `before`, which is replaced by what of `now` is
    /// counted.
    pub(crate) fn identified(&self, direction: Direction, before: &mut Vec<&'static str>, now: &[String]) {
        let now: Vec<_> =
            COUNTED_PROTOCOLS.into_iter().filter(|known| now.iter().any(|told| told == known)).collect();
        for protocol in std::mem::replace(before, now.clone()) {
            self.protocol_gauge(direction, protocol, |gauge| _ = gauge.dec());
        }
        for protocol in now {
            self.protocol_gauge(direction, protocol, |gauge| _ = gauge.inc());
        }
    }

    fn protocol_gauge(&self, direction: Direction, protocol: &'static str, change: impl FnOnce(&Gauge)) {
        // nwaku's words for the directions.
        let direction = match direction {
            Direction::Inbound => "In",
            Direction::Outbound => "Out",
        };
        change(&self.protocol_peers.get_or_create(&DirectedProtocol { direction, protocol }));
    }

    /// Moves when a metadata exchange ends.
    pub(crate) fn metadata(&self, direction: Direction, answered: bool) {
        self.metadata.get_or_create(&DirectedOutcome::new(direction, answered)).inc();
    }

    /// Moves when a request to a service is answered, with whatever status, or fails to be.
    pub(crate) fn exchanged(&self, service: Service, direction: Direction, answered: bool) {
        let DirectedOutcome { direction, outcome } = DirectedOutcome::new(direction, answered);
        let labels = ServiceOutcome { service: service.protocol(), direction, outcome };
        self.exchanges.get_or_create(&labels).inc();
    }

    /// Moves by the messages gossipsub could not queue for a peer or that waited too long; gives
    /// back how many these were.
    pub(crate) fn lost(&self, failed: &FailedMessages) -> usize {
        let lost = failed.priority + failed.non_priority;
        self.lost.inc_by(lost as u64);
        lost
    }
}

const fn label(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "in",
        Direction::Outbound => "out",
    }
}
