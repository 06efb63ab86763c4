//! The findings, as text and as JSON.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;

use super::{
    Mode,
    counters::Counters,
    drive::Plan,
    tally::{Delivered, Tally, percentile},
};

/// Everything one call found out.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The spawned nodes before any load, the publisher first; empty for nodes that ran already.
    pub nodes: Vec<NodeCost>,
    /// One entry a run.
    pub runs: Vec<RunReport>,
}

/// What one node uses.
#[derive(Debug, Clone, Serialize)]
pub struct NodeCost {
    /// From process start to the first REST answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_ms: Option<f64>,
    /// Memory in RAM, KiB.
    pub rss_kib: u64,
    /// Most memory in RAM so far, KiB.
    pub peak_rss_kib: u64,
    /// CPU time: since its start, or in the run.
    pub cpu_ms: f64,
    /// CPU time a message that was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us_per_message: Option<f64>,
}

/// The findings of one run.
#[derive(Debug, Serialize)]
pub struct RunReport {
    /// `latency` or `throughput`.
    pub mode: &'static str,
    /// Bytes of a payload.
    pub size: usize,
    /// Publishing connections.
    pub connections: usize,
    /// Messages a second asked for; none is as fast as the answers came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_rate: Option<f64>,
    /// Messages given to the publisher.
    pub sent: u64,
    /// Answered with 200.
    pub accepted: u64,
    /// Answered otherwise, by status: 429 is the quota, 503 overload.
    pub refused: BTreeMap<u16, u64>,
    /// Not answered.
    pub failed: u64,
    /// Accepted messages a second, from the first publish to the last answer.
    pub accepted_per_second: f64,
    /// From the publish request to its answer.
    pub answer: Option<Times>,
    /// What each receiver got.
    pub receivers: Vec<ReceiverReport>,
    /// What the run cost the spawned nodes, the publisher first; for receivers, polls included.
    pub nodes: Vec<NodeCost>,
    /// CPU time of the load generator.
    pub generator_cpu_ms: f64,
    /// What was added to the nodes' counters, one entry a metrics page.
    pub counters: Vec<Counters>,
}

/// What one receiver got.
#[derive(Debug, Serialize)]
pub struct ReceiverReport {
    /// Its REST URL.
    pub url: String,
    /// Different messages.
    pub received: u64,
    /// Accepted by the publisher and not received.
    pub lost: u64,
    /// Copies beyond the first.
    pub duplicates: u64,
    /// Received although the publisher had not said 200.
    pub unaccepted: u64,
    /// Messages a second, from the first publish to the last arrival.
    pub received_per_second: f64,
    /// From the publish request to the poll that returned the message.
    pub latency: Option<Times>,
}

/// A distribution of times, ms. A percentile is the nearest rank, so a time that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Times {
    /// How many times it is of.
    pub count: usize,
    /// Median.
    pub p50_ms: f64,
    /// 90 of 100 are below.
    pub p90_ms: f64,
    /// 99 of 100 are below.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl RunReport {
    pub(crate) fn new(
        mode: Mode,
        plan: &Plan,
        tally: &Tally,
        receivers: &[String],
        generator_cpu: Duration,
        nodes: Vec<NodeCost>,
        counters: Vec<Counters>,
    ) -> Self {
        let one_at_a_time = mode == Mode::Latency;
        let receivers = receivers.iter().enumerate();
        Self {
            mode: if one_at_a_time { "latency" } else { "throughput" },
            size: plan.size,
            connections: if one_at_a_time { 1 } else { plan.connections },
            target_rate: if one_at_a_time { None } else { plan.rate },
            sent: tally.sent(),
            accepted: tally.accepted(),
            refused: tally.refused(),
            failed: tally.failed(),
            accepted_per_second: per_second(tally.accepted(), tally.publish_span()),
            answer: Times::of(tally.answer_times().to_vec()),
            receivers: receivers
                .map(|(index, url)| ReceiverReport::new(url, tally.delivered(index)))
                .collect(),
            nodes,
            generator_cpu_ms: ms(generator_cpu),
            counters,
        }
    }
}

impl ReceiverReport {
    fn new(url: &str, delivered: Delivered) -> Self {
        Self {
            url: url.to_owned(),
            received: delivered.received,
            lost: delivered.lost,
            duplicates: delivered.duplicates,
            unaccepted: delivered.unaccepted,
            received_per_second: per_second(delivered.received, delivered.span),
            latency: Times::of(delivered.latencies),
        }
    }
}

impl Times {
    pub(crate) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        Some(Self {
            count: times.len(),
            p50_ms: ms(percentile(&times, 0.5)?),
            p90_ms: ms(percentile(&times, 0.9)?),
            p99_ms: ms(percentile(&times, 0.99)?),
            max_ms: ms(percentile(&times, 1.0)?),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, node) in self.nodes.iter().enumerate() {
            writeln!(f, "node {index} idle   {node}")?;
        }
        self.runs.iter().try_for_each(|run| write!(f, "{run}"))
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{} of {} B payloads, {} connection(s)", self.mode, self.size, self.connections)?;
        match self.target_rate {
            Some(rate) => writeln!(f, ", {rate} messages/s asked for")?,
            None => writeln!(f)?,
        }
        write!(f, "  sent {}, accepted {}", self.sent, self.accepted)?;
        for (status, count) in &self.refused {
            write!(f, ", refused with {status}: {count}")?;
        }
        writeln!(f, ", unanswered {}; {:.1} accepted/s", self.failed, self.accepted_per_second)?;
        if let Some(answer) = &self.answer {
            writeln!(f, "  answer             {answer}")?;
        }
        for receiver in &self.receivers {
            write!(f, "{receiver}")?;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            writeln!(f, "  node {index} in the run  {node}")?;
        }
        writeln!(f, "  this generator     {:.0} ms CPU", self.generator_cpu_ms)?;
        for (page, counters) in self.counters.iter().enumerate() {
            for (series, added) in counters {
                writeln!(f, "  counters of {page}: {series} +{added}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ReceiverReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {}  received {}, lost {}, duplicates {}, unaccepted {}; {:.1}/s",
            self.url, self.received, self.lost, self.duplicates, self.unaccepted, self.received_per_second
        )?;
        match &self.latency {
            Some(latency) => writeln!(f, "  publish to receive {latency}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for NodeCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ready) = self.ready_ms {
            write!(f, "ready after {ready:.0} ms, ")?;
        }
        write!(f, "{:.1} MiB RSS, {:.1} at most, ", mib(self.rss_kib), mib(self.peak_rss_kib))?;
        write!(f, "{:.0} ms CPU", self.cpu_ms)?;
        match self.cpu_us_per_message {
            Some(cost) => write!(f, ", {cost:.0} us a message"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.2} ms, p90 {:.2}, p99 {:.2}, max {:.2}",
            self.p50_ms, self.p90_ms, self.p99_ms, self.max_ms
        )
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn per_second(count: u64, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { count as f64 / span.as_secs_f64() }
}
