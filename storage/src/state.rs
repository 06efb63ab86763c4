//! The node's own memory between two runs, `state.redb` in the data directory.
//!
//! Everything but the node key can be lost without harm to others; the node then meets its peers
//! anew and may miss a double signal that spans the loss.
//!
//! # Bounds
//!
//! - peers: [`MAX_PEERS`], the one not seen for longest makes room;
//! - nullifiers: what the caller's log admits an epoch, times the epochs it has not yet pruned;
//! - evidence: one record an identity commitment, so at most one a membership ever registered.
//!
//! # Security
//!
//! The file is 0600. Secrets are zeroized in the records handed out and redacted in `Debug`; redb's
//! page cache may keep copies of them in this process.

use std::{path::Path, sync::Arc};

use redb::TableDefinition;
use zeroize::Zeroizing;

use crate::{
    OpenError, StoreError,
    engine::{Change, Engine, existing},
    schema::Kind,
};

mod evidence;
mod last_online;
mod nullifiers;
mod peers;
#[cfg(test)]
mod tests;

pub use evidence::EvidenceRecord;
pub use nullifiers::NullifierRecord;
pub use peers::{MAX_ADDRESS_LENGTH, MAX_PEERS, MAX_PROTOCOL_LENGTH, MAX_PROTOCOLS, PeerRecord};

const NODE_KEY_TABLE: TableDefinition<'static, (), &[u8; 32]> = TableDefinition::new("node_key");

static KIND: Kind = Kind {
    name: "node state",
    application: "weir-state",
    migrations: &[],
    remedy: "to go on, move it away; the node then starts with a new peer id and no known peers, unless \
             --nodekey is given",
    cache: 8 << 20,
    verified: true,
    scattered: false,
};

/// The store. Cheap to clone; one process at a time.
#[derive(Debug, Clone)]
pub struct StateStore {
    engine: Arc<Engine>,
}

impl StateStore {
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

    /// The secp256k1 secret key the peer id is derived from, big-endian, if one was put.
    pub fn node_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>, StoreError> {
        self.engine.read(|transaction| {
            let Some(table) = existing(transaction.open_table(NODE_KEY_TABLE))? else { return Ok(None) };
            Ok(table.get(())?.map(|key| Zeroizing::new(*key.value())))
        })
    }

    /// Puts the node key in place of the one before.
    pub fn put_node_key(&self, key: &[u8; 32]) -> Result<(), StoreError> {
        self.engine.write(|transaction| {
            transaction.open_table(NODE_KEY_TABLE)?.insert((), key)?;
            Ok(Change::Commit(()))
        })
    }
}
