//! All segments in order.

use std::sync::Arc;

use weir_core::Timestamp;

use super::{
    catalog::Tally,
    format::{Counts, Key, Span, timestamp_of, topic_of},
    segment::Segment,
    trouble,
};
use crate::archive::{ArchiveError, Summary};

/// The segments, the oldest first.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) slots: Vec<Slot>,
}

/// A segment in its place.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Where its range begins. What it has below that was dropped.
    pub(super) start: Key,
    pub(super) dropped: Counts,
    pub(super) segment: Arc<Segment>,
}

/// The messages of a segment that are in its range.
#[derive(Debug, Default)]
pub(super) struct Holding {
    pub(super) counts: Counts,
    /// First and last place; none when there are no messages.
    pub(super) ends: Option<(Key, Key)>,
}

impl Shelf {
    pub(super) fn new(mut slots: Vec<Slot>) -> Self {
        slots.sort_by_key(|slot| slot.start);
        Self { slots }
    }

    /// The range of the segment at `at`.
    pub(super) fn span(&self, at: usize) -> Span {
        Span { from: self.slots[at].start, to: self.slots.get(at + 1).map(|next| next.start) }
    }

    /// The segment in whose range `key` is.
    pub(super) fn position(&self, key: &Key) -> Option<usize> {
        self.slots.partition_point(|slot| slot.start <= *key).checked_sub(1)
    }

    pub(super) fn messages(&self) -> u64 {
        self.slots.iter().map(|slot| slot.holding().messages()).sum()
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> Result<u64, ArchiveError> {
        let mut bytes = 0;
        for slot in &self.slots {
            bytes += slot.segment.space().map_err(|error| trouble::of_io(&slot.segment.path(), error))?;
        }
        Ok(bytes)
    }

    pub(super) fn summary(&self) -> Result<Summary, ArchiveError> {
        let mut summary = Summary { bytes: self.bytes()?, ..Summary::default() };
        let mut ends: Option<(Timestamp, Timestamp)> = None;
        for slot in &self.slots {
            let holding = slot.holding();
            summary.messages += holding.messages();
            for (topic, count) in &holding.counts {
                if let Some(topic) = topic_of(*topic) {
                    *summary.by_topic.entry(topic).or_default() += count;
                }
            }
            if let Some((first, last)) = holding.ends {
                let last = timestamp_of(&last);
                ends = Some((ends.map_or(timestamp_of(&first), |(oldest, _)| oldest), last));
            }
        }
        (summary.oldest, summary.newest) = ends.unzip();
        Ok(summary)
    }
}

impl Slot {
    pub(super) fn holding(&self) -> Holding {
        let Tally { mut counts, ends, .. } = self.segment.tally();
        for (topic, dropped) in &self.dropped {
            if let Some(count) = counts.get_mut(topic) {
                *count = count.saturating_sub(*dropped);
            }
        }
        counts.retain(|_, count| *count > 0);
        // A range that was cut begins at a message that is left.
        let ends = ends.filter(|_| !counts.is_empty()).map(|(first, last)| (first.max(self.start), last));
        Holding { counts, ends }
    }
}

impl Holding {
    pub(super) fn messages(&self) -> u64 {
        self.counts.values().sum()
    }
}
