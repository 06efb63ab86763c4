//! The memory of nullifiers: which share was seen first on each line.
//!
//! Only shares whose proof holds may be shown to [`NullifierLog::observe`]; the log cannot tell. A
//! forged share would otherwise sit where the honest one belongs, and the honest one would look
//! like a breach.
//!
//! # Bounds
//! At most `max_epochs` epochs of at most `max_lines` lines each, about 150 bytes a line.
//! Epochs leave through [`NullifierLog::prune_before`]. An epoch that was forgotten is not opened
//! again, since a breach in it could no longer be seen.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, hash_map},
};

use crate::{Epoch, Nullifier, Share};

/// Shares by epoch and nullifier.
#[derive(Debug, Clone)]
pub struct NullifierLog {
    epochs: BTreeMap<Epoch, HashMap<Nullifier, Entry>>,
    max_epochs: usize,
    max_lines: usize,
    /// Epochs below this were pruned while they had entries.
    forgotten_below: Epoch,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    first: Share,
    breached: bool,
}

/// What the log knows of a share it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// The first share on its line. It is now remembered.
    New,
    /// The share that is remembered: the same message once more.
    Duplicate,
    /// Another share than the remembered one: the member used one message id twice.
    DoubleSignal {
        /// The remembered share.
        first: Share,
        /// Whether the log had this line as broken before.
        again: bool,
    },
    /// The epoch, or the number of epochs, is at its bound; the share is not remembered.
    Full,
    /// The epoch was pruned; the share is not remembered.
    Forgotten,
}

impl NullifierLog {
    /// A log of at most `max_epochs` epochs and `max_lines` lines in each.
    pub const fn new(max_epochs: usize, max_lines: usize) -> Self {
        Self { epochs: BTreeMap::new(), max_epochs, max_lines, forgotten_below: Epoch::new(0) }
    }

    /// Shows the log a share whose proof holds. A second share marks the line as broken.
    pub fn observe(&mut self, epoch: Epoch, nullifier: Nullifier, share: Share) -> Sighting {
        if epoch < self.forgotten_below {
            return Sighting::Forgotten;
        }
        if !self.epochs.contains_key(&epoch) && self.epochs.len() >= self.max_epochs {
            return Sighting::Full;
        }
        let lines = self.epochs.entry(epoch).or_default();
        let lines_known = lines.len();
        match lines.entry(nullifier) {
            hash_map::Entry::Occupied(known) if known.get().first == share => Sighting::Duplicate,
            hash_map::Entry::Occupied(mut known) => {
                let again = std::mem::replace(&mut known.get_mut().breached, true);
                Sighting::DoubleSignal { first: known.get().first, again }
            }
            hash_map::Entry::Vacant(_) if lines_known >= self.max_lines => Sighting::Full,
            hash_map::Entry::Vacant(free) => {
                free.insert(Entry { first: share, breached: false });
                Sighting::New
            }
        }
    }

    /// The share remembered for a line.
    pub fn lookup(&self, epoch: Epoch, nullifier: Nullifier) -> Option<Share> {
        self.entry(epoch, nullifier).map(|entry| entry.first)
    }

    /// Whether two different shares of a line were seen.
    pub fn is_breached(&self, epoch: Epoch, nullifier: Nullifier) -> bool {
        self.entry(epoch, nullifier).is_some_and(|entry| entry.breached)
    }

    /// Whether the epoch was pruned, so that its shares cannot be judged.
    pub fn is_forgotten(&self, epoch: Epoch) -> bool {
        epoch < self.forgotten_below
    }

    /// Forgets all epochs before `epoch`. Returns how many lines that were.
    ///
    /// What is refused from now on are the epochs up to the last one that had entries, not all
    /// before `epoch`: after a clock that jumped ahead is set right, only what was really forgotten
    /// is lost.
    pub fn prune_before(&mut self, epoch: Epoch) -> usize {
        let kept = self.epochs.split_off(&epoch);
        let pruned = std::mem::replace(&mut self.epochs, kept);
        if let Some((last, _)) = pruned.last_key_value() {
            self.close_through(*last);
        }
        pruned.values().map(HashMap::len).sum()
    }

    /// Remembers shares of an earlier run, whose proofs were verified then. Returns how many were
    /// new. To be done before anything is observed.
    ///
    /// The newest epochs come first, so that what a long absence left behind takes no room from
    /// them; epochs beyond the bound are closed.
    pub fn restore(&mut self, shares: impl IntoIterator<Item = (Epoch, Nullifier, Share)>) -> usize {
        let mut shares: Vec<_> = shares.into_iter().collect();
        shares.sort_by_key(|&(epoch, ..)| Reverse(epoch));
        let mut restored = 0;
        for (epoch, nullifier, share) in shares {
            match self.observe(epoch, nullifier, share) {
                Sighting::New => restored += 1,
                Sighting::Full if !self.epochs.contains_key(&epoch) => self.close_through(epoch),
                _ => {}
            }
        }
        restored
    }

    /// Lines remembered, of all epochs.
    pub fn len(&self) -> usize {
        self.epochs.values().map(HashMap::len).sum()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens neither `last` nor an epoch before it from now on.
    fn close_through(&mut self, last: Epoch) {
        self.forgotten_below = self.forgotten_below.max(Epoch::new(last.number().saturating_add(1)));
    }

    fn entry(&self, epoch: Epoch, nullifier: Nullifier) -> Option<&Entry> {
        self.epochs.get(&epoch)?.get(&nullifier)
    }
}
