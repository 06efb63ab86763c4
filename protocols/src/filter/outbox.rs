//! What one client has been sent and not taken yet.
//!
//! The bytes wait in the network; here is only their account, which says when there is no room for more. So a
//! client that does not read costs what its account allows, and nobody waits for it.

use std::{collections::VecDeque, time::Duration};

use weir_core::Timestamp;

/// Pushes that can wait for one client. A burst of a second at 64 messages/s; a client that cannot take that
/// within [`PUSH_TIMEOUT`] is not helped by more.
pub(super) const MAX_PUSHES: usize = 64;

/// Bytes that can wait for one client, unless it is a single message. Clients share the bytes of a message, so
/// that a thousand stuck ones hold together what was relayed in [`PUSH_TIMEOUT`], and 512 MiB at the most.
pub(super) const MAX_BYTES: usize = 512 * 1024;

/// A client that takes nothing for this long is stuck (waku-wire 10.1).
pub(super) const PUSH_TIMEOUT: Duration = Duration::from_secs(20);

/// The account of one client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Sizes of what waits, in order.
    waiting: VecDeque<u32>,
    bytes: usize,
    /// Since when nothing was taken, while something waits.
    idle_since: Option<Timestamp>,
    /// Since when pushes have failed and none has succeeded.
    failing_since: Option<Timestamp>,
}

impl Outbox {
    /// Puts a push of `size` bytes in; false when there is no room.
    pub(super) fn put(&mut self, size: usize, now: Timestamp) -> bool {
        let full = self.waiting.len() >= MAX_PUSHES || self.bytes.saturating_add(size) > MAX_BYTES;
        if full && !self.waiting.is_empty() {
            return false;
        }
        // A frame is far below 4 GiB; one that were not would count as that.
        self.waiting.push_back(u32::try_from(size).unwrap_or(u32::MAX));
        self.bytes = self.bytes.saturating_add(size);
        self.idle_since.get_or_insert(now);
        true
    }

    /// The client took the first of what waits.
    pub(super) fn taken(&mut self, now: Timestamp) {
        let Some(size) = self.waiting.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(size as usize);
        self.idle_since = (!self.waiting.is_empty()).then_some(now);
        self.failing_since = None;
    }

    /// The stream is gone with everything that waited. Returns how many that were.
    pub(super) fn lost(&mut self, now: Timestamp) -> usize {
        self.failing_since.get_or_insert(now);
        self.clear()
    }

    /// The client is gone with everything that waited, which is no failure. Returns how many that were.
    pub(super) fn clear(&mut self) -> usize {
        self.bytes = 0;
        self.idle_since = None;
        std::mem::take(&mut self.waiting).len()
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

    #[test]
    fn an_outbox_holds_64_pushes_and_half_a_mebibyte() {
        let mut outbox = Outbox::default();
        assert_eq!((0..100).filter(|_| outbox.put(1, at(0))).count(), 64);
        outbox.taken(at(0));
        assert!(outbox.put(1, at(0)) && !outbox.put(1, at(0)));

        let mut outbox = Outbox::default();
        assert_eq!((0..100).filter(|_| outbox.put(150 * 1024, at(0))).count(), 3);
    }

    #[test]
    fn a_message_beyond_the_limit_goes_alone() {
        let mut outbox = Outbox::default();
        assert!(outbox.put(1024 * 1024, at(0)) && !outbox.put(1, at(0)));
        outbox.taken(at(0));
        assert!(outbox.put(1, at(0)));
    }

    #[test]
    fn a_client_is_stuck_20_seconds_after_it_last_took_something() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.stuck_at(), None);
        outbox.put(1, at(0));
        outbox.put(1, at(5));
        assert_eq!(outbox.stuck_at(), Some(at(20)));
        outbox.taken(at(10));
        assert_eq!(outbox.stuck_at(), Some(at(30)));
        outbox.taken(at(11));
        assert_eq!(outbox.stuck_at(), None);
        outbox.taken(at(12));
        assert!(outbox.put(MAX_BYTES, at(12)), "what was never put in is not taken");
    }

    #[test]
    fn failures_count_from_the_first_until_a_success_and_leaving_is_none() {
        let mut outbox = Outbox::default();
        outbox.put(1, at(0));
        assert_eq!(outbox.clear(), 1);
        assert_eq!(outbox.failing_since(), None);
        for now in [1, 2] {
            outbox.put(1, at(now));
            assert_eq!(outbox.lost(at(now)), 1);
        }
        assert_eq!(outbox.failing_since(), Some(at(1)));
        outbox.put(1, at(3));
        outbox.taken(at(3));
        assert_eq!(outbox.failing_since(), None);
    }
}
