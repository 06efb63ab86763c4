//! The shell around the client: what is asked of whom, what its askers are told, and what is kept for them.

use bytes::Bytes;
use prometheus_client::registry::Registry;
use weir_core::{Meta, ProofField, filter::Criteria};
use weir_net::DialFailure;
use weir_wire::FilterRequest;

use super::*;
use crate::{
    filter_handle::FilterHandle,
    probe::{Inbox, NOON, clock, peer, probe, topic},
    supervision::Vacancy,
};

struct Rig {
    handle: FilterHandle,
    asked: Inbox<AskPeer>,
}

/// A request of the client, to be answered.
struct Asked {
    peer: PeerId,
    request: FilterRequest,
    reply: Reply<Result<Bytes, RequestError>>,
}

impl Rig {
    async fn new(named: Vec<PeerAddress>) -> Self {
        let (ask, asked) = probe();
        let place = Vacancy::new("filter client");
        let client = place.handle();
        let (clock, metrics) = (clock(), FilterClientMetrics::register(&mut Registry::default()));
        let factory = move |lease| {
            let (ports, clock, metrics) =
                (Ports { ask: ask.clone(), told: None }, clock.clone(), metrics.clone());
            Ok(FilterClientActor::new(ClientConfig::default(), &named, ports, clock, metrics, lease))
        };
        let (faults, _) = tokio::sync::mpsc::channel(32);
        place.supervise(&actix_rt::Arbiter::current(), faults, factory).await.expect("starts");
        Self { handle: FilterHandle { client, autosharding: None }, asked }
    }

    /// With a connected service, peer 1.
    async fn served() -> Self {
        let rig = Self::new(Vec::new()).await;
        rig.seen(FilterSeen::Serves(address(1)));
        rig
    }

    fn seen(&self, seen: FilterSeen) {
        assert!(self.handle.client.tell(seen).is_ok(), "the actor is there");
    }

    async fn asked(&mut self) -> Asked {
        let AskPeer { peer, service, question, reply } = self.asked.next().await;
        assert_eq!(service, Service::Filter);
        let request = FilterRequest::decode(question.body()).expect("a request");
        Asked { peer: peer.peer().clone(), request, reply }
    }

    /// Asks beside the service's answer `answer`.
    async fn subscribe(&mut self, answer: Answer) -> Result<Answer, FilterError> {
        let handle = self.handle.clone();
        let subscribe = handle.subscribe(Some(topic(0)), vec![chat()]);
        let answering = async {
            let asked = self.asked().await;
            assert_eq!(asked.request.asked, Ok(Request::Subscribe(criteria())));
            asked.answer(answer);
        };
        tokio::join!(subscribe, answering).0
    }

    fn pushed(&self, by: u8, on: PubsubTopic, about: ContentTopic) {
        self.seen(FilterSeen::Pushed { peer: peer(by), topic: on, message: Box::new(message(about)) });
    }

    async fn messages(&self) -> Option<Vec<WakuMessage>> {
        self.handle.messages(chat()).await.expect("the actor is there")
    }
}

impl Asked {
    fn answer(self, answer: Answer) {
        let request_id = self.request.request_id;
        self.reply.give(Ok(FilterResponse { request_id, answer }.encode()));
    }
}

fn address(n: u8) -> PeerAddress {
    PeerAddress::new(peer(n), &format!("/ip4/127.0.0.1/tcp/{n}"))
}

fn chat() -> ContentTopic {
    ContentTopic::new("/app/1/chat/proto").expect("a topic")
}

fn criteria() -> Criteria {
    Criteria::new(topic(0), vec![chat()]).expect("one topic")
}

