//! What the archive counts.

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
use weir_core::store::{Direction, Query};
use weir_protocols::archive::NotArchived;
use weir_storage::archive::{ArchiveError, Summary};

use super::{OutcomeLabel, ReasonLabel, ShardLabel, TypeLabel, Word, counter};

/// How the archive fares. Registered by a node that has one.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveMetrics {
    messages: Family<TypeLabel, Gauge>,
    messages_per_shard: Family<ShardLabel, Gauge>,
    bytes: Gauge,
    oldest: Gauge,
    newest: Gauge,
    errors: Family<TypeLabel, Counter>,
    dropped: Family<ReasonLabel, Counter>,
    write_failures: Family<ReasonLabel, Counter>,
    /// Messages that wait to be written, those of the batch that is being written among them.
    pub(crate) waiting_messages: Gauge,
    /// Their bytes.
    pub(crate) waiting_bytes: Gauge,
    /// Messages of each batch that was written.
    pub(crate) batch_size: Histogram,
    /// Seconds of each insert, failed ones too.
    pub(crate) insert_duration: Histogram,
    /// Moves by the messages of each batch that were not there before.
    pub(crate) stored: Counter,
    query_duration: Histogram,
    query_duration_by_kind: Family<KindLabel, Histogram>,
    queries: Family<OutcomeLabel, Counter>,
    /// Moves by the messages of each step of retention.
    pub(crate) trimmed: Counter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: Word,
}

/// What a query selects by, as far as it tells how much work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum QueryKind {
    /// Messages by their names.
    Hash,
    /// A page after the first.
    CursorPage,
    /// By content topics, with or without a time.
    ContentTopic,
    /// By the pubsub topic, with or without a time.
    PubsubTopic,
    /// By the time alone.
    Time,
    /// The newest messages of all.
    Newest,
    /// The oldest messages of all.
    Oldest,
}

/// Why a message that should have been kept was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Loss {
    /// As many messages waited as may.
    BufferFull,
    /// The archive refused it in a way that another attempt would not mend.
    Refused,
    /// It died with the actor or with the thread that wrote it.
    Fault,
    /// The node stopped and it could not be written any more.
    Stopped,
}

impl QueryKind {
    pub(crate) const fn of(query: &Query) -> Self {
        match query {
            query if !query.hashes.is_empty() => Self::Hash,
            Query { cursor: Some(_), .. } => Self::CursorPage,
            query if !query.content_topics.is_empty() => Self::ContentTopic,
            Query { pubsub_topic: Some(_), .. } => Self::PubsubTopic,
            Query { start: None, end: None, direction: Direction::Backward, .. } => Self::Newest,
            Query { start: None, end: None, direction: Direction::Forward, .. } => Self::Oldest,
            Query { .. } => Self::Time,
        }
    }
}

/// The word for an error in labels.
pub(crate) const fn word_of(error: &ArchiveError) -> &'static str {
    match error {
        ArchiveError::CursorNotFound => "cursor_not_found",
        ArchiveError::TooManyContentTopics(_) => "too_many_content_topics",
        ArchiveError::TooManyHashes(_) => "too_many_hashes",
        ArchiveError::Cancelled => "cancelled",
        ArchiveError::Full(_) => "full",
        ArchiveError::Unavailable(_) => "unavailable",
        ArchiveError::Damaged(_) => "damaged",
    }
}

