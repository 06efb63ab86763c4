//! Tests of the peers: the shell around the logic, between probes and under paused time.

use std::time::Duration;

use tokio::sync::mpsc;
use weir_core::ClusterId;
use weir_protocols::peer_manager::DIAL_TIMEOUT;
use weir_storage::faulty_disk::FaultyDisk;

use super::*;
use crate::{
    probe::{CLUSTER, Crash, Inbox, NOON, clock, peer, probe, supervised, within},
    supervision::{Fault, Handle},
};

impl Handler<Crash> for PeersActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("a bug, on purpose");
    }
}

struct Rig {
    peers: Handle<PeersActor>,
    store: StateStore,
    dials: Inbox<Dial>,
    disconnects: Inbox<Disconnect>,
    metadata: Inbox<RequestMetadata>,
    remembered: Inbox<RememberPeer>,
    forgotten: Inbox<ForgetPeer>,
    started: Inbox<PeersStarted>,
    faults: mpsc::Receiver<Fault>,
}

const US: u8 = 200;

impl Rig {
    async fn new(static_nodes: Vec<PeerAddress>, capacity: usize) -> Self {
        tokio::time::pause();
        let disk = FaultyDisk::new();
        let store = StateStore::open_with_backend(move || disk.backend()).expect("opens");
        let config =
            Config { local_peer: peer(US), cluster: CLUSTER, target_outbound: 4, max_inbound: 4, capacity };
        let known = Known { config, static_nodes, store: store.clone() };
        let ((dial, dials), (disconnect, disconnects)) = (probe(), probe());
        let ((request, metadata), (remember, remembered)) = (probe(), probe());
        let ((forget, forgotten), (tell, started)) = (probe(), probe());
        let ports = Ports { dial, disconnect, metadata: request, remember, forget, started: tell };
        let clock = clock();
        let (peers, faults) =
            supervised(move |lease| PeersActor::new(&known, ports.clone(), clock.clone(), lease)).await;
        Self { peers, store, dials, disconnects, metadata, remembered, forgotten, started, faults }
    }

    fn saw(&self, event: Event) {
        self.peers.tell(peer_seen(event).expect("of interest")).expect("taken");
    }

    fn connected(&self, n: u8) {
        self.saw(Event::Connected {
            peer: peer(n),
            address: address(n),
            direction: weir_net::Direction::Outbound,
            count: 1,
        });
    }

    async fn all(&self) -> Vec<PeerInfo> {
        self.peers.ask(Duration::from_secs(1), AskPeers).await.expect("answers")
    }

    async fn connectedness(&self, n: u8) -> Connectedness {
        let all = self.all().await;
        all.iter().find(|info| *info.address.peer() == peer(n)).expect("known").connectedness
    }

    /// Asks for a connection; the answer comes through the task.
    fn add(&self, address: PeerAddress) -> tokio::task::JoinHandle<Result<(), String>> {
        let peers = self.peers.clone();
        actix_rt::spawn(async move {
            let answer = peers.ask(Duration::from_secs(20), |reply| AddPeer { address, reply }).await;
            answer.expect("answers")
        })
    }
}

fn address(n: u8) -> PeerAddress {
    PeerAddress::new(peer(n), &format!("/ip4/127.0.0.{n}/tcp/60000"))
}

#[actix::test]
async fn adding_a_peer_answers_when_the_connection_stands() {
    let mut rig = Rig::new(vec![], 10).await;
    let asked = rig.add(address(1));
    assert_eq!(rig.dials.next().await.0, address(1));
    assert!(!asked.is_finished());
    rig.connected(1);
    assert_eq!(within(asked).await.expect("no panic"), Ok(()));
    assert_eq!(rig.metadata.next().await.0, peer(1));
    assert_eq!(within(rig.add(address(1))).await.expect("no panic"), Ok(()), "it is connected already");
    assert!(rig.dials.drain().is_empty());
}

#[actix::test]
async fn adding_a_peer_answers_why_it_failed() {
    let mut rig = Rig::new(vec![], 10).await;
    let asked = rig.add(address(1));
    rig.dials.next().await;
    let failure = weir_net::DialFailure::Unreachable("refused".to_owned());
    let text = failure.to_string();
    rig.saw(Event::DialFailed { peer: peer(1), failure });
    assert_eq!(within(asked).await.expect("no panic"), Err(text));
}

