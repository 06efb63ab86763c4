//! Edge actor: a node without relay sends by other nodes' light push until a store has the message, and receives by
//! filter and store.
//!
//! Owns      the [`Sender`], the [`Receiver`], the [`Health`] and the events that nobody has read.
//! Receives  [`Work`] from the handle; [`FilterTold`] from the filter client; [`Ended`] from its own tasks.
//! Sends     [`FilterWish`] to the filter client. Pushes and queries are tasks of its own, which ask the network.
//! Bounds    mailbox [`MAILBOX`]; what is under way and what is kept: as its parts say.
//! On fault  sends under way end without an event, and subscriptions are wished for anew by who wants them.
//! Stops     with the node.

use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroUsize,
    time::Duration,
};

use actix::{Actor, AsyncContext, Context, Handler, Message};
use rand::{RngCore, rngs::OsRng};
use weir_core::{
    Autosharding, ClusterId, ContentTopic, MessageHash, PeerAddress, PeerId, PubsubTopic, Timestamp,
    WakuMessage,
    lightpush::Answer,
    store::{Page, PageSize, Query},
};
use weir_net::Service;
use weir_protocols::{
    edge::{
        Event, EventLog, Health, Outgoing, PushId, QueryId, Reach, ReceivedMessage, Receiver, ReceiverConfig,
        ReceiverEffect, SendEvent, SendId, Sender, SenderConfig, SenderEffect, Subscription,
    },
    health::ConnectionStatus,
    peer_manager::{Connectedness, PeerInfo},
    service_peers::{RequestFailure, ServicePeers},
};

use crate::{
    Clock,
    deadline::DeadlineTimer,
    filter_client::{FilterTold, FilterWish},
    handles::PeersHandle,
    lightpush_client::LightPushHandle,
    metrics::EdgeMetrics,
    port::{Port, Reply},
    store_client::{StoreHandle, StoreQueryError},
    supervision::{ASKS_IN_FLIGHT, Bounded, Lease},
};

mod handle;

pub use handle::{EdgeError, EdgeHandle, EdgeReport};

/// A place for every question, for the end of each of 1,024 sends' pushes to two peers, and for pushes of filter
/// services, two of them with a burst of a thousand messages each. What does not fit is fetched from a store.
const MAILBOX: usize = ASKS_IN_FLIGHT + 2 * 1024 + 2 * 1024;

/// Received messages kept until they are read, as in nwaku.
const KEPT: NonZeroUsize = NonZeroUsize::new(50).expect("not zero");

/// How often it is looked which peers are connected and what they serve.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sending and receiving without relay. The node's filter client has to be on.
#[derive(Debug, Clone)]
pub struct EdgeSettings {
    /// Which shard carries a content topic.
    pub autosharding: Autosharding,
    /// Topics that are wanted from the start.
    pub content_topics: Vec<ContentTopic>,
}

/// How the parts are set up.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) sender: SenderConfig,
    pub(crate) receiver: ReceiverConfig,
    /// Wanted from the start.
    pub(crate) content_topics: Vec<ContentTopic>,
    pub(crate) cluster: ClusterId,
    /// Which shard carries a content topic.
    pub(crate) autosharding: Autosharding,
}

impl Plan {
    pub(crate) fn new(settings: EdgeSettings, cluster: ClusterId) -> Self {
        let EdgeSettings { autosharding, content_topics } = settings;
        let (sender, receiver) = (SenderConfig::default(), ReceiverConfig::default());
        Self { sender, receiver, content_topics, cluster, autosharding }
    }
}

/// What the actor asks of the rest of the node.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) wishes: Port<FilterWish>,
    /// Its own.
    pub(crate) ended: Port<Ended>,
    pub(crate) lightpush: LightPushHandle,
    pub(crate) store: StoreHandle,
    pub(crate) peers: PeersHandle,
}

/// What whoever uses the node wants.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum Work {
    /// Send; the id is in the events of the message.
    Send(Box<WakuMessage>, Reply<Result<SendId, EdgeError>>),
    /// Want messages of these topics from now on.
    Subscribe(Vec<ContentTopic>, Reply<Result<(), EdgeError>>),
    /// Want them no more.
    Unsubscribe(Vec<ContentTopic>, Reply<Result<(), EdgeError>>),
    /// Take the events of all sends.
    TakeSends(Reply<Vec<(SendId, Vec<SendEvent>)>>),
    /// Take the events of one send.
    TakeSend(SendId, Reply<Option<Vec<SendEvent>>>),
    /// Take the messages received.
    TakeReceived(Reply<Vec<ReceivedMessage>>),
    /// Tell how it is.
    Report(Reply<EdgeReport>),
}

