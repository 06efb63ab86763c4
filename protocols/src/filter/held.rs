//! The messages that wait for clients, each counted once however many it waits for.
//!
//! # Invariants
//! What is counted is what at least one outbox holds.

use std::collections::VecDeque;

/// Names a message that waits. Given in ascending order, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HeldId(u64);

/// The messages from the oldest that waits to the newest.
#[derive(Debug, Default)]
pub(super) struct Held {
    messages: VecDeque<Message>,
    /// The number of the first of them.
    first: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Message {
    size: usize,
    /// Outboxes that hold it.
    holders: usize,
}

impl Held {
    /// Names a message that no outbox holds yet.
    pub(super) fn name(&mut self, size: usize) -> HeldId {
        self.messages.push_back(Message { size, holders: 0 });
        HeldId(self.first + self.messages.len() as u64 - 1)
    }

    /// One more outbox holds it.
    pub(super) fn hold(&mut self, id: HeldId) {
        let Some(message) = self.get_mut(id) else { return };
        message.holders += 1;
        if message.holders == 1 {
            let size = message.size;
            self.bytes = self.bytes.saturating_add(size);
        }
    }

    /// One outbox less holds it.
    pub(super) fn release(&mut self, id: HeldId) {
        let Some(message) = self.get_mut(id) else { return };
        message.holders = message.holders.saturating_sub(1);
        if message.holders == 0 {
            let size = message.size;
            self.bytes = self.bytes.saturating_sub(size);
        }
        self.forget_free();
    }

    /// Forgets what no outbox holds, up to the first that one does.
    pub(super) fn forget_free(&mut self) {
        while self.messages.pop_front_if(|message| message.holders == 0).is_some() {
            self.first += 1;
        }
    }

    pub(super) fn size(&self, id: HeldId) -> usize {
        self.index(id).and_then(|index| self.messages.get(index)).map_or(0, |message| message.size)
    }

    /// Bytes of all that waits, each message once.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn get_mut(&mut self, id: HeldId) -> Option<&mut Message> {
        let index = self.index(id)?;
        self.messages.get_mut(index)
    }

    fn index(&self, id: HeldId) -> Option<usize> {
        usize::try_from(id.0.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_once_from_its_first_holder_to_its_last() {
        let mut held = Held::default();
        let (first, second) = (held.name(10), held.name(7));
        assert_eq!(held.bytes(), 0);
        for _ in 0..3 {
            held.hold(first);
        }
        held.hold(second);
        assert_eq!((held.bytes(), held.size(first), held.size(second)), (17, 10, 7));
        held.release(second);
        held.release(first);
        assert_eq!(held.bytes(), 10);
        held.release(first);
        held.release(first);
        assert_eq!((held.bytes(), held.messages.len()), (0, 0));
        held.release(first);
        assert_eq!(held.bytes(), 0, "what is gone cannot be released again");
        assert_ne!(held.name(1), first);
    }

    #[test]
    fn what_nobody_held_is_forgotten_with_what_came_before_it() {
        let mut held = Held::default();
        let first = held.name(1);
        held.hold(first);
        for _ in 0..100 {
            held.name(1);
            held.forget_free();
        }
        assert_eq!(held.messages.len(), 101, "the first is still held");
        held.release(first);
        assert_eq!(held.messages.len(), 0);
    }
}
