//! Request metrics: how many, how they ended, how long they took.

use std::{
    fmt::{self, Write},
    sync::Arc,
    time::Instant,
};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Instruments of the API. Labels are the routes in the code, so their number is fixed.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

/// The instruments of one route, looked up once.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    success: Counter,
    client_error: Counter,
    server_error: Counter,
    duration: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: StatusClass,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum StatusClass {
    Success,
    ClientError,
    ServerError,
}

impl EncodeLabelValue for StatusClass {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Success => "2xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        })
    }
}

impl Metrics {
    /// Registers `weir_rest_requests_total` and `weir_rest_request_duration_seconds`.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics =
            Self { requests: Family::default(), durations: Family::new_with_constructor(new_histogram) };
        let registry = registry.sub_registry_with_prefix("weir_rest");
        registry.register(
            "requests",
            "Requests answered, when the answer is ready",
            metrics.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time from the end of a request's head to its answer",
            metrics.durations.clone(),
        );
        metrics
    }

    /// The instruments of `route`, which start at zero.
    pub(crate) fn route(&self, route: &str) -> Arc<RouteMetrics> {
        let counter =
            |status| self.requests.get_or_create(&RequestLabels { route: route.to_owned(), status }).clone();
        Arc::new(RouteMetrics {
            success: counter(StatusClass::Success),
            client_error: counter(StatusClass::ClientError),
            server_error: counter(StatusClass::ServerError),
            duration: self.durations.get_or_create(&RouteLabels { route: route.to_owned() }).clone(),
        })
    }
}

impl RouteMetrics {
    fn observe(&self, status: StatusCode, start: Instant) {
        let counter = if status.is_server_error() {
            &self.server_error
        } else if status.is_client_error() {
            &self.client_error
        } else {
            &self.success
        };
        counter.inc();
        self.duration.observe(start.elapsed().as_secs_f64());
    }
}

/// From 100 µs, what an answer from memory takes, to 15 s, beyond every deadline of the node.
fn new_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.5, 14))
}

/// Middleware that observes every request of a route.
pub(crate) async fn observe(
    State(metrics): State<Arc<RouteMetrics>>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let response = next.run(request).await;
    metrics.observe(response.status(), start);
    response
}
