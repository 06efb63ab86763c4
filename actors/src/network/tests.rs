//! Tests of the network actor: real swarms on loopback, real time, probes where the relay and the peer
//! manager would be.

use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use weir_protocols::peer_manager::Input;
use weir_rln::test_utils;
use zeroize::Zeroizing;

use super::*;
use crate::{
    metrics::Metrics,
    probe::{CLUSTER, Crash, Inbox, NOON, peer, probe, supervised, topic, until, within},
    supervision::{Fault, Handle},
};

impl Handler<Crash> for NetworkActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("a bug, on purpose");
    }
}

struct Rig {
    network: Handle<NetworkActor>,
    gossip: Inbox<GossipReceived>,
    broadcasted: Inbox<Broadcasted>,
    started: Inbox<NetworkStarted>,
    peers: Inbox<PeerSeen>,
    peers_started: Inbox<NetworkStarted>,
    listening: watch::Receiver<Vec<String>>,
    faults: mpsc::Receiver<Fault>,
}

impl Rig {
    /// A network that lets `window` messages wait for their verdict.
    async fn new(key: u8, window: usize) -> Self {
        let ((to_relay, gossip), (outcome, broadcasted)) = (probe(), probe());
        let ((start, started), (seen, peers), (tell, peers_started)) = (probe(), probe(), probe());
        let (sender, listening) = watch::channel(Vec::new());
        let ports = Ports {
            gossip: to_relay,
            broadcasted: outcome,
            started: start,
            peers: seen,
            services: Default::default(),
            filter_client: None,
            peers_started: tell,
            listening: sender,
        };
        let config = weir_net::Config {
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            ..weir_net::Config::new(Zeroizing::new([key; 32]), CLUSTER)
        };
        let metrics = Metrics::register(&mut Registry::default()).network;
        let (network, faults) = supervised(move |lease| {
            let listen = same_ports(&config.listen, &ports.listening.borrow());
            let network =
                Network::new(weir_net::Config { listen, ..config.clone() }, &mut Registry::default())?;
            let mut actor = NetworkActor::new(network, CLUSTER, ports.clone(), metrics.clone(), lease);
            actor.window = window;
            Ok(actor)
        })
        .await;
        network.tell(Subscribe { join: vec![topic(3)], leave: vec![] }).expect("taken");
        Self { network, gossip, broadcasted, started, peers, peers_started, listening, faults }
    }

    async fn address(&mut self) -> PeerAddress {
        let known = within(self.listening.wait_for(|known| !known.is_empty())).await.expect("runs");
        weir_net::address::parse(&known[0]).expect("an address")
    }

    async fn meshes(&self) -> Meshes {
        self.network.ask(Duration::from_secs(5), AskMeshes).await.expect("answers")
    }

    async fn until_subscribed(&self) {
        until(async || (!self.meshes().await.topics[0].subscribed.is_empty()).then_some(())).await;
    }

    fn publish(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let data = weir_wire::encode_message(&test_utils::message(&number.to_string(), NOON));
            let broadcast = Broadcast { ticket: Ticket(number), topic: topic(3), data };
            self.network.tell(broadcast).expect("taken");
        }
    }

    async fn receive(&mut self, count: usize) -> Vec<GossipId> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.gossip.next().await.0.id);
        }
        ids
    }

    fn close(&self) -> tokio::task::JoinHandle<bool> {
        let network = self.network.clone();
        actix_rt::spawn(async move { network.ask(Duration::from_secs(20), CloseNetwork).await.is_ok() })
    }
}

/// Two networks, the first of which has dialled the second.
async fn pair(window: usize) -> (Rig, Rig) {
    let (first, mut second) = (Rig::new(1, 1000).await, Rig::new(2, window).await);
    first.network.tell(Dial(second.address().await)).expect("taken");
    first.until_subscribed().await;
    second.until_subscribed().await;
    (first, second)
}

fn is_connected(seen: &PeerSeen) -> bool {
    matches!(seen.input, Input::Connected { .. })
}

#[actix::test]
async fn a_full_window_stops_the_reading_until_a_verdict_makes_room() {
    let (sender, mut reader) = pair(16).await;
    sender.publish(0..100);
    let handed = reader.receive(16).await;
    // The rest is on its way; if it were read, these turns would show it.
    for _ in 0..100 {
        reader.meshes().await;
        tokio::task::yield_now().await;
    }
    assert!(reader.gossip.drain().is_empty());
    let verdict = GiveVerdict { id: handed[0], acceptance: Acceptance::Accept };
    reader.network.tell(verdict).expect("taken");
    let next = reader.receive(1).await;
    assert!(!handed.contains(&next[0]));
    for id in handed.into_iter().skip(1).chain(next) {
        reader.network.tell(GiveVerdict { id, acceptance: Acceptance::Accept }).expect("taken");
    }
    for _ in 17..100 {
        let id = reader.receive(1).await[0];
        reader.network.tell(GiveVerdict { id, acceptance: Acceptance::Ignore }).expect("taken");
    }
}

