//! What a node without relay counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use weir_protocols::{edge::Event, health::ConnectionStatus};

/// How sending and receiving without relay fares.
#[derive(Debug, Clone)]
pub(crate) struct EdgeMetrics {
    events: Family<EventLabel, Counter>,
    sending: Gauge,
    unconfirmed: Gauge,
    connection: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabel {
    event: &'static str,
}

impl EdgeMetrics {
    /// Makes the instruments and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            events: Family::default(),
            sending: Gauge::default(),
            unconfirmed: Gauge::default(),
            connection: Gauge::default(),
        };
        registry.register(
            "weir_edge_events",
            "What a node without relay told those who use it, by event",
            metrics.events.clone(),
        );
        registry.register("weir_edge_sends", "Messages being sent", metrics.sending.clone());
        registry.register(
            "weir_edge_unconfirmed",
            "Messages that went out and that no store confirmed",
            metrics.unconfirmed.clone(),
        );
        registry.register(
            "weir_edge_connection",
            "0 disconnected, 1 partially connected, 2 connected",
            metrics.connection.clone(),
        );
        metrics
    }

    /// Counts an event.
    pub(crate) fn told(&self, event: &Event) {
        let name = match event {
            Event::Propagated { .. } => "propagated",
            Event::Sent { .. } => "sent",
            Event::Error { .. } => "error",
            Event::Received { .. } => "received",
            Event::ContentTopicHealth { .. } => "content_topic_health",
            Event::ConnectionStatus(status) => {
                self.connection.set(match status {
                    ConnectionStatus::Disconnected => 0,
                    ConnectionStatus::PartiallyConnected => 1,
                    ConnectionStatus::Connected => 2,
                });
                "connection_status"
            }
        };
        self.events.get_or_create(&EventLabel { event: name }).inc();
    }

    /// What is being sent, and what was given up without a confirmation.
    pub(crate) fn sending(&self, under_way: usize, unconfirmed: u64) {
        self.sending.set(i64::try_from(under_way).unwrap_or(i64::MAX));
        self.unconfirmed.set(i64::try_from(unconfirmed).unwrap_or(i64::MAX));
    }
}
