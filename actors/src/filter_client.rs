//! Filter client actor: keeps this node subscribed at filter services, and what they push.
//!
//! Owns      the [`Client`] and the messages that nobody has read yet.
//! Receives  [`FilterSeen`] and [`NetworkStarted`] from the network, [`AskFilter`] and [`TakePushed`] from handles.
//! Sends     [`AskPeer`] to the network.
//! Bounds    mailbox [`MAILBOX`]; messages kept: as the operator says; requests under way: one for each peer with a
//!           session and one for each question that waits.
//! On fault  subscriptions are forgotten here; the services drop them when nobody pings.
//! Stops     with the node.

use std::collections::{HashMap, HashSet};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use tokio::sync::oneshot::error::RecvError;
use weir_core::{
    ContentTopic, PeerAddress, PeerId, PubsubTopic, WakuMessage,
    filter::{Answer, Request, Status},
};
use weir_net::{Frame, RequestError, Service};
use weir_protocols::{
    edge::Subscription,
    filter::{Client, ClientConfig, ClientEffect, Failure, RequestId, Requested},
    relay::MessageCache,
};
use weir_wire::{FilterResponse, NO_REQUEST_ID, encode_filter_request};

use crate::{
    Clock,
    deadline::DeadlineTimer,
    metrics::FilterClientMetrics,
    network::NetworkStarted,
    port::{Port, Reply},
    service::AskPeer,
    supervision::{ASKS_IN_FLIGHT, Bounded, Handle, Lease},
};

#[cfg(test)]
mod tests;

/// A place for every question, for what is told of each of 150 connections, and for pushes: two services with a
/// burst of a thousand messages each. The network hands over what does not fit no more, and it is counted.
const MAILBOX: usize = ASKS_IN_FLIGHT + 512 + 2048;

/// Messages kept until they are read, as in nwaku.
pub(crate) const CACHE_CAPACITY: usize = MessageCache::DEFAULT_CAPACITY;

/// Tells what the network saw of filter services.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum FilterSeen {
    /// A connected peer says that it serves filter.
    Serves(PeerAddress),
    /// A peer is not connected any more.
    Gone(PeerId),
    /// A peer pushed a message.
    Pushed { peer: PeerId, topic: PubsubTopic, message: Box<WakuMessage> },
}

/// Asks services now, and keeps to it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AskFilter {
    pub(crate) request: Request,
    pub(crate) reply: Reply<Result<Answer, FilterError>>,
}

/// Wants messages of a content topic from now on, or no more; the services are asked when there are any.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct FilterWish {
    pub(crate) topic: PubsubTopic,
    pub(crate) content_topic: ContentTopic,
    pub(crate) wanted: bool,
}

/// Tells a node without relay what it receives and how.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum FilterTold {
    /// A service pushed a message that is wanted.
    Pushed { topic: PubsubTopic, message: Box<WakuMessage> },
    /// What is wanted, and how many services have confirmed anything of it.
    Subscriptions { subscriptions: Vec<Subscription>, services: usize },
}

/// Asks for the messages of a content topic that were not read yet; none when it is not subscribed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct TakePushed {
    pub(crate) topic: ContentTopic,
    pub(crate) reply: Reply<Option<Vec<WakuMessage>>>,
}

/// Why a filter service gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No peer is known that serves filter.
    #[error("no filter peer is known; name one with --filternode")]
    NoPeer,
    /// The peer cannot be reached, or serves no filter.
    #[error("{0}")]
    NotReached(String),
    /// What the peer answered is no answer.
    #[error("{0}")]
    Unreadable(String),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The content topics have no shard, and none was named.
    #[error("{0}")]
    NoShard(String),
    /// The node is overloaded or stops.
    #[error("the node is overloaded; try again")]
    Busy,
}

/// What the actor needs from the rest of the node.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) ask: Port<AskPeer>,
    /// Who receives what is pushed, beside those who read it here.
    pub(crate) told: Option<Port<FilterTold>>,
}

