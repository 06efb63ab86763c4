//! Origins.

use super::*;

async fn from_origins(allow: &[&str], origins: &[&str]) -> Reply {
    let config =
        Config { allow_origin: allow.iter().map(|&origin| origin.to_owned()).collect(), ..Config::default() };
    let mut request = Request::builder().uri("/version");
    for origin in origins {
        request = request.header(header::ORIGIN, *origin);
    }
    send(&app_with(&Fake::new(), config), request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn an_allowed_origin_is_told_so() {
    let reply = from_origins(&["example.org"], &["https://example.org"]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://example.org"));
    assert_eq!(reply.header("vary"), Some("Origin"));
    assert_eq!(reply.header("access-control-allow-headers"), Some("Content-Type"));
}

#[tokio::test]
async fn a_star_allows_every_origin_alike() {
    let reply = from_origins(&["*"], &["https://example.org"]).await;
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("vary"), None);
    assert_eq!(reply.header("access-control-allow-headers"), Some("Content-Type"));
}

#[tokio::test]
async fn other_origins_and_several_origins_are_refused() {
    let reply = from_origins(&["example.org"], &["https://evil.org"]).await;
    assert_eq!(reply.plain(), (403, "Origin not allowed"));
    assert_eq!(reply.header("access-control-allow-origin"), None);
    let reply = from_origins(&["*"], &["https://a.org", "https://b.org"]).await;
    assert_eq!(reply.plain(), (400, "Only a single Origin header must be specified"));
}

#[tokio::test]
async fn without_an_origin_or_without_the_option_nothing_is_checked_or_told() {
    for reply in [from_origins(&["example.org"], &[]).await, from_origins(&[], &["https://evil.org"]).await] {
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}
