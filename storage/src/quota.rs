//! How many message ids of each epoch have been given away.
//!
//! An RLN member may use each message id once an epoch; two different messages with the same id in
//! the same epoch reveal its identity secret to everyone. The ids are therefore reserved here, on
//! the disk, *before* the proof that uses them is made, in ranges, so that one fsync serves many
//! messages. The file lives beside the keystore (`<keystore>.quota`), not in the data directory: it
//! belongs to the identity, whichever node uses it.
//!
//! # Why an id is never granted twice
//!
//! What holds at all times: *every id ever granted is below the number on record for its epoch, or
//! its epoch is below the membership's floor.* A grant takes only ids at or above the number on
//! record, in an epoch at or above the floor, and raises the number in the same transaction.
//!
//! - **Crash before the commit**: the caller was told nothing; the ids are granted later, once.
//! - **Crash after the commit**: the ids are on record, so they are skipped, at most one range.
//!   Skipping is the price; the commit is never undone, because a two-phase commit that fails its
//!   checksums makes the file [`Corrupt`](crate::OpenError::Corrupt) instead of rolling it back.
//! - **The clock steps back**: the earlier epoch's number is still on record and counting goes on
//!   from it, or the epoch is below the floor and refused. Epochs are compared with the record, not
//!   with a clock; there is no sliding window.
//! - **The clock steps forward and back again**: the far epoch takes one row. The floor follows the
//!   oldest row, not the newest, so the present is not refused.
//! - **Two processes**: the file is locked as long as the store is open; the second gets
//!   [`InUse`](crate::OpenError::InUse). Two data directories with one keystore share this file.
//! - **Disk full, failing disk**: the transaction fails, nothing is granted, and what is on the disk
//!   decides after the file has been opened again.
//! - **Power loss after the file was made**: its directory entry was synced before the first grant.
//!
//! What no file can prevent: the keystore copied to another machine, or this file deleted or put
//! back from a backup within an epoch. [`QuotaStore::knows`] and [`QuotaStore::refuse_below`] are
//! there for the one case that can be noticed, a keystore whose identity this file never met.
//!
//! # Bounds
//!
//! [`EPOCHS_KEPT`] rows of 44 bytes a membership, and one floor each.

use std::{ops::Range, path::Path, sync::Arc};

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::{
    OpenError, StoreError,
    engine::{Change, Engine, existing},
    schema::Kind,
};

#[cfg(test)]
mod tests;

/// How many epochs of each membership are on record: the newest ones used. At the usual 600 s that
/// is at least 42 hours, so a clock that steps back by less goes on where it was; 11 kB.
pub const EPOCHS_KEPT: u64 = 256;

/// (membership, epoch) -> the lowest id not yet granted.
const GRANTED: TableDefinition<'static, (&[u8; 32], u64), u32> = TableDefinition::new("granted");
/// membership -> the first epoch that may be granted.
const FLOOR: TableDefinition<'static, &[u8; 32], u64> = TableDefinition::new("floor");

static KIND: Kind = Kind {
    name: "message quota",
    application: "weir-quota",
    migrations: &[],
    remedy: "to go on, move it away and do not publish with this keystore before the next epoch has \
             begun: which of this epoch's message ids are used is no longer known",
    cache: 1 << 20,
    verified: true,
    scattered: false,
};

/// The ids already given away. Cheap to clone; one process at a time.
///
/// The membership is any 32 bytes that name it for good; the identity commitment is the natural
/// choice.
#[derive(Debug, Clone)]
pub struct QuotaStore {
    engine: Arc<Engine>,
}

