//! The archive in a database of a PostgreSQL server, which several nodes may share.
//!
//! ```text
//! weir.message   by (ts, hash), (topic, ts, hash) and (both topics, ts, hash); an hour a partition
//! weir.lookup    from a hash to its ts; a day a partition
//! weir.tally     messages of each partition and topic
//! weir.topic     the pubsub topics
//! ```
//!
//! A query walks along the time, a few partitions a step, and stops when its page is full. A hash leads to a
//! timestamp first, and the timestamp to a partition, so no query visits all partitions of messages.
//!
//! Calls block while a runtime of our own waits for the server ([`server`]). A server that cannot be reached,
//! or takes no writes, makes calls fail with [`ArchiveError::Unavailable`] until it does.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use deadpool_postgres::Object;
use weir_core::{
    Timestamp,
    store::{Direction, Page, Query, StoredMessage},
};

pub(super) use self::errors::text;
use self::{
    partitions::Partitions,
    query::{Bounds, Filters},
    server::{Purpose, Server},
    statements::Shape,
};
use super::{
    Archive, ArchiveError, Inserted, OpenArchiveError, Options, Place, PostgresUrl, Summary, Trim, Trimmed,
    Verified, check_bounds,
};

mod errors;
mod insert;
mod keys;
mod partitions;
mod query;
mod retention;
mod schema;
mod server;
mod spans;
mod statements;
#[cfg(test)]
mod tests;
mod verify;

/// Nodes that count without waiting for one another. Each takes a place by chance.
const SLOTS: u64 = 16;

/// Messages of one call of [`Archive::read_on`]: some 0.5 MB.
const PART: usize = 256;

/// How long the size on disk is believed; asking takes about 10 us for each partition.
const BYTES_FOR: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct PostgresArchive {
    server: Server,
    partitions: Partitions,
    /// Our rows of `weir.tally`.
    slot: i16,
    bytes: Mutex<Option<(Instant, u64)>>,
}

pub(super) fn open(url: &PostgresUrl, options: Options) -> Result<Arc<dyn Archive>, OpenArchiveError> {
    Ok(Arc::new(PostgresArchive {
        server: Server::open(url, options)?,
        partitions: Partitions::new(options.size_cap),
        slot: (RandomState::new().hash_one(()) % SLOTS) as i16,
        bytes: Mutex::new(None),
    }))
}

impl Archive for PostgresArchive {
    fn insert(&self, messages: &[StoredMessage]) -> Result<Inserted, ArchiveError> {
        self.server.call(Purpose::Write, &|| true, async |connection| {
            Ok(insert::insert(connection, &self.partitions, self.slot, messages).await?)
        })
    }

    fn query(&self, query: &Query, wanted: &(dyn Fn() -> bool + Sync)) -> Result<Page, ArchiveError> {
        check_bounds(query)?;
        self.server.call(Purpose::Read, wanted, async |connection| {
            let known = self.partitions.known(&*connection).await?;
            query::page(connection, &known, query).await
        })
    }

    fn summary(&self) -> Result<Summary, ArchiveError> {
        self.server.call(Purpose::Read, &|| true, async |connection| {
            let by_topic = by_topic(connection).await?;
            Ok(Summary {
                messages: by_topic.values().sum(),
                by_topic,
                oldest: self.end(connection, Direction::Forward).await?,
                newest: self.end(connection, Direction::Backward).await?,
                bytes: self.bytes(connection).await?,
            })
        })
    }

    fn trim(&self, trim: Trim) -> Result<Trimmed, ArchiveError> {
        let trimmed = self.server.call(Purpose::Write, &|| true, async |connection| {
            retention::trim(connection, &self.partitions, self.slot, trim).await
        })?;
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(trimmed)
    }

    fn read_on(&self, after: Option<Place>) -> Result<Vec<StoredMessage>, ArchiveError> {
        self.server.call(Purpose::Read, &|| true, async |connection| self.part(connection, after).await)
    }

    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Verified, ArchiveError> {
        let mut verified = Verified::default();
        let mut after = None;
        loop {
            let part = self.server.call(Purpose::Read, &|| true, async |connection| {
                let part = self.part(connection, after).await?;
                verify::check(connection, &part, &mut verified).await?;
                Ok(part)
            })?;
            let Some(last) = part.last() else { return Ok(verified) };
            after = Some(last.place());
            progress(verified.messages);
        }
    }
}

impl PostgresArchive {
    /// The first timestamp in `direction`.
    async fn end(
        &self,
        connection: &Object,
        direction: Direction,
    ) -> Result<Option<Timestamp>, ArchiveError> {
        let known = self.partitions.known(connection).await?;
        let shape = Shape { direction, ..Shape::NAMES };
        let all = Bounds::of_time(None, None);
        let found = query::in_range(connection, &known, shape, &Filters::default(), &all, 1).await?;
        Ok(found.first().map(|message| message.place.0))
    }

    async fn bytes(&self, connection: &Object) -> Result<u64, ArchiveError> {
        let held = *self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = held.filter(|(read, _)| read.elapsed() < BYTES_FOR) {
            return Ok(bytes);
        }
        let bytes = retention::bytes_on_disk(connection).await?;
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), bytes));
        Ok(bytes)
    }

    /// What [`Archive::read_on`] gives.
    async fn part(
        &self,
        connection: &Object,
        after: Option<Place>,
    ) -> Result<Vec<StoredMessage>, ArchiveError> {
        let known = self.partitions.known(connection).await?;
        let shape = Shape { data: true, ..Shape::NAMES };
        let mut bounds = Bounds::of_time(None, None);
        if let Some(place) = after {
            bounds = bounds.beyond(place, Direction::Forward);
        }
        let found = query::in_range(connection, &known, shape, &Filters::default(), &bounds, PART).await?;
        found.into_iter().map(query::Found::into_message).collect()
    }
}

async fn by_topic(connection: &Object) -> Result<BTreeMap<weir_core::PubsubTopic, u64>, ArchiveError> {
    let statement = connection
        .prepare_cached(
            "SELECT topic, sum(messages)::bigint FROM weir.tally GROUP BY topic HAVING sum(messages) > 0",
        )
        .await?;
    let mut by_topic = BTreeMap::new();
    for row in connection.query(&statement, &[]).await? {
        let (number, messages): (i32, i64) = (row.try_get(0)?, row.try_get(1)?);
        let topic = keys::topic_of(number)
            .ok_or_else(|| ArchiveError::Damaged(format!("there is no pubsub topic with number {number}")))?;
        by_topic.insert(topic, messages.max(0) as u64);
    }
    Ok(by_topic)
}
