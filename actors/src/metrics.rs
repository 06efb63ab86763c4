//! What the actors count.
//!
//! Names are `weir_<area>_<thing>`; where operators' dashboards expect nwaku's `waku_` name, that one
//! is exported too and moves at the same moment. `prometheus-client` appends `_total` to counters.

use std::sync::Arc;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use strum::VariantArray;
use weir_protocols::relay::{Accepted, IgnoreReason, PublishError, Published, RejectReason, Verdict};
use weir_rln::{FastPath, Prover, Verifier};

mod archive;
mod edge;
mod filter;
mod filter_client;
mod lightpush;
mod peer_exchange;
mod service;
mod store;

pub(crate) use archive::{ArchiveMetrics, Loss, QueryKind, word_of};
pub(crate) use edge::EdgeMetrics;
pub(crate) use filter::FilterMetrics;
pub(crate) use filter_client::FilterClientMetrics;
pub(crate) use lightpush::LightPushMetrics;
pub(crate) use peer_exchange::PeerExchangeMetrics;
pub(crate) use service::ServiceMetrics;
pub(crate) use store::StoreMetrics;

/// Everything the actors count, registered once.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) network: NetworkMetrics,
    pub(crate) service: ServiceMetrics,
    pub(crate) relay: RelayMetrics,
    pub(crate) proofs: ProofMetrics,
    pub(crate) membership: MembershipMetrics,
    pub(crate) journal: JournalMetrics,
    pub(crate) faults: Family<ActorLabel, Counter>,
}

/// One label with a value from a fixed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ActorLabel {
    actor: Word,
}