impl QuotaStore {
    /// Opens the file, or makes it and the directories above it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Ok(Self { engine: Arc::new(Engine::open(path.as_ref(), &KIND)?) })
    }

    /// Opens what `make` gives, for fault injection; see [`crate::faulty_disk`].
    #[cfg(any(test, feature = "test-utils"))]
    pub fn open_with_backend<B: redb::StorageBackend>(
        make: impl Fn() -> B + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        Ok(Self { engine: Arc::new(Engine::open_with_backend(make, &KIND)?) })
    }

    /// Whether [`refuse_below`](Self::refuse_below) was ever called for the membership, with 0 when
    /// its identity was made. If not, what it used elsewhere is unknown: refuse all epochs up to and
    /// including this one.
    pub fn knows(&self, membership: &[u8; 32]) -> Result<bool, StoreError> {
        self.engine.read(|transaction| {
            let Some(floors) = existing(transaction.open_table(FLOOR))? else { return Ok(false) };
            Ok(floors.get(membership)?.is_some())
        })
    }

    /// Grants the next `count` ids of `epoch`, fewer when `limit` (exclusive) comes first, none when
    /// it is reached. When this returns `Ok`, the grant is on the disk.
    pub fn reserve(
        &self,
        membership: &[u8; 32],
        epoch: u64,
        count: u32,
        limit: u32,
    ) -> Result<Range<u32>, StoreError> {
        self.engine
            .write(|transaction| {
                let floor = floor_of(transaction, membership)?;
                if epoch < floor {
                    return Ok(Change::Leave(Err(StoreError::EpochForgotten { epoch, floor })));
                }
                let mut granted = transaction.open_table(GRANTED)?;
                let start = granted.get((membership, epoch))?.map_or(0, |row| row.value());
                let end = start.saturating_add(count).min(limit);
                if end <= start {
                    return Ok(Change::Leave(Ok(start..start)));
                }
                granted.insert((membership, epoch), end)?;
                drop(granted);
                forget_oldest(transaction, membership)?;
                Ok(Change::Commit(Ok(start..end)))
            })
            .flatten()
    }

    /// How many ids of `epoch` have been granted.
    pub fn used(&self, membership: &[u8; 32], epoch: u64) -> Result<u32, StoreError> {
        self.engine
            .read(|transaction| {
                let floor = match existing(transaction.open_table(FLOOR))? {
                    Some(floors) => floors.get(membership)?.map_or(0, |floor| floor.value()),
                    None => 0,
                };
                if epoch < floor {
                    return Ok(Err(StoreError::EpochForgotten { epoch, floor }));
                }
                match existing(transaction.open_table(GRANTED))? {
                    Some(granted) => Ok(Ok(granted.get((membership, epoch))?.map_or(0, |row| row.value()))),
                    None => Ok(Ok(0)),
                }
            })
            .flatten()
    }

    /// Grants nothing in epochs before `epoch` from now on. Never lowers what was refused before.
    pub fn refuse_below(&self, membership: &[u8; 32], epoch: u64) -> Result<(), StoreError> {
        self.engine.write(|transaction| {
            raise_floor(transaction, membership, epoch)?;
            let mut granted = transaction.open_table(GRANTED)?;
            granted.retain_in((membership, 0)..(membership, epoch), |_, _| false)?;
            Ok(Change::Commit(()))
        })
    }
}

fn floor_of(transaction: &WriteTransaction, membership: &[u8; 32]) -> Result<u64, redb::Error> {
    let floors = transaction.open_table(FLOOR)?;
    let floor = floors.get(membership)?.map_or(0, |floor| floor.value());
    Ok(floor)
}

fn raise_floor(transaction: &WriteTransaction, membership: &[u8; 32], epoch: u64) -> Result<(), redb::Error> {
    let floor = floor_of(transaction, membership)?.max(epoch);
    transaction.open_table(FLOOR)?.insert(membership, floor)?;
    Ok(())
}

/// Drops the oldest rows above the bound and puts the floor above each.
fn forget_oldest(transaction: &WriteTransaction, membership: &[u8; 32]) -> Result<(), redb::Error> {
    let mut granted = transaction.open_table(GRANTED)?;
    let rows = granted.range((membership, 0)..=(membership, u64::MAX))?.count() as u64;
    for _ in EPOCHS_KEPT..rows {
        let oldest = match granted.range((membership, 0)..=(membership, u64::MAX))?.next() {
            Some(row) => row?.0.value().1,
            None => break,
        };
        granted.remove((membership, oldest))?;
        raise_floor(transaction, membership, oldest.saturating_add(1))?;
    }
    Ok(())
}
