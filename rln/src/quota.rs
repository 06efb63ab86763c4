//! Message ids, each used once.
//!
//! A member that uses one message id of an epoch for two signals reveals its secret, so an id may be
//! lost but never used twice: not after a crash, not after the clock was set back. Hence ids are
//! *reserved* before they are used: the store writes down, durably, that a range is taken, and only
//! then does this ledger hand ids of that range out. After a crash the store answers with the next
//! range, and what was left of the last one is skipped.
//!
//! ```text
//! next ─> Reserve{epoch, count} ─> (store: reserve, fsync) ─> granted ─> next ─> Use(id)
//! ```
//!
//! The ledger is the pure half: it trusts the store never to give out an id twice and checks it
//! where it can.
//!
//! # Bounds
//! Four epochs are held; see `MAX_EPOCHS`. A forgotten one is not opened again.

use std::{collections::BTreeMap, num::NonZeroU32, ops::Range};

use crate::{Epoch, MessageId, UserMessageLimit};

/// Epochs held at once: the running one, one being changed from or to, and two for a clock that
/// steps.
const MAX_EPOCHS: usize = 4;

/// Hands out message ids from reserved ranges.
#[derive(Debug)]
pub struct QuotaLedger {
    batch: NonZeroU32,
    epochs: BTreeMap<Epoch, Reserved>,
    /// Epochs below this were forgotten.
    forgotten_below: Epoch,
}

/// What is known of one epoch's ids.
#[derive(Debug, Default)]
struct Reserved {
    /// Reserved in the store and not handed out.
    unused: Range<u32>,
    /// Nothing at or above this was reserved, as far as is known here.
    end: u32,
}

/// What to do for the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Prove with this id. It will not be handed out again.
    Use(MessageId),
    /// Have the store reserve up to `count` ids, then call [`QuotaLedger::granted`] and ask again.
    Reserve {
        /// Of this epoch.
        epoch: Epoch,
        /// How many.
        count: NonZeroU32,
    },
    /// The epoch's quota is used up.
    Exhausted,
    /// The clock was set back to an epoch that is no longer held. Nothing is sent in it.
    Forgotten,
}

/// A range that was granted and cannot be used. Nothing of it is handed out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Ids of the range were granted before: the store gives out ids twice.
    #[error(
        "the quota store granted ids from {start} of epoch {epoch} though ids up to {end} were granted before"
    )]
    Overlap {
        /// The epoch.
        epoch: Epoch,
        /// First id of the new range.
        start: u32,
        /// End of what was granted before, exclusive.
        end: u32,
    },
    /// The epoch is no longer held.
    #[error("epoch {0} ended before its ids were granted")]
    Forgotten(Epoch),
}

impl QuotaLedger {
    /// A ledger that reserves `batch` ids at a time: one write to disk for `batch` messages, and up
    /// to `batch` ids lost in a crash.
    pub const fn new(batch: NonZeroU32) -> Self {
        Self { batch, epochs: BTreeMap::new(), forgotten_below: Epoch::new(0) }
    }

    /// The next id of `epoch` for a member with `limit`, or what is needed to get one.
    pub fn next(&mut self, epoch: Epoch, limit: UserMessageLimit) -> Step {
        self.next_of(epoch, limit, self.batch)
    }

    /// As [`QuotaLedger::next`], but asks for a single id to be reserved when one is needed: for work
    /// ahead of any message, which should cost no more of the quota than it has to.
    pub fn next_ahead(&mut self, epoch: Epoch, limit: UserMessageLimit) -> Step {
        self.next_of(epoch, limit, NonZeroU32::MIN)
    }

    fn next_of(&mut self, epoch: Epoch, limit: UserMessageLimit, batch: NonZeroU32) -> Step {
        if !self.open(epoch) {
            return Step::Forgotten;
        }
        let reserved = self.epochs.entry(epoch).or_default();
        match reserved.unused.next() {
            Some(id) if id < limit.get() => return Step::Use(MessageId(id)),
            // The limit was lowered below what was reserved under the old one.
            Some(_) => return Step::Exhausted,
            None => {}
        }
        match NonZeroU32::new(limit.get().saturating_sub(reserved.end).min(batch.get())) {
            Some(count) => Step::Reserve { epoch, count },
            None => Step::Exhausted,
        }
    }

    /// Takes over a range that the store has **durably** reserved for this ledger. An empty one says
    /// that all ids below `limit`, the limit the store was asked with, are taken.
    ///
    /// Ids left of an earlier range that does not end where this begins are skipped.
    pub fn granted(
        &mut self,
        epoch: Epoch,
        limit: UserMessageLimit,
        range: Range<u32>,
    ) -> Result<(), GrantError> {
        if !self.open(epoch) {
            return Err(GrantError::Forgotten(epoch));
        }
        let reserved = self.epochs.entry(epoch).or_default();
        if range.is_empty() {
            reserved.end = reserved.end.max(limit.get());
            return Ok(());
        }
        if range.start < reserved.end {
            return Err(GrantError::Overlap { epoch, start: range.start, end: reserved.end });
        }
        let start = if reserved.unused.end == range.start { reserved.unused.start } else { range.start };
        *reserved = Reserved { unused: start..range.end, end: range.end };
        Ok(())
    }

    /// Ids of `epoch` that are used up or skipped, as far as this ledger knows.
    pub fn used(&self, epoch: Epoch) -> u32 {
        self.epochs.get(&epoch).map_or(0, |reserved| {
            if reserved.unused.is_empty() { reserved.end } else { reserved.unused.start }
        })
    }

    /// Makes room for `epoch`. False when it was forgotten.
    fn open(&mut self, epoch: Epoch) -> bool {
        if epoch >= self.forgotten_below && !self.epochs.contains_key(&epoch) {
            self.epochs.insert(epoch, Reserved::default());
            if self.epochs.len() > MAX_EPOCHS
                && let Some((oldest, _)) = self.epochs.pop_first()
            {
                self.forgotten_below = Epoch::new(oldest.number().saturating_add(1));
            }
        }
        epoch >= self.forgotten_below
    }
}
