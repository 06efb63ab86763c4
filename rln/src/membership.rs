//! What a member registered: its place in the tree and its quota.

use std::fmt;

use weir_circuits::{Fr, TREE_DEPTH, poseidon};

use crate::{IdentityCommitment, PairHasher, field::field_value};

field_value! {
    /// Poseidon(identity commitment, user message limit): a member's leaf in the tree.
    RateCommitment
}

/// Messages a member may send in one epoch, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserMessageLimit(u16);

/// A limit of 0, or one that 16 bits cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a member may send 1 to 65535 messages in an epoch, not {0}")]
pub struct LimitOutOfRange(pub u32);

/// Which message of an epoch this is, from 0 up to one below the member's limit.
///
/// Using one twice in an epoch for different signals reveals the secret; only
/// [`crate::quota::QuotaLedger`] hands them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u32);

/// A leaf's place in the membership tree, below 2^20.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MembershipIndex(u32);

/// An index beyond the tree's last leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("membership index {0} is beyond the tree's {cap} leaves", cap = MembershipIndex::CAPACITY)]
pub struct IndexOutOfRange(pub u32);

impl RateCommitment {
    /// The leaf of a member.
    pub fn new(commitment: IdentityCommitment, limit: UserMessageLimit) -> Self {
        Self(poseidon(&[commitment.0, Fr::from(limit.get())]))
    }

    /// The leaves of many members, in order and several times as fast.
    pub fn of_all(members: &[(IdentityCommitment, UserMessageLimit)]) -> Vec<Self> {
        let pairs: Vec<_> =
            members.iter().map(|(commitment, limit)| [commitment.0, Fr::from(limit.get())]).collect();
        PairHasher::detect().hash_all(&pairs).into_iter().map(Self).collect()
    }
}

impl UserMessageLimit {
    /// Checks the range.
    pub fn new(limit: u32) -> Result<Self, LimitOutOfRange> {
        match u16::try_from(limit) {
            Ok(limit) if limit > 0 => Ok(Self(limit)),
            _ => Err(LimitOutOfRange(limit)),
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0 as u32
    }
}

impl MembershipIndex {
    /// Leaves of the tree.
    pub const CAPACITY: u32 = 1 << TREE_DEPTH;

    /// Checks the range.
    pub const fn new(index: u32) -> Result<Self, IndexOutOfRange> {
        if index < Self::CAPACITY { Ok(Self(index)) } else { Err(IndexOutOfRange(index)) }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(crate) const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for UserMessageLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MembershipIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_fit_the_circuit() {
        assert_eq!(UserMessageLimit::new(0), Err(LimitOutOfRange(0)));
        assert_eq!(UserMessageLimit::new(65_536), Err(LimitOutOfRange(65_536)));
        for limit in [1, 100, 65_535] {
            assert_eq!(UserMessageLimit::new(limit).map(UserMessageLimit::get), Ok(limit));
        }
    }

    #[test]
    fn indexes_fit_the_tree() {
        let last = MembershipIndex::CAPACITY - 1;
        assert_eq!(MembershipIndex::new(last).map(MembershipIndex::get), Ok(1_048_575));
        assert_eq!(MembershipIndex::new(last + 1), Err(IndexOutOfRange(1_048_576)));
    }
}