impl ArchiveMetrics {
    /// Makes the instruments and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            messages: Family::default(),
            messages_per_shard: Family::default(),
            bytes: Gauge::default(),
            oldest: Gauge::default(),
            newest: Gauge::default(),
            errors: Family::default(),
            dropped: Family::default(),
            write_failures: Family::default(),
            waiting_messages: Gauge::default(),
            waiting_bytes: Gauge::default(),
            // 1, 2, 4, ... 512, the largest batch.
            batch_size: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            insert_duration: seconds(),
            stored: counter(registry, "weir_archive_messages_stored", "Messages that were stored as new"),
            query_duration: seconds(),
            query_duration_by_kind: Family::new_with_constructor(seconds),
            queries: Family::default(),
            trimmed: counter(registry, "weir_archive_messages_trimmed", "Messages that retention dropped"),
        };
        metrics.register_families(registry);
        metrics.register_gauges(registry);
        metrics
    }

    fn register_families(&self, registry: &mut Registry) {
        registry.register("waku_archive_messages", "Messages in the archive", self.messages.clone());
        registry.register(
            "waku_archive_messages_per_shard",
            "Messages in the archive, by shard",
            self.messages_per_shard.clone(),
        );
        registry.register(
            "waku_archive_errors",
            "Messages that were not archived and retention that failed, by kind",
            self.errors.clone(),
        );
        registry.register(
            "waku_archive_insert_duration_seconds",
            "Time of one insert of a batch",
            self.insert_duration.clone(),
        );
        registry.register(
            "waku_archive_query_duration_seconds",
            "Time of one query in the archive",
            self.query_duration.clone(),
        );
        registry.register(
            "weir_archive_query_seconds",
            "Time of one query in the archive, by what it selects by",
            self.query_duration_by_kind.clone(),
        );
        registry.register("weir_archive_queries", "Queries by outcome", self.queries.clone());
        registry.register(
            "weir_archive_messages_dropped",
            "Messages that were lost to the archive, by reason",
            self.dropped.clone(),
        );
        registry.register(
            "weir_archive_write_failures",
            "Inserts that failed, by reason",
            self.write_failures.clone(),
        );
        registry.register("weir_archive_batch_size", "Messages of one insert", self.batch_size.clone());
    }

    fn register_gauges(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("weir_archive_bytes", "Bytes the archive takes, indexes and all", &self.bytes),
            (
                "weir_archive_oldest_timestamp_seconds",
                "Timestamp of the oldest message, 0 without one",
                &self.oldest,
            ),
            (
                "weir_archive_newest_timestamp_seconds",
                "Timestamp of the newest message, 0 without one",
                &self.newest,
            ),
            ("weir_archive_waiting_messages", "Messages that wait to be written", &self.waiting_messages),
            ("weir_archive_waiting_bytes", "Bytes of messages that wait to be written", &self.waiting_bytes),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }

    /// Shows how much there is.
    pub(crate) fn show(&self, summary: &Summary) {
        self.messages.get_or_create(&TypeLabel { r#type: Word("stored") }).set(whole(summary.messages));
        // A shard whose last message was dropped is no longer in the summary.
        self.messages_per_shard.clear();
        for (shard, messages) in summary.by_shard() {
            self.messages_per_shard.get_or_create(&ShardLabel { shard: shard.0 }).set(whole(messages));
        }
        self.bytes.set(whole(summary.bytes));
        self.oldest.set(summary.oldest.map_or(0, |oldest| oldest.as_secs()));
        self.newest.set(summary.newest.map_or(0, |newest| newest.as_secs()));
    }

    /// Counts a message that is not archived by rule. Ephemeral ones are as their senders want them, and no
    /// error.
    pub(crate) fn refused(&self, reason: NotArchived) {
        if reason != NotArchived::Ephemeral {
            self.errors.get_or_create(&TypeLabel { r#type: Word(reason.into()) }).inc();
        }
    }

    /// Counts messages that should have been archived and were not.
    pub(crate) fn lost(&self, messages: usize, loss: Loss) {
        self.dropped.get_or_create(&ReasonLabel { reason: Word(loss.into()) }).inc_by(messages as u64);
        self.errors.get_or_create(&TypeLabel { r#type: Word("insert_failure") }).inc_by(messages as u64);
    }

    /// Messages that were lost for this reason.
    #[cfg(test)]
    pub(crate) fn lost_to(&self, loss: Loss) -> u64 {
        self.dropped.get_or_create(&ReasonLabel { reason: Word(loss.into()) }).get()
    }

    /// Counts an insert that failed.
    pub(crate) fn write_failed(&self, error: &ArchiveError) {
        self.write_failures.get_or_create(&ReasonLabel { reason: Word(word_of(error)) }).inc();
    }

    /// Counts a step of retention that failed.
    pub(crate) fn retention_failed(&self) {
        self.errors.get_or_create(&TypeLabel { r#type: Word("retpolicy_failure") }).inc();
    }

    /// Counts a query that reached the archive.
    pub(crate) fn queried(&self, kind: QueryKind, seconds: f64, outcome: &'static str) {
        self.query_duration.observe(seconds);
        self.query_duration_by_kind.get_or_create(&KindLabel { kind: Word(kind.into()) }).observe(seconds);
        self.query_ended(outcome);
    }

    /// Counts a query by what became of it.
    pub(crate) fn query_ended(&self, outcome: &'static str) {
        self.queries.get_or_create(&OutcomeLabel { outcome: Word(outcome) }).inc();
    }
}

/// From 0.05 ms, a page from memory, to 6.5 s, beyond the patience of clients.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 18))
}

/// As a gauge takes it.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use weir_core::{MessageHash, Timestamp};

    use super::*;
    use crate::probe::topic;

    #[test]
    fn a_query_is_counted_by_what_makes_it_cheap_or_dear() {
        let hash = MessageHash::from_bytes([1; 32]);
        let (none, start) = (Query::default(), Some(Timestamp::ZERO));
        let backward = Direction::Backward;
        for (query, kind) in [
            (none.clone(), QueryKind::Oldest),
            (Query { direction: backward, ..none.clone() }, QueryKind::Newest),
            (Query { start, direction: backward, ..none.clone() }, QueryKind::Time),
            (Query { pubsub_topic: Some(topic(1)), start, ..none.clone() }, QueryKind::PubsubTopic),
            (
                Query { cursor: Some(hash), pubsub_topic: Some(topic(1)), ..none.clone() },
                QueryKind::CursorPage,
            ),
            (Query { hashes: vec![hash], cursor: Some(hash), ..none }, QueryKind::Hash),
        ] {
            assert_eq!(QueryKind::of(&query), kind, "{query:?}");
        }
    }
}
