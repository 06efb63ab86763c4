//! What serving store queries counts.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use weir_protocols::store::Refused;
use weir_wire::protocol_id;

use super::{OutcomeLabel, TypeLabel, Word, counter};

/// How the store server fares. Registered by a node that serves store.
#[derive(Debug, Clone)]
pub(crate) struct StoreMetrics {
    queries: Counter,
    errors: Family<TypeLabel, Counter>,
    requests: Family<ServiceStateLabel, Counter>,
    bytes: Family<ServiceDirectionLabel, Counter>,
    handling: Family<ServiceLabel, Histogram>,
    phases: Family<PhaseLabel, Gauge<f64, std::sync::atomic::AtomicU64>>,
    ended: Family<OutcomeLabel, Counter>,
    waiting: Gauge,
    running: Gauge,
    query_seconds: Histogram,
    sending_seconds: Histogram,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabel {
    service: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceStateLabel {
    service: Word,
    state: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceDirectionLabel {
    service: Word,
    direction: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: Word,
}

/// nwaku calls a service by its protocol.
const SERVICE: Word = Word(protocol_id::STORE_QUERY);

impl StoreMetrics {
    /// Makes the instruments and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        // From 0.1 ms, less than a page from memory takes, to 3.3 s.
        let seconds = || Histogram::new(exponential_buckets(0.0001, 2.0, 16));
        let metrics = Self {
            queries: counter(registry, "waku_store_queries", "Store requests of peers"),
            errors: Family::default(),
            requests: Family::default(),
            bytes: Family::default(),
            // nwaku's buckets of 0.005 to 30 s.
            handling: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.4, 11))),
            phases: Family::default(),
            ended: Family::default(),
            waiting: Gauge::default(),
            running: Gauge::default(),
            query_seconds: seconds(),
            sending_seconds: seconds(),
        };
        registry.register(
            "waku_store_errors",
            "Store requests without a page, by reason",
            metrics.errors.clone(),
        );
        registry.register(
            "waku_service_requests",
            "Requests of peers to services, by what became of them",
            metrics.requests.clone(),
        );
        registry.register(
            "waku_service_network_bytes",
            "Bytes of requests to services and of their answers",
            metrics.bytes.clone(),
        );
        registry.register(
            "waku_service_request_handling_duration_seconds",
            "Time from a request to the end of its answer",
            metrics.handling.clone(),
        );
        registry.register(
            "waku_store_time_seconds",
            "Time of the last query, by phase",
            metrics.phases.clone(),
        );
        registry.register(
            "weir_store_requests",
            "Store requests of peers, by their end",
            metrics.ended.clone(),
        );
        registry.register(
            "weir_store_waiting",
            "Store requests that wait for a reader",
            metrics.waiting.clone(),
        );
        registry.register("weir_store_running", "Store queries under way", metrics.running.clone());
        registry.register(
            "weir_store_query_seconds",
            "Time from a reader's turn to the encoded page",
            metrics.query_seconds.clone(),
        );
        registry.register(
            "weir_store_sending_seconds",
            "Time from a page to the end of its way into the stream",
            metrics.sending_seconds.clone(),
        );
        metrics
    }

    /// Counts a request of so many bytes.
    pub(crate) fn requested(&self, bytes: usize) {
        self.queries.inc();
        self.carried("in", bytes);
    }

    /// Counts an answer with a page.
    pub(crate) fn served(&self) {
        self.state("served").inc();
    }

    /// Counts an answer without one.
    pub(crate) fn refused(&self, refused: &Refused) {
        self.errors.get_or_create(&TypeLabel { r#type: Word(refused.into()) }).inc();
        self.state("rejected").inc();
    }

    /// Counts the bytes of an answer.
    pub(crate) fn sent(&self, bytes: usize) {
        self.carried("out", bytes);
    }

    /// Counts the end of a request, after `took`.
    pub(crate) fn ended(&self, sent: bool, took: Duration) {
        let outcome = Word(if sent { "answered" } else { "abandoned" });
        self.ended.get_or_create(&OutcomeLabel { outcome }).inc();
        if sent {
            self.handling.get_or_create(&ServiceLabel { service: SERVICE }).observe(took.as_secs_f64());
        }
    }

    /// Counts a query that the archive answered.
    pub(crate) fn query_took(&self, took: Duration) {
        self.query_seconds.observe(took.as_secs_f64());
        self.phase("query-db-time", took);
    }

    /// Counts a page that was sent to its end.
    pub(crate) fn sending_took(&self, took: Duration) {
        self.sending_seconds.observe(took.as_secs_f64());
        self.phase("send-store-resp-time", took);
    }

    /// Tells how many requests wait and run.
    pub(crate) fn load(&self, waiting: usize, running: usize) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.waiting.set(count(waiting));
        self.running.set(count(running));
    }

    fn state(&self, state: &'static str) -> Counter {
        self.requests.get_or_create(&ServiceStateLabel { service: SERVICE, state: Word(state) }).clone()
    }

    fn carried(&self, direction: &'static str, bytes: usize) {
        let label = ServiceDirectionLabel { service: SERVICE, direction: Word(direction) };
        self.bytes.get_or_create(&label).inc_by(bytes as u64);
    }

    fn phase(&self, phase: &'static str, took: Duration) {
        self.phases.get_or_create(&PhaseLabel { phase: Word(phase) }).set(took.as_secs_f64());
    }
}
