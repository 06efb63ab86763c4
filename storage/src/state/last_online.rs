//! When the node was online for the last time, so that it can fetch what it missed since.

use redb::TableDefinition;
use weir_core::Timestamp;

use super::StateStore;
use crate::{
    StoreError,
    engine::{Change, existing},
};

/// Nanoseconds since the Unix epoch. Made at the first write: a file without it is one of a node that never
/// wrote it, and a build that does not know it leaves it alone, so the schema stays what it is.
const LAST_ONLINE: TableDefinition<'static, (), i64> = TableDefinition::new("last_online");

impl StateStore {
    /// When the node was last known to be online, if it ever was.
    pub fn last_online(&self) -> Result<Option<Timestamp>, StoreError> {
        self.engine.read(|transaction| {
            let Some(table) = existing(transaction.open_table(LAST_ONLINE))? else { return Ok(None) };
            Ok(table.get(())?.map(|nanos| Timestamp::from_nanos(nanos.value())))
        })
    }

    /// Puts the moment in place of the one before.
    pub fn put_last_online(&self, moment: Timestamp) -> Result<(), StoreError> {
        self.engine.write(|transaction| {
            transaction.open_table(LAST_ONLINE)?.insert((), moment.as_nanos())?;
            Ok(Change::Commit(()))
        })
    }
}
