//! Sending and receiving without relay.

use serde_json::json;
use weir_core::{ClusterId, ContentTopic, MessageHash, PubsubTopic, ShardId, Timestamp};
use weir_protocols::edge::{ReceivedMessage, SendError, SendEvent, SendOutcome};

use super::*;
use crate::backend::{MessagingError, Unavailable};

const TOPIC: &str = "/my-app/1/chat/proto";

fn topics() -> Vec<ContentTopic> {
    vec![ContentTopic::new(TOPIC).expect("a topic")]
}

#[tokio::test]
async fn topics_are_wanted_and_wanted_no_more() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let path = "/messaging/v1/subscriptions";
    assert_eq!(post(&app, path, json!([TOPIC]).to_string()).await.plain(), (200, "OK"));
    assert_eq!(send_json(&app, "DELETE", path, json!([TOPIC]).to_string()).await.plain(), (200, "OK"));
    assert_eq!(fake.script().wishes, [(topics(), true), (topics(), false)]);
    assert_eq!(post(&app, path, "7").await.status, 400);
    fake.script().messaging = Err(MessagingError::NoShard("no shard".into()));
    let refused = post(&app, path, json!([TOPIC]).to_string()).await;
    assert_eq!(refused.plain(), (500, "Subscribe failed: no shard"));
    fake.script().messaging = Err(MessagingError::Unavailable(Unavailable::Overloaded));
    assert_eq!(post(&app, path, json!([TOPIC]).to_string()).await.status, 503);
}

#[tokio::test]
async fn a_send_is_named_and_its_events_are_taken_once() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let message = json!({"payload": "aGVsbG8=", "contentTopic": TOPIC, "ephemeral": true}).to_string();
    let sent = post(&app, "/messaging/v1/messages", message).await.json();
    assert_eq!(sent, json!({"requestId": "00000000000000a7"}));
    let told = fake.script().sent.pop().expect("sent");
    assert!(told.ephemeral && &told.payload[..] == b"hello");
    let bad = post(&app, "/messaging/v1/messages", "{}").await;
    assert!(bad.status == 400 && bad.body.starts_with("Invalid message: "), "{bad:?}");

    let hash = MessageHash::from_bytes([0xab; 32]);
    let event = |outcome| SendEvent { at: Timestamp::from_nanos(7), outcome };
    let good = vec![event(SendOutcome::Propagated(hash)), event(SendOutcome::Sent(hash))];
    let failed = vec![event(SendOutcome::Failed(SendError::Refused("too long".into())))];
    fake.script().send_events = vec![("a".into(), good), ("b".into(), failed)];
    let of_b = get(&app, "/messaging/v1/events/send/b").await.json();
    let error = "service peers refuse the message: too long";
    assert_eq!(
        of_b,
        json!({"requestId": "b", "events": [{"kind": "error", "error": error, "timestamp": 7}]})
    );
    let none = get(&app, "/messaging/v1/events/send/b").await;
    assert_eq!(none.plain(), (404, "No send events for requestId: b"));
    let hash = format!("0x{}", "ab".repeat(32));
    let all = get(&app, "/messaging/v1/events/send").await.json();
    assert_eq!(
        all,
        json!([{"requestId": "a", "events": [
            {"kind": "propagated", "messageHash": hash, "timestamp": 7},
            {"kind": "sent", "messageHash": hash, "timestamp": 7},
        ]}])
    );
    assert_eq!(get(&app, "/messaging/v1/events/send").await.json(), json!([]));
}

#[tokio::test]
async fn messages_are_taken_once() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let message = json!({"payload": "aGVsbG8=", "contentTopic": TOPIC, "timestamp": 9}).to_string();
    post(&app, "/messaging/v1/messages", message).await.json();
    let message = fake.script().sent.pop().expect("sent");
    let topic = PubsubTopic::new(ClusterId(66), ShardId(0)).expect("a shard");
    let hash = message.hash(topic);
    fake.script().received = vec![ReceivedMessage { topic, hash, message }];
    let rows = get(&app, "/messaging/v1/events/received").await.json();
    assert_eq!(rows[0]["messageHash"], hash.to_string());
    assert_eq!(rows[0]["message"]["payload"], "aGVsbG8=");
    assert_eq!(get(&app, "/messaging/v1/events/received").await.json(), json!([]));
}

#[tokio::test]
async fn a_node_that_relays_says_how_to_have_it() {
    let app = app_with(&Fake::new(), Config::default());
    let refused = get(&app, "/messaging/v1/events/received").await;
    assert!(refused.status == 404 && refused.body.contains("--mode=edge"), "{refused:?}");
}
