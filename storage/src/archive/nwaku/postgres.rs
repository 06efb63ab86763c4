//! nwaku's archive in PostgreSQL: a table with a partition for each hour, bytes as hex text.
//!
//! Planning a statement takes longer with every partition that it may have to read, and an archive of a year has
//! 8760. So rows are read within a [`WINDOW`] of time, and the next window begins at the next row.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, Row, Statement, types::ToSql};
use weir_core::Timestamp;

use super::{COLUMNS, MAX_BATCH, NwakuError, RawRow, Refusal, RefusedRow, Rows, check_version};
use crate::archive::{PostgresUrl, postgres::text};

/// Versions of the schema that have the columns which are read, with the sender's timestamp in `timestamp`.
const VERSIONS: (i64, i64) = (6, 8);

/// How long a server may take to answer a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A day, in nanoseconds: 24 partitions are planned in about a millisecond.
pub(super) const WINDOW: i64 = 24 * 3600 * 1_000_000_000;

/// What is asked of the session. The index on the timestamp gives the order that is wanted but for hashes; a plan
/// that reads and sorts whole partitions looks good to a server whose statistics are old, and is not.
pub(super) const SESSION: &str = "SET default_transaction_read_only = on; SET plan_cache_mode = force_custom_plan; \
                       SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off";

const COUNT: &str = "SELECT count(*) FROM messages WHERE timestamp >= $1";

const NEXT_TIMESTAMP: &str = "SELECT min(timestamp) FROM messages WHERE timestamp >= $1";

/// The rows of an archive after a place.
#[derive(Debug)]
pub(super) struct PostgresRows {
    /// Runs the connection, whenever something is waited for.
    runtime: Runtime,
    client: Client,
    next_rows: Statement,
    place: String,
    /// Timestamp and hash, as hex text, of the last row that was read.
    after: (i64, String),
    /// Where the window ends.
    until: i64,
}

impl PostgresRows {
    pub(super) fn open(url: &PostgresUrl, start: Timestamp) -> Result<Self, NwakuError> {
        let place = url.to_string();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (client, next_rows) = runtime.block_on(connect(url, &place))?;
        let start = start.as_nanos();
        // Before all rows of that timestamp, as no hash is empty; the window is empty.
        Ok(Self { runtime, client, next_rows, place, after: (start, String::new()), until: start })
    }

    fn query(&self, query: &str, parameter: i64) -> Result<Option<i64>, NwakuError> {
        let answer = self.runtime.block_on(self.client.query_one(query, &[&parameter]));
        answer.and_then(|row| row.try_get(0)).map_err(|error| refused(&self.place, &error))
    }

    /// The next rows of the window.
    fn rows_of_window(&mut self) -> Result<Vec<Row>, NwakuError> {
        let parameters: [&(dyn ToSql + Sync); 3] = [&self.after.0, &self.after.1, &self.until];
        let rows = self.runtime.block_on(self.client.query(&self.next_rows, &parameters));
        let rows = rows.map_err(|error| refused(&self.place, &error))?;
        if let Some(last) = rows.last() {
            let place = last.try_get(5).and_then(|timestamp| Ok((timestamp, last.try_get(0)?)));
            self.after = place.map_err(|error| refused(&self.place, &error))?;
        }
        Ok(rows)
    }
}

impl Rows for PostgresRows {
    fn count(&mut self) -> Result<u64, NwakuError> {
        Ok(self.query(COUNT, self.after.0)?.unwrap_or_default().unsigned_abs())
    }

    fn next_rows(&mut self) -> Result<Vec<Result<RawRow, RefusedRow>>, NwakuError> {
        let mut rows = self.rows_of_window()?;
        while rows.is_empty() {
            let Some(next) = self.query(NEXT_TIMESTAMP, self.until)? else { return Ok(Vec::new()) };
            self.after = (next, String::new());
            self.until = next.saturating_add(WINDOW);
            rows = self.rows_of_window()?;
            // Dropped by nwaku since, or at the end of time, which no window includes.
            if rows.is_empty() && self.until == i64::MAX {
                return Ok(Vec::new());
            }
        }
        rows.iter().map(|row| read_row(row).map_err(|error| refused(&self.place, &error))).collect()
    }
}

/// The condition on the timestamp alone is for the planner, which does not see from the other that partitions of
/// earlier hours are not needed.
pub(super) fn next_rows_query() -> String {
    format!(
        "SELECT {COLUMNS} FROM messages \
         WHERE timestamp >= $1 AND timestamp < $3 AND (timestamp, messageHash) > ($1, $2) \
         ORDER BY timestamp, messageHash LIMIT {MAX_BATCH}"
    )
}

async fn connect(url: &PostgresUrl, place: &str) -> Result<(Client, Statement), NwakuError> {
    let refused = |error: tokio_postgres::Error| refused(place, &error);
    let wrong = |reason| NwakuError::Read { place: place.to_owned(), reason };
    let mut config = url.config().map_err(wrong)?;
    config.connect_timeout(CONNECT_WITHIN).application_name("weir store migrate");
    let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
    // Ends with the client. What goes wrong is told by the call that was waiting.
    tokio::spawn(async move { connection.await.ok() });
    client.batch_execute(SESSION).await.map_err(refused)?;
    check_schema(&client, place).await?;
    let next_rows = client.prepare(&next_rows_query()).await.map_err(refused)?;
    Ok((client, next_rows))
}

async fn check_schema(client: &Client, place: &str) -> Result<(), NwakuError> {
    let refused = |error: tokio_postgres::Error| refused(place, &error);
    let not_nwaku = || NwakuError::NotNwaku(place.to_owned());
    let query = "SELECT to_regclass('messages') IS NOT NULL AND to_regclass('version') IS NOT NULL";
    let has_tables: bool =
        client.query_one(query, &[]).await.and_then(|row| row.try_get(0)).map_err(refused)?;
    if !has_tables {
        return Err(not_nwaku());
    }
    let version = client.query_opt("SELECT version FROM version LIMIT 1", &[]).await.map_err(refused)?;
    let version: i32 = version.ok_or_else(not_nwaku)?.try_get(0).map_err(refused)?;
    check_version(place.to_owned(), version.into(), VERSIONS.0, VERSIONS.1)
}

fn read_row(row: &Row) -> Result<Result<RawRow, RefusedRow>, tokio_postgres::Error> {
    // Empty meta fields are null.
    let text = |index| row.try_get::<_, Option<&str>>(index).map(Option::unwrap_or_default);
    let (hash, payload, meta) = (text(0)?, text(3)?, text(6)?);
    let decoded = [hash, payload, meta].map(|text| hex::decode(text).ok());
    let [Some(hash), Some(payload), Some(meta)] = decoded else {
        return Ok(Err(RefusedRow { refusal: Refusal::NotHex, example: hash.to_owned() }));
    };
    Ok(Ok(RawRow {
        hash,
        pubsub_topic: text(1)?.into(),
        content_topic: text(2)?.into(),
        payload,
        version: row.try_get::<_, i32>(4)?.into(),
        timestamp: row.try_get(5)?,
        meta,
    }))
}

fn refused(place: &str, error: &tokio_postgres::Error) -> NwakuError {
    NwakuError::Read { place: place.to_owned(), reason: text(error) }
}
