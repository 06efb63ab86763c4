//! Proofs that a member broke its quota.

use std::fmt;

use redb::{ReadableTable, TableDefinition};
use weir_core::Timestamp;
use zeroize::Zeroizing;

use super::StateStore;
use crate::{
    StoreError,
    engine::{Change, existing},
};

/// commitment -> (epoch, root, nullifier, first share, second share, secret, seen at in ns)
type Row = (u64, Bytes, Bytes, (Bytes, Bytes), (Bytes, Bytes), Bytes, i64);
type Bytes = &'static [u8; 32];
const EVIDENCE: TableDefinition<'static, Bytes, Row> = TableDefinition::new("evidence");

/// Two messages with one nullifier, and the identity secret they reveal. Field elements are
/// little-endian.
///
/// The secret is the proof: whoever knows it can have the membership erased. It belongs to the
/// offender, but it is handled like one of ours.
#[derive(Clone, PartialEq, Eq)]
pub struct EvidenceRecord {
    /// The epoch of both proofs.
    pub epoch: u64,
    /// The membership root the second was proved against.
    pub root: [u8; 32],
    /// What both have in common.
    pub nullifier: [u8; 32],
    /// x of the first share.
    pub share_x_1: [u8; 32],
    /// y of the first share.
    pub share_y_1: [u8; 32],
    /// x of the second share.
    pub share_x_2: [u8; 32],
    /// y of the second share.
    pub share_y_2: [u8; 32],
    /// Whose secret it is.
    pub commitment: [u8; 32],
    /// The secret recovered from the two shares.
    pub secret: Zeroizing<[u8; 32]>,
    /// When the second message came.
    pub seen_at: Timestamp,
}

impl fmt::Debug for EvidenceRecord {
    /// The shares are left out with the secret: two of them give it away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvidenceRecord")
            .field("epoch", &self.epoch)
            .field("root", &self.root)
            .field("nullifier", &self.nullifier)
            .field("commitment", &self.commitment)
            .field("seen_at", &self.seen_at)
            .field("secret", &"[REDACTED]")
            .finish_non_exhaustive()
    }
}

impl StateStore {
    /// Records evidence. The first against a commitment stays: one is enough, and more would let a
    /// member that is already exposed fill the disk.
    pub fn record_evidence(&self, record: &EvidenceRecord) -> Result<(), StoreError> {
        self.engine.write(|transaction| {
            let mut table = transaction.open_table(EVIDENCE)?;
            if table.get(&record.commitment)?.is_some() {
                return Ok(Change::Leave(()));
            }
            let row = (
                record.epoch,
                &record.root,
                &record.nullifier,
                (&record.share_x_1, &record.share_y_1),
                (&record.share_x_2, &record.share_y_2),
                &*record.secret,
                record.seen_at.as_nanos(),
            );
            table.insert(&record.commitment, row)?;
            drop(table);
            Ok(Change::Commit(()))
        })
    }

    /// All evidence, by commitment.
    pub fn evidence(&self) -> Result<Vec<EvidenceRecord>, StoreError> {
        self.engine.read(|transaction| {
            let Some(table) = existing(transaction.open_table(EVIDENCE))? else { return Ok(Vec::new()) };
            let mut records = Vec::new();
            for entry in table.iter()? {
                let (commitment, row) = entry?;
                let (epoch, root, nullifier, (x_1, y_1), (x_2, y_2), secret, seen_at) = row.value();
                records.push(EvidenceRecord {
                    epoch,
                    root: *root,
                    nullifier: *nullifier,
                    share_x_1: *x_1,
                    share_y_1: *y_1,
                    share_x_2: *x_2,
                    share_y_2: *y_2,
                    commitment: *commitment.value(),
                    secret: Zeroizing::new(*secret),
                    seen_at: Timestamp::from_nanos(seen_at),
                });
            }
            Ok(records)
        })
    }
}
