//! Publishing: what a message may look like, and why it was not published.

use weir_core::{ProofField, Timestamp};
use weir_protocols::relay::PublishError;

use super::{fake::NOW, *};
use crate::backend::PublishAutoError;

const AUTO: &str = "/relay/v1/auto/messages";
const DECODE: &str = "Invalid content body, could not decode: Unable to deserialize data: ";

fn path() -> String {
    format!("/relay/v1/messages/{TOPIC_IN_PATH}")
}

fn body() -> String {
    format!(r#"{{"payload": "aGVsbG8=", "contentTopic": "{CONTENT_TOPIC}"}}"#)
}

#[tokio::test]
async fn a_short_message_gets_its_defaults() {
    let fake = Fake::new();
    let app = full_app(&fake);
    for path in [path().as_str(), AUTO] {
        assert_eq!(post(&app, path, body()).await.plain(), (200, "OK"));
    }
    let script = fake.script();
    let topics: Vec<_> =
        script.published.iter().map(|(topic, _)| topic.map(|topic| topic.to_string())).collect();
    assert_eq!(topics, [Some(TOPIC.to_owned()), None]);
    for (_, message) in &script.published {
        assert_eq!(message.payload, "hello");
        assert_eq!(message.content_topic.as_str(), CONTENT_TOPIC);
        assert_eq!((message.version, message.timestamp, message.ephemeral), (0, NOW, false));
        assert!(message.meta.as_bytes().is_empty());
        assert_eq!(message.proof, ProofField::Absent);
    }
}

#[tokio::test]
async fn every_field_can_be_given_and_others_are_ignored() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let full = r#"{"payload": "aGVs\u0062G8=", "contentTopic": "\/a\/1\/b\/c", "version": 2, "timestamp": 5,
        "meta": "bWV0YQ==", "ephemeral": true, "proof": "eA==", "extra": {"deep": [1, null]}}"#;
    assert_eq!(post(&app, &path(), full).await.plain(), (200, "OK"));
    let message = fake.script().published.remove(0).1;
    assert_eq!(message.payload, "hello");
    assert_eq!(message.content_topic.as_str(), "/a/1/b/c");
    assert_eq!((message.version, message.timestamp, message.ephemeral), (2, Timestamp::from_nanos(5), true));
    assert_eq!(message.meta.as_bytes(), "meta");
    assert_eq!(message.proof, ProofField::Malformed("x".into()));
}

#[tokio::test]
async fn null_and_zero_mean_left_out() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let nulls = r#"{"payload": "AA==", "contentTopic": "/a/1/b/c", "version": null, "timestamp": 0,
        "meta": null, "ephemeral": null, "proof": ""}"#;
    assert_eq!(post(&app, &path(), nulls).await.plain(), (200, "OK"));
    let message = fake.script().published.remove(0).1;
    assert_eq!((message.version, message.timestamp, message.proof), (0, NOW, ProofField::Absent));
}

#[tokio::test]
async fn text_plain_and_parameters_are_content_types_too() {
    let app = full_app(&Fake::new());
    for content_type in ["text/plain", "application/json; charset=utf-8", "Application/JSON"] {
        let request = Request::post(path()).header(header::CONTENT_TYPE, content_type).body(body().into());
        assert_eq!(send(&app, request.expect("a request")).await.plain(), (200, "OK"), "{content_type}");
    }
}

#[tokio::test]
async fn other_content_types_and_none_are_refused() {
    let app = full_app(&Fake::new());
    let wrong = (400, "Wrong Content-Type, expected application/json or text/plain");
    for path in [path().as_str(), AUTO, "/relay/v1/subscriptions"] {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/xml").body(body().into());
        assert_eq!(send(&app, request.expect("a request")).await.plain(), wrong);
        let request = Request::post(path).body(body().into());
        assert_eq!(send(&app, request.expect("a request")).await.plain(), wrong);
    }
}

