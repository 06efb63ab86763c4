//! Filter: what is asked of the node, and what each outcome looks like.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_core::{
    ContentTopic, Meta, ProofField, Timestamp, WakuMessage,
    filter::{Answer, Status},
};

use super::*;
use crate::backend::{FilterError, FilterQuestion, FilterTopics, MessagesError, Unavailable};

const SUBSCRIPTIONS: &str = "/filter/v2/subscriptions";
const ALL: &str = "/filter/v2/subscriptions/all";

fn subscription() -> Value {
    json!({ "requestId": "mine", "pubsubTopic": TOPIC, "contentFilters": [CONTENT_TOPIC] })
}

fn topics() -> FilterTopics {
    FilterTopics {
        pubsub_topic: Some(TOPIC.parse().expect("a shard")),
        content_topics: vec![ContentTopic::new(CONTENT_TOPIC).expect("a topic")],
    }
}

fn value(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).expect("JSON")
}

async fn ask(fake: &Fake, method: &str, path: &str, body: &Value) -> Reply {
    send_json(&full_app(fake), method, path, body.to_string()).await
}

#[tokio::test]
async fn each_endpoint_asks_its_question_and_gives_the_request_its_id_back() {
    let fake = Fake::new();
    for (method, path, body, question) in [
        ("POST", SUBSCRIPTIONS, subscription(), FilterQuestion::Subscribe(topics())),
        ("PUT", SUBSCRIPTIONS, subscription(), FilterQuestion::Subscribe(topics())),
        ("DELETE", SUBSCRIPTIONS, subscription(), FilterQuestion::Unsubscribe(topics())),
        ("DELETE", ALL, json!({ "requestId": "mine" }), FilterQuestion::UnsubscribeAll),
    ] {
        let reply = ask(&fake, method, path, &body).await;
        assert_eq!((reply.status, value(&reply)), (200, json!({ "requestId": "mine", "statusDesc": "OK" })));
        assert_eq!(fake.script().filter_asked.pop(), Some(question), "{method} {path}");
    }
    let reply = get(&full_app(&fake), "/filter/v2/subscriptions/mine").await;
    assert_eq!(value(&reply), json!({ "requestId": "mine", "statusDesc": "OK" }));
    assert_eq!(fake.script().filter_asked.pop(), Some(FilterQuestion::Ping));
}

#[tokio::test]
async fn the_pubsub_topic_may_be_left_out() {
    let fake = Fake::new();
    for body in [
        json!({ "requestId": "1", "contentFilters": [CONTENT_TOPIC] }),
        json!({ "requestId": "1", "pubsubTopic": "", "contentFilters": [CONTENT_TOPIC], "more": 1 }),
    ] {
        assert_eq!(ask(&fake, "POST", SUBSCRIPTIONS, &body).await.status, 200);
        let asked = FilterQuestion::Subscribe(FilterTopics { pubsub_topic: None, ..topics() });
        assert_eq!(fake.script().filter_asked.pop(), Some(asked));
    }
}

