//! The shell around the book and the client: what peers are told, and what is made of what they tell.

use bytes::Bytes;
use prometheus_client::registry::Registry;
use weir_protocols::peer_manager::Direction;

use super::*;
use crate::{
    metrics::ServiceMetrics,
    probe::{CLUSTER, Inbox, clock, peer, probe},
    supervision::{Handle, Vacancy},
};

struct Rig {
    actor: Handle<PeerExchangeActor>,
    answers: Inbox<AnswerPeer>,
    peers: Inbox<PeerSeen>,
    record: watch::Receiver<Option<Arc<str>>>,
    next: u64,
}

fn record(key: u8, cluster: ClusterId) -> NodeRecord {
    let facts = OwnFacts {
        sequence: 1,
        addresses: vec![format!("/ip4/192.0.2.{key}/tcp/60000")],
        cluster,
        shards: Vec::new(),
        relay: true,
        store: false,
        filter: false,
        lightpush: false,
    };
    NodeRecord::sign(&Zeroizing::new([key; 32]), &facts).expect("signed")
}

/// A peer as the peer manager shows it.
fn info(record: &NodeRecord, connectedness: Connectedness, serves: bool) -> PeerInfo {
    let protocols = if serves { vec![Service::PeerExchange.protocol().to_owned()] } else { Vec::new() };
    PeerInfo {
        address: record.addresses()[0].clone(),
        origin: Origin::Unknown,
        direction: Direction::Unknown,
        connectedness,
        protocols,
        agent: String::new(),
        shards: Vec::new(),
        score: None,
    }
}

impl Rig {
    async fn new(limit: Option<RateLimit>, asks: bool) -> Self {
        let ((answers_port, answers), (peers_port, peers)) = (probe(), probe());
        let (record, record_seen) = watch::channel(None);
        let place = Vacancy::new("peer_exchange");
        let actor = place.handle();
        let ports = Ports {
            answers: answers_port,
            peers: peers_port,
            record,
            looked: actor.port(),
            told: actor.port(),
        };
        // Nobody is behind these: what they would tell is told by the tests.
        let (network, peers_actor) = (Vacancy::new("network").handle(), Vacancy::new("peers").handle());
        let handle = PeersHandle { peers: peers_actor, network: network.clone() };
        let client = ServiceClient::new(network, handle.clone(), Vec::new(), 1);
        let plan = Plan {
            local_peer: self::record(9, CLUSTER).peer().clone(),
            cluster: CLUSTER,
            key: Zeroizing::new([9; 32]),
            services: [Service::PeerExchange, Service::LightPush].into(),
            limit,
            asks,
        };
        let mut registry = Registry::default();
        let service = ServiceMetrics::register(&mut registry);
        let metrics = PeerExchangeMetrics::register(&mut registry, service);
        let (clock, sources) = (clock(), Sources { peers: handle, client });
        let factory = move |lease| {
            let (plan, sources, ports) = (plan.clone(), sources.clone(), ports.clone());
            Ok(PeerExchangeActor::new(plan, sources, ports, clock.clone(), metrics.clone(), lease))
        };
        let (faults, _) = tokio::sync::mpsc::channel(32);
        place.supervise(&actix_rt::Arbiter::current(), faults, factory).await.expect("starts");
        Self { actor, answers, peers, record: record_seen, next: 0 }
    }

    fn look(&self, peers: Vec<PeerInfo>) {
        let announced_addresses = vec!["/ip4/192.0.2.9/tcp/60000".to_owned()];
        let meshes = Meshes { announced_addresses, ..Meshes::default() };
        assert!(self.actor.tell(Looked { peers, meshes }).is_ok(), "the actor is there");
    }

    fn told(&self, id: u64, records: Vec<EncodedRecord>) {
        let result = Ok(Answer { status: Status::Success, description: None, records });
        assert!(self.actor.tell(Told { id: QuestionId(id), result }).is_ok(), "the actor is there");
    }

    async fn ask(&mut self, body: Bytes) -> Answer {
        let id = RequestId(self.next);
        self.next += 1;
        let (service, body) = (Service::PeerExchange, Body::Whole(body));
        let asked = RequestSeen::Requested { id, service, peer: peer(1), body };
        assert!(self.actor.tell(asked).is_ok(), "the actor is there");
        let answer = self.answers.next().await;
        assert_eq!(answer.id, id);
        let frame = answer.frame.expect("peer exchange answers everything");
        decode_peer_exchange_response(&Bytes::copy_from_slice(frame.body())).expect("a response")
    }

    async fn records(&mut self) -> BTreeSet<EncodedRecord> {
        let answer = self.ask(PeerExchangeRequest { count: 60 }.encode()).await;
        assert_eq!(answer.status, Status::Success);
        answer.records.into_iter().collect()
    }
}

#[actix::test]
async fn a_node_tells_its_own_record_once_it_has_an_address() {
    let mut rig = Rig::new(None, false).await;
    assert!(rig.records().await.is_empty());
    rig.look(Vec::new());
    let told = rig.records().await;
    let own = NodeRecord::verify(told.first().expect("one record")).expect("signed");
    assert_eq!(own.addresses()[0].as_str(), format!("/ip4/192.0.2.9/tcp/60000/p2p/{}", own.peer()));
    assert_eq!(own.cluster(), Some(CLUSTER));
    assert_eq!(rig.record.borrow().as_deref(), Some(own.text()));
    rig.look(Vec::new());
    assert_eq!(rig.records().await, told, "signed anew only when it changes");
}

#[actix::test]
async fn what_was_learned_is_dialled_and_told_once_its_peer_was_reached() {
    let mut rig = Rig::new(None, true).await;
    let (server, other) = (record(1, CLUSTER), record(2, CLUSTER));
    let (foreign, own) = (record(3, ClusterId(1)), record(9, CLUSTER));
    let mut broken = other.encoded().as_bytes().to_vec();
    broken[10] ^= 1;
    let broken = EncodedRecord::new(broken.into()).expect("as long");
    rig.look(vec![info(&server, Connectedness::Connected, true)]);
    let records = vec![broken, foreign.encoded().clone(), own.encoded().clone(), other.encoded().clone()];
    rig.told(0, records);
    let PeerSeen { input, outcome } = rig.peers.next().await;
    let expected = Input::Add { address: other.addresses()[0].clone(), origin: Origin::PeerExchange };
    assert_eq!((format!("{input:?}"), outcome.is_none()), (format!("{expected:?}"), true));
    assert!(rig.peers.drain().is_empty(), "nothing else is dialled");
    assert!(!rig.records().await.contains(other.encoded()), "nobody has reached it");
    for connectedness in [Connectedness::CannotConnect, Connectedness::NotConnected] {
        rig.look(vec![info(&other, connectedness, false)]);
        assert!(!rig.records().await.contains(other.encoded()), "{connectedness:?}");
    }
    for connectedness in [Connectedness::Connected, Connectedness::CanConnect] {
        rig.look(vec![info(&other, connectedness, false)]);
        assert!(rig.records().await.contains(other.encoded()), "{connectedness:?}");
    }
}

#[actix::test]
async fn bytes_that_are_no_request_and_floods_have_a_status() {
    let limit = RateLimit::new(1, Duration::from_secs(3600));
    let mut rig = Rig::new(limit, false).await;
    let bad = rig.ask(Bytes::from_static(b"\x0a")).await;
    assert_eq!((bad.status, bad.description.is_some()), (Status::BadRequest, true));
    assert_eq!(rig.ask(PeerExchangeRequest { count: 1 }.encode()).await, Answer::rate_limited());
}