#[tokio::test]
async fn a_missing_body_is_refused() {
    let app = full_app(&Fake::new());
    for path in [path().as_str(), AUTO, "/relay/v1/subscriptions", "/relay/v1/auto/subscriptions"] {
        assert_eq!(post(&app, path, Body::empty()).await.plain(), (400, "Missing content body"), "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_message_is_refused_by_its_fault() {
    let app = full_app(&Fake::new());
    let long_topic = format!(r#"{{"payload": "AA==", "contentTopic": "{}"}}"#, "/".repeat(1025));
    let long_meta =
        format!(r#"{{"payload": "AA==", "contentTopic": "/a", "meta": "{}"}}"#, "AAAA".repeat(22));
    let cases = [
        ("{", "EOF while parsing an object at line 1 column 1"),
        (r#"["AA==", "/a/1/b/c"]"#, "expected an object"),
        (r#"{"contentTopic": "/a/1/b/c"}"#, "Field `payload` is missing or empty"),
        (r#"{"payload": "", "contentTopic": "/a"}"#, "Field `payload` is missing or empty"),
        (r#"{"payload": null, "contentTopic": "/a"}"#, "Field `payload` is missing or empty"),
        (r#"{"payload": "AA=="}"#, "Field `contentTopic` is missing or empty"),
        (r#"{"payload": "AA==", "contentTopic": " \t"}"#, "Field `contentTopic` is missing or empty"),
        (
            r#"{"payload": 5, "contentTopic": "/a"}"#,
            "invalid type: integer `5`, expected a string at line 1 column 13",
        ),
        (
            r#"{"payload": "AA==", "payload": "AA==", "contentTopic": "/a"}"#,
            "duplicate field `payload` at line 1 column 29",
        ),
        (
            r#"{"payload": "AA==", "contentTopic": "/a", "version": -1}"#,
            "invalid value: integer `-1`, expected u32 at line 1 column 55",
        ),
        (&long_topic, "the content topic has 1025 bytes; at most 1024 are allowed"),
        (&long_meta, "meta has 66 bytes; at most 64 are allowed"),
    ];
    for (body, detail) in cases {
        for path in [path().as_str(), AUTO] {
            let reply = post(&app, path, body.to_owned()).await;
            assert_eq!(reply.plain(), (400, format!("{DECODE}{detail}").as_str()), "{body}");
        }
    }
}

#[tokio::test]
async fn base64_must_be_standard_and_padded() {
    let app = full_app(&Fake::new());
    for text in ["AA", "A", "-_==", "AA= =", "é", "AB=="] {
        for field in ["payload", "meta", "proof"] {
            let mut message = serde_json::json!({"payload": "AA==", "contentTopic": "/a/1/b/c"});
            message[field] = text.into();
            let reply = post(&app, &path(), message.to_string()).await;
            assert_eq!(reply.plain(), (400, "Incorrect base64 string"), "{field} {text}");
        }
    }
}

#[tokio::test]
async fn a_body_is_bounded_by_what_the_largest_message_takes() {
    let fake = Fake::new();
    let app = app_with(&fake, Config { max_message_size: 1024, ..Config::default() });
    // 2 · 4 · ⌈1024 / 3⌉ + 16 KiB
    let limit = 19_120;
    let padded = |length: usize| format!("{}{}", body(), " ".repeat(length - body().len()));
    assert_eq!(post(&app, &path(), padded(limit)).await.plain(), (200, "OK"));
    for path in [path().as_str(), AUTO] {
        let reply = post(&app, path, padded(limit + 1)).await;
        let text = "Request body exceeds 19120 bytes, the most that a message of 1024 bytes takes as JSON";
        assert_eq!(reply.plain(), (413, text));
    }
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together_and_bounded_too() {
    let fake = Fake::new();
    let app = app_with(&fake, Config { max_message_size: 1024, ..Config::default() });
    let in_pieces = |text: String| {
        let pieces: Vec<_> =
            text.into_bytes().chunks(7).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        Body::from_stream(futures::stream::iter(pieces))
    };
    assert_eq!(post(&app, &path(), in_pieces(body())).await.plain(), (200, "OK"));
    assert_eq!(fake.script().published[0].1.payload, "hello");
    let long = format!("{}{}", body(), " ".repeat(20_000));
    assert_eq!(post(&app, &path(), in_pieces(long)).await.status, 413);
    let broken = Body::from_stream(futures::stream::iter([
        Ok(b"{".to_vec()),
        Err(std::io::Error::other("the client went away")),
    ]));
    assert_eq!(post(&app, &path(), broken).await.plain(), (400, "Invalid content body"));
}

#[tokio::test]
async fn the_largest_message_fits_its_bound_however_it_is_escaped() {
    let fake = Fake::new();
    let app = full_app(&fake);
    // The topic, meta and the fields' own bytes take some of the 150 KiB; this payload is larger
    // than any that fits, and its base64 is all slashes.
    let payload = "\\/".repeat(150 * 1024 / 3 * 4);
    let topic = "\\u0061".repeat(1024);
    let message = format!(r#"{{"payload": "{payload}", "contentTopic": "{topic}"}}"#);
    assert_eq!(post(&app, &path(), message).await.plain(), (200, "OK"));
    assert_eq!(fake.script().published[0].1.payload.len(), 150 * 1024);
}

#[tokio::test]
async fn a_topic_that_is_none_is_a_topic_nobody_joined() {
    let app = full_app(&Fake::new());
    assert_eq!(
        post(&app, "/relay/v1/messages/%2Fwaku%2F2", body()).await.plain(),
        (400, "Failed to publish: Node not subscribed to topic: /waku/2")
    );
}

#[tokio::test]
async fn every_publish_error_has_its_status_and_text() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let cases = [
        (
            PublishError::NotSubscribed(TOPIC.parse().expect("a topic")),
            400,
            "Node not subscribed to topic: /waku/2/rs/66/3",
        ),
        (PublishError::TooLarge { max: 153_600 }, 400, "Message size exceeded maximum of 153600 bytes"),
        (PublishError::Timeout, 500, "timedout"),
    ];
    for (error, status, detail) in cases {
        let text = format!("Failed to publish: {detail}");
        fake.script().publish = Err(error.clone());
        assert_eq!(post(&app, &path(), body()).await.plain(), (status, text.as_str()));
        fake.script().publish_auto = Err(PublishAutoError::Publish(error));
        assert_eq!(post(&app, AUTO, body()).await.plain(), (status, text.as_str()));
    }
}

#[tokio::test]
async fn a_fault_of_the_node_is_not_called_a_bad_request() {
    let fake = Fake::new();
    let app = full_app(&fake);
    let cases = [
        (PublishError::Invalid("late".into()), 400),
        (PublishError::NoMembership, 503),
        (PublishError::NotYetRegistered, 503),
        (PublishError::Synchronizing, 503),
        (PublishError::Overloaded, 503),
        (PublishError::Storage("disk full".into()), 503),
        (PublishError::Stopping, 503),
        (PublishError::ProofFailed("no".into()), 500),
    ];
    for (error, status) in cases {
        fake.script().publish = Err(error.clone());
        let reply = post(&app, &path(), body()).await;
        assert_eq!(reply.plain(), (status, format!("Failed to publish: {error}").as_str()));
    }
}

#[tokio::test]
async fn an_exhausted_quota_says_when_it_is_full_again() {
    let fake = Fake::new();
    let app = full_app(&fake);
    // Half a second is rounded up, and an epoch that ends now still asks for a second.
    for (resets_at, wait, unix) in
        [(36_500, "37", 1_700_000_036), (0, "1", 1_700_000_000), (-5, "1", 1_699_999_999)]
    {
        let resets_at = Timestamp::from_nanos(NOW.as_nanos() + resets_at * 1_000_000);
        let error = PublishError::QuotaExhausted { limit: 100, resets_at };
        fake.script().publish = Err(error.clone());
        fake.script().publish_auto = Err(error.clone().into());
        for path in [path().as_str(), AUTO] {
            let reply = post(&app, path, body()).await;
            let text = format!(
                "Failed to publish: {error}. All 100 messages of this epoch are used; the next epoch starts in \
                 {wait} s, at unix time {unix}"
            );
            assert_eq!(reply.plain(), (429, text.as_str()));
            assert_eq!(reply.header("retry-after"), Some(wait));
        }
    }
}

#[tokio::test]
async fn a_busy_node_asks_to_come_back() {
    let fake = Fake::new();
    let app = full_app(&fake);
    fake.script().publish = Err(PublishError::Overloaded);
    let reply = post(&app, &path(), body()).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert!(reply.body.starts_with("Failed to publish: "), "{}", reply.body);
}

#[tokio::test]
async fn without_peers_the_shard_accepts_and_the_content_topic_does_not() {
    let fake = Fake::new();
    let app = full_app(&fake);
    fake.script().publish = Ok(0);
    fake.script().publish_auto = Ok(0);
    assert_eq!(post(&app, &path(), body()).await.plain(), (200, "OK"));
    let reply = post(&app, AUTO, body()).await;
    assert_eq!(reply.plain(), (400, format!("Failed to publish: {}", PublishError::NoPeers).as_str()));
}

#[tokio::test]
async fn without_a_shard_the_reason_is_told() {
    let fake = Fake::new();
    let app = full_app(&fake);
    for (error, text) in [
        (PublishAutoError::AutoshardingDisabled, "Failed to publish. Autosharding is disabled"),
        (PublishAutoError::Autosharding("no".into()), "Failed to publish. Autosharding error: no"),
    ] {
        fake.script().publish_auto = Err(error);
        assert_eq!(post(&app, AUTO, body()).await.plain(), (400, text));
    }
}
