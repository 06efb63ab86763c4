//! The API over a fake node: every route, every refusal, and a real socket.

mod admin;
mod cors;
mod document;
mod fake;
mod filter;
mod lightpush;
mod messaging;
mod node;
mod publish;
mod relay;
mod socket;
mod store;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, header},
};
use prometheus_client::registry::Registry;
use tower::ServiceExt;

use self::fake::Fake;
use crate::{App, Config, app};

const TOPIC: &str = "/waku/2/rs/66/3";
const TOPIC_IN_PATH: &str = "%2Fwaku%2F2%2Frs%2F66%2F3";
const CONTENT_TOPIC: &str = "/my-app/1/chat/proto";
const CONTENT_TOPIC_IN_PATH: &str = "%2Fmy-app%2F1%2Fchat%2Fproto";

/// What a request was answered.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    /// Status and text, which is what most tests compare.
    fn plain(&self) -> (u16, &str) {
        assert_eq!(self.header("content-type"), Some("text/plain"), "{self:?}");
        (self.status, &self.body)
    }

    fn json(&self) -> serde_json::Value {
        assert_eq!((self.status, self.header("content-type")), (200, Some("application/json")), "{self:?}");
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An API with everything on.
fn full_app(fake: &Fake) -> App {
    app_with(fake, Config { admin: true, filter: true, messaging: true, ..Config::default() })
}

fn app_with(fake: &Fake, config: Config) -> App {
    app(fake.clone(), config, &mut Registry::default())
}

async fn send(app: &App, request: Request<Body>) -> Reply {
    let Ok(response) = app.0.clone().oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body in memory");
    let body = String::from_utf8(body.into()).expect("texts are UTF-8");
    Reply { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn call(app: &App, method: &str, path: &str) -> Reply {
    send(app, Request::builder().method(method).uri(path).body(Body::empty()).expect("a request")).await
}

async fn get(app: &App, path: &str) -> Reply {
    call(app, "GET", path).await
}

async fn send_json(app: &App, method: &str, path: &str, body: impl Into<Body>) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .expect("a request");
    send(app, request).await
}

async fn post(app: &App, path: &str, body: impl Into<Body>) -> Reply {
    send_json(app, "POST", path, body).await
}