pub(crate) struct FilterClientActor {
    client: Client,
    cache: MessageCache,
    /// How to reach those who serve: the peers that the operator names, or else those that are connected.
    services: HashMap<PeerId, PeerAddress>,
    named: HashSet<PeerId>,
    /// Which question a request belongs to; requests of the client itself belong to none.
    asked: HashMap<RequestId, QuestionId>,
    /// As told last.
    subscriptions: Vec<Subscription>,
    questions: HashMap<QuestionId, Question>,
    next_question: u64,
    timer: DeadlineTimer,
    ports: Ports,
    clock: Clock,
    metrics: FilterClientMetrics,
    _lease: Lease,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct QuestionId(u64);

/// What somebody waits for.
struct Question {
    request: Request,
    /// Content topics to forget if the answer is no.
    new: Vec<ContentTopic>,
    /// Requests without an outcome.
    open: usize,
    reply: Reply<Result<Answer, FilterError>>,
}

/// The way to the actor. Pushes that it cannot take are counted; it hears of the rest again.
pub(crate) fn intake(actor: Handle<FilterClientActor>, metrics: FilterClientMetrics) -> Port<FilterSeen> {
    Port::from_fn(move |seen| {
        let told = actor.tell(seen);
        if told.as_ref().is_err_and(|refused| matches!(refused.message, FilterSeen::Pushed { .. })) {
            metrics.missed();
        }
        told
    })
}

impl FilterClientActor {
    pub(crate) fn new(
        config: ClientConfig,
        named: &[PeerAddress],
        ports: Ports,
        clock: Clock,
        metrics: FilterClientMetrics,
        lease: Lease,
    ) -> Self {
        let mut actor = Self {
            client: Client::new(config),
            cache: MessageCache::new(CACHE_CAPACITY),
            services: HashMap::new(),
            named: named.iter().map(|address| address.peer().clone()).collect(),
            asked: HashMap::new(),
            subscriptions: Vec::new(),
            questions: HashMap::new(),
            next_question: 0,
            timer: DeadlineTimer::default(),
            ports,
            clock,
            metrics,
            _lease: lease,
        };
        for address in named {
            actor.services.insert(address.peer().clone(), address.clone());
            // Nothing is wanted yet, so nothing is asked.
            let now = actor.clock.now();
            actor.client.peer_available(address.peer().clone(), None, now, &mut Vec::new());
        }
        actor
    }

    /// Lets the client act, and does what follows.
    fn step<T>(
        &mut self,
        ctx: &mut Context<Self>,
        act: impl FnOnce(&mut Client, weir_core::Timestamp, &mut Vec<ClientEffect>) -> T,
    ) -> T {
        let now = self.clock.now();
        let mut effects = Vec::new();
        let outcome = act(&mut self.client, now, &mut effects);
        for ClientEffect::Ask { id, peer, request } in effects {
            self.ask(id, &peer, &request, ctx);
        }
        self.metrics.subscribed(self.client.confirmed_peers());
        self.tell_subscriptions();
        self.timer.arm(self.client.next_deadline(now), now, ctx, Self::deadline_came);
        outcome
    }

    fn tell_subscriptions(&mut self) {
        let Some(told) = &self.ports.told else { return };
        let confirmed = |(topic, content_topic): (PubsubTopic, &ContentTopic)| Subscription {
            topic,
            content_topic: content_topic.clone(),
            confirmed: self.client.confirmed(topic, content_topic),
        };
        let now: Vec<Subscription> = self.client.wanted().map(confirmed).collect();
        if now != self.subscriptions {
            let services = self.client.confirmed_peers();
            // What cannot be told now is told with the next change.
            if told.tell(FilterTold::Subscriptions { subscriptions: now.clone(), services }).is_ok() {
                self.subscriptions = now;
            }
        }
    }

    fn deadline_came(&mut self, ctx: &mut Context<Self>) {
        self.timer.fired();
        self.step(ctx, |client, now, effects| client.tick(now, effects));
    }

