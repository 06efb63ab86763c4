//! What `/health` says, computed from a handful of facts.
//!
//! Words and thresholds are nwaku's (waku-wire 11.3), because tools wait for them. Readiness is
//! about this node, not about its peers: a node without peers is `READY` and `Disconnected`.

use strum::{Display, IntoStaticStr};

/// Health of one topic by the peers in its mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, IntoStaticStr)]
pub enum TopicHealth {
    /// No mesh peer.
    UnHealthy,
    /// One to three mesh peers.
    MinimallyHealthy,
    /// At least [`SUFFICIENT_PEERS`] mesh peers.
    SufficientlyHealthy,
    /// The node does not take part in the topic.
    NotSubscribed,
}

/// How well a relay node is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, IntoStaticStr)]
pub enum ConnectionStatus {
    /// No relay peer.
    Disconnected,
    /// At least one relay peer.
    PartiallyConnected,
    /// At least [`SUFFICIENT_PEERS`] relay peers.
    Connected,
}

/// One word for the node or for one of its protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum HealthWord {
    /// Starting.
    Initializing,
    /// Catching up with the membership ledger.
    Synchronizing,
    /// At work.
    Ready,
    /// Present, but of no use at the moment; the description says why.
    NotReady,
    /// Not part of this node.
    NotMounted,
    /// Stopping.
    ShuttingDown,
    /// The event loop answers late.
    EventLoopLagging,
}

/// gossipsub's Dlow: with this many peers a topic needs no repair (waku-wire 4.2).
pub const SUFFICIENT_PEERS: usize = 4;

/// Where the node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// Not everything is started.
    Starting,
    /// Started.
    Running,
    /// Draining.
    Stopping,
}

/// State of rate limiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RlnState {
    /// The relay is not rate limited.
    Off,
    /// The membership ledger is not read to its end yet.
    Synchronizing,
    /// Proofs can be checked.
    Ready,
    /// The ledger or the verifier is out of order.
    Faulty,
}

/// State of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreState {
    /// The node keeps no messages.
    Off,
    /// Messages are kept and queries answered.
    Ready,
    /// The archive cannot be written or read now.
    Unavailable,
}

/// What a report is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Where the node is in its life.
    pub lifecycle: Lifecycle,
    /// Whether an actor was late by more than the lag limit (50 ms in nwaku) at the last look.
    pub lagging: bool,
    /// Connected peers that speak relay.
    pub relay_peers: usize,
    /// State of rate limiting.
    pub rln: RlnState,
    /// State of the archive.
    pub store: StoreState,
    /// Whether messages that passed while the node was away are still being fetched.
    pub resuming: bool,
    /// Store peers that can be asked.
    pub store_peers: usize,
    /// Whether messages of clients are published, by both versions of light push.
    pub serves_lightpush: bool,
    /// Peers that publish by light push version 3.
    pub lightpush_peers: usize,
    /// Peers that publish by version 2.
    pub legacy_lightpush_peers: usize,
    /// Whether peers are told of others.
    pub serves_peer_exchange: bool,
    /// Whether messages are pushed to filter clients.
    pub serves_filter: bool,
    /// Peers that push by filter; none when the node is no filter client.
    pub filter_peers: Option<usize>,
    /// How a node without relay is connected; none when the node relays.
    pub edge: Option<ConnectionStatus>,
}

/// Health of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolHealth {
    /// nwaku's name of the protocol.
    pub name: &'static str,
    /// Its state.
    pub word: HealthWord,
    /// Why it is not ready.
    pub description: Option<&'static str>,
}

/// The whole answer of `/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The node as a whole.
    pub node: HealthWord,
    /// Its connections.
    pub connection: ConnectionStatus,
    /// Every protocol nwaku lists, in its order.
    pub protocols: Vec<ProtocolHealth>,
}

/// Services nwaku lists that this node does not have.
const NO_SERVICES: [&str; 2] = ["Rendezvous", "Mix"];

impl TopicHealth {
    /// The health of a topic whose mesh has `mesh_peers` peers.
    pub const fn of(subscribed: bool, mesh_peers: usize) -> Self {
        match (subscribed, mesh_peers) {
            (false, _) => Self::NotSubscribed,
            (true, 0) => Self::UnHealthy,
            (true, 1..SUFFICIENT_PEERS) => Self::MinimallyHealthy,
            (true, SUFFICIENT_PEERS..) => Self::SufficientlyHealthy,
        }
    }
}

