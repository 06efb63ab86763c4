//! Peer exchange actor: tells peers of others, and learns of more.
//!
//! Owns      the [`Book`] of verified records, the node's own record, the [`Client`], the buckets of peers.
//! Receives  [`RequestSeen`] and [`NetworkStarted`] from the network, [`Looked`] and [`Told`] from its own tasks.
//! Sends     [`AnswerPeer`] to the network, peers to the peer manager.
//! Bounds    mailbox [`MAILBOX`]; one look at the peers and one question under way.
//! On fault  records are learned again; requests under way stay without an answer until the network gives them
//!           up.
//! Stops     with the node; there is nothing to finish.
//!
//! What is told are the node's own record and those of peers that were connected to it. What is learned is
//! verified, belongs to the cluster, and is then dialled like any other peer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, AsyncContext, Context, Handler, Message};
use rand::{Rng, rngs::OsRng};
use tokio::{sync::watch, time::Instant};
use weir_core::{
    ClusterId, PeerAddress, PeerId, ShardId,
    peer_exchange::{Answer, EncodedRecord, Status},
};
use weir_net::{Body, Frame, NodeRecord, OwnFacts, RequestId, Service};
use weir_protocols::{
    peer_exchange::{Book, Client, ClientConfig, ClientEffect, RequestId as QuestionId, answer},
    peer_manager::{Connectedness, Input, Origin, PeerInfo},
    rate_limit::{RateLimit, ServiceQuota},
    service_peers::RequestFailure,
};
use weir_wire::{PeerExchangeRequest, decode_peer_exchange_response, encode_peer_exchange_response};
use zeroize::Zeroizing;

use crate::{
    Clock,
    deadline::DeadlineTimer,
    handles::PeersHandle,
    metrics::PeerExchangeMetrics,
    network::{Meshes, NetworkStarted, PeerSeen},
    port::Port,
    service::{AnswerPeer, RequestSeen},
    service_client::{AskFailure, ServiceClient, WhenBusy},
    supervision::{Bounded, Lease},
};

#[cfg(test)]
mod tests;

/// Requests of 150 peers that come at once, and as many ends; who comes beyond is told to come back.
const MAILBOX: usize = 512;

/// How often it is looked who is connected: a peer is told to others, or asked, this much later.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long an answer may take; the client's own deadline is the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells who is connected and where this node is.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Looked {
    pub(crate) peers: Vec<PeerInfo>,
    pub(crate) meshes: Meshes,
}

/// Tells what a peer answered.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Told {
    id: QuestionId,
    result: Result<Answer, RequestFailure>,
}

/// What the actor needs from the rest of the node.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) answers: Port<AnswerPeer>,
    pub(crate) peers: Port<PeerSeen>,
    /// Where the node's own record is shown.
    pub(crate) record: watch::Sender<Option<Arc<str>>>,
    /// Its own.
    pub(crate) looked: Port<Looked>,
    pub(crate) told: Port<Told>,
}

/// Who is asked, and who is asked about.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) peers: PeersHandle,
    pub(crate) client: ServiceClient,
}

/// How the actor is set up.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) local_peer: PeerId,
    pub(crate) cluster: ClusterId,
    /// Signs the node's own record.
    pub(crate) key: Zeroizing<[u8; 32]>,
    /// What the node serves.
    pub(crate) services: BTreeSet<Service>,
    /// How often peers may ask; none for no limit.
    pub(crate) limit: Option<RateLimit>,
    /// Whether others are asked.
    pub(crate) asks: bool,
}

pub(crate) struct PeerExchangeActor {
    plan: Plan,
    quota: Option<ServiceQuota>,
    book: Book,
    own: Option<(OwnFacts, NodeRecord)>,
    /// Peers that were connected to this node and are not known to be gone for good.
    reachable: BTreeSet<PeerId>,
    client: Option<Client>,
    /// Connected peers that can be asked.
    servers: BTreeMap<PeerId, PeerAddress>,
    answering: HashMap<RequestId, Instant>,
    effects: Vec<ClientEffect>,
    timer: DeadlineTimer,
    sources: Sources,
    ports: Ports,
    clock: Clock,
    metrics: PeerExchangeMetrics,
    _lease: Lease,
}

impl PeerExchangeActor {
    pub(crate) fn new(
        plan: Plan,
        sources: Sources,
        ports: Ports,
        clock: Clock,
        metrics: PeerExchangeMetrics,
        lease: Lease,
    ) -> Self {
        Self {
            quota: plan.limit.map(|limit| ServiceQuota::new(limit, clock.now())),
            book: Book::default(),
            own: None,
            reachable: BTreeSet::new(),
            client: plan.asks.then(|| Client::new(ClientConfig::default())),
            servers: BTreeMap::new(),
            answering: HashMap::new(),
            effects: Vec::new(),
            timer: DeadlineTimer::default(),
            plan,
            sources,
            ports,
            clock,
            metrics,
            _lease: lease,
        }
    }

