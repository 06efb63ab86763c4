//! What a segment file holds.
//!
//! | table | key | value |
//! |---|---|---|
//! | `records` | number | pubsub topic, then the message in protobuf |
//! | `places` | place | number, pubsub topic |
//! | `hashes` | hash | timestamp, number, lane, pubsub topic: a hash leads to its record in one step |
//! | `lanes` | content topic, pubsub topic | lane |
//! | `by_lane` | lane, place | number |
//! | `by_topic` | pubsub topic, place | number |
//! | `counts` | pubsub topic | messages |
//! | `weight` | | bytes, see [`Row::weight`] |
//!
//! A *place* is 40 bytes that sort as messages do: the timestamp, then the hash. Messages are *numbered* as
//! they come, so records are only ever appended. A *lane* stands for one content topic on one pubsub topic; it makes
//! index entries short, and those of a query for both need no filter. Entries are never deleted.

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;
use redb::TableDefinition;
use weir_core::{ClusterId, MessageHash, PubsubTopic, ShardId, Timestamp, store::StoredMessage};
use weir_wire::{decode_message, encode_message};

use crate::{archive::Place, schema::Kind};

/// A [`Place`] in bytes that sort as it does.
pub(super) type Key = [u8; KEY];
/// A key below that of a lane or topic.
pub(super) type PrefixedKey = [u8; PREFIX + KEY];
/// See [`HASHES`].
pub(super) type HashValue = (i64, u32, u32, u32);
/// Messages of each pubsub topic.
pub(super) type Counts = BTreeMap<u32, u64>;

const KEY: usize = 40;
const PREFIX: usize = 4;

pub(super) type Table<K, V> = TableDefinition<'static, K, V>;
pub(super) const RECORDS: Table<u32, &[u8]> = Table::new("records");
/// Number, pubsub topic.
pub(super) const PLACES: Table<&Key, (u32, u32)> = Table::new("places");
/// Timestamp, number, lane, pubsub topic.
pub(super) const HASHES: Table<&[u8; 32], HashValue> = Table::new("hashes");
pub(super) const LANES: Table<(&str, u32), u32> = Table::new("lanes");
pub(super) const BY_LANE: Table<&PrefixedKey, u32> = Table::new("by_lane");
pub(super) const BY_TOPIC: Table<&PrefixedKey, u32> = Table::new("by_topic");
pub(super) const COUNTS: Table<u32, u64> = Table::new("counts");
pub(super) const WEIGHT: Table<(), u64> = Table::new("weight");

/// Segments that are written. The cache holds the pages that a batch changes until they are on the disk: each
/// of 512 messages, 0.7 MB, changes up to five pages of 4 KB, 10 MB in all.
pub(super) static OPEN: Kind = Kind {
    name: "part of an archive",
    application: "weir-archive-segment",
    migrations: &[],
    remedy: "restore the archive's folder from a backup, or move it away to begin with an empty archive",
    cache: 16 << 20,
    verified: false,
    scattered: false,
};

/// Segments that are only read. The system caches files too, so this one is for inner pages: 64 MB in pages of
/// 4 KB, which inner pages name by the hundred, have less than 1 MB of them.
pub(super) static SEALED: Kind = Kind { cache: 2 << 20, scattered: true, ..OPEN };

/// Bytes that a message takes in the indexes: 180 of keys and values, twice that with pages half empty.
const INDEX_BYTES: u64 = 350;

/// Pages of records are not full either: they take a quarter more than their records. A million messages of 0.2
/// to 2 KB, 1.1 GB, took 1.77 GB.
const PAGES_PER_RECORD: (u64, u64) = (5, 4);

/// The lowest key.
pub(super) const FIRST: Key = [0; KEY];

/// The keys from `from` on and before `to`; without `to`, all from `from` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Key,
    pub(super) to: Option<Key>,
}

/// A message as it is written.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) topic: u32,
    pub(super) content: weir_core::ContentTopic,
    pub(super) record: Vec<u8>,
}

impl Span {
    /// All keys.
    pub(super) const ALL: Self = Self { from: FIRST, to: None };

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.from <= *key && self.to.is_none_or(|to| *key < to)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.to.is_some_and(|to| to <= self.from)
    }

    pub(super) fn intersection(self, other: Self) -> Self {
        let to = match (self.to, other.to) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (to, None) | (None, to) => to,
        };
        Self { from: self.from.max(other.from), to }
    }

    /// As a range of `places`. `None` when it is empty, which redb's ranges must not be.
    pub(super) fn bounds(&self) -> Option<(Bound<&Key>, Bound<&Key>)> {
        let to = self.to.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        (!self.is_empty()).then_some((Bound::Included(&self.from), to))
    }
}

impl Row {
    pub(super) fn new(message: &StoredMessage) -> Self {
        let topic = topic_number(message.topic);
        let mut record = topic.to_be_bytes().to_vec();
        record.extend_from_slice(&encode_message(&message.message));
        Self { key: key(message.place()), topic, content: message.message.content_topic.clone(), record }
    }

