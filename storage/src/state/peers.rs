//! Peers worth dialling after a restart.

use redb::{ReadableTable, ReadableTableMetadata, Table, TableDefinition};
use weir_core::{PeerAddress, PeerId, Timestamp};

use super::StateStore;
use crate::{
    StoreError,
    engine::{Change, existing},
};

/// Peers kept: some ten times the connections a node holds.
pub const MAX_PEERS: u64 = 1024;

/// Bytes of a stored address. The longest in use, a circuit relay through a named host, has under 400.
pub const MAX_ADDRESS_LENGTH: usize = 1024;

/// Protocols kept of a peer; what it lists beyond is dropped. A node with every service has about 30.
pub const MAX_PROTOCOLS: usize = 64;

/// Bytes of a protocol id that is kept. Waku's longest has 41.
pub const MAX_PROTOCOL_LENGTH: usize = 128;

/// peer id -> (multiaddr, protocols, last seen in ns since 1970)
const PEERS: TableDefinition<'static, &[u8], (&str, Vec<&str>, i64)> = TableDefinition::new("peers");

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRecord {
    /// Where it answered.
    pub address: PeerAddress,
    /// The protocol ids it listed.
    pub protocols: Vec<String>,
    /// When it was last connected.
    pub last_seen: Timestamp,
}

impl StateStore {
    /// All peers, by peer id.
    pub fn peers(&self) -> Result<Vec<PeerRecord>, StoreError> {
        self.engine.read(|transaction| {
            let Some(table) = existing(transaction.open_table(PEERS))? else { return Ok(Vec::new()) };
            let mut peers = Vec::new();
            for row in table.iter()? {
                let (id, record) = row?;
                let (address, protocols, last_seen) = record.value();
                // Only `put_peer` writes here, and it had a `PeerId`.
                let Ok(peer) = PeerId::from_bytes(id.value()) else { continue };
                peers.push(PeerRecord {
                    address: PeerAddress::new(peer, address),
                    protocols: protocols.into_iter().map(str::to_owned).collect(),
                    last_seen: Timestamp::from_nanos(last_seen),
                });
            }
            Ok(peers)
        })
    }

    /// Puts a peer in place of what was known of it. A new one over [`MAX_PEERS`] takes the place of
    /// the one not seen for longest.
    pub fn put_peer(&self, record: &PeerRecord) -> Result<(), StoreError> {
        let address = record.address.as_str();
        if address.len() > MAX_ADDRESS_LENGTH {
            return Err(StoreError::AddressTooLong { length: address.len(), limit: MAX_ADDRESS_LENGTH });
        }
        let protocols = record.protocols.iter().map(String::as_str);
        let protocols: Vec<&str> =
            protocols.filter(|id| id.len() <= MAX_PROTOCOL_LENGTH).take(MAX_PROTOCOLS).collect();
        self.engine.write(|transaction| {
            let mut table = transaction.open_table(PEERS)?;
            let id = record.address.peer().as_bytes();
            if table.len()? >= MAX_PEERS && table.get(id)?.is_none() {
                remove_oldest(&mut table)?;
            }
            table.insert(id, (address, protocols, record.last_seen.as_nanos()))?;
            drop(table);
            Ok(Change::Commit(()))
        })
    }

    /// Forgets a peer.
    pub fn remove_peer(&self, peer: &PeerId) -> Result<(), StoreError> {
        self.engine.write(|transaction| {
            let known = transaction.open_table(PEERS)?.remove(peer.as_bytes())?.is_some();
            Ok(if known { Change::Commit(()) } else { Change::Leave(()) })
        })
    }
}

fn remove_oldest(
    table: &mut Table<'_, &'static [u8], (&'static str, Vec<&'static str>, i64)>,
) -> Result<(), redb::Error> {
    let mut oldest: Option<(i64, Vec<u8>)> = None;
    for row in table.iter()? {
        let (id, record) = row?;
        let (_, _, last_seen) = record.value();
        if oldest.as_ref().is_none_or(|(seen, _)| last_seen < *seen) {
            oldest = Some((last_seen, id.value().to_vec()));
        }
    }
    if let Some((_, id)) = oldest {
        table.remove(id.as_slice())?;
    }
    Ok(())
}