#[tokio::test]
async fn each_outcome_has_its_status_and_text() {
    let no = |status, why: &str| Ok(Answer::refused(status, why));
    for (outcome, status, text) in [
        (no(Status::BadRequest, "why"), 400, "BAD_REQUEST: why"),
        (no(Status::NotFound, "peer has no subscriptions"), 404, "NOT_FOUND: peer has no subscriptions"),
        (Ok(Answer::rate_limited()), 429, "filter request rejected due rate limit exceeded"),
        (no(Status::ServiceUnavailable, "full"), 503, "SERVICE_UNAVAILABLE: full"),
        (no(Status::Other(418), "tea"), 200, "UNKNOWN: tea"),
        (Err(FilterError::NoShard("why".to_owned())), 400, "BAD_REQUEST: why"),
        (Err(FilterError::NoPeer), 503, "No suitable service peer & no discovery method"),
        (Err(FilterError::Timeout), 503, "Subscription request timed out"),
        (Err(FilterError::NotReached("gone".to_owned())), 504, "PEER_DIAL_FAILURE: gone"),
        (Err(FilterError::Unreadable("bytes".to_owned())), 500, "BAD_RESPONSE: bytes"),
    ] {
        let fake = Fake::new();
        fake.script().filter = outcome;
        let reply = ask(&fake, "POST", SUBSCRIPTIONS, &subscription()).await;
        let expected = json!({ "requestId": "mine", "statusDesc": text });
        assert_eq!((reply.status, value(&reply)), (status, expected));
    }
    let fake = Fake::new();
    fake.script().filter = Err(FilterError::Timeout);
    for (method, path, text) in [
        ("DELETE", SUBSCRIPTIONS, "Failed to unsubscribe from contentFilters due to timeout!"),
        ("DELETE", ALL, "Failed to unsubscribe from all contentFilters due to timeout!"),
    ] {
        assert_eq!(value(&ask(&fake, method, path, &subscription()).await)["statusDesc"], text);
    }
    let reply = get(&full_app(&fake), "/filter/v2/subscriptions/mine").await;
    assert_eq!(value(&reply)["statusDesc"], "Ping timed out");
    fake.script().filter = Err(FilterError::Unavailable(Unavailable::Overloaded));
    assert_eq!(ask(&fake, "POST", SUBSCRIPTIONS, &subscription()).await.status, 503);
}

#[tokio::test]
async fn what_is_no_request_is_not_asked() {
    let fake = Fake::new();
    for body in [json!([]), json!({ "requestId": "mine" }), json!({ "contentFilters": [] }), json!("x")] {
        let reply = ask(&fake, "POST", SUBSCRIPTIONS, &body).await;
        assert_eq!((reply.status, value(&reply)["requestId"].clone()), (400, json!("unknown")));
        let text = value(&reply)["statusDesc"].as_str().expect("a text").to_owned();
        assert!(text.starts_with("BAD_REQUEST: Failed to decode request: "), "{text}");
    }
    for (topic, content_topic) in [("/waku/2/proto", CONTENT_TOPIC), (TOPIC, "")] {
        let body = json!({ "requestId": "mine", "pubsubTopic": topic, "contentFilters": [content_topic] });
        let reply = ask(&fake, "POST", SUBSCRIPTIONS, &body).await;
        assert_eq!((reply.status, value(&reply)["requestId"].clone()), (400, json!("mine")), "{body}");
    }
    let app = full_app(&fake);
    let request = Request::builder()
        .method("POST")
        .uri(SUBSCRIPTIONS)
        .header(header::CONTENT_TYPE, "text/plain")
        .body(Body::from(subscription().to_string()))
        .expect("a request");
    let reply = send(&app, request).await;
    assert_eq!((reply.status, reply.body.as_str()), (400, "Wrong Content-Type, expected application/json"));
    assert!(fake.script().filter_asked.is_empty());
}

#[tokio::test]
async fn pushed_messages_are_read_by_content_topic_and_without_proof() {
    let fake = Fake::new();
    fake.script().filter_messages = Ok(vec![WakuMessage {
        payload: Bytes::from_static(b"hello"),
        content_topic: ContentTopic::new(CONTENT_TOPIC).expect("a topic"),
        version: 0,
        timestamp: Timestamp::from_nanos(7),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }]);
    let path = format!("/filter/v2/messages/{}", CONTENT_TOPIC.replace('/', "%2F"));
    let reply = get(&full_app(&fake), &path).await;
    let expected = json!([{ "payload": "aGVsbG8=", "contentTopic": CONTENT_TOPIC, "version": 0, "timestamp": 7,
        "ephemeral": false }]);
    assert_eq!((reply.status, value(&reply)), (200, expected));

    fake.script().filter_messages = Err(MessagesError::NotSubscribed);
    let reply = get(&full_app(&fake), &path).await;
    assert_eq!((reply.status, reply.body), (400, format!("Not subscribed to topic: {CONTENT_TOPIC}")));
}
