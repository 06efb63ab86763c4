//! How many slots to keep ready, for which epoch, and which to throw away.
//!
//! A [`crate::Slot`] makes a publish wait for a fraction of a millisecond instead of a tenth of a
//! second, but it costs that tenth of a second in idle time and holds a message id that a crash
//! loses. So there are as many as messages were sent in the last minute, which may come again at
//! once, and one when it was quiet. Shortly before an epoch ends, as many are made for the next one,
//! unless it was quiet.
//!
//! # What becomes of the ids
//! A slot that is taken out is used up with its id, whatever comes of it. A slot that is thrown away
//! because its root or epoch is over has proven nothing, so its id can go into another slot or proof:
//! [`SlotPlanner::spare_id`] gives it out again, once.
//!
//! # Bounds
//! At most [`SlotPlanner::MAX_SLOTS`] slots an epoch, of at most two epochs, and never more than an
//! eighth of the quota. With some 40 KiB a slot that is 1.3 MiB; a crash loses at most so many ids.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use weir_core::Timestamp;

use crate::{Epoch, EpochLength, MerkleRoot, MessageId, UserMessageLimit};

/// Messages of the last minute are those that may come again at once.
const RECENT: Duration = Duration::from_secs(60);

/// The next epoch's slots are made in the last half minute: time for all of them even at a second
/// each, and late enough that the root will not have left the window by then.
const EPOCH_LEAD: Duration = Duration::from_secs(30);

/// In an epoch shorter than this, a slot that nobody asked for is too likely to be made for nothing.
const SHORTEST_IDLE_EPOCH: Duration = Duration::from_secs(60);

/// The slots that are ready. `S` is the slot.
#[derive(Debug)]
pub struct SlotPlanner<S> {
    epoch_length: EpochLength,
    /// When the last messages were sent, at most [`SlotPlanner::MAX_SLOTS`] of them.
    sent: VecDeque<Timestamp>,
    epochs: BTreeMap<Epoch, Shelf<S>>,
}

/// What is there for one epoch.
#[derive(Debug)]
struct Shelf<S> {
    /// Oldest first.
    ready: VecDeque<Ready<S>>,
    /// Ids of slots that were thrown away.
    spare: VecDeque<MessageId>,
}

#[derive(Debug)]
struct Ready<S> {
    message_id: MessageId,
    root: MerkleRoot,
    slot: S,
}

impl<S> SlotPlanner<S> {
    /// Slots of one epoch at most: a burst of 16 messages is served from them.
    pub const MAX_SLOTS: usize = 16;

    /// A planner for epochs of this length, with nothing ready.
    pub const fn new(epoch_length: EpochLength) -> Self {
        Self { epoch_length, sent: VecDeque::new(), epochs: BTreeMap::new() }
    }

