//! The rules of registration as a pure state machine, shared by the local ledgers.
//!
//! Deciding and doing are apart, because a file has to be written between them: [`admit`] and
//! [`dismiss`] say what would happen, [`apply`] makes it so.
//!
//! [`admit`]: MembershipTable::admit
//! [`dismiss`]: MembershipTable::dismiss
//! [`apply`]: MembershipTable::apply

use std::collections::HashMap;

use weir_rln::{IdentityCommitment, MembershipIndex, UserMessageLimit};

use super::{LedgerError, Membership, MembershipState, Rules};

/// Every membership there is or was; position in the list is the index.
#[derive(Debug, Clone)]
pub(crate) struct MembershipTable {
    rules: Rules,
    memberships: Vec<Membership>,
    by_commitment: HashMap<IdentityCommitment, MembershipIndex>,
}

/// A change that [`MembershipTable::admit`] or [`MembershipTable::dismiss`] found lawful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// This membership enters.
    Registered(Membership),
    /// This membership, shown in its new state, ends.
    Erased(Membership),
}

impl MembershipTable {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, memberships: Vec::new(), by_commitment: HashMap::new() }
    }

    /// What registering would do, or the rule it breaks.
    pub(crate) fn admit(
        &self,
        commitment: IdentityCommitment,
        limit: UserMessageLimit,
    ) -> Result<Change, LedgerError> {
        if commitment.to_bytes() == [0; 32] {
            return Err(LedgerError::ZeroCommitment);
        }
        if let Some(&index) = self.by_commitment.get(&commitment) {
            return Err(LedgerError::DuplicateCommitment { commitment, index });
        }
        if !self.rules.allows(limit) {
            let (min, max) = (self.rules.min_limit(), self.rules.max_limit());
            return Err(LedgerError::LimitOutOfBounds { limit: limit.get(), min, max });
        }
        let Some(index) = self.next_index() else {
            return Err(LedgerError::Full { capacity: self.rules.capacity() });
        };
        let state = MembershipState::Active;
        Ok(Change::Registered(Membership { index, commitment, limit, state }))
    }

    /// What erasing would do, or the rule it breaks.
    pub(crate) fn dismiss(&self, commitment: &IdentityCommitment) -> Result<Change, LedgerError> {
        let commitment = *commitment;
        let Some(membership) = self.membership(&commitment) else {
            return Err(LedgerError::UnknownCommitment { commitment });
        };
        if membership.state == MembershipState::Erased {
            return Err(LedgerError::AlreadyErased { commitment, index: membership.index });
        }
        Ok(Change::Erased(Membership { state: MembershipState::Erased, ..membership }))
    }

    /// Performs a change that this table, as it is now, found lawful.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Registered(membership) => {
                self.by_commitment.insert(membership.commitment, membership.index);
                self.memberships.push(membership);
            }
            Change::Erased(membership) => {
                if let Some(slot) = self.memberships.get_mut(membership.index.get() as usize) {
                    *slot = membership;
                }
            }
        }
    }

    pub(crate) fn membership(&self, commitment: &IdentityCommitment) -> Option<Membership> {
        let index = self.by_commitment.get(commitment)?;
        self.memberships.get(index.get() as usize).copied()
    }

    pub(crate) fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    pub(crate) const fn rules(&self) -> Rules {
        self.rules
    }

    /// The index the next registration gets, if there is one left.
    fn next_index(&self) -> Option<MembershipIndex> {
        let next = u32::try_from(self.memberships.len()).ok()?;
        if next < self.rules.capacity() { MembershipIndex::new(next).ok() } else { None }
    }
}

impl Change {
    pub(crate) const fn membership(self) -> Membership {
        match self {
            Self::Registered(membership) | Self::Erased(membership) => membership,
        }
    }

    pub(crate) const fn event(self) -> super::LedgerEvent {
        use super::LedgerEvent::{MembershipErased, MembershipRegistered};
        match self {
            Self::Registered(Membership { commitment, limit, index, .. }) => {
                MembershipRegistered { commitment, limit, index }
            }
            Self::Erased(Membership { commitment, limit, index, .. }) => {
                MembershipErased { commitment, limit, index }
            }
        }
    }
}
