//! The shell around the server: what reaches the relay, and who gets which answer in which form.

use bytes::Bytes;
use prometheus_client::registry::Registry;
use weir_core::{ContentTopic, Meta, ProofField, Timestamp};
use weir_protocols::lightpush::Proofs;
use weir_wire::{encode_legacy_lightpush_request, encode_lightpush_request};

use super::*;
use crate::{
    metrics::ServiceMetrics,
    probe::{Inbox, NOON, clock, nobody, peer, probe, topic, within},
    supervision::{Handle, Vacancy},
};

struct Rig {
    actor: Handle<LightPushActor>,
    publishes: Inbox<Publish>,
    answers: Inbox<AnswerPeer>,
    topics: watch::Sender<Topics>,
    next: u64,
}

fn plan() -> Plan {
    let server = ServerConfig { autosharding: None, max_message_size: 1000, proofs: Proofs::NotNeeded };
    Plan { server, limit: None }
}

fn metrics() -> LightPushMetrics {
    let mut registry = Registry::default();
    let service = ServiceMetrics::register(&mut registry);
    LightPushMetrics::register(&mut registry, service)
}

fn message(payload: &'static [u8]) -> WakuMessage {
    WakuMessage {
        payload: Bytes::from_static(payload),
        content_topic: ContentTopic::new("/app/1/chat/proto").expect("a content topic"),
        version: 0,
        timestamp: Timestamp::ZERO,
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}

impl Rig {
    async fn new(plan: Plan) -> Self {
        let (publish, publishes) = probe();
        Self::with_relay(plan, publish, publishes).await
    }

    async fn with_relay(plan: Plan, publish: Port<Publish>, publishes: Inbox<Publish>) -> Self {
        let (answers_port, answers) = probe();
        let (topics, topics_seen) = watch::channel(Topics::new([topic(3)].into()));
        let place = Vacancy::new("lightpush");
        let actor = place.handle();
        let ports = Ports { publish, answers: answers_port, topics: topics_seen, ended: actor.port() };
        let (clock, metrics) = (clock(), metrics());
        let factory =
            move |lease| Ok(LightPushActor::new(plan, ports.clone(), clock.clone(), metrics.clone(), lease));
        let (faults, _) = tokio::sync::mpsc::channel(32);
        place.supervise(&actix_rt::Arbiter::current(), faults, factory).await.expect("starts");
        Self { actor, publishes, answers, topics, next: 0 }
    }

    fn tell(&self, seen: RequestSeen) {
        assert!(self.actor.tell(seen).is_ok(), "the actor is there");
    }

    fn requested(&mut self, service: Service, body: Body) -> RequestId {
        let id = RequestId(self.next);
        self.next += 1;
        self.tell(RequestSeen::Requested { id, service, peer: peer(1), body });
        id
    }

    fn ask(&mut self, payload: &'static [u8]) -> RequestId {
        let body = encode_lightpush_request("mine", Some(topic(3)), &message(payload));
        self.requested(Service::LightPush, Body::Whole(body))
    }

    async fn answered(&mut self, id: RequestId) -> LightPushResponse {
        let answer = self.answers.next().await;
        assert_eq!(answer.id, id);
        LightPushResponse::decode(answer.frame.expect("light push answers everything").body())
            .expect("a response")
    }
}

fn published(publish: Publish, outcome: Result<usize, PublishError>) {
    let hash = publish.message.hash(publish.topic);
    publish.reply.give(outcome.map(|peers| Published { hash, peers }));
}

#[actix::test]
async fn a_message_goes_to_the_relay_and_its_outcome_back_under_the_clients_name() {
    let mut rig = Rig::new(plan()).await;
    let id = rig.ask(b"hello");
    let publish = rig.publishes.next().await;
    assert_eq!((publish.topic, &publish.message.payload[..]), (topic(3), &b"hello"[..]));
    assert!(publish.message.timestamp >= NOON, "it had none");
    published(publish, Ok(3));
    let expected = LightPushResponse { request_id: "mine".to_owned(), answer: Answer::published(3) };
    assert_eq!(rig.answered(id).await, expected);
    rig.tell(RequestSeen::Sent { id, service: Service::LightPush });
}

#[actix::test]
async fn what_the_relay_cannot_publish_is_told_by_status() {
    let mut rig = Rig::new(plan()).await;
    for (error, status) in [
        (PublishError::Timeout, Status::InternalError),
        (PublishError::Synchronizing, Status::ServiceNotAvailable),
        (PublishError::NoMembership, Status::OutOfRlnProof),
        (PublishError::Invalid("why".to_owned()), Status::InvalidMessage),
    ] {
        let id = rig.ask(b"hello");
        published(rig.publishes.next().await, Err(error));
        assert_eq!(rig.answered(id).await.answer.status, status);
    }
    let id = rig.ask(b"nobody is there");
    published(rig.publishes.next().await, Ok(0));
    assert_eq!(rig.answered(id).await.answer.status, Status::NoPeersToRelay);
    let id = rig.ask(b"the relay is rebuilt");
    drop(rig.publishes.next().await.reply);
    assert_eq!(rig.answered(id).await.answer.status, Status::ServiceNotAvailable);
}

#[actix::test]
async fn what_needs_no_relay_does_not_reach_it() {
    let mut rig = Rig::new(plan()).await;
    for (body, status, request_id) in [
        (Body::Whole(Bytes::from_static(b"\x0a")), Status::BadRequest, "N/A"),
        (Body::TooLong(1_000_000), Status::PayloadTooLarge, "N/A"),
        (
            Body::Whole(encode_lightpush_request("mine", Some(topic(4)), &message(b"x"))),
            Status::UnsupportedPubsubTopic,
            "mine",
        ),
        (Body::Whole(encode_lightpush_request("mine", None, &message(b"x"))), Status::InvalidMessage, "mine"),
    ] {
        let id = rig.requested(Service::LightPush, body);
        let response = rig.answered(id).await;
        assert_eq!((response.answer.status, response.request_id.as_str()), (status, request_id));
    }
    assert!(rig.publishes.drain().is_empty());
    rig.topics.send_replace(Topics::new([topic(4)].into()));
    let body = encode_lightpush_request("mine", Some(topic(4)), &message(b"x"));
    rig.requested(Service::LightPush, Body::Whole(body));
    assert_eq!(rig.publishes.next().await.topic, topic(4), "the relay has joined it since");
}

#[actix::test]
async fn version_2_is_asked_and_answered_in_its_own_form() {
    let mut rig = Rig::new(plan()).await;
    let body = encode_legacy_lightpush_request("mine", Some(topic(3)), &message(b"hello"));
    let id = rig.requested(Service::LegacyLightPush, Body::Whole(body));
    published(rig.publishes.next().await, Ok(2));
    let answer = rig.answers.next().await;
    let frame = answer.frame.expect("an answer");
    let expected = LightPushResponse { request_id: "mine".to_owned(), answer: Answer::published(1) };
    assert_eq!((answer.id, LightPushResponse::decode_legacy(frame.body())), (id, Ok(expected)));
}

#[actix::test]
async fn a_client_over_its_limit_is_refused_before_its_request_is_read() {
    let limit = RateLimit::new(1, Duration::from_secs(3600));
    let mut rig = Rig::new(Plan { limit, ..plan() }).await;
    rig.ask(b"first");
    rig.publishes.next().await;
    let id = rig.requested(Service::LightPush, Body::TooLong(1_000_000));
    let response = rig.answered(id).await;
    assert_eq!(response, LightPushResponse { request_id: "N/A".to_owned(), answer: Answer::rate_limited() });
    let pushed = rig.actor.ask(PATIENCE, |reply| PushLocally {
        topic: Some(topic(3)),
        message: Box::new(message(b"the operator's own")),
        reply,
    });
    let relay = async {
        published(rig.publishes.next().await, Ok(1));
    };
    let (answer, ()) = tokio::join!(pushed, relay);
    assert_eq!(answer, Ok(Answer::published(1)), "has no limit");
}

#[actix::test]
async fn a_relay_that_takes_nothing_is_told_to_clients() {
    let (_, inbox) = probe();
    let mut rig = Rig::with_relay(plan(), nobody(), inbox).await;
    let id = rig.ask(b"hello");
    assert_eq!(rig.answered(id).await.answer.status, Status::ServiceNotAvailable);
}

#[actix::test]
async fn publishes_beyond_the_bound_are_refused() {
    let mut rig = Rig::new(plan()).await;
    for _ in 0..MAX_UNDER_WAY {
        rig.ask(b"hello");
        rig.publishes.next().await;
    }
    // Those before were dropped, and answered as a relay that is rebuilt.
    for _ in 0..MAX_UNDER_WAY {
        rig.answers.next().await;
    }
    let mut held = Vec::new();
    for _ in 0..MAX_UNDER_WAY {
        rig.ask(b"hello");
        held.push(rig.publishes.next().await.reply);
    }
    let id = rig.ask(b"one more");
    assert_eq!(rig.answered(id).await.answer.status, Status::ServiceNotAvailable);
}

#[actix::test]
async fn a_node_that_stops_answers_what_is_under_way_and_takes_no_more() {
    let mut rig = Rig::new(plan()).await;
    let first = rig.ask(b"first");
    let publish = rig.publishes.next().await;
    let actor = rig.actor.clone();
    let stopped = actor.ask(Duration::from_secs(20), DrainLightPush);
    tokio::pin!(stopped);
    assert!(futures::poll!(stopped.as_mut()).is_pending());
    let second = rig.ask(b"second");
    assert_eq!(rig.answered(second).await.answer.status, Status::ServiceNotAvailable);
    assert!(futures::poll!(stopped.as_mut()).is_pending());
    published(publish, Ok(1));
    assert_eq!(rig.answered(first).await.answer, Answer::published(1));
    within(stopped).await.expect("answers");
}
