//! What being a filter client counts.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use weir_core::filter::{Answer, Status};

use super::{OutcomeLabel, TypeLabel, Word};
use crate::filter_client::FilterError;

/// How the filter client fares. Registered by a node that is one.
#[derive(Debug, Clone)]
pub(crate) struct FilterClientMetrics {
    peers: Gauge,
    pushed: Family<OutcomeLabel, Counter>,
    errors: Family<TypeLabel, Counter>,
}

impl FilterClientMetrics {
    /// Makes the instruments and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { peers: Gauge::default(), pushed: Family::default(), errors: Family::default() };
        registry.register(
            "weir_filter_client_peers",
            "Services at which this node has filter subscriptions",
            metrics.peers.clone(),
        );
        registry.register(
            "weir_filter_client_pushed",
            "Messages that peers pushed to this node",
            metrics.pushed.clone(),
        );
        registry.register(
            "weir_filter_client_errors",
            "Own filter requests without success, by nwaku's names of the reasons",
            metrics.errors.clone(),
        );
        metrics
    }

    /// Tells at how many peers there are subscriptions.
    pub(crate) fn subscribed(&self, peers: usize) {
        self.peers.set(i64::try_from(peers).unwrap_or(i64::MAX));
    }

    /// Counts a message that a peer pushed.
    pub(crate) fn pushed(&self, expected: bool) {
        let outcome = Word(if expected { "taken" } else { "unasked" });
        self.pushed.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a message that found no room on its way to the client.
    pub(crate) fn missed(&self) {
        self.pushed.get_or_create(&OutcomeLabel { outcome: Word("missed") }).inc();
    }

    /// Counts the outcome of a request, unless it is a yes.
    pub(crate) fn answered(&self, outcome: &Result<Answer, FilterError>) {
        let kind = match outcome {
            Ok(answer) if answer.status == Status::Ok => return,
            Ok(_) => "error_response",
            Err(FilterError::Timeout) => "timeout",
            Err(FilterError::Unreadable(why)) if why == "request_id_mismatch" => "request_id_mismatch",
            Err(FilterError::Unreadable(_)) => "decode_rpc_failure",
            Err(_) => "dial_failure",
        };
        self.errors.get_or_create(&TypeLabel { r#type: Word(kind) }).inc();
    }
}