    fn ask(&self, id: RequestId, peer: &PeerId, request: &Request, ctx: &mut Context<Self>) {
        let (reply, answer) = Reply::channel();
        let name = id.0.to_string();
        if let Some(address) = self.services.get(peer) {
            let question = Frame::new(&encode_filter_request(&name, request));
            let asked = AskPeer { peer: address.clone(), service: Service::Filter, question, reply };
            // A port that does not take it drops the reply, which is an outcome as well.
            drop(self.ports.ask.tell(asked));
        }
        let outcome = answer.into_actor(self).map(move |answer, actor, ctx| {
            let outcome = read(&name, answer);
            actor.metrics.answered(&outcome);
            actor.on_outcome(id, outcome, ctx);
        });
        ctx.spawn(outcome);
    }

    fn on_outcome(&mut self, id: RequestId, outcome: Result<Answer, FilterError>, ctx: &mut Context<Self>) {
        let told = outcome.clone().map_err(|error| failure(&error));
        self.step(ctx, |client, now, effects| client.answered(id, told, now, effects));
        let Some(question_id) = self.asked.remove(&id) else { return };
        let Some(question) = self.questions.get_mut(&question_id) else { return };
        question.open -= 1;
        let is_yes = matches!(&outcome, Ok(answer) if answer.status == Status::Ok);
        // One yes is enough; a no counts when there is nobody else to say yes.
        if (is_yes || question.open == 0)
            && let Some(question) = self.questions.remove(&question_id)
        {
            self.conclude(question, outcome, ctx);
        }
    }

    fn conclude(
        &mut self,
        question: Question,
        outcome: Result<Answer, FilterError>,
        ctx: &mut Context<Self>,
    ) {
        let Question { request, new, reply, .. } = question;
        let is_yes = matches!(&outcome, Ok(answer) if answer.status == Status::Ok) && reply.is_awaited();
        if let (Request::Subscribe(criteria), false) = (&request, is_yes) {
            // Who asked is told no, or has been told that it took too long.
            let topic = criteria.pubsub_topic();
            self.step(ctx, |client, now, effects| client.unsubscribe(topic, &new, now, effects));
        }
        self.forget_unwanted(&request);
        reply.give(outcome);
    }

    /// Drops the messages of content topics that are wanted no more.
    fn forget_unwanted(&mut self, request: &Request) {
        if let Request::Subscribe(criteria) | Request::Unsubscribe(criteria) = request {
            for content_topic in criteria.content_topics() {
                if !self.client.wanted().any(|(_, wanted)| wanted == content_topic) {
                    self.cache.unsubscribe_content(content_topic);
                }
            }
        }
    }

    fn on_pushed(&mut self, peer: &PeerId, topic: PubsubTopic, message: Box<WakuMessage>) {
        let expected = self.client.expects(peer, topic, &message.content_topic);
        self.metrics.pushed(expected);
        if expected {
            self.cache.keep(topic, message.hash(topic), &message);
            if let Some(told) = &self.ports.told {
                // What does not fit there is fetched from a store.
                drop(told.tell(FilterTold::Pushed { topic, message }));
            }
        }
    }

