//! nwaku's archive in SQLite: one table, bytes as blobs, in WAL mode.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use weir_core::Timestamp;

use super::{COLUMNS, MAX_BATCH, NwakuError, RawRow, RefusedRow, Rows, check_version};

/// Versions of the schema that have the columns which are read, with the sender's timestamp in `timestamp`.
const VERSIONS: (i64, i64) = (10, 10);

/// How long to wait while nwaku holds the file alone, which it does for moments.
const BUSY: Duration = Duration::from_secs(10);

/// The rows of an archive after a place.
#[derive(Debug)]
pub(super) struct SqliteRows {
    connection: Connection,
    place: String,
    /// Timestamp and hash of the last row that was read.
    after: (i64, Vec<u8>),
}

impl SqliteRows {
    pub(super) fn open(path: &Path, start: Timestamp) -> Result<Self, NwakuError> {
        let place = path.display().to_string();
        let refused =
            |error: rusqlite::Error| NwakuError::Read { place: place.clone(), reason: error.to_string() };
        if !path.is_file() {
            return Err(NwakuError::Missing(path.to_owned()));
        }
        let connection = match connect(path) {
            Err(error) if needs_write_access(&error) && !has_log(path) => connect_immutable(path),
            connected => connected,
        }
        .map_err(refused)?;
        check_schema(&connection, &place).map_err(refused)??;
        // Before all rows of that timestamp, as no hash is empty.
        Ok(Self { connection, after: (start.as_nanos(), Vec::new()), place: place.clone() })
    }

    fn read_rows(&self) -> rusqlite::Result<Vec<RawRow>> {
        let mut statement = self.connection.prepare(&next_rows_query())?;
        let (timestamp, hash) = &self.after;
        let rows = statement.query_map(params![timestamp, hash], |row| {
            // Empty payloads and meta fields are null.
            let bytes = |index| -> rusqlite::Result<Vec<u8>> {
                Ok(row.get_ref(index)?.as_bytes_or_null()?.unwrap_or_default().to_vec())
            };
            Ok(RawRow {
                hash: bytes(0)?,
                pubsub_topic: bytes(1)?,
                content_topic: bytes(2)?,
                payload: bytes(3)?,
                version: row.get(4)?,
                timestamp: row.get(5)?,
                meta: bytes(6)?,
            })
        })?;
        rows.collect()
    }

    fn refused(&self, error: &rusqlite::Error) -> NwakuError {
        NwakuError::Read { place: self.place.clone(), reason: error.to_string() }
    }
}

impl Rows for SqliteRows {
    fn count(&mut self) -> Result<u64, NwakuError> {
        let counted = self.connection.query_row(
            "SELECT count(*) FROM Message WHERE timestamp >= ?1",
            [self.after.0],
            |row| row.get::<_, i64>(0),
        );
        counted.map(i64::unsigned_abs).map_err(|error| self.refused(&error))
    }

    fn next_rows(&mut self) -> Result<Vec<Result<RawRow, RefusedRow>>, NwakuError> {
        let rows = self.read_rows().map_err(|error| self.refused(&error))?;
        if let Some(last) = rows.last() {
            self.after = (last.timestamp, last.hash.clone());
        }
        Ok(rows.into_iter().map(Ok).collect())
    }
}

/// Answered from the index `i_ts`: that of a table without row ids ends with the primary key.
pub(super) fn next_rows_query() -> String {
    format!(
        "SELECT {COLUMNS} FROM Message WHERE (timestamp, messageHash) > (?1, ?2) \
         ORDER BY timestamp, messageHash LIMIT {MAX_BATCH}"
    )
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY)?;
    // Opening is lazy; this reads the file.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// Opens a file in a folder that cannot be written. Nobody can have it open to write, so it is read without the
/// shared memory that readers of a file in WAL mode otherwise need.
pub(super) fn connect_immutable(path: &Path) -> rusqlite::Result<Connection> {
    let path = std::path::absolute(path).unwrap_or_else(|_: io::Error| path.to_owned());
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    Connection::open_with_flags(
        format!("file://{escaped}?immutable=1"),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI,
    )
}

fn needs_write_access(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Whether some of what is stored is in the log beside the file, which cannot be read without write access.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    PathBuf::from(log).metadata().is_ok_and(|log| log.len() > 0)
}

/// The outer error is of the database, the inner one of what is in it.
fn check_schema(connection: &Connection, place: &str) -> rusqlite::Result<Result<(), NwakuError>> {
    let version: i64 =
        connection.query_row("SELECT user_version FROM pragma_user_version", [], |row| row.get(0))?;
    let mut columns = connection.prepare("SELECT lower(name) FROM pragma_table_info('Message')")?;
    let columns: BTreeSet<String> = columns.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let needed = COLUMNS.to_lowercase();
    let has_all = needed.split(", ").all(|column| columns.contains(column));
    let (oldest, newest) = VERSIONS;
    Ok(if columns.is_empty() {
        Err(NwakuError::NotNwaku(place.to_owned()))
    } else if has_all && version == 0 && !columns.contains("storedat") {
        // Made by a nwaku that was told not to migrate: the columns are those of the newest version.
        Ok(())
    } else {
        check_version(place.to_owned(), version, oldest, newest)
            .and_then(|()| if has_all { Ok(()) } else { Err(NwakuError::NotNwaku(place.to_owned())) })
    })
}
