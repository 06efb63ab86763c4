//! Network actor: owns the libp2p swarm.
//!
//! Owns      the [`Network`]; nobody else touches the swarm.
//! Receives  [`Broadcast`], [`GiveVerdict`], [`Subscribe`], [`Dial`], [`Disconnect`],
//!           [`RequestMetadata`], [`AskMeshes`], [`RelayStarted`], [`PeersStarted`], [`AnswerPeer`],
//!           [`AskPeer`], [`CloseNetwork`].
//! Sends     [`GossipReceived`] and [`Broadcasted`] to the relay, [`PeerSeen`] to the peer manager,
//!           [`RequestSeen`] to the actors of services, [`FilterSeen`] to the filter client, [`NetworkStarted`] to all of them; where it listens, through
//!           a watch.
//! Bounds    mailbox and window below; while [`GOSSIP_WINDOW`] messages await their verdict the swarm
//!           is not polled, so the sockets fill and TCP slows the senders: nothing is dropped between
//!           the socket and the relay.
//! On fault  the swarm is built anew with the same key and port and asks the relay for its topics.
//! Stops     on [`CloseNetwork`]: what is queued for peers leaves, then the connections are closed.
//!
//! The swarm is polled by [`Pump`], a future of the actor itself: no task, channel or lock between.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, fut::ActorFuture};
use bytes::Bytes;
use futures::Stream;
use tokio::sync::watch;
use weir_core::{PeerAddress, PeerId, PubsubTopic};
use weir_net::{
    Acceptance, Direction, Event, GossipId, InboundGossip, Network, PublishError, QuestionId, RequestError,
    Service,
};
use weir_protocols::{
    peer_manager,
    relay::{BroadcastError, Ticket},
};
use weir_wire::{Metadata, protocol_id};

use crate::{
    filter_client::FilterSeen,
    lightpush,
    metrics::{NetworkMetrics, ServiceLabel},
    peers::{self, peer_seen},
    port::{Port, Reply},
    service::{AnswerPeer, AskPeer, RequestSeen, ServicePorts},
    supervision::{ASKS_IN_FLIGHT, Bounded, Lease},
};

#[cfg(test)]
mod tests;

/// Messages handed to the relay whose verdict is outstanding. More than the proofs that may be in
/// flight or parked (protocols::relay's bounds), so that waiting for proofs never stops the swarm
/// by itself; fewer than the relay's mailbox.
pub(crate) const GOSSIP_WINDOW: usize = 2048;

/// A place for every verdict, for what each question to the relay may lead to (a publish or a change
/// of topics, and one more publish that its asker gave up), for every question of its own, and for
/// the peer manager: a command or two for each of 150 connections and ten dials, and answers of services:
/// those that wait in the archive's server and as many refusals, the publishes of light push and their answers,
/// and 1024 refusals beside.
const MAILBOX: usize = GOSSIP_WINDOW + 3 * ASKS_IN_FLIGHT + 2 * lightpush::MAX_UNDER_WAY + 2048;

/// Swarm events taken in one go before the mailbox is looked at again.
const EVENTS_AT_ONCE: usize = 64;

/// How often the peer manager hears the scores: they are shown to operators, while gossipsub acts on
/// them by itself.
const SCORE_INTERVAL: Duration = Duration::from_secs(5);

/// Asks for a message to be published.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Broadcast {
    pub(crate) ticket: Ticket,
    pub(crate) topic: PubsubTopic,
    pub(crate) data: Bytes,
}

/// Tells how a publish ended: the number of peers it was queued to.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Broadcasted {
    pub(crate) ticket: Ticket,
    pub(crate) result: Result<usize, BroadcastError>,
}

/// Hands the relay a message from a peer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct GossipReceived(pub(crate) InboundGossip);

/// Gives gossipsub the relay's verdict.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct GiveVerdict {
    pub(crate) id: GossipId,
    pub(crate) acceptance: Acceptance,
}

/// Asks for topics to be joined and left.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Subscribe {
    pub(crate) join: Vec<PubsubTopic>,
    pub(crate) leave: Vec<PubsubTopic>,
}

/// Asks for a connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Dial(pub(crate) PeerAddress);

/// Asks for a connection to be closed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Disconnect(pub(crate) PeerId);