    /// Bytes it takes in a file, roughly.
    pub(super) fn weight(&self) -> u64 {
        let (pages, records) = PAGES_PER_RECORD;
        self.record.len() as u64 * pages / records + INDEX_BYTES
    }
}

pub(super) fn key((timestamp, hash): Place) -> Key {
    let mut key = FIRST;
    // With its sign bit the other way round, a number sorts by its bytes.
    key[..8].copy_from_slice(&(timestamp.as_nanos() ^ i64::MIN).to_be_bytes());
    key[8..].copy_from_slice(hash.as_bytes());
    key
}

pub(super) fn timestamp_of(key: &Key) -> Timestamp {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&key[..8]);
    Timestamp::from_nanos(i64::from_be_bytes(bytes) ^ i64::MIN)
}

pub(super) fn hash_of(key: &Key) -> MessageHash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&key[8..]);
    MessageHash::from_bytes(bytes)
}

/// The key after `key`, if there is one.
pub(super) fn successor(key: &Key) -> Option<Key> {
    let mut next = *key;
    for byte in next.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(next);
        }
    }
    None
}

pub(super) fn prefixed(prefix: u32, key: &Key) -> PrefixedKey {
    let mut prefixed = [0; PREFIX + KEY];
    prefixed[..PREFIX].copy_from_slice(&prefix.to_be_bytes());
    prefixed[PREFIX..].copy_from_slice(key);
    prefixed
}

pub(super) fn without_prefix(prefixed: &PrefixedKey) -> Key {
    let mut key = FIRST;
    key.copy_from_slice(&prefixed[PREFIX..]);
    key
}

pub(super) fn topic_number(topic: PubsubTopic) -> u32 {
    (u32::from(topic.cluster().0) << 16) | u32::from(topic.shard().0)
}

/// `None` for what [`topic_number`] does not give.
pub(super) fn topic_of(number: u32) -> Option<PubsubTopic> {
    PubsubTopic::new(ClusterId((number >> 16) as u16), ShardId(number as u16)).ok()
}

/// The message of a record that is kept at `key`; `None` when the record is damaged.
pub(super) fn message_of(key: &Key, record: &[u8]) -> Option<StoredMessage> {
    let (topic, message) = record.split_first_chunk()?;
    Some(StoredMessage {
        hash: hash_of(key),
        topic: topic_of(u32::from_be_bytes(*topic))?,
        message: decode_message(&Bytes::copy_from_slice(message)).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use weir_core::{ContentTopic, Meta, ProofField, WakuMessage};

    use super::*;

    fn message(nanos: i64) -> StoredMessage {
        StoredMessage {
            hash: MessageHash::from_bytes([0xab; 32]),
            topic: PubsubTopic::new(ClusterId(1), ShardId(2)).unwrap(),
            message: WakuMessage {
                payload: vec![1, 2].into(),
                content_topic: ContentTopic::new("/a/1/b/c").unwrap(),
                version: 1,
                timestamp: Timestamp::from_nanos(nanos),
                meta: Meta::new(vec![9].into()).unwrap(),
                ephemeral: false,
                proof: ProofField::Malformed(vec![7].into()),
            },
        }
    }

    /// What is on disks of others cannot change.
    #[test]
    fn records_and_keys_have_these_bytes() {
        let row = Row::new(&message(1));
        let record = concat!(
            "00010002",             // cluster 1, shard 2
            "0a020102",             // payload
            "12082f612f312f622f63", // content topic
            "1801",                 // version
            "5002",                 // timestamp, zigzag
            "5a0109",               // meta
            "aa010107",             // proof
            "f80100",               // ephemeral
        );
        assert_eq!(hex::encode(&row.record), record);
        assert_eq!(hex::encode(row.key), format!("8000000000000001{}", "ab".repeat(32)));
        assert_eq!(hex::encode(prefixed(0x0102, &row.key)), format!("00000102{}", hex::encode(row.key)));
        assert_eq!(message_of(&row.key, &row.record), Some(message(1)));
        assert_eq!(message_of(&row.key, &row.record[..3]), None);
    }

    #[test]
    fn keys_sort_as_places_do_and_give_them_back() {
        let moments = [i64::MIN, -1, 0, 1, i64::MAX];
        let keys = moments.map(|nanos| key(message(nanos).place()));
        assert!(keys.is_sorted());
        assert_eq!(keys.map(|key| timestamp_of(&key).as_nanos()), moments);
        assert!(keys.iter().all(|key| hash_of(key) == message(0).hash));
        let last = [u8::MAX; KEY];
        assert_eq!(successor(&last), None);
        let mut before_carry = FIRST;
        before_carry[KEY - 1] = u8::MAX;
        let mut after_carry = FIRST;
        after_carry[KEY - 2] = 1;
        assert_eq!(successor(&before_carry), Some(after_carry));
    }
}
