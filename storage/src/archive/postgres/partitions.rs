//! The partitions that there are: known here, made when a message needs one, dropped when all of it is old.
//!
//! Other nodes make and drop them too. What is known here may be old; that costs time and is never wrong: a
//! missing partition is noticed by the insert, and queries cover all of the time.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use deadpool_postgres::{GenericClient, Object};

use super::spans::{self, Span, Table};

/// Taken while partitions are made or dropped ("weir" and one more).
pub(super) const PARTITION_LOCK: i64 = 0x7765_6973;

/// Partitions change once an hour.
const READ_EVERY: Duration = Duration::from_secs(30);

/// Partitions made in one transaction: each holds about 8 locks, of the 64 that a connection has by default.
const MADE_AT_ONCE: usize = 8;

/// The partitions of both tables, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) message: Vec<Span>,
    pub(super) lookup: Vec<Span>,
}

impl Known {
    fn lacks(&self, ts: i64) -> bool {
        spans::find(&self.message, ts).is_none() || spans::find(&self.lookup, ts).is_none()
    }
}

/// What is known about the partitions.
#[derive(Debug)]
pub(super) struct Partitions {
    cached: Mutex<Option<(Instant, Known)>>,
    /// The bytes that the archive may take.
    size_cap: Option<u64>,
}

impl Partitions {
    /// Of an archive that may take `size_cap` bytes.
    pub(super) const fn new(size_cap: Option<u64>) -> Self {
        Self { cached: Mutex::new(None), size_cap }
    }

    /// The partitions as they were a short while ago.
    pub(super) async fn known(&self, client: &impl GenericClient) -> Result<Known, tokio_postgres::Error> {
        if let Some((read, known)) = self.cached().as_ref()
            && read.elapsed() < READ_EVERY
        {
            return Ok(known.clone());
        }
        self.read(client).await
    }

    /// The partitions as they are.
    pub(super) async fn read(&self, client: &impl GenericClient) -> Result<Known, tokio_postgres::Error> {
        let known = Known {
            message: list(client, Table::Message).await?,
            lookup: list(client, Table::Lookup).await?,
        };
        *self.cached() = Some((Instant::now(), known.clone()));
        Ok(known)
    }

    /// Makes the partitions for messages of these `timestamps` (nanoseconds, in order), and the one after them.
    pub(super) async fn make(
        &self,
        connection: &mut Object,
        timestamps: &[i64],
    ) -> Result<(), tokio_postgres::Error> {
        let mut known = self.known(&*connection).await?;
        let mut lacking: Vec<i64> = timestamps.iter().copied().filter(|ts| known.lacks(*ts)).collect();
        while !lacking.is_empty() {
            known = self.make_some(connection, &mut lacking).await?;
        }
        let last = timestamps.last().and_then(|ts| spans::find(&known.message, *ts));
        if let Some(ahead) = last.and_then(Span::next)
            && known.lacks(ahead)
        {
            self.make_some(connection, &mut vec![ahead]).await?;
        }
        Ok(())
    }

    /// Makes partitions for some of `lacking` and takes these from it.
    async fn make_some(
        &self,
        connection: &mut Object,
        lacking: &mut Vec<i64>,
    ) -> Result<Known, tokio_postgres::Error> {
        let transaction = connection.transaction().await?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&PARTITION_LOCK]).await?;
        let now: i64 = transaction.query_one("SELECT extract(epoch FROM now())::bigint", &[]).await?.get(0);
        // Another node may have made some meanwhile.
        let mut known = self.read(&transaction).await?;
        let width = self.width(&transaction, &known.message, now).await?;
        let mut made = 0;
        while made < MADE_AT_ONCE
            && let Some(ts) = lacking.pop()
        {
            for (table, spans) in [(Table::Message, &mut known.message), (Table::Lookup, &mut known.lookup)] {
                if spans::find(spans, ts).is_none() {
                    let span = table.span_for(ts, now, width, spans);
                    create(&transaction, table, span).await?;
                    spans.insert(spans.partition_point(|other| *other < span), span);
                    made += 1;
                }
            }
        }
        transaction.commit().await?;
        *self.cached() = Some((Instant::now(), known.clone()));
        Ok(known)
    }

    /// How long partitions for what arrives now should be, judged by the last two of `messages`.
    async fn width(
        &self,
        client: &impl GenericClient,
        messages: &[Span],
        now: i64,
    ) -> Result<i64, tokio_postgres::Error> {
        let mut bytes = 0;
        let mut since = now;
        if self.size_cap.is_some() {
            for span in messages.iter().rev().filter(|span| span.from <= now && span.next().is_some()).take(2)
            {
                let partition = format!("weir.{}", Table::Message.partition(*span));
                let size = client
                    .query_one("SELECT pg_total_relation_size($1::text::regclass)", &[&partition])
                    .await?;
                bytes += size.try_get::<_, i64>(0)?.unsigned_abs();
                since = span.from;
            }
        }
        Ok(spans::width(bytes, now.abs_diff(since), self.size_cap))
    }

    /// Forgets what is known, because it has proved wrong.
    pub(super) fn forget(&self) {
        *self.cached() = None;
    }

    fn cached(&self) -> MutexGuard<'_, Option<(Instant, Known)>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn list(client: &impl GenericClient, table: Table) -> Result<Vec<Span>, tokio_postgres::Error> {
    let rows = client
        .query(
            "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = $1::text::regclass",
            &[&format!("weir.{}", table.name())],
        )
        .await?;
    let mut spans: Vec<Span> = rows.iter().filter_map(|row| table.span(row.get(0))).collect();
    spans.sort_unstable();
    Ok(spans)
}

/// Attaching a table that was made apart lets inserts and queries go on; `CREATE ... PARTITION OF` would not.
async fn create(client: &impl GenericClient, table: Table, span: Span) -> Result<(), tokio_postgres::Error> {
    let (parent, partition) = (table.name(), table.partition(span));
    let bound = |bound: i64, unbounded: &str, at: i64| {
        if bound == i64::MIN || bound == i64::MAX { unbounded.to_owned() } else { at.to_string() }
    };
    let from = bound(span.from, "MINVALUE", span.first());
    let to = bound(span.to, "MAXVALUE", span.last().wrapping_add(1));
    client
        .batch_execute(&format!(
            "CREATE TABLE weir.{partition} (LIKE weir.{parent} INCLUDING STORAGE);
             ALTER TABLE weir.{parent} ATTACH PARTITION weir.{partition} FOR VALUES FROM ({from}) TO ({to});"
        ))
        .await
}