/// Asks a peer for its cluster and shards.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct RequestMetadata(pub(crate) PeerId);

/// Tells that the relay was rebuilt: it knows none of the messages handed to the one before.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct RelayStarted;

/// Tells that the peer manager was rebuilt: it does not know who is connected.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct PeersStarted;

/// Tells that the swarm is new: it has joined no topic and has no connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct NetworkStarted;

/// Tells the peer manager what happened, and whether a peer was reached.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct PeerSeen {
    pub(crate) input: peer_manager::Input,
    pub(crate) outcome: Option<(PeerId, Result<(), String>)>,
}

/// Asks what only the swarm knows.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AskMeshes(pub(crate) Reply<Meshes>);

/// Asks how many connected peers subscribe to a topic.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct CountPeers {
    pub(crate) topic: PubsubTopic,
    pub(crate) reply: Reply<usize>,
}

/// The gossipsub state of the joined topics.
#[derive(Debug, Clone, Default)]
pub struct Meshes {
    /// Each joined topic with the peers that subscribe to it and those in its mesh.
    pub topics: Vec<TopicPeers>,
    /// The addresses the node listens on, each ending in `/p2p/<id>`.
    pub listen_addresses: Vec<String>,
    /// The addresses others are told, in the same form: those above when none are set.
    pub announced_addresses: Vec<String>,
}

/// Peers of one topic.
#[derive(Debug, Clone)]
pub struct TopicPeers {
    /// The topic.
    pub topic: PubsubTopic,
    /// Peers that subscribe to it.
    pub subscribed: Vec<PeerId>,
    /// Peers in our mesh of it.
    pub mesh: Vec<PeerId>,
}

/// Asks to let queued messages leave, close and stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct CloseNetwork(pub(crate) Reply<()>);

/// What the network needs from the rest of the node.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pub(crate) gossip: Port<GossipReceived>,
    pub(crate) broadcasted: Port<Broadcasted>,
    pub(crate) started: Port<NetworkStarted>,
    pub(crate) peers: Port<PeerSeen>,
    pub(crate) peers_started: Port<NetworkStarted>,
    /// Of what the node serves.
    pub(crate) services: BTreeMap<Service, ServicePorts>,
    /// None when the node is no filter client.
    pub(crate) filter_client: Option<FilterClientPorts>,
    /// Where the node listens now; what the swarm before left there tells the ports to take again.
    pub(crate) listening: watch::Sender<Vec<String>>,
}

/// The way to the filter client.
#[derive(Debug, Clone)]
pub(crate) struct FilterClientPorts {
    pub(crate) seen: Port<FilterSeen>,
    pub(crate) started: Port<NetworkStarted>,
}

/// Who waits for the answer of a peer.
struct Question {
    service: Service,
    reply: Reply<Result<Bytes, RequestError>>,
}

pub(crate) struct NetworkActor {
    network: Network,
    cluster: weir_core::ClusterId,
    topics: HashSet<PubsubTopic>,
    awaiting_verdict: HashSet<GossipId>,
    /// [`GOSSIP_WINDOW`]; less in tests.
    window: usize,
    /// For a peer manager that is rebuilt. As many as the swarm has connections.
    connected: HashMap<PeerId, (PeerAddress, Direction)>,
    /// Who waits for which peer. An answer comes for each, if only that there is none.
    questions: HashMap<QuestionId, Question>,
    ports: Ports,
    closing: Option<Reply<()>>,
    metrics: NetworkMetrics,
    lease: Lease,
}

impl NetworkActor {
    pub(crate) fn new(
        network: Network,
        cluster: weir_core::ClusterId,
        ports: Ports,
        metrics: NetworkMetrics,
        lease: Lease,
    ) -> Self {
        Self {
            network,
            cluster,
            topics: HashSet::new(),
            awaiting_verdict: HashSet::new(),
            window: GOSSIP_WINDOW,
            connected: HashMap::new(),
            questions: HashMap::new(),
            ports,
            closing: None,
            metrics,
            lease,
        }
    }

