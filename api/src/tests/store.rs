//! Store queries: what parameters mean, how pages look, and every refusal.

use bytes::Bytes;
use serde_json::json;
use weir_core::{
    ContentTopic, MessageHash, Meta, ProofField, PubsubTopic, RateLimitProof, ShardId, Timestamp,
    WakuMessage,
    store::{Direction, Page, PageSize, Query, Row},
};

use super::*;
use crate::backend::{StoreAnswer, StoreError, StoreReport, Unavailable};

const PATH: &str = "/store/v3/messages";

fn hash(byte: u8) -> MessageHash {
    MessageHash::from_bytes([byte; 32])
}

fn topic() -> PubsubTopic {
    TOPIC.parse().expect("a shard")
}

fn message(proof: ProofField) -> WakuMessage {
    WakuMessage {
        payload: Bytes::from_static(b"hello"),
        content_topic: ContentTopic::new(CONTENT_TOPIC).expect("a topic"),
        version: 1,
        timestamp: Timestamp::from_nanos(7),
        meta: Meta::new(Bytes::from_static(b"m")).expect("short"),
        ephemeral: false,
        proof,
    }
}

/// What was asked of the node after a request with these parameters.
async fn asked(parameters: &str) -> (Option<String>, Query) {
    let fake = Fake::new();
    let reply = get(&full_app(&fake), &format!("{PATH}?{parameters}")).await;
    assert_eq!(reply.status, 200, "{parameters}: {reply:?}");
    let queried = fake.script().queried.pop();
    queried.expect("asked")
}

#[tokio::test]
async fn each_parameter_restricts_and_none_is_needed() {
    let none = Query::default();
    let topic_in_query = TOPIC_IN_PATH;
    let hex = hash(0xab).to_string();
    let cases = [
        (String::new(), none.clone()),
        (format!("pubsubTopic={topic_in_query}"), Query { pubsub_topic: Some(topic()), ..none.clone() }),
        (
            format!("contentTopics={CONTENT_TOPIC_IN_PATH},%2Fa%2F1%2Fb%2Fc"),
            Query {
                content_topics: [CONTENT_TOPIC, "/a/1/b/c"]
                    .map(|it| ContentTopic::new(it).expect("a topic"))
                    .to_vec(),
                ..none.clone()
            },
        ),
        ("startTime=5".to_owned(), Query { start: Some(Timestamp::from_nanos(5)), ..none.clone() }),
        ("endTime=6&startTime=0".to_owned(), Query { end: Some(Timestamp::from_nanos(6)), ..none.clone() }),
        ("startTime=-5".to_owned(), none.clone()),
        (format!("hashes={hex},{}", &hex[2..]), Query { hashes: vec![hash(0xab); 2], ..none.clone() }),
        (format!("cursor={hex}"), Query { cursor: Some(hash(0xab)), ..none.clone() }),
        ("includeData=true".to_owned(), Query { include_data: true, ..none.clone() }),
        ("pageSize=0".to_owned(), none.clone()),
        ("pageSize=7".to_owned(), Query { page_size: PageSize::requested(Some(7)), ..none.clone() }),
        ("pageSize=9223372036854775808".to_owned(), Query { page_size: PageSize::MAX, ..none.clone() }),
        ("ascending=true".to_owned(), none.clone()),
        ("ascending=".to_owned(), none.clone()),
        ("ascending=false".to_owned(), Query { direction: Direction::Backward, ..none.clone() }),
        ("ascending=up".to_owned(), Query { direction: Direction::Backward, ..none.clone() }),
        ("pubsubTopic=&hashes=&cursor=&startTime=&unknown=1".to_owned(), none),
    ];
    for (parameters, query) in cases {
        assert_eq!(asked(&parameters).await, (None, query), "{parameters}");
    }
    let (peer, _) = asked("peerAddr=%2Fip4%2F127.0.0.1%2Ftcp%2F1%2Fp2p%2FX").await;
    assert_eq!(peer.as_deref(), Some("/ip4/127.0.0.1/tcp/1/p2p/X"));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_what_is_wrong() {
    let fake = Fake::new();
    let app = full_app(&fake);
    for (parameters, text) in [
        ("startTime=soon", "time parsing error: invalid integer: soon"),
        ("endTime=9223372036854775808", "time parsing error: invalid integer: 9223372036854775808"),
        ("pageSize=-1", "page size parsing error: invalid integer: -1"),
        ("pageSize=many", "page size parsing error: invalid integer: many"),
        ("includeData=perhaps", "include data parsing error: cannot interpret as a bool: perhaps"),
        ("hashes=0xabcd", "waku message hash parsing error: invalid hash length: 2"),
        ("cursor=ab", "waku message hash parsing error: invalid hash length: 1"),
        ("cursor=xyz", "Exception converting hex string to bytes: xyz is not hexadecimal"),
    ] {
        let reply = get(&app, &format!("{PATH}?{parameters}")).await;
        assert_eq!(reply.plain(), (400, text), "{parameters}");
    }
    assert!(fake.script().queried.is_empty());
}

#[tokio::test]
async fn topics_that_no_message_can_have_are_answered_with_nothing() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let too_long = format!("contentTopics={}", "t".repeat(1025));
    for parameters in ["pubsubTopic=elsewhere", "pubsubTopic=%ff", &too_long] {
        let answer = get(&app, &format!("{PATH}?{parameters}")).await.json();
        assert_eq!((&answer["messages"], &answer["statusCode"]), (&json!([]), &json!(200)), "{parameters}");
    }
    assert!(fake.script().queried.is_empty());
}