impl ConnectionStatus {
    /// The status of a node with `relay_peers` connected peers that speak relay.
    pub const fn of(relay_peers: usize) -> Self {
        match relay_peers {
            0 => Self::Disconnected,
            1..SUFFICIENT_PEERS => Self::PartiallyConnected,
            SUFFICIENT_PEERS.. => Self::Connected,
        }
    }
}

impl Facts {
    /// The report these facts give.
    pub fn report(&self) -> Report {
        let not_mounted = |name| ProtocolHealth::new(name, HealthWord::NotMounted);
        let mut protocols = vec![self.relay(), self.rln(), self.store()];
        protocols.push(self.filter());
        protocols.extend(["Lightpush", "Legacy Lightpush"].map(|name| self.lightpush(name)));
        protocols.push(self.peer_exchange());
        protocols.extend(NO_SERVICES.map(not_mounted));
        protocols.extend([
            client("Store Client", self.store_peers, "No Store service peer available yet"),
            match self.filter_peers {
                None => not_mounted("Filter Client"),
                Some(peers) => client("Filter Client", peers, "No Filter service peer available yet"),
            },
            client("Lightpush Client", self.lightpush_peers, NO_LIGHTPUSH_PEER),
            client("Legacy Lightpush Client", self.legacy_lightpush_peers, NO_LIGHTPUSH_PEER),
        ]);
        let connection = self.edge.unwrap_or(ConnectionStatus::of(self.relay_peers));
        Report { node: self.node(), connection, protocols }
    }

    const fn node(&self) -> HealthWord {
        match self.lifecycle {
            Lifecycle::Starting => HealthWord::Initializing,
            Lifecycle::Stopping => HealthWord::ShuttingDown,
            Lifecycle::Running => match self.rln {
                RlnState::Synchronizing => HealthWord::Synchronizing,
                RlnState::Faulty => HealthWord::NotReady,
                RlnState::Off | RlnState::Ready if self.resuming => HealthWord::Synchronizing,
                RlnState::Off | RlnState::Ready if self.lagging => HealthWord::EventLoopLagging,
                RlnState::Off | RlnState::Ready => HealthWord::Ready,
            },
        }
    }

    const fn relay(&self) -> ProtocolHealth {
        match (self.edge, self.relay_peers) {
            (Some(_), _) => ProtocolHealth::new("Relay", HealthWord::NotMounted),
            (None, 0) => ProtocolHealth::not_ready("Relay", "No connected peers"),
            (None, _) => ProtocolHealth::new("Relay", HealthWord::Ready),
        }
    }

    const fn rln(&self) -> ProtocolHealth {
        const NAME: &str = "Rln Relay";
        match self.rln {
            RlnState::Off => ProtocolHealth::new(NAME, HealthWord::NotMounted),
            RlnState::Synchronizing => ProtocolHealth::new(NAME, HealthWord::Synchronizing),
            RlnState::Ready => ProtocolHealth::new(NAME, HealthWord::Ready),
            RlnState::Faulty => {
                ProtocolHealth::not_ready(NAME, "The membership ledger or the verifier is out of order")
            }
        }
    }

    /// A service that publishes is as good as the relay it publishes through.
    const fn lightpush(&self, name: &'static str) -> ProtocolHealth {
        match (self.serves_lightpush, self.relay_peers) {
            (false, _) => ProtocolHealth::new(name, HealthWord::NotMounted),
            (true, 0) => ProtocolHealth::not_ready(name, "No connected peers to publish to"),
            (true, _) => ProtocolHealth::new(name, HealthWord::Ready),
        }
    }

    /// What is pushed comes by relay.
    const fn filter(&self) -> ProtocolHealth {
        match (self.serves_filter, self.relay_peers) {
            (false, _) => ProtocolHealth::new("Filter", HealthWord::NotMounted),
            (true, 0) => ProtocolHealth::not_ready("Filter", "No connected peers to relay messages"),
            (true, _) => ProtocolHealth::new("Filter", HealthWord::Ready),
        }
    }

    const fn peer_exchange(&self) -> ProtocolHealth {
        let word = if self.serves_peer_exchange { HealthWord::Ready } else { HealthWord::NotMounted };
        ProtocolHealth::new("Peer Exchange", word)
    }

