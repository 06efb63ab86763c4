//! The shell around the server: what requests are answered, and what finds no room. Pushes are seen end to end
//! (node/tests/e2e/filter.rs).

use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use weir_core::{
    ContentTopic, PubsubTopic,
    filter::{Criteria, Request},
};
use weir_net::RequestId;
use weir_wire::encode_filter_request;

use super::*;
use crate::{
    metrics::ServiceMetrics,
    probe::{Inbox, clock, peer, probe, topic},
    supervision::Vacancy,
};

struct Rig {
    actor: Handle<FilterActor>,
    answers: Inbox<AnswerPeer>,
    next: u64,
}

impl Rig {
    async fn new(limit: Option<RateLimit>) -> Self {
        let (answers_port, answers) = probe();
        let place = Vacancy::new("filter");
        let actor = place.handle();
        let ports = Ports { answers: answers_port, streams: PushStreams::default() };
        let (clock, metrics) = (clock(), filter_metrics());
        let settings = FilterServiceSettings { server: ServerConfig::default(), limit };
        let factory =
            move |lease| Ok(FilterActor::new(settings, ports.clone(), clock.clone(), metrics.clone(), lease));
        let (faults, _) = tokio::sync::mpsc::channel(32);
        place.supervise(&actix_rt::Arbiter::current(), faults, factory).await.expect("starts");
        Self { actor, answers, next: 0 }
    }

    /// What is answered to bytes of peer 1.
    async fn answer_to(&mut self, body: Bytes) -> Option<Frame> {
        let (id, service, body) = (RequestId(self.next), Service::Filter, Body::Whole(body));
        self.next += 1;
        let asked = RequestSeen::Requested { id, service, peer: peer(1), body };
        assert!(self.actor.tell(asked).is_ok(), "the actor is there");
        let AnswerPeer { id: answered, frame } = self.answers.next().await;
        assert_eq!(answered, id);
        frame
    }

    async fn ask(&mut self, request: &Request) -> FilterResponse {
        let frame = self.answer_to(encode_filter_request("id", request)).await.expect("an answer");
        FilterResponse::decode(frame.body()).expect("an answer")
    }
}

fn filter_metrics() -> FilterMetrics {
    let mut registry = Registry::default();
    let service = ServiceMetrics::register(&mut registry);
    FilterMetrics::register(&mut registry, service)
}

fn criteria(on: PubsubTopic) -> Criteria {
    Criteria::new(on, vec![ContentTopic::new("/app/1/chat/proto").expect("a topic")]).expect("one topic")
}

fn response(request_id: &str, answer: Answer) -> FilterResponse {
    FilterResponse { request_id: request_id.to_owned(), answer }
}

#[actix::test]
async fn requests_are_answered_under_their_own_name() {
    let mut rig = Rig::new(None).await;
    let none = Answer::refused(Status::NotFound, "peer has no subscriptions");
    assert_eq!(rig.ask(&Request::Ping).await, response("id", none));
    for request in [Request::Subscribe(criteria(topic(0))), Request::Ping, Request::UnsubscribeAll] {
        assert_eq!(rig.ask(&request).await, response("id", Answer::ok()), "{request:?}");
    }
}

#[actix::test]
async fn bytes_that_are_no_request_have_no_answer() {
    let mut rig = Rig::new(None).await;
    assert_eq!(rig.answer_to(Bytes::from_static(&[0x0f; 9])).await, None);
    assert_eq!(rig.ask(&Request::Subscribe(criteria(topic(0)))).await, response("id", Answer::ok()));
}

#[actix::test]
async fn who_asks_too_often_is_told_so_before_the_request_is_read() {
    let mut rig = Rig::new(RateLimit::new(2, Duration::from_secs(3600))).await;
    for _ in 0..2 {
        assert_eq!(rig.ask(&Request::Ping).await.request_id, "id");
    }
    assert_eq!(rig.ask(&Request::Ping).await, response("N/A", Answer::rate_limited()));
    let frame = rig.answer_to(Bytes::from_static(&[0x0f; 9])).await.expect("an answer");
    assert_eq!(FilterResponse::decode(frame.body()), Ok(response("N/A", Answer::rate_limited())));
}

#[test]
fn messages_find_room_until_so_many_or_so_many_bytes_wait() {
    let room = Arc::new(Room::default());
    let places: Vec<Place> = (0..MAX_WAITING + 10).filter_map(|_| Place::take(&room, 1)).collect();
    assert_eq!(places.len(), MAX_WAITING);
    drop(places);
    let large = Place::take(&room, MAX_WAITING_BYTES).expect("fits");
    assert!(Place::take(&room, 1).is_none());
    drop(large);
    assert!(Place::take(&room, MAX_WAITING_BYTES + 1).is_none());
    assert!(Place::take(&room, MAX_WAITING_BYTES).is_some(), "what did not fit takes no room");
}
