//! Values that wait for an answer, each until its deadline.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeBounds,
    time::Duration,
};

use weir_core::Timestamp;

/// A map whose entries fall due. Every operation is logarithmic. The owner bounds the length.
#[derive(Debug)]
pub(crate) struct Deadlines<K, V> {
    entries: BTreeMap<K, (Timestamp, V)>,
    /// The keys of `entries` by deadline, no more and no fewer.
    due: BTreeSet<(Timestamp, K)>,
}

impl<K: Ord + Copy, V> Deadlines<K, V> {
    pub(crate) const fn new() -> Self {
        Self { entries: BTreeMap::new(), due: BTreeSet::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.entries.contains_key(&key)
    }

    /// Adds an entry whose key is not in use.
    pub(crate) fn insert(&mut self, key: K, deadline: Timestamp, value: V) {
        let replaced = self.entries.insert(key, (deadline, value));
        debug_assert!(replaced.is_none(), "a key in use was inserted again");
        if let Some((deadline, _)) = replaced {
            self.due.remove(&(deadline, key));
        }
        self.due.insert((deadline, key));
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.entries.get_mut(&key).map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut().map(|(_, value)| value)
    }

    /// Gives an entry another deadline; false when there is none.
    pub(crate) fn reschedule(&mut self, key: K, deadline: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        let before = std::mem::replace(&mut entry.0, deadline);
        self.due.remove(&(before, key));
        self.due.insert((deadline, key));
        true
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let (deadline, value) = self.entries.remove(&key)?;
        self.due.remove(&(deadline, key));
        Some(value)
    }

    /// The keys within `range`, in order.
    pub(crate) fn keys_in(&self, range: impl RangeBounds<K>) -> Vec<K> {
        self.entries.range(range).map(|(key, _)| *key).collect()
    }

    /// The earliest entry that is due, removed.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(K, V)> {
        let &(_, key) = self.due.first().filter(|(deadline, _)| *deadline <= now)?;
        Some((key, self.remove(key)?))
    }

    /// The earliest entry, removed.
    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        let &(_, key) = self.due.first()?;
        Some((key, self.remove(key)?))
    }

    /// The clock was set back by `step`: what falls due does so that much earlier by it.
    pub(crate) fn set_back(&mut self, step: Duration) {
        self.entries.values_mut().for_each(|(deadline, _)| *deadline = deadline.saturating_sub(step));
        self.due = self.entries.iter().map(|(key, (deadline, _))| (*deadline, *key)).collect();
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_fall_due_by_deadline_and_not_by_key() {
        let at = Timestamp::from_secs;
        let mut waiting = Deadlines::new();
        waiting.insert(1, at(30), 'a');
        waiting.insert(2, at(10), 'b');
        waiting.insert(3, at(40), 'c');
        assert!(waiting.reschedule(3, at(20)) && !waiting.reschedule(4, at(20)));
        assert_eq!(waiting.next(), Some(at(10)));
        assert_eq!(waiting.keys_in(2..), [2, 3]);
        assert_eq!(waiting.pop_due(at(9)), None);
        assert_eq!(waiting.pop_due(at(20)), Some((2, 'b')));
        assert_eq!(waiting.remove(3), Some('c'));
        assert_eq!(waiting.pop_due(at(29)), None, "a removed entry does not fall due");
        assert_eq!(waiting.pop_due(at(30)), Some((1, 'a')));
        assert_eq!((waiting.len(), waiting.next()), (0, None));
    }
}
