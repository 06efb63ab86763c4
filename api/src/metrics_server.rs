//! The second, small app: metrics for Prometheus.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};

use crate::{answer::Refusal, server::App};

/// The format `encode` writes, which Prometheus asks for by this name.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// An app that answers `/metrics` from `registry` and points there from everywhere else.
pub fn metrics_app(registry: Arc<Registry>) -> App {
    App(Router::new()
        .route("/metrics", get(metrics))
        .fallback(try_metrics)
        .method_not_allowed_fallback(try_metrics)
        .with_state(registry))
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Result<Response, Refusal> {
    let mut text = String::new();
    encode(&mut text, &registry)
        .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Cannot write the metrics"))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

async fn try_metrics() -> Refusal {
    Refusal::not_found("Try /metrics")
}
