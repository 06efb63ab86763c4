//! What a ledger accepts: how many members and which quotas.

use weir_rln::{MembershipIndex, UserMessageLimit};

/// The most memberships there can be: one a leaf of the tree.
const MAX_CAPACITY: u32 = MembershipIndex::CAPACITY;

/// The largest limit the circuit can compare: it has 16 bits.
const MAX_LIMIT: u32 = u16::MAX as u32;

/// Bounds of a ledger. Always `1 <= min_limit <= max_limit <= 65535` and `1 <= capacity <= 2^20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    min_limit: u32,
    max_limit: u32,
    capacity: u32,
}

/// Why three numbers are not the rules of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The limits are not a range within what the circuit can compare.
    #[error("limits must satisfy 1 <= min <= max <= {MAX_LIMIT}, not {min} and {max}")]
    Limits {
        /// Smallest limit given.
        min: u32,
        /// Largest limit given.
        max: u32,
    },
    /// The tree has no room for that many, or none was asked for.
    #[error("a ledger holds 1 to {MAX_CAPACITY} memberships, not {0}")]
    Capacity(u32),
}

impl Rules {
    /// Memberships with `min_limit` to `max_limit` messages per epoch, at most `capacity` of them.
    pub const fn new(min_limit: u32, max_limit: u32, capacity: u32) -> Result<Self, RulesError> {
        if min_limit == 0 || min_limit > max_limit || max_limit > MAX_LIMIT {
            return Err(RulesError::Limits { min: min_limit, max: max_limit });
        }
        if capacity == 0 || capacity > MAX_CAPACITY {
            return Err(RulesError::Capacity(capacity));
        }
        Ok(Self { min_limit, max_limit, capacity })
    }

    /// Smallest quota, in messages per epoch.
    pub const fn min_limit(&self) -> u32 {
        self.min_limit
    }

    /// Largest quota, in messages per epoch.
    pub const fn max_limit(&self) -> u32 {
        self.max_limit
    }

    /// Memberships that can ever be registered.
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Whether a membership may have this quota.
    pub(crate) fn allows(&self, limit: UserMessageLimit) -> bool {
        (self.min_limit..=self.max_limit).contains(&limit.get())
    }
}

impl Default for Rules {
    /// All that the circuit and the tree can express.
    fn default() -> Self {
        Self { min_limit: 1, max_limit: MAX_LIMIT, capacity: MAX_CAPACITY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_outside_circuit_and_tree_are_refused() {
        assert_eq!(Rules::new(1, 65_535, 1 << 20), Ok(Rules::default()));
        for (min, max) in [(0, 1), (2, 1), (1, 65_536)] {
            assert_eq!(Rules::new(min, max, 1), Err(RulesError::Limits { min, max }));
        }
        for capacity in [0, (1 << 20) + 1] {
            assert_eq!(Rules::new(1, 1, capacity), Err(RulesError::Capacity(capacity)));
        }
    }
}
