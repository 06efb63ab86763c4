//! The group of members as proofs see it: a projection of a ledger's events.
//!
//! Pure. Feeding the same events in the same order gives the same tree on every node; there is no
//! other way to change it. nwaku's name for this is group manager.

mod history;
mod saved;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use weir_rln::{
    IdentityCommitment, MembershipIndex, MerklePath, MerkleRoot, MerkleTree, RateCommitment, RootWindow,
    UserMessageLimit,
};

use self::history::History;
pub use self::saved::{SavedGroup, UnfitTree};
use crate::{LedgerEvent, Membership, MembershipState};

/// Roots a [`Group`] remembers: as many as a validator accepts (17/WAKU2-RLN-RELAY).
pub const ROOT_HISTORY: usize = RootWindow::DEFAULT_CAPACITY;

/// Events whose leaves are hashed and put into the tree together: enough to fill lanes and threads, and
/// a few megabytes while it lasts.
const EVENTS_AT_ONCE: usize = 1 << 14;

/// The membership tree, who stands in it, and its recent roots.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Shared with who saves it; a change meanwhile makes a copy.
    tree: Arc<MerkleTree>,
    members: HashMap<IdentityCommitment, Member>,
    /// By index, whether its leaf is set.
    occupied: Vec<bool>,
    /// Roots after each change, oldest first, at most [`ROOT_HISTORY`].
    roots: VecDeque<MerkleRoot>,
    history: History,
}

/// A [`Membership`] without its commitment, since there may be a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    index: MembershipIndex,
    limit: UserMessageLimit,
    state: MembershipState,
}

/// An event that cannot follow on the ones before: the ledger's adapter or the ledger is at fault,
/// and the tree can no longer be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// A registration at an index that is in use.
    #[error("the ledger registered a second member at index {0}")]
    IndexTaken(MembershipIndex),
    /// A registration of a commitment that is a member.
    #[error("the ledger registered {0} a second time")]
    AlreadyMember(IdentityCommitment),
    /// An event about a commitment that is not a member.
    #[error("the ledger reports on {0}, which is not a member")]
    NotMember(IdentityCommitment),
    /// An event that places a member at another index than it registered at.
    #[error("the ledger moved {commitment} from index {known} to {found}")]
    OtherIndex {
        /// The member.
        commitment: IdentityCommitment,
        /// Where it registered.
        known: MembershipIndex,
        /// Where the event places it.
        found: MembershipIndex,
    },
    /// The ledger's tree is not ours.
    #[error("the ledger's root is {announced}, but its events give {computed}")]
    RootDiverged {
        /// The root the ledger stated.
        announced: MerkleRoot,
        /// The root its events lead to.
        computed: MerkleRoot,
    },
}

/// What an event does to a leaf: gives it to a member, or empties it.
#[derive(Debug, Clone, Copy)]
struct LeafChange {
    index: MembershipIndex,
    member: Option<(IdentityCommitment, UserMessageLimit)>,
}

impl Group {
    /// A group without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next event. Gives the new root if the event changed the tree.
    pub fn apply(&mut self, event: &LedgerEvent) -> Result<Option<MerkleRoot>, GroupError> {
        if let LedgerEvent::RootStored(announced) = *event {
            let computed = self.tree.root();
            return if announced == computed {
                Ok(None)
            } else {
                Err(GroupError::RootDiverged { announced, computed })
            };
        }
        let Some(change) = self.record(event)? else {
            return Ok(None);
        };
        self.change_tree(&[change]);
        Ok(Some(self.remember_root()))
    }

    /// Takes many events, as after a start. The same as [`Group::apply`] on each, but many times
    /// faster: no root is computed that the history would not keep, and so no
    /// [`LedgerEvent::RootStored`] is compared among the older events either.
    pub fn apply_all(&mut self, events: &[LedgerEvent]) -> Result<(), GroupError> {
        let (older, newest) = events.split_at(events.len().saturating_sub(ROOT_HISTORY));
        self.members.reserve(older.len());
        let before = self.history.changes();
        let applied = older.chunks(EVENTS_AT_ONCE).try_for_each(|events| self.apply_together(events));
        if self.history.changes() > before {
            self.remember_root();
        }
        applied?;
        newest.iter().try_for_each(|event| self.apply(event).map(drop))
    }

