//! Whose file it is and which format it has.
//!
//! Every store has a table `weir` with two entries, `application` and `schema`. A file without it is
//! foreign. A file of an older schema is brought up one [`Migration`] at a time when it is opened;
//! one of a newer schema is refused.

use std::sync::Arc;

use redb::{
    Builder, Database, ReadableDatabase, StorageBackend, TableDefinition, TableError, WriteTransaction,
    backends::InMemoryBackend,
};

use crate::shared::Shared;

const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("weir");
const APPLICATION: &str = "application";
const SCHEMA: &str = "schema";

/// One step from a schema to the next, in one transaction with the change of the number. Each lives
/// in a file of its own, `schema/v0002_<what>.rs`, and is never changed after a release.
pub(crate) type Migration = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// One kind of store.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What the operator is told: "node state", "message quota".
    pub(crate) name: &'static str,
    /// What tells its files from others; never changes.
    pub(crate) application: &'static str,
    /// `migrations[i]` leads from schema `i + 1` to `i + 2`.
    pub(crate) migrations: &'static [Migration],
    /// What to do about a damaged file and what it costs.
    pub(crate) remedy: &'static str,
    /// redb's page cache, bytes.
    pub(crate) cache: usize,
    /// Whether opening verifies every page. Otherwise the commits of its files have to be such that opening
    /// after a crash needs none of that (redb's quick repair).
    pub(crate) verified: bool,
    /// Whether reads go all over the file, so that what the system reads ahead of them is read in vain.
    pub(crate) scattered: bool,
}

/// What a sound redb file turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Not of this kind.
    Foreign,
    /// Of this kind, with this schema.
    Schema(u32),
}

impl Kind {
    /// The newest schema this build knows.
    pub(crate) fn schema(&self) -> u32 {
        1 + self.migrations.len() as u32
    }

    pub(crate) fn builder(&self) -> Builder {
        let mut builder = Builder::new();
        builder.set_cache_size(self.cache);
        builder
    }

    /// The bytes of a new, cleanly closed store.
    pub(crate) fn new_image(&self) -> Result<Vec<u8>, redb::Error> {
        let memory = Arc::new(InMemoryBackend::new());
        let database = self.builder().create_with_backend(Shared(Arc::<InMemoryBackend>::clone(&memory)))?;
        self.initialize(&database)?;
        database.close()?;
        let mut image = vec![0; memory.len()? as usize];
        memory.read(0, &mut image)?;
        Ok(image)
    }

    /// Makes an empty database a store of this kind.
    pub(crate) fn initialize(&self, database: &Database) -> Result<(), redb::Error> {
        let transaction = begin_write(database)?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert(APPLICATION, self.application.as_bytes())?;
            meta.insert(SCHEMA, self.schema().to_le_bytes().as_slice())?;
        }
        Ok(transaction.commit()?)
    }

    /// Reads the marks.
    pub(crate) fn identify(&self, database: &impl ReadableDatabase) -> Result<Found, redb::Error> {
        let transaction = database.begin_read()?;
        let meta = match transaction.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::Storage(error)) => return Err(error.into()),
            Err(_) => return Ok(Found::Foreign),
        };
        let ours = meta.get(APPLICATION)?.is_some_and(|name| name.value() == self.application.as_bytes());
        let schema = meta.get(SCHEMA)?.and_then(|bytes| bytes.value().try_into().ok());
        Ok(match schema.map(u32::from_le_bytes) {
            Some(schema) if ours && schema > 0 => Found::Schema(schema),
            _ => Found::Foreign,
        })
    }

    /// Brings a store of schema `from` up to this build's, each step fsynced.
    pub(crate) fn migrate(&self, database: &Database, from: u32) -> Result<(), redb::Error> {
        for (migration, schema) in self.migrations.iter().zip(2_u32..).skip(from as usize - 1) {
            let transaction = begin_write(database)?;
            migration(&transaction)?;
            transaction.open_table(META)?.insert(SCHEMA, schema.to_le_bytes().as_slice())?;
            transaction.commit()?;
        }
        Ok(())
    }
}

/// Starts a write whose commit returns only when it is on the disk.
///
/// Two phases, because a one-phase commit that fails its checksum later is taken for a torn one and
/// rolled back at the next open, even if it had been confirmed: the store would forget without a
/// word. A damaged two-phase commit is an error.
pub(crate) fn begin_write(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(redb::Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

#[cfg(test)]
mod tests {
    use redb::ReadableTable;

    use super::*;

    const NOTES: TableDefinition<'static, &str, u32> = TableDefinition::new("notes");

    const fn kind(migrations: &'static [Migration]) -> Kind {
        Kind {
            name: "test",
            application: "weir-test",
            migrations,
            remedy: "none",
            cache: 1 << 16,
            verified: true,
            scattered: false,
        }
    }

    fn make_notes(transaction: &WriteTransaction) -> Result<(), redb::Error> {
        transaction.open_table(NOTES)?.insert("a", 1)?;
        Ok(())
    }

    fn double_notes(transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let mut notes = transaction.open_table(NOTES)?;
        let value = notes.get("a")?.map_or(0, |note| note.value());
        notes.insert("a", value * 2)?;
        Ok(())
    }

    #[test]
    fn an_old_store_is_brought_up_one_schema_at_a_time() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        kind(&[]).initialize(&database).unwrap();
        let newest = kind(&[make_notes, double_notes]);
        kind(&[make_notes]).migrate(&database, 1).unwrap();
        assert_eq!(newest.identify(&database).unwrap(), Found::Schema(2));
        newest.migrate(&database, 2).unwrap();
        assert_eq!(newest.identify(&database).unwrap(), Found::Schema(3));
        newest.migrate(&database, 3).unwrap();
        let read = database.begin_read().unwrap();
        assert_eq!(read.open_table(NOTES).unwrap().get("a").unwrap().unwrap().value(), 2);
    }
}
