//! The archives of nwaku, read so that an operator can change to weir and keep the history.
//!
//! ```text
//! Source ──> Reader::open ──> sqlite | postgres      whose schema is it, which version
//!                next_part ──> rows in the order of (timestamp, hash)
//!                          ──> check                 the rules of weir-core, and the hash
//!                          ──> Part                  messages to insert, and rows that are none
//! ```
//!
//! nwaku may be running: nothing is written, and each part is a short statement of its own, so that no lock
//! and no snapshot is held from one part to the next (a snapshot held for hours keeps SQLite's log growing, and
//! a lock keeps PostgreSQL from dropping a partition). What arrives meanwhile is at the end of the order.
//!
//! nwaku keeps neither proofs nor the ephemeral flag: messages come without.
//!
//! # Security
//! A part has at most [`MAX_BATCH`] rows. nwaku's archive has only messages that its relay let through, which
//! are at most 150 KiB unless its operator chose otherwise: that is 77 MB, and twice that in hex text.

use std::{fmt, io, path::PathBuf, str::FromStr};

use bytes::Bytes;
use weir_core::{ContentTopic, Meta, ProofField, PubsubTopic, Timestamp, WakuMessage, store::StoredMessage};

use super::{LocationError, MAX_BATCH, PostgresUrl};

mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

/// Where an archive of nwaku is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, `sqlite://<path>` as nwaku writes it.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server.
    Postgres(PostgresUrl),
}

/// Why a text is not the place of an archive of nwaku.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected sqlite://<path to store.sqlite3> or postgres://user:password@host:port/database")]
pub struct NotASource;

/// Reads an archive of nwaku from the oldest message to the newest.
#[derive(Debug)]
pub struct Reader(Box<dyn Rows>);

/// The rows of an archive, from where they were read last.
trait Rows: fmt::Debug {
    /// How many there still are.
    fn count(&mut self) -> Result<u64, NwakuError>;

    /// The next ones, at most [`MAX_BATCH`]; none at the end.
    fn next_rows(&mut self) -> Result<Vec<Result<RawRow, RefusedRow>>, NwakuError>;
}

/// Up to [`MAX_BATCH`] rows of an archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The messages.
    pub messages: Vec<StoredMessage>,
    /// The rows that are no message of ours.
    pub refused: Vec<RefusedRow>,
}

/// A row that is no message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// The rule that it breaks.
    pub refusal: Refusal,
    /// Its pubsub topic where that is the fault, otherwise its hash.
    pub example: String,
}

/// Why a row is no message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// No shard, so no node of ours could serve it.
    #[error("the pubsub topic is not /waku/2/rs/<cluster>/<shard>")]
    ForeignTopic,
    /// The row has another hash than its message. Rows that nwaku took over from older schemas are like that: it
    /// gave them random hashes (SQLite, version 8) or the time of storage for the sender's (SQLite, version 10;
    /// PostgreSQL, version 6).
    #[error("the hash is not that of the message")]
    WrongHash,
    /// Blank, too long, or no text.
    #[error("the content topic is none")]
    ContentTopic,
    /// Longer than messages may have it.
    #[error("the meta field is too long")]
    Meta,
    /// Not a number of 32 bits.
    #[error("the version is out of range")]
    Version,
    /// A column that holds bytes as hex text holds something else.
    #[error("the payload, the meta field or the hash is not hex text")]
    NotHex,
}

/// Why an archive of nwaku cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NwakuError {
    /// There is no such file.
    #[error("there is no file {path}", path = .0.display())]
    Missing(PathBuf),
    /// A database of something else.
    #[error("{0} has no archive of nwaku: the table of messages is missing or has other columns")]
    NotNwaku(String),
    /// A schema from before messages were kept under their hash and their sender's time.
    #[error(
        "{place} has version {found} of nwaku's schema; versions {oldest} to {newest} are read. Start a newer \
         nwaku with it once, which updates the schema"
    )]
    TooOld {
        /// The archive.
        place: String,
        /// Its version.
        found: i64,
        /// The oldest version that is read.
        oldest: i64,
        /// The newest version that is read.
        newest: i64,
    },
    /// A schema that did not exist when this was written.
    #[error("{place} has version {found} of nwaku's schema; this weir reads up to {newest}")]
    TooNew {
        /// The archive.
        place: String,
        /// Its version.
        found: i64,
        /// The newest version that is read.
        newest: i64,
    },
    /// The database did not do what it was asked.
    #[error("cannot read {place}: {reason}")]
    Read {
        /// The archive.
        place: String,
        /// What the database said.
        reason: String,
    },
    /// The connection to PostgreSQL could not be started.
    #[error("cannot start a connection: {0}")]
    Start(#[from] io::Error),
}