    /// A node whose archive is out of order still relays, so it is the store alone that is not ready.
    const fn store(&self) -> ProtocolHealth {
        const NAME: &str = "Store";
        match self.store {
            StoreState::Off => ProtocolHealth::new(NAME, HealthWord::NotMounted),
            StoreState::Ready => ProtocolHealth::new(NAME, HealthWord::Ready),
            StoreState::Unavailable => {
                ProtocolHealth::not_ready(NAME, "The archive cannot be written or read at the moment")
            }
        }
    }
}

const NO_LIGHTPUSH_PEER: &str = "No Lightpush service peer available yet";

/// The side that asks needs somebody to ask.
const fn client(name: &'static str, peers: usize, without: &'static str) -> ProtocolHealth {
    match peers {
        0 => ProtocolHealth::not_ready(name, without),
        _ => ProtocolHealth::new(name, HealthWord::Ready),
    }
}

impl ProtocolHealth {
    const fn new(name: &'static str, word: HealthWord) -> Self {
        Self { name, word, description: None }
    }

    const fn not_ready(name: &'static str, description: &'static str) -> Self {
        Self { name, word: HealthWord::NotReady, description: Some(description) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: Facts = Facts {
        lifecycle: Lifecycle::Running,
        lagging: false,
        relay_peers: 0,
        rln: RlnState::Off,
        store: StoreState::Off,
        resuming: false,
        store_peers: 0,
        serves_lightpush: false,
        lightpush_peers: 0,
        legacy_lightpush_peers: 0,
        serves_peer_exchange: false,
        serves_filter: false,
        filter_peers: None,
        edge: None,
    };

    #[test]
    fn words_are_spelled_as_tools_expect_them() {
        use HealthWord as W;
        let words = [
            (W::Initializing, "INITIALIZING"),
            (W::Synchronizing, "SYNCHRONIZING"),
            (W::Ready, "READY"),
            (W::NotReady, "NOT_READY"),
            (W::NotMounted, "NOT_MOUNTED"),
            (W::ShuttingDown, "SHUTTING_DOWN"),
            (W::EventLoopLagging, "EVENT_LOOP_LAGGING"),
        ];
        for (word, text) in words {
            assert_eq!(word.to_string(), text);
        }
        assert_eq!(TopicHealth::UnHealthy.to_string(), "UnHealthy");
        assert_eq!(ConnectionStatus::PartiallyConnected.to_string(), "PartiallyConnected");
    }

    #[test]
    fn four_peers_are_enough_and_one_is_the_least() {
        let by_peers = |n| (TopicHealth::of(true, n), ConnectionStatus::of(n));
        assert_eq!(by_peers(0), (TopicHealth::UnHealthy, ConnectionStatus::Disconnected));
        assert_eq!(by_peers(1), (TopicHealth::MinimallyHealthy, ConnectionStatus::PartiallyConnected));
        assert_eq!(by_peers(3), (TopicHealth::MinimallyHealthy, ConnectionStatus::PartiallyConnected));
        assert_eq!(by_peers(4), (TopicHealth::SufficientlyHealthy, ConnectionStatus::Connected));
        assert_eq!(TopicHealth::of(false, 9), TopicHealth::NotSubscribed);
    }

    #[test]
    fn a_running_node_without_peers_is_ready_and_its_relay_is_not() {
        let report = RUNNING.report();
        assert_eq!(report.node, HealthWord::Ready);
        assert_eq!(report.connection, ConnectionStatus::Disconnected);
        assert_eq!(report.protocols[0], ProtocolHealth::not_ready("Relay", "No connected peers"));
        assert_eq!(report.protocols[1].word, HealthWord::NotMounted);
        assert_eq!(report.protocols.len(), 13);
    }

    #[test]
    fn filter_is_told_as_a_service_and_as_a_client() {
        let word = |facts: Facts, name| {
            let report = facts.report();
            report.protocols.iter().find(|protocol| protocol.name == name).map(|protocol| protocol.word)
        };
        use HealthWord::{NotMounted, NotReady, Ready};
        assert_eq!(word(RUNNING, "Filter"), Some(NotMounted));
        assert_eq!(word(Facts { serves_filter: true, ..RUNNING }, "Filter"), Some(NotReady));
        let serving = Facts { serves_filter: true, relay_peers: 1, ..RUNNING };
        assert_eq!(word(serving, "Filter"), Some(Ready));
        for (filter_peers, expected) in [(None, NotMounted), (Some(0), NotReady), (Some(1), Ready)] {
            assert_eq!(word(Facts { filter_peers, ..RUNNING }, "Filter Client"), Some(expected));
        }
    }

    #[test]
    fn a_node_at_the_edge_has_no_relay_and_is_connected_all_the_same() {
        let report = Facts { edge: Some(ConnectionStatus::Connected), ..RUNNING }.report();
        assert_eq!((report.node, report.connection), (HealthWord::Ready, ConnectionStatus::Connected));
        assert_eq!(report.protocols[0].word, HealthWord::NotMounted);
    }

    #[test]
    fn an_archive_that_is_out_of_order_is_told_and_the_node_goes_on() {
        let store = |store| Facts { store, ..RUNNING }.report();
        for (state, word) in [
            (StoreState::Off, HealthWord::NotMounted),
            (StoreState::Ready, HealthWord::Ready),
            (StoreState::Unavailable, HealthWord::NotReady),
        ] {
            let report = store(state);
            assert_eq!((report.protocols[2].name, report.protocols[2].word), ("Store", word));
            assert_eq!((report.node, report.protocols.len()), (HealthWord::Ready, 13));
        }
        assert!(store(StoreState::Unavailable).protocols[2].description.is_some());
    }

    #[test]
    fn archives_of_others_can_be_asked_when_there_is_one() {
        let client = |store_peers| Facts { store_peers, ..RUNNING }.report().protocols[9];
        let none = ProtocolHealth::not_ready("Store Client", "No Store service peer available yet");
        assert_eq!(client(0), none);
        assert_eq!(client(1), ProtocolHealth::new("Store Client", HealthWord::Ready));
    }

    #[test]
    fn light_push_is_ready_where_the_relay_has_peers_and_its_client_where_somebody_serves() {
        let word = |facts: Facts, name: &str| {
            let report = facts.report();
            assert_eq!(report.protocols.len(), 13);
            report.protocols.into_iter().find(|protocol| protocol.name == name).map(|protocol| protocol.word)
        };
        let serving = Facts { serves_lightpush: true, serves_peer_exchange: true, ..RUNNING };
        for name in ["Lightpush", "Legacy Lightpush"] {
            assert_eq!(word(RUNNING, name), Some(HealthWord::NotMounted));
            assert_eq!(word(serving, name), Some(HealthWord::NotReady));
            assert_eq!(word(Facts { relay_peers: 1, ..serving }, name), Some(HealthWord::Ready));
        }
        assert_eq!(word(RUNNING, "Peer Exchange"), Some(HealthWord::NotMounted));
        assert_eq!(word(serving, "Peer Exchange"), Some(HealthWord::Ready));
        assert_eq!(word(RUNNING, "Lightpush Client"), Some(HealthWord::NotReady));
        let known = Facts { lightpush_peers: 1, ..RUNNING };
        assert_eq!(word(known, "Lightpush Client"), Some(HealthWord::Ready));
        assert_eq!(word(known, "Legacy Lightpush Client"), Some(HealthWord::NotReady));
    }

    #[test]
    fn the_node_word_follows_life_then_rln_then_resume_then_lag() {
        let cases = [
            (Facts { lifecycle: Lifecycle::Starting, lagging: true, ..RUNNING }, HealthWord::Initializing),
            (
                Facts { lifecycle: Lifecycle::Stopping, rln: RlnState::Faulty, ..RUNNING },
                HealthWord::ShuttingDown,
            ),
            (Facts { rln: RlnState::Synchronizing, lagging: true, ..RUNNING }, HealthWord::Synchronizing),
            (Facts { rln: RlnState::Faulty, ..RUNNING }, HealthWord::NotReady),
            (Facts { rln: RlnState::Faulty, resuming: true, ..RUNNING }, HealthWord::NotReady),
            (Facts { resuming: true, lagging: true, ..RUNNING }, HealthWord::Synchronizing),
            (Facts { lagging: true, ..RUNNING }, HealthWord::EventLoopLagging),
            (Facts { rln: RlnState::Ready, ..RUNNING }, HealthWord::Ready),
        ];
        for (facts, word) in cases {
            assert_eq!(facts.report().node, word, "{facts:?}");
        }
    }
}