fn message(about: ContentTopic) -> WakuMessage {
    WakuMessage {
        payload: Bytes::from_static(b"hello"),
        content_topic: about,
        version: 0,
        timestamp: NOON,
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}

#[actix::test]
async fn a_subscription_is_answered_as_the_service_answers_and_its_messages_are_kept_once() {
    let mut rig = Rig::served().await;
    assert_eq!(rig.messages().await, None);
    assert_eq!(rig.subscribe(Answer::ok()).await, Ok(Answer::ok()));
    rig.pushed(1, topic(0), chat());
    rig.pushed(1, topic(0), chat());
    assert_eq!(rig.messages().await, Some(vec![message(chat())]));
    assert_eq!(rig.messages().await, Some(Vec::new()));
}

#[actix::test]
async fn what_nobody_asked_for_is_not_kept() {
    let mut rig = Rig::served().await;
    assert_eq!(rig.subscribe(Answer::ok()).await, Ok(Answer::ok()));
    rig.pushed(2, topic(0), chat());
    rig.pushed(1, topic(1), chat());
    rig.pushed(1, topic(0), ContentTopic::new("/app/1/other/proto").expect("a topic"));
    assert_eq!(rig.messages().await, Some(Vec::new()));
}

#[actix::test]
async fn a_refusal_is_told_and_nothing_stays_subscribed() {
    let mut rig = Rig::served().await;
    let full = Answer::refused(Status::ServiceUnavailable, "full");
    assert_eq!(rig.subscribe(full.clone()).await, Ok(full));
    assert_eq!(rig.messages().await, None);
    let limited = Answer::rate_limited();
    let handle = rig.handle.clone();
    let answering = async {
        // A service that limits rates does not read the request's name.
        let body = FilterResponse { request_id: NO_REQUEST_ID.to_owned(), answer: limited.clone() }.encode();
        rig.asked().await.reply.give(Ok(body));
    };
    assert_eq!(tokio::join!(handle.ping(), answering).0, Ok(limited));
}

#[actix::test]
async fn the_end_of_a_subscription_reaches_the_service() {
    let mut rig = Rig::served().await;
    assert_eq!(rig.subscribe(Answer::ok()).await, Ok(Answer::ok()));
    let handle = rig.handle.clone();
    let unsubscribe = handle.unsubscribe(Some(topic(0)), vec![chat()]);
    let answering = async {
        let asked = rig.asked().await;
        assert_eq!(asked.request.asked, Ok(Request::Unsubscribe(criteria())));
        asked.answer(Answer::ok());
    };
    assert_eq!(tokio::join!(unsubscribe, answering).0, Ok(Answer::ok()));
    assert_eq!(rig.messages().await, None);
}

#[actix::test]
async fn all_subscriptions_end_together() {
    let mut rig = Rig::served().await;
    assert_eq!(rig.subscribe(Answer::ok()).await, Ok(Answer::ok()));
    let handle = rig.handle.clone();
    let answering = async {
        let asked = rig.asked().await;
        assert_eq!(asked.request.asked, Ok(Request::UnsubscribeAll));
        asked.answer(Answer::ok());
    };
    assert_eq!(tokio::join!(handle.unsubscribe_all(), answering).0, Ok(Answer::ok()));
    assert_eq!(rig.messages().await, None);
}

#[actix::test]
async fn failures_are_told_apart() {
    let rig = Rig::new(Vec::new()).await;
    assert_eq!(rig.handle.ping().await, Err(FilterError::NoPeer));
    let none = rig.handle.subscribe(None, vec![chat()]).await;
    assert!(matches!(none, Err(FilterError::NoShard(_))), "{none:?}");
    let empty = rig.handle.subscribe(Some(topic(0)), Vec::new()).await.expect("an answer");
    assert_eq!(empty.status, Status::BadRequest);
    let many = rig.handle.subscribe(Some(topic(0)), vec![chat(); 101]).await.expect("an answer");
    assert_eq!(many.description, "BAD_REQUEST: exceeds maximum content topics: 100");

    let mut rig = Rig::served().await;
    let unreachable = RequestError::NotReached(DialFailure::Unreachable("gone".to_owned()));
    for (outcome, is_expected) in [
        (Err(unreachable), (|error| matches!(error, FilterError::NotReached(_))) as fn(&FilterError) -> bool),
        (Err(RequestError::Timeout), |error| *error == FilterError::Timeout),
        (Ok(Bytes::from_static(&[0x0f; 3])), |error| matches!(error, FilterError::Unreadable(_))),
        (Ok(FilterResponse { request_id: "another".to_owned(), answer: Answer::ok() }.encode()), |error| {
            *error == FilterError::Unreadable("request_id_mismatch".to_owned())
        }),
    ] {
        let handle = rig.handle.clone();
        let answering = async { rig.asked().await.reply.give(outcome) };
        let error = tokio::join!(handle.ping(), answering).0.expect_err("no answer");
        assert!(is_expected(&error), "{error:?}");
    }
}

#[actix::test]
async fn peers_that_the_operator_names_are_asked_alone_and_subscribed_again_when_they_come_back() {
    let mut rig = Rig::new(vec![address(7)]).await;
    rig.seen(FilterSeen::Serves(address(1)));
    assert_eq!(rig.subscribe(Answer::ok()).await, Ok(Answer::ok()));
    rig.seen(FilterSeen::Gone(peer(7)));
    let asked = rig.asked().await;
    assert_eq!((asked.peer, asked.request.asked), (peer(7), Ok(Request::Subscribe(criteria()))));
}