    /// The root of the tree now.
    pub fn root(&self) -> MerkleRoot {
        self.tree.root()
    }

    /// The roots after the latest changes, oldest first, at most [`ROOT_HISTORY`]; what a
    /// validator's window is filled with.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = MerkleRoot> {
        self.roots.iter().copied()
    }

    /// A member and its way to the root; `None` if it is not in the tree.
    pub fn path_of(&self, commitment: &IdentityCommitment) -> Option<(Membership, MerklePath)> {
        let Member { index, limit, state } = *self.members.get(commitment)?;
        Some((Membership { index, commitment: *commitment, limit, state }, self.tree.path(index)?))
    }

    /// Members in the tree.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether the tree has no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Events up to the first unlawful one, with no root in between.
    fn apply_together(&mut self, events: &[LedgerEvent]) -> Result<(), GroupError> {
        let mut changes = Vec::with_capacity(events.len());
        let recorded = events.iter().try_for_each(|event| {
            changes.extend(self.record(event)?);
            Ok(())
        });
        self.change_tree(&changes);
        recorded
    }

    fn change_tree(&mut self, changes: &[LeafChange]) {
        let members: Vec<_> = changes.iter().filter_map(|change| change.member).collect();
        let mut leaves = RateCommitment::of_all(&members).into_iter();
        let leaf_of = |change: &LeafChange| (change.index, change.member.and_then(|_| leaves.next()));
        Arc::make_mut(&mut self.tree).update(changes.iter().map(leaf_of));
    }

    /// Does everything an event asks for but change the tree.
    fn record(&mut self, event: &LedgerEvent) -> Result<Option<LeafChange>, GroupError> {
        match *event {
            LedgerEvent::MembershipRegistered { commitment, limit, index } => {
                if self.members.contains_key(&commitment) {
                    return Err(GroupError::AlreadyMember(commitment));
                }
                if self.is_occupied(index) {
                    return Err(GroupError::IndexTaken(index));
                }
                self.occupy(index, true);
                self.members.insert(commitment, Member { index, limit, state: MembershipState::Active });
                Ok(Some(self.history.add(LeafChange { index, member: Some((commitment, limit)) })))
            }
            LedgerEvent::MembershipExtended { commitment, index, .. } => {
                self.member_at(commitment, index)?.state = MembershipState::Active;
                Ok(None)
            }
            LedgerEvent::MembershipExpired { commitment, index, .. } => {
                self.member_at(commitment, index)?.state = MembershipState::Expired;
                Ok(None)
            }
            LedgerEvent::MembershipErased { commitment, index, .. } => {
                self.member_at(commitment, index)?;
                self.members.remove(&commitment);
                self.occupy(index, false);
                Ok(Some(self.history.add(LeafChange { index, member: None })))
            }
            LedgerEvent::RootStored(_) => Ok(None),
        }
    }

    fn member_at(
        &mut self,
        commitment: IdentityCommitment,
        found: MembershipIndex,
    ) -> Result<&mut Member, GroupError> {
        let member = self.members.get_mut(&commitment).ok_or(GroupError::NotMember(commitment))?;
        if member.index == found {
            Ok(member)
        } else {
            Err(GroupError::OtherIndex { commitment, known: member.index, found })
        }
    }

    fn is_occupied(&self, index: MembershipIndex) -> bool {
        self.occupied.get(index.get() as usize).is_some_and(|occupied| *occupied)
    }

    fn occupy(&mut self, index: MembershipIndex, occupied: bool) {
        let at = index.get() as usize;
        if at >= self.occupied.len() {
            self.occupied.resize(at + 1, false);
        }
        self.occupied[at] = occupied;
    }

    fn remember_root(&mut self) -> MerkleRoot {
        let root = self.tree.root();
        if self.roots.len() == ROOT_HISTORY {
            self.roots.pop_front();
        }
        self.roots.push_back(root);
        root
    }
}

#[cfg(test)]
mod tests;
