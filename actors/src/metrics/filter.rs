//! What serving filter counts.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use weir_core::filter::{Answer, BadRequest, Request, Status};
use weir_net::{Frame, Service};
use weir_protocols::filter::{Counters, Server};

use super::{ReasonLabel, ServiceMetrics, TypeLabel, Word, counter};

/// How the filter server fares. Registered by a node that serves filter.
#[derive(Debug, Clone)]
pub(crate) struct FilterMetrics {
    requests: Family<TypeLabel, Counter>,
    errors: Family<TypeLabel, Counter>,
    service: ServiceMetrics,
    subscriptions: Gauge,
    criteria: Gauge,
    held_bytes: Gauge,
    request_seconds: Family<TypeLabel, Histogram>,
    fan_out_seconds: Histogram,
    pushes: Counter,
    duplicates: Counter,
    dropped: Family<ReasonLabel, Counter>,
    resets: Family<ReasonLabel, Counter>,
    removed: Family<ReasonLabel, Counter>,
    /// What of the counters of the server has been told.
    told: Arc<Mutex<Counters>>,
}

impl FilterMetrics {
    /// Makes the instruments and registers them.
    pub(crate) fn register(registry: &mut Registry, service: ServiceMetrics) -> Self {
        // From 10 µs, a request, to 0.3 s: a fan-out to as many clients as a machine carries.
        let seconds = || Histogram::new(exponential_buckets(0.00001, 2.0, 16));
        let metrics = Self {
            requests: Family::default(),
            errors: Family::default(),
            service,
            subscriptions: Gauge::default(),
            criteria: Gauge::default(),
            held_bytes: Gauge::default(),
            request_seconds: Family::new_with_constructor(seconds),
            fan_out_seconds: seconds(),
            pushes: counter(registry, "weir_filter_pushes", "Messages handed over for a filter client"),
            duplicates: counter(registry, "weir_filter_duplicates", "Messages that had been pushed already"),
            dropped: Family::default(),
            resets: Family::default(),
            removed: Family::default(),
            told: Arc::default(),
        };
        registry.register(
            "waku_filter_requests",
            "Filter requests of peers, by kind",
            metrics.requests.clone(),
        );
        registry.register(
            "waku_filter_errors",
            "Filter requests and pushes that failed, by reason",
            metrics.errors.clone(),
        );
        registry.register(
            "waku_filter_subscriptions",
            "Peers with filter subscriptions",
            metrics.subscriptions.clone(),
        );
        registry.register(
            "waku_filter_request_duration_seconds",
            "Time a filter request takes, by kind",
            metrics.request_seconds.clone(),
        );
        registry.register(
            "waku_filter_handle_message_duration_seconds",
            "Time it takes to hand a message over for all filter clients that want it",
            metrics.fan_out_seconds.clone(),
        );
        registry.register(
            "weir_filter_criteria",
            "Pairs of topics that filter clients subscribe to",
            metrics.criteria.clone(),
        );
        registry.register(
            "weir_filter_held_bytes",
            "Bytes of messages that wait for filter clients",
            metrics.held_bytes.clone(),
        );
        registry.register(
            "weir_filter_push_dropped",
            "Messages that a filter client did not get, by reason",
            metrics.dropped.clone(),
        );
        registry.register(
            "weir_filter_stream_resets",
            "Push streams given up because their client did not read, by reason",
            metrics.resets.clone(),
        );
        registry.register(
            "weir_filter_removed",
            "Filter clients removed without their asking, by reason",
            metrics.removed.clone(),
        );
        metrics
    }

    /// Counts the bytes of a request.
    pub(crate) fn received(&self, bytes: usize) {
        self.service.received(Service::Filter, bytes);
    }

    /// Counts a request, and names its kind.
    pub(crate) fn requested(&self, asked: &Result<Request, BadRequest>) -> &'static str {
        let kind = match asked {
            Ok(Request::Ping) => "SUBSCRIBER_PING",
            Ok(Request::Subscribe(_)) => "SUBSCRIBE",
            Ok(Request::Unsubscribe(_)) => "UNSUBSCRIBE",
            Ok(Request::UnsubscribeAll) => "UNSUBSCRIBE_ALL",
            Err(_) => "INVALID",
        };
        self.requests.get_or_create(&TypeLabel { r#type: Word(kind) }).inc();
        kind
    }

    /// Counts a request of a kind that was dealt with.
    pub(crate) fn request_took(&self, kind: &'static str, took: Duration) {
        self.request_seconds.get_or_create(&TypeLabel { r#type: Word(kind) }).observe(took.as_secs_f64());
    }

    /// Counts what a request was answered; none is for what was no request.
    pub(crate) fn answered(&self, answer: Option<&Answer>, frame: Option<&Frame>) {
        match answer {
            Some(Answer { status: Status::Ok, .. }) => self.service.served(Service::Filter),
            _ => self.service.rejected(Service::Filter),
        }
        self.service.sent(Service::Filter, frame.map_or(0, Frame::size));
    }

    /// Counts bytes that are no request.
    pub(crate) fn undecodable(&self) {
        self.error("decode_rpc_failure", 1);
    }

    /// Counts a message that was handed over to those that want it.
    pub(crate) fn fan_out_took(&self, took: Duration) {
        self.fan_out_seconds.observe(took.as_secs_f64());
    }

    /// Counts a message that found no room on its way to the server.
    pub(crate) fn missed(&self) {
        self.dropped.get_or_create(&ReasonLabel { reason: Word("busy") }).inc();
    }

    /// Tells what there is, and what happened since this was told last.
    pub(crate) fn show(&self, server: &Server) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.subscriptions.set(count(server.clients()));
        self.criteria.set(count(server.criteria()));
        self.held_bytes.set(count(server.held_bytes()));
        let now = server.counters();
        // Numbers that are whole at any time.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told == now {
            return;
        }
        // A server that was made anew counts from zero.
        let new = |of: fn(&Counters) -> u64| of(&now).checked_sub(of(&told)).unwrap_or_else(|| of(&now));
        self.pushes.inc_by(new(|all| all.pushes));
        self.duplicates.inc_by(new(|all| all.duplicates));
        self.error("push_timeout_failure", new(|all| all.timeouts));
        for (reason, count) in [
            ("full", new(|all| all.dropped_full)),
            ("absent", new(|all| all.dropped_absent)),
            ("lost", new(|all| all.lost)),
        ] {
            moved(&self.dropped, reason, count);
        }
        for (reason, count) in [("stuck", new(|all| all.timeouts)), ("room", new(|all| all.evictions))] {
            moved(&self.resets, reason, count);
        }
        for (reason, count) in [
            ("lapsed", new(|all| all.removed_lapsed)),
            ("failing", new(|all| all.removed_failing)),
            ("unreachable", new(|all| all.removed_unreachable)),
        ] {
            moved(&self.removed, reason, count);
        }
        *told = now;
    }

    fn error(&self, kind: &'static str, count: u64) {
        if count > 0 {
            self.errors.get_or_create(&TypeLabel { r#type: Word(kind) }).inc_by(count);
        }
    }
}

fn moved(family: &Family<ReasonLabel, Counter>, reason: &'static str, count: u64) {
    if count > 0 {
        family.get_or_create(&ReasonLabel { reason: Word(reason) }).inc_by(count);
    }
}
