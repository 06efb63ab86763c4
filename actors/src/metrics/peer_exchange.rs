//! What peer exchange counts, as a service and as a client; the names are nwaku's.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use weir_core::peer_exchange::{Answer, Status};
use weir_net::Service;
use weir_protocols::service_peers::RequestFailure;

use super::{ServiceMetrics, TypeLabel, Word, counter};

/// How peer exchange fares.
#[derive(Debug, Clone)]
pub(crate) struct PeerExchangeMetrics {
    sent: Counter,
    errors: Family<TypeLabel, Counter>,
    client_errors: Family<TypeLabel, Counter>,
    received: Gauge,
    unknown: Gauge,
    service: ServiceMetrics,
}

const SERVICE: Service = Service::PeerExchange;

impl PeerExchangeMetrics {
    /// Makes the instruments and registers them.
    pub(crate) fn register(registry: &mut Registry, service: ServiceMetrics) -> Self {
        let metrics = Self {
            sent: counter(registry, "waku_px_peers_sent", "Records told to peers"),
            errors: Family::default(),
            client_errors: Family::default(),
            received: Gauge::default(),
            unknown: Gauge::default(),
            service,
        };
        registry.register("waku_px_errors", "Requests that were refused, by reason", metrics.errors.clone());
        registry.register(
            "waku_px_client_errors",
            "Questions to peers without records, by reason",
            metrics.client_errors.clone(),
        );
        registry.register(
            "waku_px_peers_received_total",
            "Records in the last answer that hold and are of the cluster",
            metrics.received.clone(),
        );
        registry.register(
            "waku_px_peers_received_unknown",
            "Of these, those that brought something new",
            metrics.unknown.clone(),
        );
        metrics
    }

    /// Counts a request of so many bytes.
    pub(crate) fn requested(&self, bytes: usize) {
        self.service.received(SERVICE, bytes);
    }

    /// Counts an answer of so many bytes.
    pub(crate) fn answered(&self, answer: &Answer, bytes: usize) {
        if answer.status == Status::Success {
            self.sent.inc_by(answer.records.len() as u64);
            self.service.served(SERVICE);
        } else {
            self.errors.get_or_create(&of_status(answer.status)).inc();
            self.service.rejected(SERVICE);
        }
        self.service.sent(SERVICE, bytes);
    }

    /// Counts an answer that was written to its end so long after its request.
    pub(crate) fn sent(&self, took: Duration) {
        self.service.took(SERVICE, took);
    }

    /// Counts a record that a peer told and that is none.
    pub(crate) fn not_a_record(&self) {
        self.client_errors.get_or_create(&TypeLabel { r#type: Word("invalid_record") }).inc();
    }

    /// Tells how many records an answer had, and how many of them were new.
    pub(crate) fn learned(&self, received: i64, new: i64) {
        self.received.set(received);
        self.unknown.set(new);
    }

    /// Counts a peer that did not want to answer.
    pub(crate) fn refused_by_peer(&self, status: Status) {
        self.client_errors.get_or_create(&of_status(status)).inc();
    }

    /// Counts a peer that did not answer.
    pub(crate) fn failed(&self, failure: RequestFailure) {
        self.client_errors.get_or_create(&TypeLabel { r#type: Word(failure.into()) }).inc();
    }
}

const fn of_status(status: Status) -> TypeLabel {
    let word = match status {
        Status::Success => "success",
        Status::BadRequest => "bad_request",
        Status::TooManyRequests => "too_many_requests",
        Status::ServiceUnavailable => "service_unavailable",
        Status::Other(_) => "other",
    };
    TypeLabel { r#type: Word(word) }
}
