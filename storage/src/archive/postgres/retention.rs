//! Dropping the oldest messages.
//!
//! Partitions that are old as a whole are dropped, which gives their space back at once. Of the partition in
//! which the limit lies rows are deleted, a few at a time. Lookups stay until no message partition
//! is left beside theirs: they are small, and one that leads nowhere does no harm.

use std::collections::BTreeMap;

use deadpool_postgres::{Object, Transaction};
use tokio_postgres::error::SqlState;

use super::{
    super::{ArchiveError, Trim, Trimmed},
    partitions::{PARTITION_LOCK, Partitions},
    spans::{Span, Table},
};

/// Rows of one step: some 30 ms, and as long for who waits for the disk behind it.
const ROWS: i64 = 2_000;

/// For so long dropping a partition may wait for running queries; those that come later wait behind it.
const WAIT_FOR_QUERIES: &str = "SET LOCAL lock_timeout = '200ms'";

/// Nothing to do.
const DONE: Trimmed = Trimmed { removed: 0, more: false };

/// One step of `trim`.
pub(super) async fn trim(
    connection: &mut Object,
    partitions: &Partitions,
    slot: i16,
    trim: Trim,
) -> Result<Trimmed, ArchiveError> {
    let known = partitions.read(&*connection).await?;
    let Some(oldest) = known.message.first().copied() else { return Ok(DONE) };
    let counts = counts(connection).await?;
    let in_oldest = counts.get(&Table::Message.partition(oldest)).copied().unwrap_or(0);
    let total: i64 = counts.values().sum();
    match trim {
        Trim::OlderThan(moment) if oldest.last() < moment.as_nanos() => {}
        Trim::OlderThan(moment) => {
            let Some(last) = moment.as_nanos().checked_sub(1) else { return Ok(DONE) };
            let removed = delete(connection, oldest, slot, last, ROWS).await?;
            return Ok(Trimmed { removed, more: removed == ROWS as u64 });
        }
        Trim::ToCount(count) => {
            let excess = total.saturating_sub_unsigned(count);
            if excess <= 0 {
                return Ok(DONE);
            }
            if in_oldest > excess {
                let removed = delete(connection, oldest, slot, i64::MAX, excess.min(ROWS)).await?;
                return Ok(Trimmed { removed, more: removed > 0 && removed < excess.unsigned_abs() });
            }
        }
        // The newest messages stay, whatever they take.
        Trim::ToBytes(bytes) if total == in_oldest || bytes_on_disk(connection).await? <= bytes => {
            return Ok(DONE);
        }
        Trim::ToBytes(_) => {}
    }
    let removed = drop_partition(connection, oldest).await?;
    drop_lookups(connection, partitions).await?;
    Ok(Trimmed { removed, more: true })
}

/// Bytes of all tables, indexes and all.
pub(super) async fn bytes_on_disk(connection: &Object) -> Result<u64, tokio_postgres::Error> {
    let statement = connection
        .prepare_cached(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
             WHERE c.relnamespace = 'weir'::regnamespace AND c.relkind = 'r'",
        )
        .await?;
    let bytes: i64 = connection.query_one(&statement, &[]).await?.try_get(0)?;
    Ok(bytes.max(0) as u64)
}

/// Messages of every partition that has some.
async fn counts(connection: &Object) -> Result<BTreeMap<String, i64>, tokio_postgres::Error> {
    let statement = connection
        .prepare_cached("SELECT partition, sum(messages)::bigint FROM weir.tally GROUP BY partition")
        .await?;
    let rows = connection.query(&statement, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Deletes up to `rows` messages, not after `last`, the oldest first, of the partition of `span`. Tells how
/// many are gone.
async fn delete(
    connection: &Object,
    span: Span,
    slot: i16,
    last: i64,
    rows: i64,
) -> Result<u64, tokio_postgres::Error> {
    let partition = Table::Message.partition(span);
    // Not kept prepared: each text is used for an hour.
    let sql = format!(
        "WITH old AS MATERIALIZED (
             SELECT ts, hash FROM weir.{partition} WHERE ts <= $1 ORDER BY ts, hash LIMIT $2
         ), gone AS (
             DELETE FROM weir.{partition} m USING old WHERE m.ts = old.ts AND m.hash = old.hash
             RETURNING m.topic
         ), total AS MATERIALIZED (
             SELECT topic, count(*) AS messages FROM gone GROUP BY topic
         ), tallied AS (
             INSERT INTO weir.tally AS t (partition, topic, slot, messages)
             SELECT '{partition}', topic, $3, -messages FROM total ORDER BY topic
             ON CONFLICT (partition, topic, slot) DO UPDATE SET messages = t.messages + excluded.messages
         )
         SELECT coalesce(sum(messages), 0)::bigint FROM total"
    );
    match connection.query_one(&sql, &[&last, &rows, &slot]).await {
        Ok(row) => Ok(row.try_get::<_, i64>(0)?.unsigned_abs()),
        // Another node dropped it.
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Drops the message partition of `span` and tells how many messages it had; 0 when it is in use for long.
async fn drop_partition(connection: &mut Object, span: Span) -> Result<u64, tokio_postgres::Error> {
    let partition = Table::Message.partition(span);
    let transaction = connection.transaction().await?;
    if !drop_table(&transaction, &partition).await? {
        return Ok(0);
    }
    let rows = transaction
        .query("DELETE FROM weir.tally WHERE partition = $1 RETURNING messages", &[&partition])
        .await?;
    let mut removed: i64 = 0;
    for row in rows {
        removed += row.try_get::<_, i64>(0)?;
    }
    transaction.commit().await?;
    Ok(removed.max(0).unsigned_abs())
}

/// Drops the lookup partitions with no message partition beside them.
async fn drop_lookups(connection: &mut Object, partitions: &Partitions) -> Result<(), tokio_postgres::Error> {
    let known = partitions.read(&*connection).await?;
    let beside = |lookup: Span, span: &Span| span.from < lookup.to && lookup.from < span.to;
    for span in known.lookup {
        if !known.message.iter().any(|message| beside(span, message)) {
            let transaction = connection.transaction().await?;
            if drop_table(&transaction, &Table::Lookup.partition(span)).await? {
                transaction.commit().await?;
            }
        }
    }
    partitions.forget();
    Ok(())
}

/// Drops `partition`; false when it is in use for long.
async fn drop_table(transaction: &Transaction<'_>, partition: &str) -> Result<bool, tokio_postgres::Error> {
    transaction.batch_execute(WAIT_FOR_QUERIES).await?;
    let dropped = async {
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&PARTITION_LOCK]).await?;
        transaction.batch_execute(&format!("DROP TABLE IF EXISTS weir.{partition}")).await
    };
    match dropped.await {
        Ok(()) => Ok(true),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
        Err(error) => Err(error),
    }
}
