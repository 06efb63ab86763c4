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
use weir_net::Service;
use weir_protocols::store::Refused;

use super::{OutcomeLabel, ServiceMetrics, TypeLabel, Word, counter};

/// How the store server fares. Registered by a node that serves store.
#[derive(Debug, Clone)]
pub(crate) struct StoreMetrics {
    queries: Counter,
    errors: Family<TypeLabel, Counter>,
    service: ServiceMetrics,
    phases: Family<PhaseLabel, Gauge<f64, std::sync::atomic::AtomicU64>>,
    ended: Family<OutcomeLabel, Counter>,
    waiting: Gauge,
    running: Gauge,
    query_seconds: Histogram,
    sending_seconds: Histogram,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: Word,
}

impl StoreMetrics {
    /// Makes the instruments and registers them.
    pub(crate) fn register(registry: &mut Registry, service: ServiceMetrics) -> Self {
        // From 0.1 ms, less than a page from memory takes, to 3.3 s.
        let seconds = || Histogram::new(exponential_buckets(0.0001, 2.0, 16));
        let metrics = Self {
            queries: counter(registry, "waku_store_queries", "Store requests of peers"),
            errors: Family::default(),
            service,
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
        self.service.received(Service::Store, bytes);
    }

    /// Counts an answer with a page.
    pub(crate) fn served(&self) {
        self.service.served(Service::Store);
    }

    /// Counts an answer without one.
    pub(crate) fn refused(&self, refused: &Refused) {
        self.errors.get_or_create(&TypeLabel { r#type: Word(refused.into()) }).inc();
        self.service.rejected(Service::Store);
    }

    /// Counts the bytes of an answer.
    pub(crate) fn sent(&self, bytes: usize) {
        self.service.sent(Service::Store, bytes);
    }

    /// Counts the end of a request, after `took`.
    pub(crate) fn ended(&self, sent: bool, took: Duration) {
        let outcome = Word(if sent { "answered" } else { "abandoned" });
        self.ended.get_or_create(&OutcomeLabel { outcome }).inc();
        if sent {
            self.service.took(Service::Store, took);
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

    fn phase(&self, phase: &'static str, took: Duration) {
        self.phases.get_or_create(&PhaseLabel { phase: Word(phase) }).set(took.as_secs_f64());
    }
}
