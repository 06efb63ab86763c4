//! nwaku's archive in PostgreSQL: a table with a partition for each hour, bytes as hex text.

use std::{error::Error, time::Duration};

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Config, NoTls, Row, Statement};
use weir_core::Timestamp;

use super::{COLUMNS, MAX_BATCH, NwakuError, RawRow, Refusal, RefusedRow, Rows, check_version};
use crate::archive::PostgresUrl;

/// Versions of the schema that have the columns which are read, with the sender's timestamp in `timestamp`.
const VERSIONS: (i64, i64) = (6, 8);

/// How long a server may take to answer a connection.
const CONNECT: Duration = Duration::from_secs(10);

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
}

impl PostgresRows {
    pub(super) fn open(url: &PostgresUrl, start: Timestamp) -> Result<Self, NwakuError> {
        let place = url.to_string();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (client, next_rows) = runtime.block_on(connect(url, &place))?;
        // Before all rows of that timestamp, as no hash is empty.
        Ok(Self { runtime, client, next_rows, place, after: (start.as_nanos(), String::new()) })
    }
}

impl Rows for PostgresRows {
    fn count(&mut self) -> Result<u64, NwakuError> {
        let query = "SELECT count(*) FROM messages WHERE timestamp >= $1";
        let counted = self.runtime.block_on(self.client.query_one(query, &[&self.after.0]));
        counted
            .and_then(|row| row.try_get(0))
            .map(i64::unsigned_abs)
            .map_err(|error| refused(&self.place, &error))
    }

    fn next_rows(&mut self) -> Result<Vec<Result<RawRow, RefusedRow>>, NwakuError> {
        let (timestamp, hash) = &self.after;
        let answer = self.runtime.block_on(self.client.query(&self.next_rows, &[timestamp, hash]));
        let rows = answer.map_err(|error| refused(&self.place, &error))?;
        if let Some(last) = rows.last() {
            let place = (last.try_get(5), last.try_get(0));
            self.after = match place {
                (Ok(timestamp), Ok(hash)) => (timestamp, hash),
                (Err(error), _) | (_, Err(error)) => return Err(refused(&self.place, &error)),
            };
        }
        rows.iter().map(|row| read_row(row).map_err(|error| refused(&self.place, &error))).collect()
    }
}

/// The first condition says no more than the second; it is for the planner, which does not see from the second
/// that the partitions of earlier hours are not needed. The index is that on the timestamp.
fn next_rows_query() -> String {
    format!(
        "SELECT {COLUMNS} FROM messages WHERE timestamp >= $1 AND (timestamp, messageHash) > ($1, $2) \
         ORDER BY timestamp, messageHash LIMIT {MAX_BATCH}"
    )
}

async fn connect(url: &PostgresUrl, place: &str) -> Result<(Client, Statement), NwakuError> {
    let refused = |error: tokio_postgres::Error| refused(place, &error);
    let mut config: Config = url.reveal().parse().map_err(refused)?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    config.application_name("weir store migrate");
    let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
    // Ends with the client. What goes wrong is told by the call that was waiting.
    tokio::spawn(async move { connection.await.ok() });
    client.batch_execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY").await.map_err(refused)?;
    check_schema(&client, place).await?;
    let next_rows = client.prepare(&next_rows_query()).await.map_err(refused)?;
    Ok((client, next_rows))
}

async fn check_schema(client: &Client, place: &str) -> Result<(), NwakuError> {
    let refused = |error: tokio_postgres::Error| refused(place, &error);
    let not_nwaku = || NwakuError::NotNwaku(place.to_owned());
    let query = "SELECT count(*) FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false)) \
                 AND (table_name, column_name) IN (('messages', 'messagehash'), ('messages', 'pubsubtopic'), \
                 ('version', 'version'))";
    let found: i64 = client.query_one(query, &[]).await.and_then(|row| row.try_get(0)).map_err(refused)?;
    if found != 3 {
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

/// The error with its causes, where the server's words are.
fn refused(place: &str, error: &tokio_postgres::Error) -> NwakuError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason.push_str(": ");
        reason.push_str(&error.to_string());
        cause = error.source();
    }
    NwakuError::Read { place: place.to_owned(), reason }
}
