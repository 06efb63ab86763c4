//! What light push counts, as a service and as a client; the names without `weir` are nwaku's.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use weir_core::lightpush::Status;
use weir_net::Service;
use weir_protocols::lightpush::Judgement;

use super::{OutcomeLabel, ServiceMetrics, TypeLabel, Word};

/// How light push fares.
#[derive(Debug, Clone)]
pub(crate) struct LightPushMetrics {
    messages: Family<TypeLabel, Counter>,
    errors: Family<TypeLabel, Counter>,
    legacy_messages: Family<TypeLabel, Counter>,
    legacy_errors: Family<TypeLabel, Counter>,
    pushes: Family<OutcomeLabel, Counter>,
    service: ServiceMetrics,
}

/// nwaku's only kind.
const PUSH_REQUEST: TypeLabel = TypeLabel { r#type: Word("PushRequest") };

impl LightPushMetrics {
    /// Makes the instruments and registers them.
    pub(crate) fn register(registry: &mut Registry, service: ServiceMetrics) -> Self {
        let metrics = Self {
            messages: Family::default(),
            errors: Family::default(),
            legacy_messages: Family::default(),
            legacy_errors: Family::default(),
            pushes: Family::default(),
            service,
        };
        for (name, help, family) in [
            ("waku_lightpush_v3_messages", "Requests of version 3", &metrics.messages),
            (
                "waku_lightpush_v3_errors",
                "Requests of version 3 that were refused, by status",
                &metrics.errors,
            ),
            ("waku_lightpush_messages", "Requests of version 2", &metrics.legacy_messages),
            (
                "waku_lightpush_errors",
                "Requests of version 2 that were refused, by status",
                &metrics.legacy_errors,
            ),
        ] {
            registry.register(name, help, family.clone());
        }
        registry.register(
            "weir_lightpush_pushes",
            "Messages that other nodes were asked to publish, by what their answer means",
            metrics.pushes.clone(),
        );
        metrics
    }

    /// Counts a request of so many bytes.
    pub(crate) fn requested(&self, service: Service, bytes: usize) {
        self.of(service).0.get_or_create(&PUSH_REQUEST).inc();
        self.service.received(service, bytes);
    }

    /// Counts an answer of so many bytes.
    pub(crate) fn answered(&self, service: Service, status: Status, bytes: usize) {
        if status == Status::Success {
            self.service.served(service);
        } else {
            self.of(service).1.get_or_create(&TypeLabel { r#type: Word(status.name()) }).inc();
            self.service.rejected(service);
        }
        self.service.sent(service, bytes);
    }

    /// Counts an answer that was written to its end so long after its request.
    pub(crate) fn sent(&self, service: Service, took: Duration) {
        self.service.took(service, took);
    }

    /// Counts what came of asking another node.
    pub(crate) fn pushed(&self, judgement: Judgement) {
        let outcome = Word(match judgement {
            Judgement::Propagated => "propagated",
            Judgement::Failed { class, .. } => class.into(),
        });
        self.pushes.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    const fn of(&self, service: Service) -> (&Family<TypeLabel, Counter>, &Family<TypeLabel, Counter>) {
        match service {
            Service::LegacyLightPush => (&self.legacy_messages, &self.legacy_errors),
            _ => (&self.messages, &self.errors),
        }
    }
}
