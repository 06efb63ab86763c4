//! The archive: accepted messages, kept for whoever was offline when they passed.
//!
//! [`Archive`] is the port that the node speaks. What is behind it is a choice of the operator: files of our
//! own or a PostgreSQL server. Both
//! pass the same suite (`conformance`), which compares them with a plain list ([`oracle`]).
//!
//! Calls block; call them from threads that may. Any number of queries may run beside one another and
//! beside one insert.
//!
//! # Invariants
//!
//! - What [`Archive::insert`] reported survives a crash of the process and of the machine.
//! - A message is there once, however often it is inserted.
//! - Every query is answered from an index: what it costs grows with the page, not with the archive.
//!
//! Spec: 13/WAKU2-STORE; `docs/spec-map.md` lists where live nodes differ.

use std::{collections::BTreeMap, fmt};

use weir_core::{
    MessageHash, PubsubTopic, ShardId, Timestamp,
    store::{Page, Query, StoredMessage},
};

#[cfg(any(test, feature = "test-utils"))]
pub mod conformance;
mod location;
pub mod nwaku;
pub mod oracle;
mod postgres;
mod retention;
mod segments;

pub use location::{Location, LocationError, OpenArchiveError, Options, PostgresUrl, open};
pub use retention::{Retention, RetentionError, Trim};
pub use weir_core::store::{MAX_CONTENT_TOPICS, MAX_HASHES};

/// Messages of one insert, at most. One fsync covers them; at 1.4 KB each they are 0.7 MB.
pub const MAX_BATCH: usize = 512;

/// Keeps messages and finds them again.
pub trait Archive: fmt::Debug + Send + Sync {
    /// Keeps `messages`, in any order and at most [`MAX_BATCH`] of them; who inserts vouches for their hashes.
    /// All are there when it returns. After an error some of them may be, so the same batch is inserted again
    /// or given up. Of a message that is there already, the first version stays: its hash does not cover the
    /// proof.
    fn insert(&self, messages: &[StoredMessage]) -> Result<Inserted, ArchiveError>;

    /// Answers `query`. Gives up with [`ArchiveError::Cancelled`] soon after `wanted` has become false, which is
    /// asked from time to time.
    fn query(&self, query: &Query, wanted: &(dyn Fn() -> bool + Sync)) -> Result<Page, ArchiveError>;

    /// How much there is. Cheap: it is counted along.
    fn summary(&self) -> Result<Summary, ArchiveError>;

    /// Does one small step of `trim` and tells whether there is more to do. Queries and inserts go on.
    ///
    /// Messages go from the oldest on, and what is gone is never answered again, unless it is inserted again.
    /// When there is no more to do, [`Trim::OlderThan`] and [`Trim::ToCount`] have been obeyed to the message.
    /// [`Trim::ToBytes`] drops whole files or partitions and leaves the newest of them, whatever it takes.
    fn trim(&self, trim: Trim) -> Result<Trimmed, ArchiveError>;

    /// Every message in order, a part at a time; `after` is where the last part ended. The part after the last
    /// message is empty.
    fn read_on(&self, after: Option<Place>) -> Result<Vec<StoredMessage>, ArchiveError>;

    /// Checks that indexes and messages agree, and that messages have the hashes they are kept under.
    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Verified, ArchiveError>;
}

/// The place of a message among all: by timestamp, then by hash.
pub type Place = (Timestamp, MessageHash);

/// What came of an insert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Messages that were not there before.
    pub new: usize,
    /// Messages that were.
    pub known: usize,
}

/// How much an archive holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages.
    pub messages: u64,
    /// Messages of each topic.
    pub by_topic: BTreeMap<PubsubTopic, u64>,
    /// The timestamp of the first message.
    pub oldest: Option<Timestamp>,
    /// The timestamp of the last message.
    pub newest: Option<Timestamp>,
    /// Bytes on disk, indexes and all.
    pub bytes: u64,
}

impl Summary {
    /// Messages of each shard, whatever its cluster; a node serves one.
    pub fn by_shard(&self) -> BTreeMap<ShardId, u64> {
        let mut shards = BTreeMap::new();
        for (topic, messages) in &self.by_topic {
            *shards.entry(topic.shard()).or_default() += messages;
        }
        shards
    }
}

/// What one step of trimming did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trimmed {
    /// Messages that are gone.
    pub removed: u64,
    /// Whether another step is needed.
    pub more: bool,
}

/// What a check of the whole archive found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Messages that were read.
    pub messages: u64,
    /// Messages that are kept under another hash than theirs.
    pub wrong_hash: u64,
    /// Entries of an index without a message, and messages without one.
    pub index_errors: u64,
}

/// Why an archive did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The cursor names no message. It may have been dropped meanwhile.
    #[error("cursor not found")]
    CursorNotFound,
    /// More content topics than [`MAX_CONTENT_TOPICS`].
    #[error("too many content topics: {0}; at most {MAX_CONTENT_TOPICS} can be asked for")]
    TooManyContentTopics(usize),
    /// More hashes than [`MAX_HASHES`].
    #[error("too many message hashes: {0}; at most {MAX_HASHES} can be asked for")]
    TooManyHashes(usize),
    /// Nobody waits for the answer any more.
    #[error("nobody waits for the answer")]
    Cancelled,
    /// There is no space left.
    #[error("the archive is full: {0}")]
    Full(String),
    /// The storage cannot be reached or does not take writes; it may again.
    #[error("the archive is unavailable: {0}")]
    Unavailable(String),
    /// What is stored contradicts itself.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
}

/// Refuses what no archive answers.
fn check_bounds(query: &Query) -> Result<(), ArchiveError> {
    if query.content_topics.len() > MAX_CONTENT_TOPICS {
        return Err(ArchiveError::TooManyContentTopics(query.content_topics.len()));
    }
    if query.hashes.len() > MAX_HASHES {
        return Err(ArchiveError::TooManyHashes(query.hashes.len()));
    }
    Ok(())
}
