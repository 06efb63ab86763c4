//! An open store: one transaction at a time, and a fresh start after a failed one.
//!
//! redb refuses everything once a write has failed, and what it then has in memory need not be what
//! is on the disk. So a failed transaction closes the database, and the next call opens the file
//! again with all checks.
//!
//! Every open reads the whole file to verify it, 0.1 s for a state file with 100 000 nullifiers (36 MB)
//! after a kill, so redb's quick repair, which would make each commit dearer, saves nothing here.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, StorageBackend, TableError,
    WriteTransaction,
};

use crate::{
    OpenError, StoreError, file,
    rehearsal::Rehearsal,
    schema::{Found, Kind, begin_write},
    shared::Shared,
};

/// What a write transaction decided.
pub(crate) enum Change<T> {
    /// Store it, then answer.
    Commit(T),
    /// Answer without storing anything.
    Leave(T),
}

pub(crate) struct Engine {
    kind: &'static Kind,
    source: Source,
    /// `None` while a transaction runs and after one failed.
    database: Mutex<Option<Database>>,
}

enum Source {
    File(PathBuf),
    #[cfg(any(test, feature = "test-utils"))]
    Backend(Box<dyn Fn() -> Arc<dyn StorageBackend> + Send + Sync>),
}

impl Engine {
    pub(crate) fn open(path: &Path, kind: &'static Kind) -> Result<Self, OpenError> {
        Self::start(Source::File(path.to_owned()), kind)
    }

    /// Opens what `make` gives, and again after each failure. An empty backend becomes a new store.
    #[cfg(any(test, feature = "test-utils"))]
    pub(crate) fn open_with_backend<B: StorageBackend>(
        make: impl Fn() -> B + Send + Sync + 'static,
        kind: &'static Kind,
    ) -> Result<Self, OpenError> {
        Self::start(Source::Backend(Box::new(move || Arc::new(make()))), kind)
    }

    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.run(|database| read(&database.begin_read()?))
    }

    /// Runs one write. `Ok` means that what it decided to commit is on the disk.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<Change<T>, redb::Error>,
    ) -> Result<T, StoreError> {
        self.run(|database| {
            let transaction = begin_write(database)?;
            match write(&transaction)? {
                Change::Commit(answer) => {
                    transaction.commit()?;
                    Ok(answer)
                }
                Change::Leave(answer) => {
                    transaction.abort()?;
                    Ok(answer)
                }
            }
        })
    }

    /// Takes the database out while `operation` runs, so that a failure or a panic closes it.
    fn run<T>(&self, operation: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let mut slot = self.slot();
        let database = match slot.take() {
            Some(database) => database,
            None => open_source(&self.source, self.kind).map_err(StoreError::from_open)?,
        };
        let answer =
            operation(&database).map_err(|error| StoreError::from_redb(self.source.path(), error))?;
        *slot = Some(database);
        Ok(answer)
    }

    fn start(source: Source, kind: &'static Kind) -> Result<Self, OpenError> {
        let database = open_source(&source, kind)?;
        Ok(Self { kind, source, database: Mutex::new(Some(database)) })
    }

    fn slot(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("store", &self.kind.name).field("path", &self.source.path()).finish()
    }
}

impl Source {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            #[cfg(any(test, feature = "test-utils"))]
            Self::Backend(_) => Path::new("(test backend)"),
        }
    }
}

fn open_source(source: &Source, kind: &Kind) -> Result<Database, OpenError> {
    match source {
        Source::File(path) => {
            let backend = file::open(path, kind)?;
            let database = open_checked(Arc::new(backend), path, kind)?;
            file::protect(path).map_err(|error| OpenError::from_io(path, error))?;
            Ok(database)
        }
        #[cfg(any(test, feature = "test-utils"))]
        Source::Backend(make) => {
            let path = source.path();
            let backend = make();
            if backend.len().map_err(|error| OpenError::from_io(path, error))? == 0 {
                let failed = |error: redb::Error| refusal(error, path, kind);
                let database = kind
                    .builder()
                    .create_with_backend(Shared(make()))
                    .map_err(|error| failed(error.into()))?;
                kind.initialize(&database).map_err(failed)?;
            }
            open_checked(backend, path, kind)
        }
    }
}

/// Rehearses the open, with every page's checksum verified if its kind wants that, then does it.
pub(crate) fn open_checked(
    backend: Arc<dyn StorageBackend>,
    path: &Path,
    kind: &Kind,
) -> Result<Database, OpenError> {
    let schema = rehearse(Arc::clone(&backend), path, kind)?;
    let open = || -> Result<Database, redb::Error> {
        let database = kind.builder().create_with_backend(Shared(backend))?;
        kind.migrate(&database, schema)?;
        Ok(database)
    };
    open().map_err(|error| refusal(error, path, kind))
}

/// The schema of the store, which is sound, ours and not too new.
pub(crate) fn rehearse(backend: Arc<dyn StorageBackend>, path: &Path, kind: &Kind) -> Result<u32, OpenError> {
    open_rehearsed(backend, path, kind).map(|(schema, _)| schema)
}

/// Opens a store for reading, for when it has to be repaired and the disk takes no writes.
pub(crate) fn open_in_memory(
    backend: Arc<dyn StorageBackend>,
    path: &Path,
    kind: &Kind,
) -> Result<Database, OpenError> {
    open_rehearsed(backend, path, kind).map(|(_, database)| database)
}

