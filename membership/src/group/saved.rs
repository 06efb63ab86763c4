//! A group's tree between two runs of a node.
//!
//! Making the tree of a million members takes seconds of hashing; reading it takes a tenth of one. Who
//! the members are is always taken from the ledger: a tree is used only if the ledger's own events are
//! those that it was made from, and events that came later are applied to it.

use std::sync::Arc;

use weir_rln::{MerkleRoot, MerkleTree};

use super::{Group, GroupError, ROOT_HISTORY};
use crate::LedgerEvent;

/// The tree of a group at some moment, and what it was made from.
#[derive(Debug, Clone)]
pub struct SavedGroup {
    /// Changes of leaves that it was made from.
    pub changes: u64,
    /// Digest of these changes.
    pub source: [u8; 32],
    /// The roots after the newest changes, oldest first, at most [`ROOT_HISTORY`].
    pub roots: Vec<MerkleRoot>,
    /// The tree.
    pub tree: Arc<MerkleTree>,
}

/// Why a saved tree was left aside and the tree made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitTree {
    /// The ledger has had fewer changes.
    #[error("the tree was made from {saved} changes, the ledger has {found}")]
    AheadOfLedger {
        /// Changes it was made from.
        saved: u64,
        /// Changes on the ledger.
        found: u64,
    },
    /// The ledger has had other changes: it is another one, or was another then.
    #[error("the tree was made from other changes than the ledger's")]
    OtherSource,
    /// Its roots are not its own.
    #[error("the roots kept with the tree are not its own")]
    OtherRoots,
}

impl Group {
    /// The tree as it is now, to be saved. Cheap: nothing is copied unless the group changes meanwhile.
    pub fn to_saved(&self) -> SavedGroup {
        SavedGroup {
            changes: self.history.changes(),
            source: self.history.digest(),
            roots: self.roots.iter().copied().collect(),
            tree: Arc::clone(&self.tree),
        }
    }

    /// Changes of leaves so far: what [`SavedGroup::changes`] would be.
    pub const fn changes(&self) -> u64 {
        self.history.changes()
    }

    /// The group that a ledger's events from its beginning give, made with the help of `saved` if it
    /// fits them.
    ///
    /// The same as [`Group::apply_all`] on a new group, except that the history may reach further back.
    pub fn resume(
        saved: SavedGroup,
        events: &[LedgerEvent],
    ) -> Result<(Self, Result<(), UnfitTree>), GroupError> {
        let mut group = Self::new();
        let fit = match group.adopt(saved, events)? {
            Ok(taken) => {
                group.apply_all(&events[taken..])?;
                Ok(())
            }
            Err(unfit) => {
                group = Self::new();
                group.apply_all(events)?;
                Err(unfit)
            }
        };
        Ok((group, fit))
    }

    /// Takes the events that `saved` was made from, and its tree instead of theirs. Gives their number.
    fn adopt(
        &mut self,
        saved: SavedGroup,
        events: &[LedgerEvent],
    ) -> Result<Result<usize, UnfitTree>, GroupError> {
        self.members.reserve(events.len());
        let mut taken = 0;
        while self.history.changes() < saved.changes {
            let Some(event) = events.get(taken) else {
                let found = self.history.changes();
                return Ok(Err(UnfitTree::AheadOfLedger { saved: saved.changes, found }));
            };
            self.record(event)?;
            taken += 1;
        }
        if self.history.digest() != saved.source {
            return Ok(Err(UnfitTree::OtherSource));
        }
        let newest = saved.roots.last().copied().unwrap_or_else(|| MerkleTree::new().root());
        if newest != saved.tree.root() || saved.roots.len() > ROOT_HISTORY {
            return Ok(Err(UnfitTree::OtherRoots));
        }
        self.tree = saved.tree;
        self.roots = saved.roots.into();
        Ok(Ok(taken))
    }
}