impl Reader {
    /// Opens the archive, to be read from `start` on.
    pub fn open(source: &Source, start: Timestamp) -> Result<Self, NwakuError> {
        Ok(Self(match source {
            Source::Sqlite(path) => Box::new(sqlite::SqliteRows::open(path, start)?),
            Source::Postgres(url) => Box::new(postgres::PostgresRows::open(url, start)?),
        }))
    }

    /// Rows that are still to be read. Takes a while: the database counts them.
    pub fn count(&mut self) -> Result<u64, NwakuError> {
        self.0.count()
    }

    /// The next part; none when there are no more rows.
    pub fn next_part(&mut self) -> Result<Option<Part>, NwakuError> {
        let rows = self.0.next_rows()?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut part = Part::default();
        for row in rows {
            match row.and_then(check) {
                Ok(message) => part.messages.push(message),
                Err(refused) => part.refused.push(refused),
            }
        }
        Ok(Some(part))
    }
}

/// A row as nwaku keeps it.
#[derive(Debug)]
struct RawRow {
    hash: Vec<u8>,
    pubsub_topic: Vec<u8>,
    content_topic: Vec<u8>,
    payload: Vec<u8>,
    version: i64,
    timestamp: i64,
    meta: Vec<u8>,
}

/// What is asked of both databases. The columns are named alike, and case does not matter to them.
const COLUMNS: &str = "messageHash, pubsubTopic, contentTopic, payload, version, timestamp, meta";

fn check(row: RawRow) -> Result<StoredMessage, RefusedRow> {
    let named = row.hash;
    let refuse = |refusal| RefusedRow { refusal, example: format!("0x{}", hex::encode(&named)) };
    let topic =
        std::str::from_utf8(&row.pubsub_topic).ok().and_then(|topic| topic.parse::<PubsubTopic>().ok());
    let Some(topic) = topic else {
        let example = String::from_utf8_lossy(&row.pubsub_topic).into_owned();
        return Err(RefusedRow { refusal: Refusal::ForeignTopic, example });
    };
    let content_topic = std::str::from_utf8(&row.content_topic).ok();
    let content_topic = content_topic.and_then(|topic| ContentTopic::new(topic).ok());
    let message = WakuMessage {
        payload: row.payload.into(),
        content_topic: content_topic.ok_or_else(|| refuse(Refusal::ContentTopic))?,
        version: u32::try_from(row.version).map_err(|_| refuse(Refusal::Version))?,
        timestamp: Timestamp::from_nanos(row.timestamp),
        meta: Meta::new(Bytes::from(row.meta)).map_err(|_| refuse(Refusal::Meta))?,
        ephemeral: false,
        proof: ProofField::Absent,
    };
    let stored = StoredMessage::new(topic, message);
    if stored.hash.as_bytes().as_slice() != named {
        return Err(refuse(Refusal::WrongHash));
    }
    Ok(stored)
}

/// Refuses versions outside `oldest..=newest`.
fn check_version(place: String, found: i64, oldest: i64, newest: i64) -> Result<(), NwakuError> {
    if found < oldest {
        return Err(NwakuError::TooOld { place, found, oldest, newest });
    }
    if found > newest {
        return Err(NwakuError::TooNew { place, found, newest });
    }
    Ok(())
}

impl Refusal {
    /// A name for programs; it does not change.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForeignTopic => "foreign_topic",
            Self::WrongHash => "wrong_hash",
            Self::ContentTopic => "content_topic",
            Self::Meta => "meta",
            Self::Version => "version",
            Self::NotHex => "not_hex",
        }
    }
}

impl FromStr for Source {
    type Err = NotASource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => text.parse().map(Self::Postgres).map_err(|_: LocationError| NotASource),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}