    fn on_event(&mut self, event: Event) {
        match &event {
            Event::Connected { peer, address, direction, .. } => {
                tracing::debug!(%peer, %address, ?direction, "peer connected");
                self.connected.insert(peer.clone(), (address.clone(), *direction));
            }
            Event::Disconnected { peer, reason, .. } => {
                tracing::debug!(%peer, ?reason, "peer disconnected");
                self.connected.remove(peer);
                self.tell_filter_client(|| FilterSeen::Gone(peer.clone()));
            }
            Event::Identified { peer, identity } => self.notice_filter_service(peer, &identity.protocols),
            Event::Listening(address) => {
                self.ports.listening.send_modify(|known| known.push(address.clone()));
            }
            Event::GraylistedPeer(peer) => {
                tracing::warn!(%peer, "a peer sent too much that breaks the rules and is shut out for ten minutes");
            }
            Event::MessagesLost { peer, count } => {
                tracing::debug!(%peer, count, "a peer is too slow and did not get messages");
            }
            Event::NotListening(address) => {
                self.ports.listening.send_modify(|known| known.retain(|other| other != address));
            }
            _ => {}
        }
        match event {
            Event::Gossip(gossip) => self.hand_over(gossip),
            Event::Requested { id, service, peer, body } => {
                self.tell_service(service, RequestSeen::Requested { id, service, peer, body });
            }
            Event::AnswerSent(service, id) => {
                self.tell_service(service, RequestSeen::Sent { id, service });
            }
            Event::Abandoned(service, id) => {
                self.tell_service(service, RequestSeen::Abandoned(id));
            }
            Event::Answered { id, result } => {
                if let Some(Question { service, reply }) = self.questions.remove(&id) {
                    let bytes = result.as_ref().map_or(0, |body| body.len() as u64);
                    let label = ServiceLabel::new(service);
                    self.metrics.answer_bytes.get_or_create(&label).inc_by(bytes);
                    reply.give(result);
                }
            }
            Event::FilterPushed { peer, topic, message } => {
                self.tell_filter_client(|| FilterSeen::Pushed { peer, topic, message: Box::new(message) });
            }
            // That a node which closes loses its peers says nothing about them.
            _ if self.closing.is_some() => {}
            other => {
                if let Some(seen) = peer_seen(other) {
                    self.tell_peers(seen);
                }
            }
        }
    }

    fn hand_over(&mut self, gossip: InboundGossip) {
        let id = gossip.id;
        if self.ports.gossip.tell(GossipReceived(gossip)).is_ok() {
            self.awaiting_verdict.insert(id);
        } else {
            // Only a relay that is being rebuilt refuses: its mailbox holds the whole window.
            self.metrics.gossip_refused.inc();
            self.network.report(id, Acceptance::Ignore);
        }
    }

    fn notice_filter_service(&self, peer: &PeerId, protocols: &[String]) {
        let serves = protocols.iter().any(|protocol| protocol == protocol_id::FILTER_SUBSCRIBE);
        if let (true, Some((address, _))) = (serves, self.connected.get(peer)) {
            self.tell_filter_client(|| FilterSeen::Serves(address.clone()));
        }
    }

    fn tell_filter_client(&self, seen: impl FnOnce() -> FilterSeen) {
        if let Some(client) = &self.ports.filter_client {
            drop(client.seen.tell(seen()));
        }
    }

    fn tell_service(&mut self, service: Service, seen: RequestSeen) {
        let Some(ports) = self.ports.services.get(&service) else { return };
        let Err(refused) = ports.seen.tell(seen) else { return };
        // What has ended needs no answer, and the actor forgets it in time.
        if let RequestSeen::Requested { id, service, body, .. } = refused.message {
            match (ports.busy)(service, body) {
                Some(frame) => self.network.answer(id, frame),
                None => self.network.refuse(id),
            }
        }
    }

    fn tell_peers(&self, seen: PeerSeen) {
        if self.ports.peers.tell(seen).is_err() {
            self.metrics.peer_events_lost.inc();
        }
    }

    fn scores(&self) -> Vec<(PeerId, f64)> {
        let peers: BTreeSet<PeerId> =
            self.topics.iter().flat_map(|&topic| self.network.topic_peers(topic)).collect();
        let score_of = |peer: PeerId| self.network.peer_score(&peer).map(|score| (peer, score));
        peers.into_iter().filter_map(score_of).collect()
    }

