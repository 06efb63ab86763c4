//! The OpenAPI document.

use super::*;

/// Every method and path there is.
const ROUTES: &[(&str, &str)] = &[
    ("get", "/health"),
    ("get", "/info"),
    ("get", "/debug/v1/info"),
    ("get", "/version"),
    ("get", "/debug/v1/version"),
    ("get", "/openapi.json"),
    ("get", "/weir/v1/quota"),
    ("get", "/weir/v1/evidence"),
    ("get", "/weir/v1/store"),
    ("get", "/weir/v1/network"),
    ("get", "/store/v3/messages"),
    ("options", "/store/v3/messages"),
    ("post", "/lightpush/v3/message"),
    ("post", "/lightpush/v1/message"),
    ("get", "/filter/v2/subscriptions/{requestId}"),
    ("post", "/filter/v2/subscriptions"),
    ("put", "/filter/v2/subscriptions"),
    ("delete", "/filter/v2/subscriptions"),
    ("delete", "/filter/v2/subscriptions/all"),
    ("get", "/filter/v2/messages/{contentTopic}"),
    ("post", "/messaging/v1/subscriptions"),
    ("delete", "/messaging/v1/subscriptions"),
    ("options", "/messaging/v1/subscriptions"),
    ("post", "/messaging/v1/messages"),
    ("options", "/messaging/v1/messages"),
    ("get", "/messaging/v1/events/send"),
    ("get", "/messaging/v1/events/send/{requestId}"),
    ("get", "/messaging/v1/events/received"),
    ("post", "/relay/v1/subscriptions"),
    ("delete", "/relay/v1/subscriptions"),
    ("options", "/relay/v1/subscriptions"),
    ("get", "/relay/v1/messages/{pubsubTopic}"),
    ("post", "/relay/v1/messages/{pubsubTopic}"),
    ("options", "/relay/v1/messages/{pubsubTopic}"),
    ("post", "/relay/v1/auto/subscriptions"),
    ("delete", "/relay/v1/auto/subscriptions"),
    ("options", "/relay/v1/auto/subscriptions"),
    ("get", "/relay/v1/auto/messages/{contentTopic}"),
    ("options", "/relay/v1/auto/messages/{contentTopic}"),
    ("post", "/relay/v1/auto/messages"),
    ("options", "/relay/v1/auto/messages"),
    ("get", "/admin/v1/peers"),
    ("post", "/admin/v1/peers"),
    ("get", "/admin/v1/peer/{peerId}"),
    ("get", "/admin/v1/peers/service"),
    ("get", "/admin/v1/peers/connected"),
    ("get", "/admin/v1/peers/connected/on/{shardId}"),
    ("get", "/admin/v1/peers/relay"),
    ("get", "/admin/v1/peers/relay/on/{shardId}"),
    ("get", "/admin/v1/peers/mesh"),
    ("get", "/admin/v1/peers/mesh/on/{shardId}"),
    ("get", "/admin/v1/peers/stats"),
    ("get", "/admin/v1/filter/subscriptions"),
    ("post", "/admin/v1/log-level/{level}"),
];

#[tokio::test]
async fn every_route_is_in_the_document_and_nothing_else() {
    let app = full_app(&Fake::new());
    let document = get(&app, "/openapi.json").await.json();
    let mut described: Vec<(&str, &str)> = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let operations = item.as_object().expect("operations").keys();
        described.extend(operations.map(|method| (method.as_str(), path.as_str())));
    }
    let mut expected = ROUTES.to_vec();
    expected.sort_unstable();
    described.sort_unstable();
    assert_eq!(described, expected);
}

#[tokio::test]
async fn every_route_in_the_document_is_served() {
    let app = full_app(&Fake::new());
    for (method, path) in ROUTES {
        let path = path.replace(['{', '}'], "");
        let reply = call(&app, &method.to_uppercase(), &path).await;
        assert_ne!(reply.body, "Bad request initiated. Invalid path or method used.", "{method} {path}");
    }
}

#[tokio::test]
async fn every_schema_the_document_refers_to_is_in_it() {
    let app = full_app(&Fake::new());
    let document = get(&app, "/openapi.json").await;
    let schemas = document.json()["components"]["schemas"].clone();
    let references: Vec<&str> = document
        .body
        .split("#/components/schemas/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(references.contains(&"NewMessage") && references.contains(&"Message"), "{references:?}");
    for reference in references {
        assert!(schemas[reference].is_object(), "{reference} is missing");
    }
    assert_eq!(
        schemas["NewMessage"]["required"],
        serde_json::json!(["payload", "contentTopic"]),
        "{schemas:#}"
    );
}

#[tokio::test]
async fn groups_that_are_off_are_not_in_the_document() {
    let app = app_with(&Fake::new(), Config { relay: false, ..Config::default() });
    let document = get(&app, "/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths");
    assert!(!paths.keys().any(|path| path.starts_with("/relay") || path.starts_with("/admin")));
}

#[tokio::test]
async fn options_is_answered_on_relay_routes() {
    let app = full_app(&Fake::new());
    for (method, path) in ROUTES.iter().filter(|(method, _)| *method == "options") {
        assert_eq!(call(&app, &method.to_uppercase(), path).await.plain(), (200, "OK"), "{path}");
    }
}