    /// Learns that a message was sent, from a slot or not.
    pub fn sent(&mut self, now: Timestamp) {
        if self.sent.len() == Self::MAX_SLOTS {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// The epoch that lacks a slot most, if one does. `remaining` tells how many ids of an epoch are
    /// neither used nor held here.
    pub fn wanted(
        &self,
        now: Timestamp,
        limit: UserMessageLimit,
        remaining: impl Fn(Epoch) -> u32,
    ) -> Option<Epoch> {
        let epoch = self.epoch_length.of(now);
        let next = Epoch::new(epoch.number().saturating_add(1));
        let lacks = |epoch: Epoch, target: usize| {
            let has_id = self.epochs.get(&epoch).is_some_and(|shelf| !shelf.spare.is_empty());
            self.ready(epoch) < target && (has_id || remaining(epoch) > 0)
        };
        if lacks(epoch, self.target(now, limit)) {
            return Some(epoch);
        }
        let turns_soon = self.epoch_length.end(epoch).saturating_since(now) <= EPOCH_LEAD;
        (turns_soon && self.recently_sent(now) > 0 && lacks(next, self.target(now, limit))).then_some(next)
    }

    /// Takes in a slot.
    pub fn put(&mut self, epoch: Epoch, message_id: MessageId, root: MerkleRoot, slot: S) {
        self.shelf(epoch).ready.push_back(Ready { message_id, root, slot });
    }

    /// Takes in an id that no proof was made with.
    pub fn put_back(&mut self, epoch: Epoch, message_id: MessageId) {
        self.shelf(epoch).spare.push_back(message_id);
    }

    /// The oldest slot of `epoch`, which is used up by that. Call [`SlotPlanner::discard_stale`] before.
    pub fn take(&mut self, epoch: Epoch) -> Option<S> {
        Some(self.epochs.get_mut(&epoch)?.ready.pop_front()?.slot)
    }

    /// An id of `epoch` whose slot was thrown away, to be used in its place.
    pub fn spare_id(&mut self, epoch: Epoch) -> Option<MessageId> {
        self.epochs.get_mut(&epoch)?.spare.pop_front()
    }

    /// Throws away the slots whose root verifiers may not accept any more, keeping their ids, and
    /// everything of epochs of which no message can be sent any more. Returns how many slots went.
    pub fn discard_stale(&mut self, now: Timestamp, is_fresh: impl Fn(&MerkleRoot) -> bool) -> usize {
        let before = self.ready_in_all();
        // A message may still be of the epoch before.
        let oldest = Epoch::new(self.epoch_length.of(now).number().saturating_sub(1));
        self.epochs.retain(|epoch, _| *epoch >= oldest);
        for shelf in self.epochs.values_mut() {
            let (fresh, stale): (VecDeque<_>, VecDeque<_>) =
                shelf.ready.drain(..).partition(|ready| is_fresh(&ready.root));
            shelf.ready = fresh;
            shelf.spare.extend(stale.into_iter().map(|ready| ready.message_id));
        }
        before - self.ready_in_all()
    }

    /// Slots of `epoch` that are ready.
    pub fn ready(&self, epoch: Epoch) -> usize {
        self.epochs.get(&epoch).map_or(0, |shelf| shelf.ready.len())
    }

    /// Slots that are ready.
    pub fn ready_in_all(&self) -> usize {
        self.epochs.values().map(|shelf| shelf.ready.len()).sum()
    }

    /// Ids of `epoch` that are held here, in slots or spare: handed out and not used.
    pub fn held(&self, epoch: Epoch) -> u32 {
        let held = self.epochs.get(&epoch).map_or(0, |shelf| shelf.ready.len() + shelf.spare.len());
        u32::try_from(held).unwrap_or(u32::MAX)
    }

    /// How many slots an epoch should have.
    fn target(&self, now: Timestamp, limit: UserMessageLimit) -> usize {
        let idle = usize::from(self.epoch_length.as_secs() >= SHORTEST_IDLE_EPOCH.as_secs());
        let eighth = usize::try_from(limit.get() / 8).unwrap_or(usize::MAX).max(1);
        self.recently_sent(now).max(idle).min(eighth).min(Self::MAX_SLOTS)
    }

    fn recently_sent(&self, now: Timestamp) -> usize {
        // As a distance, so that a clock that was set back does not make the past recent for ever.
        self.sent.iter().filter(|at| at.distance(now) < RECENT).count()
    }

    fn shelf(&mut self, epoch: Epoch) -> &mut Shelf<S> {
        self.epochs.entry(epoch).or_insert_with(|| Shelf { ready: VecDeque::new(), spare: VecDeque::new() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_circuits::Fr;

    use super::*;

    /// The first second of epoch 10 of 600 s.
    const NOW: Timestamp = Timestamp::from_secs(6000);
    const EPOCH: Epoch = Epoch::new(10);
    const NEXT: Epoch = Epoch::new(11);

    fn planner(secs: u64) -> SlotPlanner<u32> {
        SlotPlanner::new(EpochLength::new(secs).expect("not zero"))
    }

    fn limit(messages: u32) -> UserMessageLimit {
        UserMessageLimit::new(messages).expect("in range")
    }

    fn root(number: u64) -> MerkleRoot {
        MerkleRoot(Fr::from(number))
    }

    fn after(secs: u64) -> Timestamp {
        NOW.saturating_add(Duration::from_secs(secs))
    }

    /// Makes slots until no more are wanted; tells for which epochs.
    fn fill(planner: &mut SlotPlanner<u32>, now: Timestamp, messages: u32) -> Vec<Epoch> {
        let mut made = Vec::new();
        while let Some(epoch) = planner.wanted(now, limit(messages), |_| messages) {
            let id = u32::try_from(made.len()).expect("few");
            planner.put(epoch, MessageId(id), root(1), id);
            made.push(epoch);
        }
        made
    }

    #[test]
    fn an_idle_member_has_one_slot_and_a_busy_one_as_many_as_it_sent_in_the_last_minute() {
        let mut planner = planner(600);
        assert_eq!(fill(&mut planner, NOW, 100), [EPOCH]);
        (0..5).for_each(|_| planner.sent(NOW));
        assert_eq!(fill(&mut planner, NOW, 100), [EPOCH; 4]);
        (0..50).for_each(|_| planner.sent(NOW));
        fill(&mut planner, NOW, 100);
        assert_eq!(planner.ready(EPOCH), 12, "an eighth of the quota");
        fill(&mut planner, NOW, 1000);
        assert_eq!(planner.ready(EPOCH), SlotPlanner::<u32>::MAX_SLOTS);
        assert_eq!(planner.target(after(60), limit(100)), 1, "a minute later it is quiet again");
    }

    #[test]
    fn an_epoch_shorter_than_a_minute_has_no_slot_that_nobody_asked_for() {
        let mut planner = planner(10);
        assert_eq!(planner.wanted(NOW, limit(100), |_| 100), None);
        planner.sent(NOW);
        assert!(planner.wanted(NOW, limit(100), |_| 100).is_some());
    }

    #[test]
    fn no_slot_is_made_beyond_the_quota() {
        let mut planner = planner(600);
        (0..9).for_each(|_| planner.sent(NOW));
        assert_eq!(planner.wanted(NOW, limit(100), |_| 0), None);
        planner.put_back(EPOCH, MessageId(3));
        assert_eq!(planner.wanted(NOW, limit(100), |_| 0), Some(EPOCH), "an id that was held is there");
    }

    #[test]
    fn the_next_epoch_is_prepared_in_its_last_half_minute_unless_it_was_quiet() {
        let mut planner = planner(600);
        fill(&mut planner, NOW, 100);
        assert_eq!(planner.wanted(after(570), limit(100), |_| 100), None, "quiet");
        (0..3).for_each(|_| planner.sent(after(565)));
        assert_eq!(fill(&mut planner, after(569), 100), [EPOCH; 2]);
        assert_eq!(fill(&mut planner, after(570), 100), [NEXT; 3]);
        assert_eq!(planner.discard_stale(after(600), |_| true), 0, "a late message is of the last epoch");
        assert_eq!((planner.ready(EPOCH), planner.ready(NEXT)), (3, 3));
        assert_eq!(planner.discard_stale(after(1200), |_| true), 3);
        assert_eq!((planner.held(EPOCH), planner.ready(NEXT)), (0, 3));
    }

    #[test]
    fn a_slot_whose_root_is_stale_goes_and_its_id_is_given_out_once_more() {
        let mut planner = planner(600);
        planner.put(EPOCH, MessageId(0), root(1), 0);
        planner.put(EPOCH, MessageId(1), root(2), 1);
        assert_eq!(planner.discard_stale(NOW, |known| *known == root(2)), 1);
        assert_eq!(planner.held(EPOCH), 2);
        assert_eq!([planner.spare_id(EPOCH), planner.spare_id(EPOCH)], [Some(MessageId(0)), None]);
        assert_eq!([planner.take(EPOCH), planner.take(EPOCH)], [Some(1), None]);
        assert_eq!(planner.held(EPOCH), 0);
    }

    proptest! {
        /// Whatever happens, an id is in one place only: in a slot, spare, or given out for good.
        #[test]
        fn no_id_is_given_out_twice(steps in proptest::collection::vec(0u8..6, 0..200)) {
            let mut planner = planner(600);
            let (mut next_id, mut newest, mut gone) = (0, 1, Vec::new());
            for step in steps {
                match step {
                    0 | 1 => {
                        let id = planner.spare_id(EPOCH).unwrap_or(MessageId(next_id));
                        next_id = next_id.max(id.0 + 1);
                        planner.put(EPOCH, id, root(newest), id.0);
                    }
                    2 | 3 => gone.extend(planner.take(EPOCH)),
                    4 => newest += 1,
                    _ => {
                        planner.discard_stale(NOW, |known| *known == root(newest));
                    }
                }
                prop_assert_eq!(gone.len() + planner.held(EPOCH) as usize, next_id as usize);
            }
            gone.sort_unstable();
            gone.dedup_by(|a, b| { assert_ne!(a, b, "given out twice"); false });
        }
    }
}
