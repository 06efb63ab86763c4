//! What one client has been sent and not taken yet.
//!
//! The bytes wait in the network; here is only their account, which says when there is no room for more. So a
//! client that does not read costs what its account allows, and nobody waits for it.

use std::{collections::VecDeque, time::Duration};

use weir_core::Timestamp;

use super::held::{Held, HeldId};

/// Pushes that can wait for one client. A burst of a second at 64 messages/s; a client that cannot take that
/// within [`PUSH_TIMEOUT`] is not helped by more.
pub(super) const MAX_PUSHES: usize = 64;

/// Bytes that can wait for one client, unless it is a single message: three of the largest.
pub(super) const MAX_BYTES: usize = 512 * 1024;

/// A client that takes nothing for this long is stuck (waku-wire 10.1).
pub(super) const PUSH_TIMEOUT: Duration = Duration::from_secs(20);

/// The account of one client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// What waits, in order.
    waiting: VecDeque<HeldId>,
    bytes: usize,
    /// Since when nothing was taken, while something waits.
    idle_since: Option<Timestamp>,
    /// Since when pushes have failed and none has succeeded.
    failing_since: Option<Timestamp>,
}

impl Outbox {
    /// Puts a push of a message in; false when there is no room.
    pub(super) fn put(&mut self, message: HeldId, held: &mut Held, now: Timestamp) -> bool {
        let size = held.size(message);
        let full = self.waiting.len() >= MAX_PUSHES || self.bytes.saturating_add(size) > MAX_BYTES;
        if full && !self.waiting.is_empty() {
            return false;
        }
        held.hold(message);
        self.waiting.push_back(message);
        self.bytes = self.bytes.saturating_add(size);
        self.idle_since.get_or_insert(now);
        true
    }

    /// The client took the first of what waits.
    pub(super) fn taken(&mut self, held: &mut Held, now: Timestamp) {
        let Some(message) = self.waiting.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(held.size(message));
        held.release(message);
        self.idle_since = (!self.waiting.is_empty()).then_some(now);
        self.failing_since = None;
    }

    /// The stream is gone with everything that waited. Returns how many that were.
    pub(super) fn lost(&mut self, held: &mut Held, now: Timestamp) -> usize {
        self.failing_since.get_or_insert(now);
        self.clear(held)
    }

    /// The client is gone with everything that waited, which is no failure. Returns how many that were.
    pub(super) fn clear(&mut self, held: &mut Held) -> usize {
        self.bytes = 0;
        self.idle_since = None;
        let waiting = std::mem::take(&mut self.waiting);
        waiting.iter().for_each(|message| held.release(*message));
        waiting.len()
    }

    /// When the client is stuck if it takes nothing.
    pub(super) fn stuck_at(&self) -> Option<Timestamp> {
        self.idle_since.map(|since| since.saturating_add(PUSH_TIMEOUT))
    }

    /// Since when pushes have failed and none has succeeded.
    pub(super) const fn failing_since(&self) -> Option<Timestamp> {
        self.failing_since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    /// An outbox and the messages in it.
    #[derive(Default)]
    struct World {
        outbox: Outbox,
        held: Held,
    }

    impl World {
        fn put(&mut self, size: usize, secs: i64) -> bool {
            let message = self.held.name(size);
            self.outbox.put(message, &mut self.held, at(secs))
        }

        fn taken(&mut self, secs: i64) {
            self.outbox.taken(&mut self.held, at(secs));
        }
    }

    #[test]
    fn an_outbox_holds_64_pushes_and_half_a_mebibyte() {
        let mut world = World::default();
        assert_eq!((0..100).filter(|_| world.put(1, 0)).count(), 64);
        world.taken(0);
        assert!(world.put(1, 0) && !world.put(1, 0));

        let mut world = World::default();
        assert_eq!((0..100).filter(|_| world.put(150 * 1024, 0)).count(), 3);
        assert_eq!(world.held.bytes(), 3 * 150 * 1024, "what was not put in is not held");
    }

    #[test]
    fn a_message_beyond_the_limit_goes_alone() {
        let mut world = World::default();
        assert!(world.put(1024 * 1024, 0) && !world.put(1, 0));
        world.taken(0);
        assert!(world.put(1, 0));
    }

    #[test]
    fn a_client_is_stuck_20_seconds_after_it_last_took_something() {
        let mut world = World::default();
        assert_eq!(world.outbox.stuck_at(), None);
        world.put(1, 0);
        world.put(1, 5);
        assert_eq!(world.outbox.stuck_at(), Some(at(20)));
        world.taken(10);
        assert_eq!(world.outbox.stuck_at(), Some(at(30)));
        world.taken(11);
        assert_eq!(world.outbox.stuck_at(), None);
        world.taken(12);
        assert!(world.put(MAX_BYTES, 12), "what was never put in is not taken");
    }

    #[test]
    fn failures_count_from_the_first_until_a_success_and_leaving_is_none() {
        let mut world = World::default();
        world.put(1, 0);
        assert_eq!(world.outbox.clear(&mut world.held), 1);
        assert_eq!(world.outbox.failing_since(), None);
        for now in [1, 2] {
            world.put(1, now);
            assert_eq!(world.outbox.lost(&mut world.held, at(now)), 1);
        }
        assert_eq!((world.outbox.failing_since(), world.held.bytes()), (Some(at(1)), 0));
        world.put(1, 3);
        world.taken(3);
        assert_eq!(world.outbox.failing_since(), None);
    }
}
