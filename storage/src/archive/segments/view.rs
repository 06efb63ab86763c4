//! A segment as it was at one moment, for reading.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    path::PathBuf,
};

use redb::{Range, ReadOnlyTable, ReadTransaction, StorageError};
use weir_core::{
    ContentTopic, MessageHash, Timestamp,
    store::{Direction, StoredMessage},
};

use super::{
    fetchers::Fetchers,
    filter::{Asked, FilterKeys},
    format::{
        BY_LANE, BY_TOPIC, HASHES, HashValue, Key, LANES, PLACES, PrefixedKey, RECORDS, Span, key,
        message_of, prefixed, without_prefix,
    },
    trouble,
};
use crate::{archive::ArchiveError, engine::existing};

/// All tables of a segment.
pub(super) struct View {
    pub(super) records: ReadOnlyTable<u32, &'static [u8]>,
    pub(super) places: ReadOnlyTable<&'static Key, (u32, u32)>,
    pub(super) hashes: ReadOnlyTable<&'static [u8; 32], HashValue>,
    pub(super) lanes: ReadOnlyTable<(&'static str, u32), u32>,
    pub(super) by_lane: ReadOnlyTable<&'static PrefixedKey, u32>,
    pub(super) by_topic: ReadOnlyTable<&'static PrefixedKey, u32>,
    path: PathBuf,
}

/// Where a message of a segment is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) key: Key,
    pub(super) number: u32,
    pub(super) lane: u32,
    pub(super) topic: u32,
}

/// Places and numbers of messages, in order.
pub(super) type Walk = Box<dyn Iterator<Item = Step> + Send>;

/// What a walk comes to.
type Step = Result<(Key, u32), StorageError>;

impl View {
    /// `None` when nothing was ever written.
    pub(super) fn open(read: &ReadTransaction, path: PathBuf) -> Result<Option<Self>, redb::Error> {
        let Some(records) = existing(read.open_table(RECORDS))? else { return Ok(None) };
        Ok(Some(Self {
            records,
            places: read.open_table(PLACES)?,
            hashes: read.open_table(HASHES)?,
            lanes: read.open_table(LANES)?,
            by_lane: read.open_table(BY_LANE)?,
            by_topic: read.open_table(BY_TOPIC)?,
            path,
        }))
    }

    pub(super) fn trouble(&self, error: impl Into<redb::Error>) -> ArchiveError {
        trouble::of_redb(&self.path, error)
    }

    fn damaged(&self, what: &str) -> ArchiveError {
        trouble::damaged(&self.path, what)
    }

    /// Where the message of this hash is, if it is here.
    pub(super) fn find(&self, hash: &MessageHash) -> Result<Option<Spot>, ArchiveError> {
        let spot = self.hashes.get(hash.as_bytes()).map_err(|error| self.trouble(error))?;
        let Some((timestamp, number, lane, topic)) = spot.map(|spot| spot.value()) else { return Ok(None) };
        let key = key((Timestamp::from_nanos(timestamp), *hash));
        Ok(Some(Spot { key, number, lane, topic }))
    }

    /// The message of this place and number.
    pub(super) fn message(&self, key: &Key, number: u32) -> Result<StoredMessage, ArchiveError> {
        let record = self.records.get(number).map_err(|error| self.trouble(error))?;
        let record = record.ok_or_else(|| self.damaged("a place without a message"))?;
        message_of(key, record.value()).ok_or_else(|| self.damaged("a message that cannot be read"))
    }

    /// The lanes of these content topics, on one pubsub topic or on all.
    pub(super) fn lanes(
        &self,
        contents: &[&ContentTopic],
        topic: Option<u32>,
    ) -> Result<Vec<u32>, ArchiveError> {
        let mut lanes = Vec::new();
        for content in contents {
            let (first, last) = (topic.unwrap_or(0), topic.unwrap_or(u32::MAX));
            let range = self.lanes.range((content.as_str(), first)..=(content.as_str(), last));
            for row in range.map_err(|error| self.trouble(error))? {
                lanes.push(row.map_err(|error| self.trouble(error))?.1.value());
            }
        }
        Ok(lanes)
    }

    /// All messages of `span`.
    pub(super) fn walk(&self, span: Span, direction: Direction) -> Result<Walk, ArchiveError> {
        self.walk_places(span, direction, |(number, _)| number)
    }

    fn walk_places(
        &self,
        span: Span,
        direction: Direction,
        read: fn((u32, u32)) -> u32,
    ) -> Result<Walk, ArchiveError> {
        let Some(bounds) = span.bounds() else { return Ok(Box::new(std::iter::empty())) };
        let range = self.places.range::<&Key>(bounds).map_err(|error| self.trouble(error))?;
        Ok(directed(range, direction, move |row| row.map(|(key, spot)| (*key.value(), read(spot.value())))))
    }

