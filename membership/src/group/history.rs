//! What a tree was made from, as a number and a digest.
//!
//! Two groups with the same history have the same tree, whatever ledger told them. That is how a tree
//! on disk is recognised as the one that the ledger's events would give.

use std::fmt;

use sha2::{Digest, Sha256};

use super::LeafChange;

/// The changes of leaves so far, in order.
#[derive(Clone, Default)]
pub(super) struct History {
    changes: u64,
    hasher: Sha256,
}

/// What is hashed before the changes: another meaning of the bytes gets another name.
const DOMAIN: &[u8; 16] = b"weir-leaf-log-v1";

impl History {
    /// Adds a change and gives it back.
    ///
    /// Hashed are 44 bytes: kind (1 a member, 0 nobody) in 4, index in 4, limit in 4 and commitment in
    /// 32, all little-endian; limit and commitment of nobody are zero.
    pub(super) fn add(&mut self, change: LeafChange) -> LeafChange {
        if self.changes == 0 {
            self.hasher.update(DOMAIN);
        }
        let mut bytes = [0; 44];
        bytes[4..8].copy_from_slice(&change.index.get().to_le_bytes());
        if let Some((commitment, limit)) = change.member {
            bytes[0] = 1;
            bytes[8..12].copy_from_slice(&limit.get().to_le_bytes());
            bytes[12..].copy_from_slice(&commitment.to_bytes());
        }
        self.hasher.update(bytes);
        self.changes += 1;
        change
    }

    /// How many there are.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// SHA-256 of them all.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.hasher.clone().finalize().into()
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({} changes)", self.changes)
    }
}
