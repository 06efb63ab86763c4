//! Health, identity, version, quota, evidence, metrics, and paths that are not there.

use std::sync::Arc;

use serde_json::json;
use weir_core::{ClusterId, Timestamp};

use super::*;
use crate::{
    backend::{Breach, EvidenceReport, HealthError, QuotaReport},
    metrics_app,
};

#[tokio::test]
async fn health_is_told_in_the_words_tools_wait_for() {
    let app = full_app(&Fake::new());
    let health = get(&app, "/health").await.json();
    assert_eq!(health["nodeHealth"], "READY");
    assert_eq!(health["connectionStatus"], "Disconnected");
    assert_eq!(
        health["protocolsHealth"].as_array().expect("a list")[..3],
        [
            json!({"Relay": "NOT_READY", "desc": "No connected peers"}),
            json!({"Rln Relay": "READY"}),
            json!({"Store": "NOT_MOUNTED"}),
        ]
    );
}

#[tokio::test]
async fn a_health_check_that_fails_says_how() {
    let fake = Fake::new();
    let app = full_app(&fake);
    fake.script().health = Err(HealthError::Timeout);
    assert_eq!(get(&app, "/health").await.plain(), (500, "Health check timed out"));
    fake.script().health = Err(HealthError::Failed);
    assert_eq!(get(&app, "/health").await.plain(), (503, "Health check failed"));
}

#[tokio::test]
async fn identity_and_version_have_an_old_and_a_new_path() {
    let fake = Fake::new();
    let app = app_with(&fake, Config { version: "v0.1-test".into(), ..Config::default() });
    let address = format!("/ip4/127.0.0.1/tcp/60000/p2p/{}", fake::PEER);
    for path in ["/info", "/debug/v1/info"] {
        assert_eq!(
            get(&app, path).await.json(),
            json!({"listenAddresses": [address], "enrUri": ""}),
            "{path}"
        );
    }
    for path in ["/version", "/debug/v1/version"] {
        assert_eq!(get(&app, path).await.plain(), (200, "v0.1-test"), "{path}");
    }
}

#[tokio::test]
async fn quota_and_evidence_are_told_when_there_are_any() {
    let fake = Fake::new();
    let app = full_app(&fake);
    assert_eq!(
        get(&app, "/weir/v1/quota").await.plain(),
        (404, "The node has no RLN membership, so it has no quota")
    );
    assert_eq!(
        get(&app, "/weir/v1/evidence").await.plain(),
        (404, "The node does not check RLN proofs, so it has no evidence")
    );
    fake.script().quota =
        Some(QuotaReport { limit: 100, used: 7, epoch: 42, resets_at: Timestamp::from_secs(600) });
    let breach = Breach { commitment: "ab".repeat(32), epoch: 41, seen_at: Timestamp::from_secs(599) };
    fake.script().evidence = Ok(Some(EvidenceReport { count: 200, newest: vec![breach] }));
    assert_eq!(
        get(&app, "/weir/v1/quota").await.json(),
        json!({"limit": 100, "used": 7, "epoch": 42, "resetsAt": 600_000_000_000_u64})
    );
    let record = json!({"commitment": "ab".repeat(32), "epoch": 41, "seenAt": 599_000_000_000_u64});
    assert_eq!(get(&app, "/weir/v1/evidence").await.json(), json!({"count": 200, "records": [record]}));
    assert_eq!(fake.script().asked.last().map(String::as_str), Some("evidence 100"));
    fake.script().evidence = Err("disk on fire".to_owned());
    assert_eq!(
        get(&app, "/weir/v1/evidence").await.plain(),
        (500, "The evidence cannot be read: disk on fire")
    );
}

#[tokio::test]
async fn an_unknown_path_or_method_is_a_bad_request() {
    let app = full_app(&Fake::new());
    let bad = (400, "Bad request initiated. Invalid path or method used.");
    for path in ["/", "/nothing", "/relay", "/relay/v1/nothing", "/admin/v1/nothing", "//health", "/health/"]
    {
        assert_eq!(get(&app, path).await.plain(), bad, "{path}");
    }
    for (method, path) in [("PUT", "/health"), ("PATCH", "/relay/v1/subscriptions"), ("BREW", "/version")] {
        assert_eq!(call(&app, method, path).await.plain(), bad, "{method} {path}");
    }
}