/// What came of a task.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum Ended {
    Pushed(PushId, Result<Answer, RequestFailure>),
    Confirmed(QueryId, Result<Vec<MessageHash>, RequestFailure>),
    Answered(QueryId, Result<Page, RequestFailure>),
    /// The peers that the node knows.
    Looked(Vec<PeerInfo>),
}

pub(crate) struct EdgeActor {
    plan: Plan,
    sender: Sender,
    receiver: Receiver,
    health: Health,
    log: EventLog,
    next_send: u64,
    /// How to reach the peers that serve.
    addresses: HashMap<PeerId, PeerAddress>,
    reach: Reach,
    subscriptions: Vec<Subscription>,
    timer: DeadlineTimer,
    ports: Ports,
    clock: Clock,
    metrics: EdgeMetrics,
    _lease: Lease,
}

impl EdgeActor {
    pub(crate) fn new(plan: Plan, ports: Ports, clock: Clock, metrics: EdgeMetrics, lease: Lease) -> Self {
        Self {
            sender: Sender::new(plan.sender),
            receiver: Receiver::new(plan.receiver),
            plan,
            health: Health::default(),
            log: EventLog::new(KEPT),
            // Ids of an earlier run mean nothing now, and should not name sends of this one.
            next_send: u64::from(OsRng.next_u32()) << 20,
            addresses: HashMap::new(),
            reach: Reach::default(),
            subscriptions: Vec::new(),
            timer: DeadlineTimer::default(),
            ports,
            clock,
            metrics,
            _lease: lease,
        }
    }

    fn send(&mut self, message: WakuMessage, ctx: &mut Context<Self>) -> Result<SendId, EdgeError> {
        let topic = self.topic_of(&message.content_topic)?;
        let id = SendId(self.next_send);
        self.next_send += 1;
        self.step_sender(ctx, |sender, now, effects| {
            let timestamp = if message.timestamp.is_set() { message.timestamp } else { now };
            sender.send(id, Outgoing { topic, message: WakuMessage { timestamp, ..message } }, now, effects);
        });
        Ok(id)
    }

    fn topic_of(&self, content_topic: &ContentTopic) -> Result<PubsubTopic, EdgeError> {
        self.plan.autosharding.pubsub_topic_of(content_topic).map_err(EdgeError::NoShard)
    }

    /// Wants these topics from now on, or no more.
    fn wish(&mut self, content_topics: &[ContentTopic], wanted: bool) -> Result<(), EdgeError> {
        let topics: Result<Vec<_>, _> = content_topics.iter().map(|topic| self.topic_of(topic)).collect();
        let now = self.clock.now();
        for (topic, content_topic) in topics?.into_iter().zip(content_topics) {
            let wish = FilterWish { topic, content_topic: content_topic.clone(), wanted };
            self.ports.wishes.tell(wish).map_err(|_| EdgeError::Busy)?;
            if wanted {
                self.receiver.subscribe(topic, [content_topic.clone()], now);
            } else {
                self.receiver.unsubscribe(topic, std::slice::from_ref(content_topic));
            }
        }
        Ok(())
    }

    /// Lets the sender act, and does what follows.
    fn step_sender(
        &mut self,
        ctx: &mut Context<Self>,
        act: impl FnOnce(&mut Sender, Timestamp, &mut Vec<SenderEffect>),
    ) {
        let now = self.clock.now();
        let mut effects = Vec::new();
        act(&mut self.sender, now, &mut effects);
        for effect in effects {
            match effect {
                SenderEffect::Push { id, peer, outgoing } => self.push(id, &peer, *outgoing),
                SenderEffect::Query { id, peer, hashes } => self.confirm(id, &peer, hashes),
                SenderEffect::Event(event) => self.tell(event, now),
                SenderEffect::Renew(id) => self.refuse_renewal(id, ctx),
            }
        }
        self.metrics.sending(self.sender.under_way(), self.sender.unconfirmed());
        self.arm(now, ctx);
    }

    /// Only what came with a proof needs a new one, and proofs are made by the services here.
    fn refuse_renewal(&mut self, id: SendId, ctx: &mut Context<Self>) {
        self.step_sender(ctx, |sender, now, effects| {
            sender.renewed(id, Err("this node makes no proofs".to_owned()), now, effects);
        });
    }

    /// Lets the receiver act, and does what follows.
    fn step_receiver(
        &mut self,
        ctx: &mut Context<Self>,
        act: impl FnOnce(&mut Receiver, Timestamp, &mut Vec<ReceiverEffect>),
    ) {
        let now = self.clock.now();
        let mut effects = Vec::new();
        act(&mut self.receiver, now, &mut effects);
        for effect in effects {
            match effect {
                ReceiverEffect::Query { id, peer, query } => {
                    let ended = move |result| Ended::Answered(id, result);
                    self.ask_store(&peer, *query, self.plan.receiver.query_timeout, ended);
                }
                ReceiverEffect::Event(event) => self.tell(event, now),
            }
        }
        self.arm(now, ctx);
    }

