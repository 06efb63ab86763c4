//! Light push: what is asked of the node, and how each of its answers looks.

use serde_json::{Value, json};
use weir_core::lightpush::{Answer, Status};

use super::{fake::NOW, *};
use crate::backend::{LightPushVersion, PushError, Unavailable};

const V3: &str = "/lightpush/v3/message";
const V1: &str = "/lightpush/v1/message";

fn request(topic: Option<&str>) -> Value {
    let message = json!({"payload": "aGVsbG8=", "contentTopic": CONTENT_TOPIC});
    match topic {
        Some(topic) => json!({"pubsubTopic": topic, "message": message}),
        None => json!({"message": message}),
    }
}

fn value(reply: &Reply) -> Value {
    assert_eq!(reply.header("content-type"), Some("application/json"), "{reply:?}");
    serde_json::from_str(&reply.body).expect("a JSON body")
}

async fn push(fake: &Fake, path: &str, body: &Value) -> Reply {
    post(&full_app(fake), path, body.to_string()).await
}

#[tokio::test]
async fn a_message_goes_to_the_topic_that_is_named_or_to_none() {
    for (path, version) in [(V3, LightPushVersion::V3), (V1, LightPushVersion::V2)] {
        for (named, topic) in [(None, None), (Some(""), None), (Some(TOPIC), Some(TOPIC))] {
            let fake = Fake::new();
            let reply = push(&fake, path, &request(named)).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let (asked, on, message) = fake.script().pushed.pop().expect("pushed");
            assert_eq!((asked, on), (version, topic.map(|topic| topic.parse().expect("a shard"))));
            assert_eq!((&message.payload[..], message.timestamp), (&b"hello"[..], NOW));
        }
    }
}

#[tokio::test]
async fn version_3_answers_with_the_status_of_light_push_and_json() {
    let fake = Fake::new();
    let reply = push(&fake, V3, &request(None)).await;
    assert_eq!((reply.status, value(&reply)), (200, json!({"relayPeerCount": 1})));
    for status in Status::all().filter(|status| *status != Status::Success).chain([Status::Other(299)]) {
        let answer = Answer { status, description: Some("why".to_owned()), relay_peers: None };
        fake.script().push = Ok(answer);
        let reply = push(&fake, V3, &request(None)).await;
        let expected = match status.code() {
            420 | 299 => 500,
            code => code,
        };
        assert_eq!((u32::from(reply.status), value(&reply)), (expected, json!({"statusDesc": "why"})));
    }
}

#[tokio::test]
async fn version_2_answers_in_words() {
    let fake = Fake::new();
    assert_eq!(push(&fake, V1, &request(None)).await.plain(), (200, "OK"));
    fake.script().push = Ok(Answer::rate_limited());
    assert_eq!(push(&fake, V1, &request(None)).await.plain(), (429, "Request rate limmit reached"));
    let info = "not_published_to_any_peer".to_owned();
    fake.script().push =
        Ok(Answer { status: Status::NoPeersToRelay, description: Some(info), relay_peers: None });
    let text = "Failed to request a message push: not_published_to_any_peer";
    assert_eq!(push(&fake, V1, &request(None)).await.plain(), (503, text));
}

#[tokio::test]
async fn without_an_answer_of_a_service_the_status_is_503() {
    for (error, text) in [
        (PushError::NoPeer, "No suitable service peer & none discovered"),
        (PushError::Timeout, "Push request timed out"),
        (PushError::Failed("the peer is not there".to_owned()), "the peer is not there"),
    ] {
        let fake = Fake::new();
        fake.script().push = Err(error);
        let reply = push(&fake, V3, &request(None)).await;
        assert_eq!((reply.status, value(&reply)), (503, json!({"statusDesc": text})));
        assert_eq!(push(&fake, V1, &request(None)).await.plain(), (503, text));
    }
    let fake = Fake::new();
    fake.script().push = Err(PushError::Unavailable(Unavailable::Overloaded));
    for path in [V3, V1] {
        assert_eq!(push(&fake, path, &request(None)).await.status, 503);
    }
}

#[tokio::test]
async fn what_is_no_request_is_told() {
    let fake = Fake::new();
    for (body, text) in [
        ("{", "EOF"),
        ("[]", "expected an object"),
        ("{}", "Field `message` is missing"),
        (r#"{"message": {"contentTopic": "/a/1/b/c"}}"#, "Field `payload` is missing or empty"),
        (
            r#"{"pubsubTopic": "x", "message": {"payload": "aGk=", "contentTopic": "/a/1/b/c"}}"#,
            "is not a pubsub topic",
        ),
    ] {
        for (path, prefix) in [(V3, "Invalid push request! "), (V1, "Invalid message: ")] {
            let reply = post(&full_app(&fake), path, body).await;
            assert_eq!(reply.status, 400, "{reply:?}");
            assert!(reply.body.starts_with(prefix) && reply.body.contains(text), "{reply:?}");
        }
    }
    assert!(fake.script().pushed.is_empty());
}