#[tokio::test]
async fn a_group_that_is_not_installed_says_which_flag_installs_it() {
    let app = app_with(&Fake::new(), Config { relay: false, admin: false, ..Config::default() });
    let cases = [
        (
            "/admin/v1/peers",
            "/admin endpoints are not available. Please check your configuration: --rest-admin=true",
        ),
        (
            "/relay/v1/subscriptions",
            "/relay endpoints are not available. Please check your configuration: --relay",
        ),
        (
            "/filter/v2/subscriptions",
            "/filter endpoints are not available. Please check your configuration: --filternode",
        ),
        (
            "/messaging/v1/subscriptions",
            "/messaging endpoints are not available. Please check your configuration: --mode=edge",
        ),
    ];
    for (path, text) in cases {
        assert_eq!(get(&app, path).await.plain(), (404, text));
    }
}

#[tokio::test]
async fn while_the_node_starts_only_health_is_answered() {
    let fake = Fake::new();
    let app = full_app(&fake);
    fake.script().initializing = true;
    assert_eq!(get(&app, "/health").await.status, 200);
    for (path, text) in [
        ("/relay/v1/subscriptions", "/relay endpoints are not available while initializing."),
        ("/admin/v1/peers", "/admin endpoints are not available while initializing."),
        ("/filter/v2/subscriptions", "/filter endpoints are not available while initializing."),
    ] {
        assert_eq!(get(&app, path).await.plain(), (404, text));
    }
    fake.script().initializing = false;
    assert_eq!(get(&app, "/admin/v1/peers").await.status, 200);
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_class_and_are_served_apart() {
    let mut registry = Registry::default();
    let app = app(Fake::new(), Config::default(), &mut registry);
    get(&app, "/health").await;
    get(&app, &format!("/relay/v1/messages/{TOPIC_IN_PATH}")).await;
    get(&app, "/relay/v1/messages/nonsense").await;
    get(&app, "/some/thing").await;
    get(&app, "/other/thing").await;

    let metrics = metrics_app(Arc::new(registry));
    let reply = get(&metrics, "/metrics").await;
    assert_eq!(
        reply.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    for line in [
        r#"weir_rest_requests_total{route="GET /health",status="2xx"} 1"#,
        r#"weir_rest_requests_total{route="GET /health",status="5xx"} 0"#,
        r#"weir_rest_requests_total{route="GET /relay/v1/messages/{pubsubTopic}",status="2xx"} 1"#,
        r#"weir_rest_requests_total{route="GET /relay/v1/messages/{pubsubTopic}",status="4xx"} 1"#,
        r#"weir_rest_requests_total{route="unknown",status="4xx"} 2"#,
        r#"weir_rest_request_duration_seconds_count{route="GET /health"} 1"#,
    ] {
        assert!(reply.body.lines().any(|other| other == line), "{line} is not in\n{}", reply.body);
    }
    assert!(!reply.body.contains("thing"), "a path of a client became a label");
    assert_eq!(get(&metrics, "/").await.plain(), (404, "Try /metrics"));
    assert_eq!(call(&metrics, "POST", "/metrics").await.plain(), (404, "Try /metrics"));
}

#[tokio::test]
async fn the_network_is_told_to_clients() {
    let fake = Fake::new();
    let config = Config { cluster: ClusterId(66), shards: Some(8), ..Config::default() };
    let told = get(&app_with(&fake, config), "/weir/v1/network").await.json();
    assert_eq!(told, json!({"cluster": 66, "shards": 8}));
    let told = get(&full_app(&fake), "/weir/v1/network").await.json();
    assert_eq!(told, json!({"cluster": 0}));
}

#[tokio::test]
async fn the_chat_page_is_served_from_its_folder_alone() {
    let world = tempfile::tempdir().expect("a temporary folder");
    let folder = world.path().join("dist");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("index.html"), "<p>chat").expect("written");
    std::fs::write(folder.join("chat.js"), "start()").expect("written");
    std::fs::write(world.path().join("secret"), "key").expect("written");
    let fake = Fake::new();
    let app = app_with(&fake, Config { chat_page: Some(folder), ..Config::default() });
    let page = get(&app, "/debug/chat/").await;
    assert_eq!((page.status, page.body.as_str()), (200, "<p>chat"));
    assert_eq!(page.header("content-type"), Some("text/html"));
    assert_eq!(get(&app, "/debug/chat/chat.js").await.header("content-type"), Some("text/javascript"));
    let moved = get(&app, "/debug/chat").await;
    assert_eq!((moved.status, moved.header("location")), (308, Some("/debug/chat/")));
    for path in ["/debug/chat/../secret", "/debug/chat/%2e%2e/secret", "/debug/chat/..%2fsecret"] {
        assert_eq!(get(&app, path).await.status, 404, "{path}");
    }
    let without = get(&full_app(&fake), "/debug/chat/").await;
    assert_eq!(without.status, 404);
    assert!(without.body.contains("examples/chat/build"), "{}", without.body);
}
