//! The tables, and how they come to be: numbered steps, each applied once, by one node at a time.
//!
//! Everything is in a schema of its own, so that the database may hold other things.

use tokio_postgres::Client;

/// Taken while the tables are changed. Any number that other programs do not use ("weir").
pub(super) const SCHEMA_LOCK: i64 = 0x7765_6972;

/// The steps, the oldest first. A published step is never changed.
const STEPS: [&str; 1] = [include_str!("schema/1.sql")];

/// Why the tables cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    /// A newer weir made them.
    #[error("its tables have version {found}, this weir knows up to {supported}; use the newer weir")]
    Newer { found: i32, supported: i32 },
    /// The server refused a step.
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
}

/// Brings the tables to the version of this build. A server that takes no writes will do when they are.
pub(super) async fn prepare(client: &mut Client) -> Result<(), SchemaError> {
    if version(client).await? == STEPS.len() as i32 {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&SCHEMA_LOCK]).await?;
    transaction
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS weir;
             CREATE TABLE IF NOT EXISTS weir.step (
                 version integer PRIMARY KEY,
                 applied timestamptz NOT NULL DEFAULT now()
             )",
        )
        .await?;
    // Again, because another node may have been quicker.
    let done = transaction.query_one("SELECT coalesce(max(version), 0) FROM weir.step", &[]).await?.get(0);
    for (step, version) in STEPS.iter().zip(1..).filter(|(_, version)| *version > done) {
        transaction.batch_execute(step).await?;
        transaction.execute("INSERT INTO weir.step (version) VALUES ($1)", &[&version]).await?;
    }
    Ok(transaction.commit().await?)
}

/// Which steps are done; 0 when none is.
async fn version(client: &Client) -> Result<i32, SchemaError> {
    let there: bool = client.query_one("SELECT to_regclass('weir.step') IS NOT NULL", &[]).await?.get(0);
    if !there {
        return Ok(0);
    }
    let found = client.query_one("SELECT coalesce(max(version), 0) FROM weir.step", &[]).await?.get(0);
    let supported = STEPS.len() as i32;
    if found > supported { Err(SchemaError::Newer { found, supported }) } else { Ok(found) }
}