#[actix::test]
async fn a_peer_that_is_not_going_to_be_dialled_is_answered_at_once() {
    let rig = Rig::new(vec![address(1)], 1).await;
    for n in [US, 2] {
        let answer = rig.add(address(n)).await.expect("no panic");
        assert!(answer.is_err_and(|why| why.contains("not dialled")), "peer {n}");
    }
}

#[actix::test]
async fn whoever_no_longer_waits_is_forgotten() {
    let mut rig = Rig::new(vec![], 10).await;
    for _ in 0..3 {
        let (reply, answer) = Reply::channel();
        rig.peers.tell(AddPeer { address: address(1), reply }).expect("taken");
        drop(answer);
    }
    rig.dials.next().await;
    let (reply, answer) = Reply::<Result<(), String>>::channel();
    rig.peers.tell(AddPeer { address: address(1), reply }).expect("taken");
    rig.connected(1);
    assert_eq!(within(answer).await.expect("answered"), Ok(()));
}

#[actix::test]
async fn a_dial_without_an_outcome_is_tried_again() {
    let mut rig = Rig::new(vec![address(1)], 10).await;
    rig.dials.next().await;
    tokio::time::sleep(DIAL_TIMEOUT + Duration::from_secs(2)).await;
    assert_eq!(rig.dials.drain().len(), 1);
}

#[actix::test]
async fn a_peer_of_another_cluster_is_disconnected_and_forgotten() {
    let mut rig = Rig::new(vec![], 10).await;
    rig.connected(1);
    rig.metadata.next().await;
    let metadata = weir_wire::Metadata { cluster: Some(ClusterId(CLUSTER.0 + 1)), shards: vec![] };
    rig.saw(Event::Metadata { peer: peer(1), result: Ok(metadata) });
    assert_eq!(rig.disconnects.next().await.0, peer(1));
    assert_eq!(rig.forgotten.next().await.0, peer(1));
    assert!(rig.all().await.is_empty());
}

#[actix::test]
async fn a_peer_of_our_cluster_is_remembered_with_the_time() {
    let mut rig = Rig::new(vec![], 10).await;
    rig.connected(1);
    let metadata = weir_wire::Metadata { cluster: Some(CLUSTER), shards: vec![] };
    rig.saw(Event::Metadata { peer: peer(1), result: Ok(metadata) });
    let identity = weir_net::Identity {
        agent: "test".to_owned(),
        protocols: vec!["/test/1".to_owned()],
        addresses: vec![],
        observed: String::new(),
    };
    rig.saw(Event::Identified { peer: peer(1), identity });
    let RememberPeer(record) = rig.remembered.next().await;
    assert_eq!(record.address, address(1));
    assert!(record.last_seen >= NOON);
}

#[actix::test]
async fn peers_are_found_gone_when_the_network_is_new() {
    let mut rig = Rig::new(vec![address(1)], 10).await;
    rig.dials.next().await;
    rig.connected(1);
    assert_eq!(rig.connectedness(1).await, Connectedness::Connected);
    rig.peers.tell(NetworkStarted).expect("taken");
    assert_ne!(rig.connectedness(1).await, Connectedness::Connected);
    assert_eq!(rig.dials.next().await.0, address(1), "and a static one is dialled again");
}

#[actix::test]
async fn a_rebuilt_peer_manager_asks_who_is_connected_and_reads_the_peers_on_disk() {
    let mut rig = Rig::new(vec![address(1)], 10).await;
    rig.started.next().await;
    let record = PeerRecord { address: address(2), protocols: vec![], last_seen: NOON };
    rig.store.put_peer(&record).expect("written");
    rig.peers.tell(Crash).expect("taken");
    assert_eq!(within(rig.faults.recv()).await.map(|fault| fault.count), Some(1));
    rig.started.next().await;
    let known: Vec<PeerId> = rig.all().await.iter().map(|info| info.address.peer().clone()).collect();
    assert_eq!(known, [peer(1), peer(2)]);
}