    fn on_gone(&mut self, peer: &PeerId, ctx: &mut Context<Self>) {
        let is_named = self.named.contains(peer);
        if !is_named && self.services.remove(peer).is_none() {
            return;
        }
        self.step(ctx, |client, now, effects| {
            client.peer_gone(peer, now, effects);
            // It is connected to again when it is asked.
            if is_named {
                client.peer_available(peer.clone(), None, now, effects);
            }
        });
    }
}

/// What came of a request that was named `name`.
fn read(
    name: &str,
    answer: Result<Result<bytes::Bytes, RequestError>, RecvError>,
) -> Result<Answer, FilterError> {
    let body = match answer {
        Ok(Ok(body)) => body,
        Ok(Err(RequestError::Timeout)) => return Err(FilterError::Timeout),
        Ok(Err(RequestError::Unreadable(why))) => return Err(FilterError::Unreadable(why)),
        Ok(Err(error)) => return Err(FilterError::NotReached(error.to_string())),
        Err(_) => return Err(FilterError::Busy),
    };
    let FilterResponse { request_id, answer } =
        FilterResponse::decode(&body).map_err(|error| FilterError::Unreadable(error.to_string()))?;
    // A refusal may come before the request was read.
    let is_ours = request_id == name || (answer.status != Status::Ok && request_id == NO_REQUEST_ID);
    if is_ours { Ok(answer) } else { Err(FilterError::Unreadable("request_id_mismatch".to_owned())) }
}

const fn failure(error: &FilterError) -> Failure {
    match error {
        FilterError::NoPeer | FilterError::NotReached(_) | FilterError::Busy => Failure::Unreachable,
        FilterError::Timeout => Failure::TimedOut,
        FilterError::Unreadable(_) | FilterError::NoShard(_) => Failure::Nonsense,
    }
}

impl Bounded for FilterClientActor {
    const MAILBOX: usize = MAILBOX;
}

impl Actor for FilterClientActor {
    type Context = Context<Self>;
}

impl Handler<FilterSeen> for FilterClientActor {
    type Result = ();

    fn handle(&mut self, seen: FilterSeen, ctx: &mut Self::Context) {
        match seen {
            // Those that the operator names are all there are.
            FilterSeen::Serves(_) if !self.named.is_empty() => {}
            FilterSeen::Serves(address) => {
                let peer = address.peer().clone();
                if self.services.insert(peer.clone(), address).is_none() {
                    self.step(ctx, |client, now, effects| client.peer_available(peer, None, now, effects));
                }
            }
            FilterSeen::Gone(peer) => self.on_gone(&peer, ctx),
            FilterSeen::Pushed { peer, topic, message } => self.on_pushed(&peer, topic, message),
        }
    }
}

impl Handler<AskFilter> for FilterClientActor {
    type Result = ();

    fn handle(&mut self, AskFilter { request, reply }: AskFilter, ctx: &mut Self::Context) {
        if let Request::Subscribe(criteria) = &request {
            // Before it is asked for: the first message may come before the answer.
            for content_topic in criteria.content_topics() {
                self.cache.subscribe_content(content_topic.clone());
            }
        }
        if request == Request::UnsubscribeAll {
            self.cache = MessageCache::new(CACHE_CAPACITY);
        }
        let asked = request.clone();
        let Requested { ids, new } =
            self.step(ctx, |client, now, effects| client.request(asked, now, effects));
        let question = Question { request, new, open: ids.len(), reply };
        if ids.is_empty() {
            return self.conclude(question, Err(FilterError::NoPeer), ctx);
        }
        let id = QuestionId(self.next_question);
        self.next_question += 1;
        self.asked.extend(ids.into_iter().map(|request| (request, id)));
        self.questions.insert(id, question);
    }
}

impl Handler<FilterWish> for FilterClientActor {
    type Result = ();

    fn handle(&mut self, wish: FilterWish, ctx: &mut Self::Context) {
        let FilterWish { topic, content_topic, wanted } = wish;
        self.step(ctx, |client, now, effects| match wanted {
            true => client.subscribe(topic, [content_topic], now, effects),
            false => client.unsubscribe(topic, &[content_topic], now, effects),
        });
    }
}

impl Handler<TakePushed> for FilterClientActor {
    type Result = ();

    fn handle(&mut self, TakePushed { topic, reply }: TakePushed, _: &mut Self::Context) {
        reply.give(self.cache.read_content(&topic));
    }
}

impl Handler<NetworkStarted> for FilterClientActor {
    type Result = ();

    /// The connections of the network before went with it, and nobody told.
    fn handle(&mut self, _: NetworkStarted, ctx: &mut Self::Context) {
        for peer in self.services.keys().cloned().collect::<Vec<_>>() {
            self.on_gone(&peer, ctx);
        }
    }
}
