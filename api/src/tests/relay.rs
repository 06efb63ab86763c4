//! Subscriptions and reading messages.

use bytes::Bytes;
use serde_json::json;
use weir_core::{ContentTopic, Meta, ProofField, RateLimitProof, Timestamp, WakuMessage};

use super::*;
use crate::backend::{MessagesError, SubscribeError, Unavailable};

const SUBSCRIPTIONS: &str = "/relay/v1/subscriptions";
const AUTO_SUBSCRIPTIONS: &str = "/relay/v1/auto/subscriptions";

#[tokio::test]
async fn topics_are_joined_and_left() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let shards = format!(r#"["{TOPIC}", "/waku/2/rs/66/4"]"#);
    let contents = format!(r#"["{CONTENT_TOPIC}"]"#);
    for (path, list) in [(SUBSCRIPTIONS, &shards), (AUTO_SUBSCRIPTIONS, &contents)] {
        for method in ["POST", "DELETE"] {
            assert_eq!(send_json(&app, method, path, list.clone()).await.plain(), (200, "OK"));
        }
    }
    assert_eq!(
        fake.script().asked,
        [
            r#"subscribe ["/waku/2/rs/66/3", "/waku/2/rs/66/4"]"#,
            r#"unsubscribe ["/waku/2/rs/66/3", "/waku/2/rs/66/4"]"#,
            r#"subscribe ["/my-app/1/chat/proto"]"#,
            r#"unsubscribe ["/my-app/1/chat/proto"]"#,
        ]
    );
}

#[tokio::test]
async fn topics_that_are_none_are_listed() {
    let app = full_app(&Fake::new());
    let list = format!(r#"["{TOPIC}", "/waku/2/rs/66", "a \"b\""]"#);
    let invalid = r#"Invalid pubsub topic(s): @["/waku/2/rs/66", "a \"b\""]"#;
    assert_eq!(post(&app, SUBSCRIPTIONS, list.clone()).await.plain(), (400, invalid));
    assert_eq!(send_json(&app, "DELETE", SUBSCRIPTIONS, list).await.plain(), (400, invalid));
    assert_eq!(
        post(&app, AUTO_SUBSCRIPTIONS, r#"["/a/1/b/c", " "]"#).await.plain(),
        (400, r#"Invalid content topic(s): @[" "]"#)
    );
}

#[tokio::test]
async fn a_relay_that_refuses_topics_says_why() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let cases = [
        (SubscribeError::Refused("no shard".into()), 500, "no shard"),
        (Unavailable::Timeout.into(), 500, "the node did not answer in time"),
        (Unavailable::Stopping.into(), 503, "the node is stopping"),
        (Unavailable::Overloaded.into(), 503, "the node is overloaded; try again"),
    ];
    for (error, status, detail) in cases {
        fake.script().subscribe = Err(error);
        for (method, verb) in [("POST", "Subscribe"), ("DELETE", "Unsubscribe")] {
            for (path, list) in [(SUBSCRIPTIONS, TOPIC), (AUTO_SUBSCRIPTIONS, CONTENT_TOPIC)] {
                let reply = send_json(&app, method, path, format!("[\"{list}\"]")).await;
                assert_eq!(reply.plain(), (status, format!("{verb} failed:{detail}").as_str()));
            }
        }
    }
}

#[tokio::test]
async fn a_list_is_bounded_in_entries_and_bytes() {
    let app = full_app(&Fake::new());
    let list = serde_json::to_string(&vec![TOPIC; 1025]).expect("JSON");
    assert_eq!(
        post(&app, SUBSCRIPTIONS, list).await.plain(),
        (400, "1025 entries in one request; at most 1024 are allowed")
    );
    let body = vec![b' '; 16 * 1024 * 1024 + 1];
    assert_eq!(post(&app, SUBSCRIPTIONS, body).await.plain(), (413, "Request body exceeds 16777216 bytes"));
}

#[tokio::test]
async fn only_a_few_long_lists_are_read_at_a_time() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let (end_bodies, _) = tokio::sync::broadcast::channel::<()>(1);
    let mut reading = Vec::new();
    for _ in 0..4 {
        let mut end = end_bodies.subscribe();
        let rest = async move {
            let _ = end.recv().await;
            Ok::<_, std::io::Error>(Bytes::from_static(b"[]"))
        };
        let app = app.clone();
        reading.push(Box::pin(async move {
            post(&app, SUBSCRIPTIONS, Body::from_stream(futures::stream::once(rest))).await
        }));
    }
    for reply in &mut reading {
        assert!(futures::poll!(reply.as_mut()).is_pending());
    }
    let unannounced = || Body::from_stream(futures::stream::iter([Ok::<_, std::io::Error>("[]")]));
    let reply = post(&app, SUBSCRIPTIONS, unannounced()).await;
    assert_eq!(reply.plain(), (503, "the node is overloaded; try again"));
    assert_eq!(post(&app, SUBSCRIPTIONS, "[]").await.plain(), (200, "OK"), "short lists are not held up");
    end_bodies.send(()).expect("four wait");
    for reply in reading {
        assert_eq!(reply.await.plain(), (200, "OK"));
    }
    assert_eq!(post(&app, SUBSCRIPTIONS, unannounced()).await.plain(), (200, "OK"));
}

fn message(proof: ProofField, meta: &'static [u8]) -> WakuMessage {
    WakuMessage {
        payload: Bytes::from_static(b"hello"),
        content_topic: ContentTopic::new(CONTENT_TOPIC).expect("a topic"),
        version: 1,
        timestamp: Timestamp::from_nanos(1_700_000_000_123_456_789),
        meta: Meta::new(meta.into()).expect("short"),
        ephemeral: true,
        proof,
    }
}

#[tokio::test]
async fn messages_are_read_by_either_topic() {
    let fake = Fake::new();
    let app = full_app(&fake);
    fake.script().messages = Ok(vec![
        message(ProofField::Absent, b""),
        message(ProofField::Malformed(b"x".as_slice().into()), b"meta"),
    ]);
    let expected = json!([
        {
            "payload": "aGVsbG8=", "contentTopic": CONTENT_TOPIC, "version": 1,
            "timestamp": 1_700_000_000_123_456_789_i64, "ephemeral": true, "proof": "",
        },
        {
            "payload": "aGVsbG8=", "contentTopic": CONTENT_TOPIC, "version": 1,
            "timestamp": 1_700_000_000_123_456_789_i64, "ephemeral": true, "proof": "eA==", "meta": "bWV0YQ==",
        },
    ]);
    for path in [
        format!("/relay/v1/messages/{TOPIC_IN_PATH}"),
        format!("/relay/v1/auto/messages/{CONTENT_TOPIC_IN_PATH}"),
    ] {
        assert_eq!(get(&app, &path).await.json(), expected);
    }
    assert_eq!(
        fake.script().asked,
        [format!("messages {TOPIC:?}"), format!("messages {CONTENT_TOPIC:?}")],
        "path parameters are URL-decoded"
    );
}

#[tokio::test]
async fn a_proof_is_read_as_it_was_written() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let proof = RateLimitProof {
        proof: [1; 128],
        merkle_root: [2; 32],
        epoch: [0; 32],
        share_x: [3; 32],
        share_y: [4; 32],
        nullifier: [5; 32],
        rln_identifier: [6; 32],
    };
    let sent = message(ProofField::Present(Box::new(proof)), b"");
    fake.script().messages = Ok(vec![sent.clone()]);
    let read = get(&app, &format!("/relay/v1/messages/{TOPIC_IN_PATH}")).await.json();
    let reply = post(&app, &format!("/relay/v1/messages/{TOPIC_IN_PATH}"), read[0].to_string()).await;
    assert_eq!(reply.plain(), (200, "OK"));
    assert_eq!(fake.script().published[0].1, sent);
}

#[tokio::test]
async fn messages_of_a_topic_nobody_joined_are_not_found() {
    let fake = Fake::new();
    let app = full_app(&fake);
    fake.script().messages = Err(MessagesError::NotSubscribed);
    for topic in [TOPIC_IN_PATH, "not-a-topic"] {
        assert_eq!(get(&app, &format!("/relay/v1/messages/{topic}")).await.plain(), (404, ""));
    }
    let path = format!("/relay/v1/auto/messages/{CONTENT_TOPIC_IN_PATH}");
    assert_eq!(get(&app, &path).await.plain(), (404, CONTENT_TOPIC));
    fake.script().messages = Err(Unavailable::Overloaded.into());
    let reply = get(&app, &path).await;
    assert_eq!(reply.plain(), (503, "the node is overloaded; try again"));
    assert_eq!(reply.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_path_that_is_not_text_is_refused() {
    let app = full_app(&Fake::new());
    assert_eq!(get(&app, "/relay/v1/messages/%FF%FE").await.plain(), (400, "Invalid request"));
}