    fn arm(&mut self, now: Timestamp, ctx: &mut Context<Self>) {
        let deadlines = [self.sender.next_deadline(), self.receiver.next_deadline()];
        self.timer.arm(deadlines.into_iter().flatten().min(), now, ctx, Self::deadline_came);
    }

    fn deadline_came(&mut self, ctx: &mut Context<Self>) {
        self.timer.fired();
        self.step_sender(ctx, |sender, now, effects| sender.tick(now, effects));
        self.step_receiver(ctx, |receiver, now, effects| receiver.tick(now, effects));
    }

    fn push(&self, id: PushId, peer: &PeerId, outgoing: Outgoing) {
        let Outgoing { topic, message } = outgoing;
        let (lightpush, patience) = (self.ports.lightpush.clone(), self.plan.sender.push_timeout);
        let peer = self.addresses.get(peer).cloned();
        self.run(async move {
            let result = match peer {
                Some(peer) => lightpush.push_once(peer, topic, &message, patience).await,
                None => Err(RequestFailure::Unreachable),
            };
            Ended::Pushed(id, result)
        });
    }

    fn confirm(&self, id: QueryId, peer: &PeerId, hashes: Vec<MessageHash>) {
        let query = Query { hashes, page_size: PageSize::MAX, ..Query::default() };
        let hashes_of = |page: Page| page.rows.into_iter().map(|row| row.hash).collect();
        let ended = move |result: Result<Page, _>| Ended::Confirmed(id, result.map(hashes_of));
        self.ask_store(peer, query, self.plan.sender.query_timeout, ended);
    }

    fn ask_store(
        &self,
        peer: &PeerId,
        query: Query,
        patience: Duration,
        ended: impl FnOnce(Result<Page, RequestFailure>) -> Ended + Send + 'static,
    ) {
        let (store, peer) = (self.ports.store.clone(), self.addresses.get(peer).cloned());
        self.run(async move {
            ended(match peer {
                Some(peer) => {
                    store.ask(peer, query, patience).await.map(|answer| answer.page).map_err(failure)
                }
                None => Err(RequestFailure::Unreachable),
            })
        });
    }

    /// Runs a task whose end is told to this actor.
    fn run(&self, task: impl Future<Output = Ended> + Send + 'static) {
        let port = self.ports.ended.clone();
        tokio::spawn(async move {
            // The mailbox has a place for it; an actor that was rebuilt has forgotten what it asked.
            drop(port.tell(task.await));
        });
    }

    fn look(&self) {
        let peers = self.ports.peers.clone();
        // Peers that cannot be told now are told the next time.
        self.run(async move { Ended::Looked(peers.all().await.unwrap_or_default()) });
    }

    fn looked(&mut self, known: Vec<PeerInfo>, ctx: &mut Context<Self>) {
        let cluster = self.plan.cluster;
        let topics_of = |info: &PeerInfo| {
            let topics: BTreeSet<PubsubTopic> =
                info.shards.iter().filter_map(|shard| PubsubTopic::new(cluster, *shard).ok()).collect();
            // Who has not told its shards may serve any.
            Some(topics).filter(|topics| !topics.is_empty())
        };
        let connected: Vec<PeerInfo> =
            known.into_iter().filter(|info| info.connectedness == Connectedness::Connected).collect();
        let gone: Vec<PeerId> = self
            .addresses
            .keys()
            .filter(|peer| !connected.iter().any(|info| info.address.peer() == *peer))
            .cloned()
            .collect();
        for peer in gone {
            self.addresses.remove(&peer);
            self.sender.light_push_peers().remove(&peer);
            self.sender.store_peers().remove(&peer);
            self.receiver.store_peers().remove(&peer);
        }
        self.reach = Reach { receive: self.reach.receive, ..Reach::default() };
        let mut serves_filter = 0;
        for info in connected {
            let serves = |service: Service| info.protocols.iter().any(|known| known == service.protocol());
            let (peer, topics) = (info.address.peer().clone(), topics_of(&info));
            let add = |peers: &mut ServicePeers| usize::from(peers.add(peer.clone(), topics.clone()));
            if serves(Service::LightPush) {
                self.reach.send += add(self.sender.light_push_peers());
            }
            if serves(Service::Store) {
                self.reach.store += add(self.sender.store_peers());
                add(self.receiver.store_peers());
            }
            serves_filter += usize::from(serves(Service::Filter));
            self.addresses.insert(peer, info.address);
        }
        if self.subscriptions.is_empty() {
            self.reach.receive = serves_filter;
        }
        self.judge_health(ctx);
        self.step_sender(ctx, |sender, now, effects| sender.tick(now, effects));
        self.step_receiver(ctx, |receiver, now, effects| receiver.tick(now, effects));
    }

