//! Nullifiers of the current epochs, so that a double signal across a restart is still seen.

use redb::{ReadableTable, TableDefinition};

use super::StateStore;
use crate::{
    StoreError,
    engine::{Change, existing},
};

/// (epoch, nullifier)
type Key = (u64, Bytes);
/// (share x, share y)
type Shares = (Bytes, Bytes);
type Bytes = &'static [u8; 32];
const NULLIFIERS: TableDefinition<'static, Key, Shares> = TableDefinition::new("nullifiers");

/// One accepted message's trace. Field elements are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NullifierRecord {
    /// The epoch of its proof.
    pub epoch: u64,
    /// The same for two messages that used one message id.
    pub nullifier: [u8; 32],
    /// x of the share of the secret it gave away.
    pub share_x: [u8; 32],
    /// y of that share.
    pub share_y: [u8; 32],
}

impl StateStore {
    /// Records a batch in one transaction; batches are what makes this cheap. The first record of a
    /// nullifier stays.
    pub fn record_nullifiers(&self, batch: &[NullifierRecord]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.engine.write(|transaction| {
            let mut table = transaction.open_table(NULLIFIERS)?;
            for record in batch {
                let key = (record.epoch, &record.nullifier);
                if table.get(key)?.is_none() {
                    table.insert(key, (&record.share_x, &record.share_y))?;
                }
            }
            drop(table);
            Ok(Change::Commit(()))
        })
    }

    /// The records of `epoch` and later, in order of epoch.
    pub fn nullifiers_from(&self, epoch: u64) -> Result<Vec<NullifierRecord>, StoreError> {
        self.engine.read(|transaction| {
            let Some(table) = existing(transaction.open_table(NULLIFIERS))? else { return Ok(Vec::new()) };
            let mut records = Vec::new();
            for row in table.range((epoch, &[0; 32])..)? {
                let (key, shares) = row?;
                let ((epoch, nullifier), (share_x, share_y)) = (key.value(), shares.value());
                records.push(NullifierRecord {
                    epoch,
                    nullifier: *nullifier,
                    share_x: *share_x,
                    share_y: *share_y,
                });
            }
            Ok(records)
        })
    }

    /// Forgets the records before `epoch` and says how many there were.
    pub fn prune_nullifiers_before(&self, epoch: u64) -> Result<usize, StoreError> {
        self.engine.write(|transaction| {
            let mut table = transaction.open_table(NULLIFIERS)?;
            let mut pruned = 0;
            table.retain_in((0, &[0; 32])..(epoch, &[0; 32]), |_, _| {
                pruned += 1;
                false
            })?;
            drop(table);
            Ok(if pruned > 0 { Change::Commit(pruned) } else { Change::Leave(0) })
        })
    }
}