    /// All messages of `span`, with their pubsub topics in place of their numbers.
    pub(super) fn walk_topics(&self, span: Span, direction: Direction) -> Result<Walk, ArchiveError> {
        self.walk_places(span, direction, |(_, topic)| topic)
    }

    /// The messages of `span` on one pubsub topic.
    pub(super) fn walk_topic(
        &self,
        topic: u32,
        span: Span,
        direction: Direction,
    ) -> Result<Walk, ArchiveError> {
        self.walk_prefix(&self.by_topic, topic, span, direction)
    }

    /// The messages of `span` in any of `lanes`. What it holds grows with the lanes alone.
    pub(super) fn walk_lanes(
        &self,
        fetchers: &Fetchers,
        lanes: &[u32],
        span: Span,
        direction: Direction,
    ) -> Result<Walk, ArchiveError> {
        if let [lane] = lanes {
            return self.walk_prefix(&self.by_lane, *lane, span, direction);
        }
        // Each begins somewhere else.
        let begun = fetchers.read(lanes, |lane| {
            let mut walk = self.walk_prefix(&self.by_lane, *lane, span, direction)?;
            Ok::<_, ArchiveError>((walk.next(), walk))
        });
        let mut merge = Merge { walks: Vec::new(), heads: BinaryHeap::new(), direction };
        for begun in begun {
            let (first, walk) = begun?;
            if let Some(first) = first {
                let (key, number) = first.map_err(|error| self.trouble(error))?;
                merge.heads.push((rank(key, direction), number, merge.walks.len()));
                merge.walks.push(walk);
            }
        }
        Ok(Box::new(merge))
    }

    fn walk_prefix(
        &self,
        table: &ReadOnlyTable<&'static PrefixedKey, u32>,
        prefix: u32,
        span: Span,
        direction: Direction,
    ) -> Result<Walk, ArchiveError> {
        if span.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        let from = prefixed(prefix, &span.from);
        let range = match span.to {
            Some(to) => table.range::<&PrefixedKey>(&from..&prefixed(prefix, &to)),
            None => table.range::<&PrefixedKey>(&from..=&prefixed(prefix, &[u8::MAX; 40])),
        };
        let range = range.map_err(|error| self.trouble(error))?;
        Ok(directed(range, direction, |row| {
            row.map(|(key, number)| (without_prefix(key.value()), number.value()))
        }))
    }

    /// The keys of all entries of this segment.
    pub(super) fn filter_keys(&self) -> Result<FilterKeys, ArchiveError> {
        let mut keys = FilterKeys::default();
        let mut collect = || -> Result<(), StorageError> {
            for row in self.hashes.range::<&[u8; 32]>(..)? {
                keys.add(Asked::hash(&MessageHash::from_bytes(*row?.0.value())));
            }
            for row in self.lanes.range::<(&str, u32)>(..)? {
                keys.add(Asked::content(row?.0.value().0));
            }
            Ok(())
        };
        collect().map_err(|error| self.trouble(error))?;
        Ok(keys)
    }
}

fn directed<K: redb::Key + Send, V: redb::Value + Send>(
    range: Range<'static, K, V>,
    direction: Direction,
    read: impl Fn(Result<(redb::AccessGuard<'static, K>, redb::AccessGuard<'static, V>), StorageError>) -> Step
    + Send
    + 'static,
) -> Walk {
    match direction {
        Direction::Forward => Box::new(range.map(read)),
        Direction::Backward => Box::new(range.rev().map(read)),
    }
}

/// Several walks as one, in order.
struct Merge {
    walks: Vec<Walk>,
    /// The next message of each walk that has one. The first in order is on top.
    heads: BinaryHeap<Head>,
    direction: Direction,
}

/// Rank, number, walk.
type Head = (Reverse<Key>, u32, usize);

impl Iterator for Merge {
    type Item = Step;

    fn next(&mut self) -> Option<Self::Item> {
        let mut head = self.heads.peek_mut()?;
        let (Reverse(ranked), number, at) = *head;
        let found = (rank(ranked, self.direction).0, number);
        match self.walks[at].next() {
            Some(Ok((key, number))) => *head = (rank(key, self.direction), number, at),
            Some(Err(error)) => return Some(Err(error)),
            None => {
                PeekMut::pop(head);
            }
        }
        Some(Ok(found))
    }
}

/// Sorts keys in this direction; what is ranked twice is as before.
fn rank(key: Key, direction: Direction) -> Reverse<Key> {
    match direction {
        Direction::Forward => Reverse(key),
        Direction::Backward => Reverse(key.map(|byte| !byte)),
    }
}