    fn announce_shards(&mut self) {
        let mut shards: Vec<_> = self.topics.iter().map(|topic| topic.shard()).collect();
        shards.sort_unstable();
        self.network.set_metadata(Metadata { cluster: Some(self.cluster), shards });
    }

    fn meshes(&self) -> Meshes {
        let topics: Vec<TopicPeers> = self
            .topics
            .iter()
            .map(|&topic| TopicPeers {
                topic,
                subscribed: self.network.topic_peers(topic),
                mesh: self.network.mesh_peers(topic),
            })
            .collect();
        Meshes {
            topics,
            listen_addresses: self.network.listen_addresses(),
            announced_addresses: self.network.announced_addresses(),
        }
    }

    fn closed(&mut self, ctx: &mut Context<Self>) {
        if let Some(reply) = self.closing.take() {
            reply.give(());
        }
        self.lease.finish();
        ctx.stop();
    }
}

/// The addresses to listen on again: a free port that was given is kept, since peers know it.
pub(crate) fn same_ports(listen: &[String], listening: &[String]) -> Vec<String> {
    let port_at = |start: &str, transport: &str| {
        let fits = |address: &&String| address.starts_with(start) && transport_of(address) == transport;
        listening.iter().find(fits)?.split('/').nth(4)
    };
    let again = |text: &String| {
        let split = ["/tcp/", "/udp/"].map(|below| Some((below, text.split_once(&format!("{below}0"))?)));
        let Some((below, (stem, transport))) = split.into_iter().flatten().next() else {
            return text.clone();
        };
        let family = if stem.starts_with("/ip4/") { "/ip4/" } else { "/ip6/" };
        // An unspecified address is listened on as several concrete ones, with one port.
        let port = port_at(&format!("{stem}{below}"), transport).or_else(|| port_at(family, transport));
        port.map_or_else(|| text.clone(), |port| format!("{stem}{below}{port}{transport}"))
    };
    listen.iter().map(again).collect()
}

/// Whether each address to listen on is among those listened on.
pub(crate) fn listens_on_all(listen: &[String], listening: &[String]) -> bool {
    listen.iter().all(|text| listening.iter().any(|address| transport_of(address) == transport_of(text)))
}

/// What follows the port: nothing, or `/ws` and the like.
fn transport_of(address: &str) -> &str {
    let address = address.split_once("/p2p/").map_or(address, |(address, _)| address);
    // Four slashes belong to the host and the port.
    let port_ends = address.match_indices('/').nth(4).map_or(address.len(), |(at, _)| at);
    &address[port_ends..]
}

impl Bounded for NetworkActor {
    const MAILBOX: usize = MAILBOX;
}

impl Actor for NetworkActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.ports.listening.send_replace(Vec::new());
        ctx.spawn(Pump);
        ctx.run_interval(SCORE_INTERVAL, |actor, _| {
            let input = peer_manager::Input::Scores(actor.scores());
            actor.tell_peers(PeerSeen { input, outcome: None });
        });
        self.announce_shards();
        // Who does not take this is being made, and asks when it is there.
        drop(self.ports.started.tell(NetworkStarted));
        drop(self.ports.peers_started.tell(NetworkStarted));
        for service in self.ports.services.values() {
            drop(service.started.tell(NetworkStarted));
        }
        if let Some(client) = &self.ports.filter_client {
            drop(client.started.tell(NetworkStarted));
        }
    }
}

/// Polls the swarm inside the actor's own task: a handler that queued something is followed by a
/// poll, without a wake-up.
struct Pump;