#[actix::test]
async fn a_new_relay_frees_what_the_one_before_was_handed() {
    let (sender, mut reader) = pair(16).await;
    sender.publish(0..32);
    reader.receive(16).await;
    reader.network.tell(RelayStarted).expect("taken");
    reader.receive(16).await;
}

#[actix::test]
async fn a_network_with_a_full_window_can_be_closed() {
    let (sender, mut reader) = pair(16).await;
    sender.publish(0..32);
    reader.receive(16).await;
    assert!(within(reader.close()).await.expect("no panic"));
    within(reader.network.stopped()).await;
    assert!(reader.faults.recv().await.is_none(), "the guardian has gone without a fault");
}

#[actix::test]
async fn what_was_published_before_the_close_arrives_and_the_outcome_is_told() {
    let (mut sender, mut reader) = pair(1000).await;
    sender.peers.drain();
    sender.publish(0..200);
    let closed = sender.close();
    reader.receive(200).await;
    assert!(within(closed).await.expect("no panic"));
    for number in 0..200 {
        let Broadcasted { ticket, result } = sender.broadcasted.next().await;
        assert_eq!((ticket, result), (Ticket(number), Ok(1)));
    }
    let lost = |seen: &PeerSeen| matches!(seen.input, Input::Disconnected(_));
    assert!(!sender.peers.drain().iter().any(lost), "its own close says nothing about its peers");
}

#[actix::test]
async fn a_rebuilt_network_asks_for_topics_and_is_found_at_the_same_port() {
    let (mut sender, mut reader) = pair(1000).await;
    let before = reader.address().await;
    reader.started.drain();
    reader.peers_started.drain();
    reader.network.tell(Crash).expect("taken");
    assert!(within(reader.faults.recv()).await.is_some_and(|fault| !fault.fatal));
    reader.started.next().await;
    reader.peers_started.next().await;
    assert_eq!(reader.address().await, before);
    reader.network.tell(Subscribe { join: vec![topic(3)], leave: vec![] }).expect("taken");
    while !matches!(sender.peers.next().await.input, Input::Disconnected(_)) {}
    sender.network.tell(Dial(before)).expect("taken");
    sender.until_subscribed().await;
    sender.publish(0..1);
    reader.receive(1).await;
}

#[actix::test]
async fn a_new_peer_manager_is_told_who_is_connected() {
    let (mut sender, _reader) = pair(1000).await;
    let first = until(async || sender.peers.drain().into_iter().find(is_connected)).await;
    sender.network.tell(PeersStarted).expect("taken");
    let again = until(async || sender.peers.drain().into_iter().find(is_connected)).await;
    assert_eq!(again.input, first.input);
}

#[actix::test]
async fn a_message_that_no_relay_takes_is_not_waited_for() {
    let (sender, mut reader) = pair(16).await;
    drop(std::mem::replace(&mut reader.gossip, probe().1));
    sender.publish(0..32);
    let mut known = reader.meshes().await;
    // Nothing to see from outside but that the window does not fill: the swarm is still polled.
    sender.network.tell(Subscribe { join: vec![topic(4)], leave: vec![] }).expect("taken");
    reader.network.tell(Subscribe { join: vec![topic(4)], leave: vec![] }).expect("taken");
    until(async || {
        known = reader.meshes().await;
        known.topics.iter().all(|at| !at.subscribed.is_empty()).then_some(())
    })
    .await;
}

#[test]
fn a_free_port_that_was_given_is_taken_again() {
    let own = peer(1);
    let listening = ["/ip4/10.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/4002", "/ip6/::1/tcp/4003"]
        .map(|address| format!("{address}/p2p/{own}"));
    for (configured, again) in [
        ("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/4002"),
        ("/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/tcp/4001"),
        ("/ip6/::/tcp/0", "/ip6/::/tcp/4003"),
        ("/ip4/0.0.0.0/tcp/60000", "/ip4/0.0.0.0/tcp/60000"),
    ] {
        assert_eq!(same_ports(&[configured.to_owned()], &listening), [again]);
    }
    assert_eq!(
        same_ports(
            &["/ip4/0.0.0.0/udp/0/quic-v1".to_owned()],
            &["/ip4/127.0.0.1/udp/9/quic-v1/p2p/x".to_owned()]
        ),
        ["/ip4/0.0.0.0/udp/9/quic-v1"]
    );
    assert_eq!(same_ports(&["/ip4/0.0.0.0/tcp/0".to_owned()], &[]), ["/ip4/0.0.0.0/tcp/0"]);
}
