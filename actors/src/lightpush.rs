//! Light push actor: publishes the messages of clients that do not relay, in both versions of the protocol.
//!
//! Owns      the [`Server`], the buckets of its clients, and the tasks that wait for the relay.
//! Receives  [`RequestSeen`] and [`NetworkStarted`] from the network, [`PushLocally`] from REST,
//!           [`PublishEnded`] from its own tasks, [`DrainLightPush`].
//! Sends     [`Publish`] to the relay, [`AnswerPeer`] to the network.
//! Bounds    mailbox [`MAILBOX`]; [`MAX_UNDER_WAY`] publishes, beyond which clients are told to come back.
//! On fault  the requests under way stay without an answer until the network gives them up; what the relay
//!           has of them is published.
//! Stops     on [`DrainLightPush`]: publishes under way are answered, then it replies; new ones are refused.
//!
//! A client over its limit is answered before its request is decoded.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, Context, Handler, Message};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use weir_core::{
    MessageHash, PeerId, PubsubTopic, WakuMessage,
    lightpush::{Answer, Malformed, Request, Status},
};
use weir_net::{Body, Frame, RequestId, Service};
use weir_protocols::{
    lightpush::{Requester, Server, ServerConfig, ToPublish, refusal},
    rate_limit::{RateLimit, ServiceQuota},
    relay::{PublishError, Published},
};
use weir_wire::{LightPushRequest, LightPushResponse, NO_REQUEST_ID, encoded_len};

use crate::{
    Clock,
    metrics::LightPushMetrics,
    network::NetworkStarted,
    port::{Port, Reply},
    relay::Publish,
    service::{AnswerPeer, RequestSeen},
    supervision::{ASKS_IN_FLIGHT, Bounded, Lease},
};

#[cfg(test)]
mod tests;

/// Publishes of clients under way. At 3,000 a second, with 5 s for a slow proof, more would be possible; these
/// are those of 0.2 s, and with the largest messages 77 MB.
pub(crate) const MAX_UNDER_WAY: usize = 512;

/// A place for every end of a publish and every question of REST, and for 512 requests that come at once:
/// 110 MB of the largest, of 16 peers with all their streams. Who comes beyond is refused by the network actor.
const MAILBOX: usize = MAX_UNDER_WAY + ASKS_IN_FLIGHT + 512;

/// The relay's own deadline is 5 s; this one matters only when the relay is gone.
const PATIENCE: Duration = Duration::from_secs(6);

/// Asks for a message of a local client to be published as one of a peer is, but without a limit and with the
/// node's own proof.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct PushLocally {
    /// None to derive it from the content topic.
    pub(crate) topic: Option<PubsubTopic>,
    pub(crate) message: Box<WakuMessage>,
    pub(crate) reply: Reply<Answer>,
}

/// Tells what came of a publish.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct PublishEnded {
    ticket: u64,
    outcome: Result<Published, PublishError>,
}

/// Asks to finish the publishes under way and take no more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct DrainLightPush(pub(crate) Reply<()>);

/// Topics that the relay takes part in.
pub(crate) type Topics = Arc<BTreeSet<PubsubTopic>>;

/// What the actor needs from the rest of the node.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) publish: Port<Publish>,
    pub(crate) answers: Port<AnswerPeer>,
    pub(crate) topics: watch::Receiver<Topics>,
    /// Its own.
    pub(crate) ended: Port<PublishEnded>,
}

/// How the service is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) server: ServerConfig,
    /// How often peers may ask; none for no limit.
    pub(crate) limit: Option<RateLimit>,
}

pub(crate) struct LightPushActor {
    plan: Plan,
    server: Server,
    quota: Option<ServiceQuota>,
    under_way: HashMap<u64, UnderWay>,
    next_ticket: u64,
    /// Requests whose answer is not written to its end; as many as the network has open.
    answering: HashMap<RequestId, Instant>,
    /// Who waits for the publishes under way; some once the node stops.
    draining: Option<Vec<Reply<()>>>,
    ports: Ports,
    clock: Clock,
    metrics: LightPushMetrics,
    _lease: Lease,
}

struct UnderWay {
    hash: MessageHash,
    asker: Asker,
}

/// Where the answer goes.
enum Asker {
    Peer { id: RequestId, service: Service, request_id: String },
    Local(Reply<Answer>),
}

impl LightPushActor {
    pub(crate) fn new(
        plan: Plan,
        ports: Ports,
        clock: Clock,
        metrics: LightPushMetrics,
        lease: Lease,
    ) -> Self {
        Self {
            plan,
            server: Server::new(plan.server),
            quota: plan.limit.map(|limit| ServiceQuota::new(limit, clock.now())),
            under_way: HashMap::new(),
            next_ticket: 0,
            answering: HashMap::new(),
            draining: None,
            ports,
            clock,
            metrics,
            _lease: lease,
        }
    }

    fn requested(&mut self, id: RequestId, service: Service, peer: &PeerId, body: Body) {
        self.metrics.requested(service, body.size());
        self.answering.insert(id, Instant::now());
        let unread = Asker::Peer { id, service, request_id: NO_REQUEST_ID.to_owned() };
        let now = self.clock.now();
        if self.quota.as_mut().is_some_and(|quota| quota.take(peer, now).is_err()) {
            return self.answer(unread, Answer::rate_limited());
        }
        let Body::Whole(bytes) = body else {
            let max = self.plan.server.max_message_size;
            return self.answer(unread, refusal(&PublishError::TooLarge { max }));
        };
        let LightPushRequest { request_id, asked } = match service {
            Service::LegacyLightPush => LightPushRequest::decode_legacy(&bytes),
            _ => LightPushRequest::decode(&bytes),
        };
        self.push(Requester::Peer(peer), Asker::Peer { id, service, request_id }, asked);
    }