fn open_rehearsed(
    backend: Arc<dyn StorageBackend>,
    path: &Path,
    kind: &Kind,
) -> Result<(u32, Database), OpenError> {
    let rehearsal = Rehearsal::new(backend).map_err(|error| OpenError::from_io(path, error))?;
    let open = || -> Result<(Found, Database), redb::Error> {
        let mut builder = kind.builder();
        let database = builder.set_check_integrity_on_open(kind.verified).create_with_backend(rehearsal)?;
        Ok((kind.identify(&database)?, database))
    };
    let (found, database) = found(catch_unwind(AssertUnwindSafe(open)), path, kind)?;
    Ok((supported(found, path, kind)?, database))
}

/// redb asserts some of what it reads; on a damaged file such a panic is a finding like another.
fn found<T>(
    opened: std::thread::Result<Result<T, redb::Error>>,
    path: &Path,
    kind: &Kind,
) -> Result<T, OpenError> {
    match opened {
        Ok(opened) => opened.map_err(|error| refusal(error, path, kind)),
        Err(_) => Err(corrupt("its contents contradict each other".to_owned(), path, kind)),
    }
}

fn supported(found: Found, path: &Path, kind: &Kind) -> Result<u32, OpenError> {
    match found {
        Found::Schema(schema) if schema <= kind.schema() => Ok(schema),
        Found::Schema(found) => {
            Err(OpenError::Schema { path: path.to_owned(), found, supported: kind.schema() })
        }
        Found::Foreign => Err(OpenError::Foreign { path: path.to_owned(), store: kind.name }),
    }
}

/// Opens a store that was closed cleanly, without a write. `None` when it was not.
pub(crate) fn open_read_only(
    backend: Arc<dyn StorageBackend>,
    path: &Path,
    kind: &Kind,
) -> Result<Option<ReadOnlyDatabase>, OpenError> {
    let open = || match kind.builder().open_read_only_with_backend(Shared(backend)) {
        Ok(database) => Ok(Some((kind.identify(&database)?, database))),
        Err(DatabaseError::RepairAborted) => Ok(None),
        Err(error) => Err(error.into()),
    };
    match found(catch_unwind(AssertUnwindSafe(open)), path, kind)? {
        Some((found, database)) => supported(found, path, kind).map(|_| Some(database)),
        None => Ok(None),
    }
}

pub(crate) fn refusal(error: redb::Error, path: &Path, kind: &Kind) -> OpenError {
    match error {
        redb::Error::DatabaseAlreadyOpen => OpenError::InUse { path: path.to_owned() },
        // redb reports a wrong magic as invalid data and a file cut short as its end.
        redb::Error::Io(source)
            if !matches!(
                source.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            OpenError::from_io(path, source)
        }
        other => corrupt(other.to_string(), path, kind),
    }
}

fn corrupt(detail: String, path: &Path, kind: &Kind) -> OpenError {
    OpenError::Corrupt { path: path.to_owned(), detail, remedy: kind.remedy }
}

/// A table for reading; `None` until its first write has made it.
pub(crate) fn existing<T>(table: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{faulty_disk::FaultyDisk, schema::Migration};

    const NEXT: Migration = |_| Ok(());
    static OLD: Kind = Kind {
        name: "test",
        application: "weir-test",
        migrations: &[],
        remedy: "none",
        cache: 1 << 16,
        verified: true,
        scattered: false,
    };
    static NEW: Kind = Kind { migrations: &[NEXT], ..OLD };

    fn open(disk: &FaultyDisk, kind: &'static Kind) -> Result<Engine, OpenError> {
        let disk = disk.clone();
        Engine::open_with_backend(move || disk.backend(), kind)
    }

    #[test]
    fn a_newer_schema_is_refused_without_a_write_and_an_older_one_is_brought_up() {
        let disk = FaultyDisk::new();
        drop(open(&disk, &OLD).unwrap());
        drop(open(&disk, &NEW).unwrap());
        let image = disk.image();
        assert!(matches!(open(&disk, &OLD), Err(OpenError::Schema { found: 2, supported: 1, .. })));
        assert!(disk.image() == image);
    }

    #[test]
    fn a_panic_in_a_transaction_stores_nothing_and_the_store_goes_on() {
        let disk = FaultyDisk::new();
        let engine = open(&disk, &OLD).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _ = engine.write(|_| -> Result<Change<()>, redb::Error> { panic!("on purpose") });
        }));
        assert!(panicked.is_err());
        engine.write(|_| Ok(Change::Commit(()))).unwrap();
    }

    #[test]
    fn a_full_disk_is_named_when_a_store_is_made_and_when_it_is_opened_again() {
        let disk = FaultyDisk::new();
        disk.fill_up_after(3);
        assert!(matches!(open(&disk, &OLD), Err(OpenError::DiskFull { .. })));
        let disk = FaultyDisk::new();
        let engine = open(&disk, &OLD).unwrap();
        disk.fill_up_after(0);
        for _ in 0..2 {
            let refused = engine.write(|_| Ok(Change::Commit(())));
            assert!(matches!(refused, Err(StoreError::DiskFull { .. })));
        }
    }
}