    /// Tells what is better or worse than before.
    fn judge_health(&mut self, ctx: &mut Context<Self>) {
        let mut events = Vec::new();
        self.health.update(self.reach, &self.subscriptions, &mut events);
        let now = self.clock.now();
        events.into_iter().for_each(|event| self.tell(event, now));
        let online = self.health.connection() != ConnectionStatus::Disconnected;
        self.step_receiver(ctx, |receiver, now, effects| receiver.set_online(online, now, effects));
    }

    fn tell(&mut self, event: Event, now: Timestamp) {
        match &event {
            Event::ConnectionStatus(status) => tracing::info!(?status, "the connection has changed"),
            Event::ContentTopicHealth { topic, content_topic, health } => {
                tracing::info!(%topic, %content_topic, ?health, "a subscription has changed");
            }
            Event::Error { send, error } => {
                tracing::warn!(send = send.0, %error, "a message did not get out")
            }
            Event::Propagated { .. } | Event::Sent { .. } | Event::Received { .. } => {}
        }
        self.metrics.told(&event);
        self.log.push(event, now);
    }

    fn report(&self) -> EdgeReport {
        let topics = self.health.topics();
        EdgeReport {
            connection: self.health.connection(),
            reach: self.reach,
            topics: topics.map(|(topic, content, health)| (topic, content.clone(), health)).collect(),
            sending: self.sender.under_way(),
            unconfirmed: self.sender.unconfirmed(),
            missed: self.log.missed(),
            covered_until: self.receiver.covered_until(),
        }
    }
}

fn failure(error: StoreQueryError) -> RequestFailure {
    match error {
        StoreQueryError::NoPeer => RequestFailure::Unreachable,
        StoreQueryError::Timeout => RequestFailure::TimedOut,
        StoreQueryError::RateLimited | StoreQueryError::Refused(_) => RequestFailure::Refused,
        StoreQueryError::Failed(_) => RequestFailure::Nonsense,
    }
}

impl Bounded for EdgeActor {
    const MAILBOX: usize = MAILBOX;
}

impl Actor for EdgeActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let wanted = std::mem::take(&mut self.plan.content_topics);
        if let Err(error) = self.wish(&wanted, true) {
            tracing::error!(%error, "content topics of the settings are not received");
        }
        self.look();
        ctx.run_interval(LOOK_EVERY, |actor, _| actor.look());
    }
}

impl Handler<Work> for EdgeActor {
    type Result = ();

    fn handle(&mut self, work: Work, ctx: &mut Self::Context) {
        match work {
            Work::Send(message, reply) => reply.give(self.send(*message, ctx)),
            Work::Subscribe(topics, reply) => reply.give(self.wish(&topics, true)),
            Work::Unsubscribe(topics, reply) => reply.give(self.wish(&topics, false)),
            Work::TakeSends(reply) => reply.give(self.log.take_sends().into_iter().collect()),
            Work::TakeSend(send, reply) => reply.give(self.log.take_send(send)),
            Work::TakeReceived(reply) => reply.give(self.log.take_received()),
            Work::Report(reply) => reply.give(self.report()),
        }
    }
}

impl Handler<FilterTold> for EdgeActor {
    type Result = ();

    fn handle(&mut self, told: FilterTold, ctx: &mut Self::Context) {
        match told {
            FilterTold::Pushed { topic, message } => self.step_receiver(ctx, |receiver, now, effects| {
                receiver.pushed(topic, *message, now, effects);
            }),
            FilterTold::Subscriptions { subscriptions, services } => {
                self.subscriptions = subscriptions;
                self.reach.receive = services;
                self.judge_health(ctx);
            }
        }
    }
}

impl Handler<Ended> for EdgeActor {
    type Result = ();

    fn handle(&mut self, ended: Ended, ctx: &mut Self::Context) {
        match ended {
            Ended::Pushed(id, result) => {
                self.step_sender(ctx, |sender, now, effects| sender.pushed(id, result, now, effects));
            }
            Ended::Confirmed(id, result) => {
                self.step_sender(ctx, |sender, now, effects| sender.confirmed(id, result, now, effects));
            }
            Ended::Answered(id, result) => {
                self.step_receiver(ctx, |receiver, now, effects| receiver.answered(id, result, now, effects));
            }
            Ended::Looked(known) => self.looked(known, ctx),
        }
    }
}
