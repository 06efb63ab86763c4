//! What every service counts, under nwaku's names; a service is called by its protocol.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use weir_net::Service;

use super::{ServiceLabel, Word};

/// How requests of peers fare, by service.
#[derive(Debug, Clone)]
pub(crate) struct ServiceMetrics {
    requests: Family<ServiceStateLabel, Counter>,
    bytes: Family<ServiceDirectionLabel, Counter>,
    handling: Family<ServiceLabel, Histogram>,
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

impl ServiceMetrics {
    /// Makes the instruments and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            bytes: Family::default(),
            // nwaku's buckets of 0.005 to 30 s.
            handling: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.4, 11))),
        };
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
        metrics
    }

    /// Counts the bytes of a request.
    pub(crate) fn received(&self, service: Service, bytes: usize) {
        self.carried(service, "in", bytes);
    }

    /// Counts the bytes of an answer.
    pub(crate) fn sent(&self, service: Service, bytes: usize) {
        self.carried(service, "out", bytes);
    }

    /// Counts a request that got what it asked for.
    pub(crate) fn served(&self, service: Service) {
        self.state(service, "served");
    }

    /// Counts a request that did not.
    pub(crate) fn rejected(&self, service: Service) {
        self.state(service, "rejected");
    }

    /// Counts an answer that was written to its end so long after its request.
    pub(crate) fn took(&self, service: Service, took: Duration) {
        let label = ServiceLabel::new(service);
        self.handling.get_or_create(&label).observe(took.as_secs_f64());
    }

    fn state(&self, service: Service, state: &'static str) {
        let label = ServiceStateLabel { service: Word(service.protocol()), state: Word(state) };
        self.requests.get_or_create(&label).inc();
    }

    fn carried(&self, service: Service, direction: &'static str, bytes: usize) {
        let label = ServiceDirectionLabel { service: Word(service.protocol()), direction: Word(direction) };
        self.bytes.get_or_create(&label).inc_by(bytes as u64);
    }
}