impl ActorFuture<NetworkActor> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut NetworkActor,
        ctx: &mut Context<NetworkActor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        for _ in 0..EVENTS_AT_ONCE {
            // A verdict arrives through the mailbox, and that wakes this task.
            if actor.awaiting_verdict.len() >= actor.window && actor.closing.is_none() {
                return Poll::Pending;
            }
            match Pin::new(&mut actor.network).poll_next(task) {
                Poll::Ready(Some(event)) => actor.on_event(event),
                // The stream ends when a closing network has let everything leave.
                Poll::Ready(None) => {
                    actor.closed(ctx);
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What a refused publish means to the relay. Nothing was sent in any of these cases.
fn broadcast_error(error: PublishError) -> BroadcastError {
    match error {
        PublishError::NoPeers(_) => BroadcastError::NoPeers,
        PublishError::Duplicate => BroadcastError::Duplicate,
        PublishError::TooLarge { .. } => BroadcastError::TooLarge,
        PublishError::ForeignTopic(_) => BroadcastError::NotSubscribed,
        PublishError::QueuesFull(_) | PublishError::Closing => BroadcastError::QueuesFull,
    }
}

impl Handler<Broadcast> for NetworkActor {
    type Result = ();

    fn handle(&mut self, Broadcast { ticket, topic, data }: Broadcast, _: &mut Self::Context) {
        let result =
            self.network.publish(topic, data).map(|published| published.peers).map_err(broadcast_error);
        // The relay's mailbox has a place for every publish in flight.
        drop(self.ports.broadcasted.tell(Broadcasted { ticket, result }));
    }
}

impl Handler<GiveVerdict> for NetworkActor {
    type Result = ();

    fn handle(&mut self, GiveVerdict { id, acceptance }: GiveVerdict, _: &mut Self::Context) {
        if self.awaiting_verdict.remove(&id) {
            self.network.report(id, acceptance);
        }
    }
}

impl Handler<Subscribe> for NetworkActor {
    type Result = ();

    fn handle(&mut self, Subscribe { join, leave }: Subscribe, _: &mut Self::Context) {
        for topic in join {
            match self.network.subscribe(topic) {
                Ok(_) => {
                    self.topics.insert(topic);
                }
                Err(error) => tracing::warn!(%topic, %error, "topic could not be joined"),
            }
        }
        for topic in leave {
            self.network.unsubscribe(topic);
            self.topics.remove(&topic);
        }
        self.announce_shards();
    }
}

impl Handler<Dial> for NetworkActor {
    type Result = ();

    fn handle(&mut self, Dial(address): Dial, _: &mut Self::Context) {
        self.network.dial(&address);
    }
}

impl Handler<Disconnect> for NetworkActor {
    type Result = ();

    fn handle(&mut self, Disconnect(peer): Disconnect, _: &mut Self::Context) {
        self.network.disconnect(&peer);
    }
}

impl Handler<RequestMetadata> for NetworkActor {
    type Result = ();

    fn handle(&mut self, RequestMetadata(peer): RequestMetadata, _: &mut Self::Context) {
        self.network.request_metadata(&peer);
    }
}

impl Handler<RelayStarted> for NetworkActor {
    type Result = ();

    fn handle(&mut self, _: RelayStarted, _: &mut Self::Context) {
        for id in std::mem::take(&mut self.awaiting_verdict) {
            self.network.report(id, Acceptance::Ignore);
        }
    }
}

impl Handler<PeersStarted> for NetworkActor {
    type Result = ();

    fn handle(&mut self, _: PeersStarted, _: &mut Self::Context) {
        for (address, direction) in self.connected.values() {
            let input = peers::connected(address.clone(), *direction);
            self.tell_peers(PeerSeen { input, outcome: None });
        }
    }
}

impl Handler<CountPeers> for NetworkActor {
    type Result = ();

    fn handle(&mut self, CountPeers { topic, reply }: CountPeers, _: &mut Self::Context) {
        reply.give(self.network.topic_peers(topic).len());
    }
}

impl Handler<AskMeshes> for NetworkActor {
    type Result = ();

    fn handle(&mut self, AskMeshes(reply): AskMeshes, _: &mut Self::Context) {
        reply.give(self.meshes());
    }
}

impl Handler<AnswerPeer> for NetworkActor {
    type Result = ();

    fn handle(&mut self, AnswerPeer { id, frame }: AnswerPeer, _: &mut Self::Context) {
        match frame {
            Some(frame) => self.network.answer(id, frame),
            None => self.network.refuse(id),
        }
    }
}

impl Handler<AskPeer> for NetworkActor {
    type Result = ();

    fn handle(&mut self, asked: AskPeer, _: &mut Self::Context) {
        let AskPeer { peer, service, question, reply } = asked;
        let id = self.network.ask(&peer, service, question);
        self.questions.insert(id, Question { service, reply });
    }
}

impl Handler<CloseNetwork> for NetworkActor {
    type Result = ();

    fn handle(&mut self, CloseNetwork(reply): CloseNetwork, _: &mut Self::Context) {
        self.network.begin_close();
        self.closing = Some(reply);
    }
}