    fn push(&mut self, from: Requester<'_>, asker: Asker, asked: Result<Request, Malformed>) {
        let admitted = if self.draining.is_some() {
            Err(refusal(&PublishError::Stopping))
        } else if self.under_way.len() >= MAX_UNDER_WAY {
            Err(refusal(&PublishError::Overloaded))
        } else {
            let topics = self.ports.topics.borrow().clone();
            self.server.admit(from, asked, |topic| topics.contains(&topic), self.clock.now())
        };
        match admitted {
            Ok(publish) => self.publish(publish, asker),
            Err(answer) => self.answer(asker, answer),
        }
    }

    fn publish(&mut self, ToPublish { topic, message, .. }: ToPublish, asker: Asker) {
        let hash = message.hash(topic);
        let (reply, outcome) = Reply::channel();
        if self.ports.publish.tell(Publish { topic, message, reply }).is_err() {
            return self.finish(UnderWay { hash, asker }, Err(PublishError::Overloaded));
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.under_way.insert(ticket, UnderWay { hash, asker });
        let ended = self.ports.ended.clone();
        tokio::spawn(async move {
            let outcome = match timeout(PATIENCE, outcome).await {
                Ok(Ok(outcome)) => outcome,
                // The relay is being rebuilt.
                Ok(Err(_)) => Err(PublishError::Overloaded),
                Err(_) => Err(PublishError::Timeout),
            };
            // The mailbox has a place for each; an actor that is not there has forgotten the request.
            drop(ended.tell(PublishEnded { ticket, outcome }));
        });
    }

    fn finish(&mut self, UnderWay { hash, asker }: UnderWay, outcome: Result<Published, PublishError>) {
        let answer = self.server.answer(hash, outcome, self.clock.now());
        self.answer(asker, answer);
    }

    fn answer(&self, asker: Asker, answer: Answer) {
        match asker {
            Asker::Peer { id, service, request_id } => {
                let frame = frame_of(service, LightPushResponse { request_id, answer: answer.clone() });
                self.metrics.answered(service, answer.status, frame.size());
                // A network that is being rebuilt has lost the request with its connections.
                drop(self.ports.answers.tell(AnswerPeer { id, frame: Some(frame) }));
            }
            Asker::Local(reply) => reply.give(answer),
        }
    }

    fn tell_if_drained(&mut self) {
        let waiting = self.draining.as_mut().filter(|_| self.under_way.is_empty());
        for reply in waiting.into_iter().flat_map(|waiting| waiting.drain(..)) {
            reply.give(());
        }
    }
}

/// The answer to what the actor cannot take.
pub(crate) fn busy(service: Service, _: Body) -> Option<Frame> {
    let answer = Answer::refused(Status::ServiceNotAvailable, PublishError::Overloaded);
    Some(frame_of(service, LightPushResponse { request_id: NO_REQUEST_ID.to_owned(), answer }))
}

fn frame_of(service: Service, response: LightPushResponse) -> Frame {
    Frame::new(&match service {
        Service::LegacyLightPush => response.encode_legacy(),
        _ => response.encode(),
    })
}

impl Bounded for LightPushActor {
    const MAILBOX: usize = MAILBOX;
}

impl Actor for LightPushActor {
    type Context = Context<Self>;
}

impl Handler<RequestSeen> for LightPushActor {
    type Result = ();

    fn handle(&mut self, seen: RequestSeen, _: &mut Self::Context) {
        match seen {
            RequestSeen::Requested { id, service, peer, body } => self.requested(id, service, &peer, body),
            RequestSeen::Sent { id, service } => {
                if let Some(since) = self.answering.remove(&id) {
                    self.metrics.sent(service, since.elapsed());
                }
            }
            RequestSeen::Abandoned(id) => drop(self.answering.remove(&id)),
        }
    }
}

impl Handler<PushLocally> for LightPushActor {
    type Result = ();

    fn handle(&mut self, PushLocally { topic, message, reply }: PushLocally, _: &mut Self::Context) {
        let encoded_size = encoded_len(&message);
        let asked = Request { topic, message: *message, encoded_size };
        self.push(Requester::Local, Asker::Local(reply), Ok(asked));
    }
}

impl Handler<PublishEnded> for LightPushActor {
    type Result = ();

    fn handle(&mut self, PublishEnded { ticket, outcome }: PublishEnded, _: &mut Self::Context) {
        if let Some(under_way) = self.under_way.remove(&ticket) {
            self.finish(under_way, outcome);
        }
        self.tell_if_drained();
    }
}

impl Handler<NetworkStarted> for LightPushActor {
    type Result = ();

    /// The requests of the network before went with it, and nobody told. What the relay has is published.
    fn handle(&mut self, _: NetworkStarted, _: &mut Self::Context) {
        self.answering.clear();
        self.under_way.retain(|_, under_way| matches!(under_way.asker, Asker::Local(_)));
        self.tell_if_drained();
    }
}

impl Handler<DrainLightPush> for LightPushActor {
    type Result = ();

    fn handle(&mut self, DrainLightPush(reply): DrainLightPush, _: &mut Self::Context) {
        self.draining.get_or_insert_default().push(reply);
        self.tell_if_drained();
    }
}
