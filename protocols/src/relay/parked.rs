//! Messages whose proof refers to a root we do not know yet.
//!
//! A new member's first message can overtake the ledger's news of it. nwaku reads the ledger once
//! more before it rejects; here the message waits for its root and the reading is the shell's.

use std::time::Duration;

use weir_core::Timestamp;
use weir_rln::MerkleRoot;

use super::{
    Origin,
    stage::{Claimant, Pending},
};
use crate::{
    deadlines::Deadlines,
    fair_share::{FairShare, NoRoom},
};

/// Time for one ledger reading that begins after the message came, at [`REFRESH_INTERVAL`].
const PARK_TIMEOUT: Duration = Duration::from_secs(2);

/// The ledger is read at most this often on behalf of messages, so that invented roots do not turn
/// into load on it.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Parked {
    /// By root, and in order of arrival.
    entries: Deadlines<(MerkleRoot, u64), Pending>,
    room: FairShare<Origin>,
    next_key: u64,
    /// The ledger was read after the messages with a lower key came.
    read_before: u64,
    refreshed_at: Option<Timestamp>,
    /// A message was parked after the last refresh.
    refresh_wanted: bool,
}

impl Parked {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            entries: Deadlines::new(),
            room: FairShare::new(capacity),
            next_key: 0,
            read_before: 0,
            refreshed_at: None,
            refresh_wanted: false,
        }
    }

    /// Keeps `pending` until `root` is known or its time is over.
    pub(super) fn park(
        &mut self,
        pending: Pending,
        root: MerkleRoot,
        now: Timestamp,
    ) -> Result<(), (Claimant, NoRoom)> {
        if let Err(no_room) = self.room.take(&pending.claimant.origin(), pending.message.units()) {
            return Err((pending.claimant, no_room));
        }
        self.entries.insert((root, self.next_key), now.saturating_add(PARK_TIMEOUT), pending);
        self.next_key += 1;
        self.refresh_wanted = true;
        Ok(())
    }

    /// Whether the ledger is to be read now; true at most once an interval.
    pub(super) fn take_refresh(&mut self, now: Timestamp) -> bool {
        let due = self.refresh_wanted
            && !self.entries.is_empty()
            && self.refreshed_at.is_none_or(|at| at.distance(now) >= REFRESH_INTERVAL);
        if due {
            self.refreshed_at = Some(now);
            self.refresh_wanted = false;
        }
        due
    }

    /// Roots were told: the ledger was read, and who still waits has waited for nothing there is.
    pub(super) const fn ledger_was_read(&mut self) {
        self.read_before = self.next_key;
    }

    /// The clock was set back by `step`.
    pub(super) fn set_back(&mut self, step: Duration) {
        self.entries.set_back(step);
        self.refreshed_at = self.refreshed_at.map(|at| at.saturating_sub(step));
    }

    /// The messages that waited for `root`, in order of arrival.
    pub(super) fn release(&mut self, root: MerkleRoot) -> Vec<Pending> {
        let keys = self.entries.keys_in((root, 0)..=(root, u64::MAX));
        let waited: Vec<_> = keys.into_iter().filter_map(|key| self.entries.remove(key)).collect();
        waited.iter().for_each(|pending| self.give_back(pending));
        waited
    }

    /// A message whose time is over, its root, and whether the ledger was read since it came.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<(MerkleRoot, Pending, bool)> {
        let ((root, key), pending) = self.entries.pop_due(now)?;
        self.give_back(&pending);
        Some((root, pending, key < self.read_before))
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let refresh = self.refreshed_at.filter(|_| self.refresh_wanted && !self.entries.is_empty());
        let refresh = refresh.map(|at| at.saturating_add(REFRESH_INTERVAL));
        self.entries.next().into_iter().chain(refresh).min()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Units in use; see [`super::stage::WellFormed::units`].
    pub(super) const fn units(&self) -> usize {
        self.room.used()
    }

    fn give_back(&mut self, pending: &Pending) {
        self.room.give_back(&pending.claimant.origin(), pending.message.units());
    }
}
