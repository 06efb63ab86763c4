//! What was seen in the last while.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroUsize,
};

use weir_core::{MessageHash, Timestamp};

/// Messages by their hash, as long as their owner says.
///
/// # Invariants
/// At most `capacity` messages: beyond it the oldest is forgotten early.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    capacity: NonZeroUsize,
    seen: BTreeMap<MessageHash, V>,
    /// The keys of `seen`, in the order in which they came.
    order: VecDeque<(Timestamp, MessageHash)>,
}

impl<V> Recent<V> {
    pub(crate) const fn new(capacity: NonZeroUsize) -> Self {
        Self { capacity, seen: BTreeMap::new(), order: VecDeque::new() }
    }

    /// What came with `hash`.
    pub(crate) fn get(&self, hash: &MessageHash) -> Option<&V> {
        self.seen.get(hash)
    }

    /// Remembers `hash`; false when it is remembered already.
    pub(crate) fn insert(&mut self, hash: MessageHash, value: V, now: Timestamp) -> bool {
        if self.seen.contains_key(&hash) {
            return false;
        }
        if self.order.len() >= self.capacity.get() {
            self.forget_first();
        }
        self.seen.insert(hash, value);
        self.order.push_back((now, hash));
        true
    }

    /// Forgets what came at `moment` or before.
    pub(crate) fn forget_until(&mut self, moment: Timestamp) {
        while self.order.front().is_some_and(|(at, _)| *at <= moment) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, hash)) = self.order.pop_front() {
            self.seen.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> MessageHash {
        MessageHash::from_bytes([byte; 32])
    }

    fn remembering(capacity: usize) -> Recent<u8> {
        Recent::new(NonZeroUsize::new(capacity).expect("not zero"))
    }

    #[test]
    fn a_hash_is_remembered_until_it_is_forgotten() {
        let at = Timestamp::from_secs;
        let mut recent = remembering(10);
        assert!(recent.insert(hash(1), 1, at(5)));
        assert!(!recent.insert(hash(1), 2, at(6)), "and a repetition does not prolong it");
        recent.forget_until(at(4));
        assert_eq!(recent.get(&hash(1)), Some(&1));
        recent.forget_until(at(5));
        assert_eq!(recent.get(&hash(1)), None);
        assert!(recent.insert(hash(1), 3, at(7)));
    }

    #[test]
    fn a_full_memory_forgets_the_oldest() {
        let mut recent = remembering(2);
        for byte in 1..=3 {
            assert!(recent.insert(hash(byte), byte, Timestamp::ZERO));
        }
        assert_eq!([1, 2, 3].map(|byte| recent.get(&hash(byte)).is_some()), [false, true, true]);
    }
}
