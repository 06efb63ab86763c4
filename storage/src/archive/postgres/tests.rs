//! Against a real server.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use weir_core::{ClusterId, ContentTopic, Meta, ProofField, PubsubTopic, ShardId, WakuMessage};

use super::*;
use crate::postgres_server::{Fsync, PostgresServer};

mod availability;
mod conformance;
mod plans;
mod sharing;
mod trimming;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;

/// Longer than anything takes on a busy machine: whoever waits so long waits for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// The archive in the database at `url`.
fn archive(url: &str) -> Arc<dyn Archive> {
    try_open(url).expect("opens")
}

fn try_open(url: &str) -> Result<Arc<dyn Archive>, OpenArchiveError> {
    open(&url.parse().expect("a URL"), Options { connections: 4, ..Options::default() })
}

/// The name of the database at `url`.
fn database(url: &str) -> &str {
    url.split(['/', '?']).nth(3).expect("postgres://user@/database?host=..")
}

/// The beginning of this hour, in nanoseconds: partitions of hours are made for what is not far from now.
fn this_hour() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos() as i64;
    now - now % HOUR
}

fn topic(shard: u16) -> PubsubTopic {
    PubsubTopic::new(ClusterId(1), ShardId(shard)).expect("few shards")
}

fn content_topic(name: &str) -> ContentTopic {
    ContentTopic::new(name).expect("short")
}

/// A message that `payload` tells from others of the same timestamp.
fn message(ts: i64, shard: u16, content: &str, payload: u64) -> StoredMessage {
    let message = WakuMessage {
        payload: payload.to_be_bytes().to_vec().into(),
        content_topic: content_topic(content),
        version: 0,
        timestamp: Timestamp::from_nanos(ts),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    };
    StoredMessage::new(topic(shard), message)
}

fn ask(archive: &dyn Archive, query: &Query) -> Page {
    archive.query(query, &|| true).expect("answers")
}

/// Tries until it works.
fn in_time<T>(what: &str, mut attempt: impl FnMut() -> Result<T, ArchiveError>) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{what}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