    fn requested(&mut self, id: RequestId, peer: &PeerId, body: &Body) {
        self.metrics.requested(body.size());
        self.answering.insert(id, Instant::now());
        let now = self.clock.now();
        let answer = if self.quota.as_mut().is_some_and(|quota| quota.take(peer, now).is_err()) {
            Answer::rate_limited()
        } else {
            match request(body) {
                Ok(PeerExchangeRequest { count }) => self.records_for(peer, count),
                Err(why) => Answer::refused(Status::BadRequest, Some(why)),
            }
        };
        let frame = Frame::new(&encode_peer_exchange_response(&answer));
        self.metrics.answered(&answer, frame.size());
        // A network that is being rebuilt has lost the request with its connections.
        drop(self.ports.answers.tell(AnswerPeer { id, frame: Some(frame) }));
    }

    fn records_for(&self, peer: &PeerId, count: u64) -> Answer {
        let mut eligible = self.book.eligible(|known| known != peer && self.reachable.contains(known));
        eligible.extend(self.own.as_ref().map(|(_, record)| record.encoded().clone()));
        answer(count, eligible, |below| OsRng.gen_range(0..below))
    }

    fn look(&self) {
        let (peers, looked) = (self.sources.peers.clone(), self.ports.looked.clone());
        tokio::spawn(async move {
            // What cannot be told now is looked at again.
            if let (Ok(known), Ok(meshes)) = tokio::join!(peers.all(), peers.meshes()) {
                drop(looked.tell(Looked { peers: known, meshes }));
            }
        });
    }

    /// Signs the node's record anew when it would say something else.
    fn renew_own(&mut self, meshes: &Meshes) {
        let mut shards: Vec<ShardId> = meshes.topics.iter().map(|topic| topic.topic.shard()).collect();
        shards.sort_unstable();
        let serves = |service| self.plan.services.contains(&service);
        let facts = OwnFacts {
            sequence: self.own.as_ref().map_or(0, |(facts, _)| facts.sequence),
            addresses: meshes.announced_addresses.clone(),
            cluster: self.plan.cluster,
            shards,
            relay: true,
            store: serves(Service::Store),
            filter: serves(Service::Filter),
            lightpush: serves(Service::LightPush),
        };
        if facts.addresses.is_empty() || self.own.as_ref().is_some_and(|(known, _)| *known == facts) {
            return;
        }
        // As live nodes have it, so that a restart does not begin below what others know.
        let sequence = u64::try_from(self.clock.now().as_secs()).unwrap_or_default().max(facts.sequence + 1);
        let facts = OwnFacts { sequence, ..facts };
        match NodeRecord::sign(&self.plan.key, &facts) {
            Ok(record) => {
                self.ports.record.send_replace(Some(record.text().into()));
                self.own = Some((facts, record));
            }
            Err(error) => tracing::warn!(%error, "the node has no record to tell"),
        }
    }

    fn step(
        &mut self,
        ctx: &mut Context<Self>,
        input: impl FnOnce(&mut Client, &Clock, &mut Vec<ClientEffect>),
    ) {
        let Some(client) = &mut self.client else { return };
        let mut effects = std::mem::take(&mut self.effects);
        input(client, &self.clock, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                ClientEffect::Ask { id, peer, count } => self.ask(id, &peer, count),
                ClientEffect::Learn(records) => self.learn(records),
            }
        }
        self.effects = effects;
        let now = self.clock.now();
        let deadline = self.client.as_ref().and_then(|client| client.next_deadline(now));
        self.timer.arm(deadline, now, ctx, Self::deadline_came);
    }

    fn deadline_came(&mut self, ctx: &mut Context<Self>) {
        self.timer.fired();
        self.step(ctx, |client, clock, effects| client.tick(clock.now(), effects));
    }

    fn ask(&self, id: QuestionId, peer: &PeerId, count: u64) {
        // One that is gone is told to the client at the next look; its question runs out of time.
        let Some(address) = self.servers.get(peer).cloned() else { return };
        let (client, told) = (self.sources.client.clone(), self.ports.told.clone());
        let question = PeerExchangeRequest { count }.encode();
        tokio::spawn(async move {
            let asked =
                client.ask(address, Service::PeerExchange, &question, WhenBusy::Refuse, PATIENCE).await;
            let result = match asked {
                Ok(body) => decode_peer_exchange_response(&body).map_err(|_| RequestFailure::Nonsense),
                Err(AskFailure::Timeout) => Err(RequestFailure::TimedOut),
                Err(AskFailure::Busy | AskFailure::Failed(_)) => Err(RequestFailure::Unreachable),
            };
            drop(told.tell(Told { id, result }));
        });
    }

    fn learn(&mut self, records: Vec<EncodedRecord>) {
        let (mut received, mut new) = (0, 0);
        for encoded in records {
            let record = match NodeRecord::verify(&encoded) {
                Ok(record) => record,
                Err(error) => {
                    tracing::debug!(%error, "a peer told a record that is none");
                    self.metrics.not_a_record();
                    continue;
                }
            };
            let is_of_cluster = record.cluster().is_none_or(|cluster| cluster == self.plan.cluster);
            if *record.peer() == self.plan.local_peer || !is_of_cluster {
                continue;
            }
            received += 1;
            let reachable = &self.reachable;
            if self.book.learn(record.peer(), record.sequence(), encoded, |peer| reachable.contains(peer)) {
                new += 1;
                if let Some(address) = record.addresses().first().cloned() {
                    let input = Input::Add { address, origin: Origin::PeerExchange };
                    drop(self.ports.peers.tell(PeerSeen { input, outcome: None }));
                }
            }
        }
        self.metrics.learned(received, new);
    }
}