#[tokio::test]
async fn a_page_has_hashes_and_what_was_asked_for_and_a_cursor_when_there_is_more() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let proof = RateLimitProof {
        proof: [1; 128],
        merkle_root: [2; 32],
        epoch: [3; 32],
        share_x: [4; 32],
        share_y: [5; 32],
        nullifier: [6; 32],
        rln_identifier: [7; 32],
    };
    let rows = vec![
        Row { hash: hash(1), data: Some((topic(), message(ProofField::Absent))) },
        Row { hash: hash(2), data: Some((topic(), message(ProofField::Present(Box::new(proof))))) },
        Row { hash: hash(3), data: None },
    ];
    let page = Page { rows, cursor: Some(hash(3)) };
    fake.script().store_query = Ok(StoreAnswer { request_id: "id".to_owned(), page });
    let answer = get(&app, PATH).await.json();
    let proof = answer["messages"][1]["message"]["proof"].clone();
    assert!(proof.as_str().is_some_and(|text| text.len() > 300), "{proof}");
    let plain = json!({
        "payload": "aGVsbG8=", "contentTopic": CONTENT_TOPIC, "version": 1, "timestamp": 7, "meta": "bQ==",
        "ephemeral": false,
    });
    let mut proven = plain.clone();
    proven["proof"] = proof;
    assert_eq!(
        answer,
        json!({
            "requestId": "id", "statusCode": 200, "statusDesc": "OK",
            "messages": [
                {"messageHash": hash(1).to_string(), "message": plain, "pubsubTopic": TOPIC},
                {"messageHash": hash(2).to_string(), "message": proven, "pubsubTopic": TOPIC},
                {"messageHash": hash(3).to_string()},
            ],
            "paginationCursor": hash(3).to_string(),
        })
    );
    fake.script().store_query = Ok(StoreAnswer::default());
    let answer = get(&app, PATH).await.json();
    assert_eq!(answer, json!({"requestId": "", "statusCode": 200, "statusDesc": "OK", "messages": []}));
}

#[tokio::test]
async fn each_failure_of_the_node_has_its_status_and_text() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let text = |text: &str| text.to_owned();
    for (error, status, body) in [
        (StoreError::PeerAddress(text("no id")), 400, "Failed parsing remote peer info: no id"),
        (StoreError::BadRequest(text("too many")), 400, "too many"),
        (StoreError::NoPeer, 412, "No suitable service peer & no discovery method"),
        (StoreError::RateLimited, 429, "Request rate limit reached"),
        (StoreError::Timeout, 500, "No history response received (timeout)"),
        (
            StoreError::Failed(text("cursor not found")),
            500,
            "Error occurred in queryFut.read() [cursor not found]",
        ),
        (StoreError::Unavailable(Unavailable::Stopping), 503, "the node is stopping"),
    ] {
        fake.script().store_query = Err(error);
        assert_eq!(get(&app, PATH).await.plain(), (status, body));
    }
}

#[tokio::test]
async fn the_state_of_the_archive_is_told_when_there_is_one() {
    let fake = Fake::new();
    let app = full_app(&fake);
    assert_eq!(
        get(&app, "/weir/v1/store").await.plain(),
        (404, "The node keeps no messages. Please check your configuration: --store=true")
    );
    fake.script().store_report = Some(StoreReport {
        messages: 3,
        by_shard: [(ShardId(0), 1), (ShardId(7), 2)].into(),
        oldest: Some(Timestamp::from_nanos(5)),
        bytes: 1000,
        waiting_messages: 2,
        waiting_bytes: 20,
        stored: 4,
        dropped: 1,
        unavailable: Some("the archive is full".to_owned()),
        ..StoreReport::default()
    });
    assert_eq!(
        get(&app, "/weir/v1/store").await.json(),
        json!({
            "messages": 3, "byShard": {"0": 1, "7": 2}, "oldest": 5, "bytes": 1000, "waitingMessages": 2,
            "waitingBytes": 20, "stored": 4, "dropped": 1, "unavailable": "the archive is full",
        })
    );
}