impl ActorLabel {
    pub(crate) const fn new(actor: &'static str) -> Self {
        Self { actor: Word(actor) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct VerdictLabel {
    verdict: Word,
    reason: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TypeLabel {
    r#type: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OutcomeLabel {
    outcome: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ServiceLabel {
    service: Word,
}

impl ServiceLabel {
    /// By the service's protocol, as nwaku does.
    pub(crate) const fn new(service: weir_net::Service) -> Self {
        Self { service: Word(service.protocol()) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ShardLabel {
    shard: u16,
}

/// Counters of the network actor.
#[derive(Debug, Clone)]
pub(crate) struct NetworkMetrics {
    /// Moves when a message from a peer finds no relay to judge it.
    pub(crate) gossip_refused: Counter,
    /// Moves when the peer manager does not take an event.
    pub(crate) peer_events_lost: Counter,
    /// Moves by the bytes of each answer of another node.
    pub(crate) answer_bytes: Family<ServiceLabel, Counter>,
}

/// Counters of the relay actor.
#[derive(Debug, Clone)]
pub(crate) struct RelayMetrics {
    verdicts: Family<VerdictLabel, Counter>,
    publishes: Family<OutcomeLabel, Counter>,
    node_messages: Family<TypeLabel, Counter>,
    message_size_kb: Histogram,
    rln_messages: Counter,
    rln_spam: Counter,
    rln_invalid: Family<TypeLabel, Counter>,
    rln_valid: Family<ShardLabel, Counter>,
    /// Moves when the network is being rebuilt and does not take a publish or a verdict.
    pub(crate) network_refused: Counter,
    /// Moves when the journal does not take a record.
    pub(crate) journal_refused: Counter,
    /// Moves for each proof that a pool that is gone did not take.
    pub(crate) proofs_refused: Counter,
    /// Messages whose verdict is outstanding.
    pub(crate) under_way: Gauge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierLabel {
    tier: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabel {
    path: Word,
}

/// Reads how often the RLN engines gave up a fast path whenever the metrics are asked for.
#[derive(Debug)]
pub(crate) struct Fallbacks {
    pub(crate) verifier: Arc<Verifier>,
    /// Of a node that publishes.
    pub(crate) prover: Option<Prover>,
}

impl Collector for Fallbacks {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Times an RLN engine's fast path was given up for the slow one";
        let mut family = encoder.encode_descriptor("weir_rln_fallback", help, None, MetricType::Counter)?;
        for &path in FastPath::VARIANTS {
            let of_prover = self.prover.as_ref().map_or(0, |prover| prover.health().fallbacks(path));
            let count = ConstCounter::new(self.verifier.health().fallbacks(path) + of_prover);
            count.encode(family.encode_family(&PathLabel { path: Word(path.into()) })?)?;
        }
        Ok(())
    }
}

/// How much of a proof was done in advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum ProofTier {
    /// What depends on the member alone.
    Member,
    /// All but what depends on the signal.
    Slot,
}

/// How proofs are checked and made.
#[derive(Debug, Clone)]
pub(crate) struct ProofMetrics {
    /// Seconds of each check, of one proof or of a batch, in the thread that did it.
    pub(crate) verification: Histogram,
    /// Proofs of each check.
    pub(crate) batch_size: Histogram,
    /// Seconds from the relay's question to the outcome, of each proof that was checked.
    pub(crate) delay: Histogram,
    /// Proofs that wait to be checked.
    pub(crate) queue_depth: Gauge,
    shed: Family<ReasonLabel, Counter>,
    made: Family<TierLabel, Counter>,
    /// Slots that wait for their message.
    pub(crate) slots_ready: Gauge,
    /// Seconds from taking a job to its proof, the reservation of the message id included.
    pub(crate) generation: Histogram,
}

/// State of the group.
#[derive(Debug, Clone)]
pub(crate) struct MembershipMetrics {
    /// Members in the tree.
    pub(crate) members: Gauge,
    /// Moves at each poll that fails.
    pub(crate) ledger_errors: Counter,
}

/// Counters of the journal.
#[derive(Debug, Clone)]
pub(crate) struct JournalMetrics {
    /// Moves when an evidence record is on disk.
    pub(crate) evidence_written: Counter,
    /// Moves at each failed write.
    pub(crate) write_errors: Counter,
    /// Moves for each nullifier given up because the disk stayed full or the journal died.
    pub(crate) nullifiers_lost: Counter,
    /// Moves for each evidence record given up because the disk stayed full or the journal died.
    pub(crate) evidence_lost: Counter,
    /// Moves for each peer not kept because too many wait to be written.
    pub(crate) peers_lost: Counter,
}

impl Metrics {
    /// Makes the instruments and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let faults = Family::default();
        registry.register("weir_actor_faults", "Actors that ended and were rebuilt", faults.clone());
        let version = Family::<VersionLabel, Gauge>::default();
        version.get_or_create(&VersionLabel { version: Word(env!("CARGO_PKG_VERSION")) }).set(1);
        registry.register("waku_version", "1, with the node's version as label", version);
        let proofs = ProofMetrics::register(registry);
        Self {
            network: NetworkMetrics::register(registry),
            service: ServiceMetrics::register(registry),
            relay: RelayMetrics::register(registry, &proofs),
            proofs,
            membership: MembershipMetrics::register(registry),
            journal: JournalMetrics::register(registry),
            faults,
        }
    }
}

impl NetworkMetrics {
    fn register(registry: &mut Registry) -> Self {
        let answer_bytes = Family::default();
        registry.register(
            "weir_network_answer_bytes",
            "Bytes of answers of other nodes, by service",
            answer_bytes.clone(),
        );
        Self {
            answer_bytes,
            gossip_refused: counter(
                registry,
                "weir_network_gossip_refused",
                "Messages ignored because the relay was being rebuilt",
            ),
            peer_events_lost: counter(
                registry,
                "weir_network_peer_events_lost",
                "Events the peer manager did not take",
            ),
        }
    }
}

impl RelayMetrics {
    fn register(registry: &mut Registry, proofs: &ProofMetrics) -> Self {
        let metrics = Self {
            verdicts: Family::default(),
            publishes: Family::default(),
            node_messages: Family::default(),
            message_size_kb: Histogram::new([
                0.0, 1.0, 3.0, 5.0, 15.0, 50.0, 75.0, 100.0, 125.0, 150.0, 500.0, 700.0, 1000.0,
            ]),
            rln_messages: counter(registry, "waku_rln_messages", "Messages with a proof that were judged"),
            rln_spam: counter(registry, "waku_rln_spam_messages", "Messages over their member's quota"),
            rln_invalid: Family::default(),
            rln_valid: Family::default(),
            network_refused: counter(
                registry,
                "weir_relay_network_refused",
                "Publishes and verdicts a rebuilding network did not take",
            ),
            journal_refused: counter(
                registry,
                "weir_relay_journal_refused",
                "Records the journal did not take",
            ),
            proofs_refused: proofs.shed.get_or_create(&ReasonLabel { reason: Word("refused") }).clone(),
            under_way: Gauge::default(),
        };
        registry.register(
            "weir_relay_verdicts",
            "Messages from peers by verdict and reason",
            metrics.verdicts.clone(),
        );
        registry.register(
            "weir_relay_publishes",
            "Publishes of local clients by outcome",
            metrics.publishes.clone(),
        );
        registry.register(
            "weir_relay_under_way",
            "Messages whose verdict is outstanding",
            metrics.under_way.clone(),
        );
        registry.register("waku_node_messages", "Messages accepted", metrics.node_messages.clone());
        registry.register(
            "waku_histogram_message_size",
            "Payload sizes of accepted messages in kB",
            metrics.message_size_kb.clone(),
        );
        registry.register(
            "waku_rln_invalid_messages",
            "Messages whose proof does not hold, by rule",
            metrics.rln_invalid.clone(),
        );
        registry.register(
            "waku_rln_valid_messages",
            "Messages inside their quota, by shard",
            metrics.rln_valid.clone(),
        );
        metrics
    }

    /// Counts one verdict, at the moment it is given.
    pub(crate) fn judged(&self, verdict: Verdict) {
        let label =
            VerdictLabel { verdict: Word(verdict.acceptance().into()), reason: Word(verdict.label()) };
        self.verdicts.get_or_create(&label).inc();
    }

    /// Counts one accepted message, from a peer or from here.
    pub(crate) fn delivered(&self, accepted: &Accepted) {
        self.node_messages.get_or_create(&TypeLabel { r#type: Word("relay") }).inc();
        self.message_size_kb.observe(accepted.message().payload.len() as f64 / 1000.0);
        if accepted.message().proof.as_proof().is_some() {
            self.rln_valid.get_or_create(&ShardLabel { shard: accepted.topic().shard().0 }).inc();
        }
    }

    /// Counts one publish, at the moment it is answered.
    pub(crate) fn published(&self, result: &Result<Published, PublishError>) {
        let outcome = match result {
            Ok(_) => "published",
            Err(error) => error.into(),
        };
        self.publishes.get_or_create(&OutcomeLabel { outcome: Word(outcome) }).inc();
    }

    /// Counts one verdict of a rate-limited relay under nwaku's names.
    pub(crate) fn rate_limited(&self, verdict: Verdict) {
        let rule = match verdict {
            Verdict::Accept => None,
            Verdict::Reject(RejectReason::DoubleSignal) | Verdict::Ignore(IgnoreReason::DoubleSignal) => {
                self.rln_spam.inc();
                None
            }
            Verdict::Reject(RejectReason::EpochMismatch | RejectReason::EpochNotANumber) => {
                Some("timestamp_mismatch")
            }
            Verdict::Reject(RejectReason::UnknownRoot) => Some("invalid_root"),
            Verdict::Reject(
                RejectReason::InvalidProof
                | RejectReason::NoProof
                | RejectReason::MalformedProof
                | RejectReason::NonCanonicalProof
                | RejectReason::SignalMismatch,
            ) => Some("invalid_proof"),
            Verdict::Ignore(IgnoreReason::TimestampOutOfWindow) => Some("invalid_timestamp"),
            // Decided before, or without, looking at the proof.
            Verdict::Reject(RejectReason::Undecodable | RejectReason::TooLarge) | Verdict::Ignore(_) => {
                return;
            }
        };
        self.rln_messages.inc();
        if let Some(rule) = rule {
            self.rln_invalid.get_or_create(&TypeLabel { r#type: Word(rule) }).inc();
        }
    }
}

impl ProofMetrics {
    /// Counts a proof that is begun.
    pub(crate) fn made(&self, tier: ProofTier) {
        self.made.get_or_create(&TierLabel { tier: Word(tier.into()) }).inc();
    }

    /// Proofs of `tier` that were begun.
    #[cfg(test)]
    pub(crate) fn made_of(&self, tier: ProofTier) -> u64 {
        self.made.get_or_create(&TierLabel { tier: Word(tier.into()) }).get()
    }

    /// Counts a proof that is not checked.
    pub(crate) fn shed(&self, reason: &'static str) {
        self.shed.get_or_create(&ReasonLabel { reason: Word(reason) }).inc();
    }

    fn register(registry: &mut Registry) -> Self {
        // From 0.1 ms, below the fastest check known, to 3.3 s, beyond the slowest proof.
        let seconds = || Histogram::new(exponential_buckets(0.0001, 2.0, 16));
        let metrics = Self {
            verification: seconds(),
            // 1, 2, 4, … 128, the longest batch.
            batch_size: Histogram::new(exponential_buckets(1.0, 2.0, 8)),
            delay: seconds(),
            queue_depth: Gauge::default(),
            shed: Family::default(),
            made: Family::default(),
            slots_ready: Gauge::default(),
            generation: seconds(),
        };
        registry.register(
            "weir_proof_verification_seconds",
            "CPU-bound time of one check, of one proof or of a batch",
            metrics.verification.clone(),
        );
        registry.register("weir_proof_batch_size", "Proofs checked together", metrics.batch_size.clone());
        registry.register(
            "weir_proof_delay_seconds",
            "Time from the relay's question to the outcome of a proof's check",
            metrics.delay.clone(),
        );
        registry.register(
            "weir_proof_queue_depth",
            "Proofs that wait to be checked",
            metrics.queue_depth.clone(),
        );
        registry.register(
            "weir_proofs_made",
            "Own proofs, by what was done in advance",
            metrics.made.clone(),
        );
        registry.register(
            "weir_proof_slots_ready",
            "Proofs that wait for their message",
            metrics.slots_ready.clone(),
        );
        registry.register(
            "weir_proofs_shed",
            "Proofs that were not checked, by reason",
            metrics.shed.clone(),
        );
        registry.register(
            "weir_proof_generation_seconds",
            "Time of one proof, reservation of its message id included",
            metrics.generation.clone(),
        );
        metrics
    }
}

impl MembershipMetrics {
    fn register(registry: &mut Registry) -> Self {
        let members = Gauge::default();
        registry.register("waku_rln_number_registered_memberships", "Members in the tree", members.clone());
        Self {
            members,
            ledger_errors: counter(
                registry,
                "weir_membership_ledger_errors",
                "Polls of the ledger that failed",
            ),
        }
    }
}

impl JournalMetrics {
    fn register(registry: &mut Registry) -> Self {
        Self {
            evidence_written: counter(
                registry,
                "weir_evidence_records",
                "Proofs of a double signal kept on disk",
            ),
            write_errors: counter(
                registry,
                "weir_journal_write_errors",
                "Writes of the state store that failed",
            ),
            nullifiers_lost: counter(
                registry,
                "weir_journal_nullifiers_lost",
                "Nullifiers given up because the disk stayed full or the journal died",
            ),
            evidence_lost: counter(
                registry,
                "weir_journal_evidence_lost",
                "Evidence given up because the disk stayed full or the journal died",
            ),
            peers_lost: counter(
                registry,
                "weir_journal_peers_lost",
                "Peers not kept because too many waited to be written",
            ),
        }
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}