fn request(body: &Body) -> Result<PeerExchangeRequest, String> {
    match body {
        Body::Whole(bytes) => PeerExchangeRequest::decode(bytes).map_err(|error| error.to_string()),
        Body::TooLong(size) => Err(format!("a request has no {size} bytes")),
    }
}

/// The answer to what the actor cannot take.
pub(crate) fn busy(_: Service, _: Body) -> Option<Frame> {
    Some(Frame::new(&encode_peer_exchange_response(&Answer::refused(Status::ServiceUnavailable, None))))
}

impl Bounded for PeerExchangeActor {
    const MAILBOX: usize = MAILBOX;
}

impl Actor for PeerExchangeActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look();
        ctx.run_interval(LOOK_EVERY, |actor, _| actor.look());
    }
}

impl Handler<RequestSeen> for PeerExchangeActor {
    type Result = ();

    fn handle(&mut self, seen: RequestSeen, _: &mut Self::Context) {
        match seen {
            RequestSeen::Requested { id, peer, body, .. } => self.requested(id, &peer, &body),
            RequestSeen::Sent { id, .. } => {
                if let Some(since) = self.answering.remove(&id) {
                    self.metrics.sent(since.elapsed());
                }
            }
            RequestSeen::Abandoned(id) => drop(self.answering.remove(&id)),
        }
    }
}

impl Handler<Looked> for PeerExchangeActor {
    type Result = ();

    fn handle(&mut self, Looked { peers, meshes }: Looked, ctx: &mut Self::Context) {
        self.renew_own(&meshes);
        let was_reached = |info: &&PeerInfo| match info.connectedness {
            Connectedness::Connected | Connectedness::CanConnect => true,
            Connectedness::NotConnected | Connectedness::CannotConnect => false,
        };
        self.reachable = peers.iter().filter(was_reached).map(|info| info.address.peer().clone()).collect();
        let serves = |info: &&PeerInfo| {
            info.connectedness == Connectedness::Connected
                && info.protocols.iter().any(|protocol| protocol == Service::PeerExchange.protocol())
        };
        let servers: BTreeMap<_, _> = peers
            .iter()
            .filter(serves)
            .map(|info| (info.address.peer().clone(), info.address.clone()))
            .collect();
        let before = std::mem::replace(&mut self.servers, servers);
        let come: Vec<PeerId> =
            self.servers.keys().filter(|peer| !before.contains_key(peer)).cloned().collect();
        let gone: Vec<PeerId> = before.into_keys().filter(|peer| !self.servers.contains_key(peer)).collect();
        self.step(ctx, |client, clock, effects| {
            gone.iter().for_each(|peer| client.peer_gone(peer, clock.now(), effects));
            come.into_iter().for_each(|peer| client.peer_available(peer, clock.now(), effects));
        });
    }
}

impl Handler<Told> for PeerExchangeActor {
    type Result = ();

    fn handle(&mut self, Told { id, result }: Told, ctx: &mut Self::Context) {
        match &result {
            Ok(Answer { status: Status::Success, .. }) => {}
            Ok(answer) => self.metrics.refused_by_peer(answer.status),
            Err(failure) => self.metrics.failed(*failure),
        }
        self.step(ctx, |client, clock, effects| client.answered(id, result, clock.now(), effects));
    }
}

impl Handler<NetworkStarted> for PeerExchangeActor {
    type Result = ();

    /// The requests of the network before went with it, and nobody told.
    fn handle(&mut self, _: NetworkStarted, _: &mut Self::Context) {
        self.answering.clear();
    }
}
