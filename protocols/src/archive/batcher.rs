//! Gathers messages into batches, one of which is written at a time.
//!
//! ```text
//!            push                 full, or old enough, or draining
//!  nothing ───────> gathering ─────────────────────────────────────> writing ── written ──> (again)
//!                                                                     │    ^
//!                                                              failed v    │ the pause is over
//!                                                                    paused
//! ```
//!
//! While a batch is written the next one gathers, so the slower the disk the larger the batches. A batch that
//! failed is written again as it was, after a pause that doubles; what comes meanwhile waits behind it. How
//! much may wait is not decided here: whoever pushes asks for room first.

use std::{collections::VecDeque, time::Duration};

use weir_core::Timestamp;

/// The pause after the first failure; short, since the most common one is a connection that was lost.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause: what comes back is noticed within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// When a batch is complete.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages of a batch, at most.
    pub messages: usize,
    /// A batch is complete when its messages take so many bytes.
    pub bytes: usize,
    /// A message waits for others at most this long.
    pub delay: Duration,
}

/// What to write now.
#[derive(Debug, PartialEq, Eq)]
pub enum Write<T> {
    /// These, in their order.
    New(Vec<T>),
    /// What failed before.
    Again,
}

/// The messages that wait, and what is written now.
#[derive(Debug)]
pub struct Batcher<T> {
    limits: Limits,
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
    turn: Turn,
    draining: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    bytes: usize,
    since: Timestamp,
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    Gathering,
    Writing { failures: u32 },
    Paused { until: Timestamp, failures: u32 },
}

impl<T> Batcher<T> {
    /// Nothing waits.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, waiting: VecDeque::new(), bytes: 0, turn: Turn::Gathering, draining: false }
    }

    /// Takes a message of `bytes` bytes.
    pub fn push(&mut self, item: T, bytes: usize, now: Timestamp) {
        self.bytes += bytes;
        self.waiting.push_back(Waiting { item, bytes, since: now });
    }

    /// What to write now, if anything. Its outcome has to be told with [`Self::written`] or [`Self::failed`].
    pub fn next_write(&mut self, now: Timestamp) -> Option<Write<T>> {
        match self.turn {
            Turn::Writing { .. } => None,
            Turn::Paused { until, failures } => {
                let over = self.draining || until <= now;
                if over {
                    self.turn = Turn::Writing { failures };
                }
                over.then_some(Write::Again)
            }
            Turn::Gathering => {
                if !self.is_due(now) {
                    return None;
                }
                self.turn = Turn::Writing { failures: 0 };
                Some(Write::New(self.take_batch()))
            }
        }
    }

    /// What was given out is done with.
    pub const fn written(&mut self) {
        self.turn = Turn::Gathering;
    }

    /// What was given out could not be written.
    pub fn failed(&mut self, now: Timestamp) {
        let failures = match self.turn {
            Turn::Writing { failures } | Turn::Paused { failures, .. } => failures,
            Turn::Gathering => 0,
        };
        let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
        self.turn = Turn::Paused { until: now.saturating_add(pause), failures: failures.saturating_add(1) };
    }

    /// From now on nothing waits, neither for company nor for a pause to be over.
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    /// When to ask [`Self::next_write`] again, unless something else happens before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        match self.turn {
            Turn::Writing { .. } => None,
            Turn::Paused { until, .. } => Some(until),
            Turn::Gathering => {
                self.waiting.front().map(|first| first.since.saturating_add(self.limits.delay))
            }
        }
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        matches!(self.turn, Turn::Gathering) && self.waiting.is_empty()
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let Some(first) = self.waiting.front() else { return false };
        self.draining
            || self.waiting.len() >= self.limits.messages
            || self.bytes >= self.limits.bytes
            // A clock that was set back must not keep messages waiting.
            || first.since.distance(now) >= self.limits.delay
    }

    /// The oldest messages, at least one, until the limits are reached.
    fn take_batch(&mut self) -> Vec<T> {
        let mut batch = Vec::with_capacity(self.waiting.len().min(self.limits.messages));
        let mut bytes = 0;
        while batch.len() < self.limits.messages
            && bytes < self.limits.bytes
            && let Some(waiting) = self.waiting.pop_front()
        {
            bytes += waiting.bytes;
            batch.push(waiting.item);
        }
        self.bytes -= bytes;
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { messages: 3, bytes: 100, delay: Duration::from_millis(20) };

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn batcher(messages: u8) -> Batcher<u8> {
        let mut batcher = Batcher::new(LIMITS);
        (0..messages).for_each(|message| batcher.push(message, 1, at(0)));
        batcher
    }

    #[test]
    fn a_message_waits_for_company_until_the_delay_is_over() {
        let mut batcher = batcher(2);
        assert_eq!((batcher.next_write(at(19)), batcher.next_deadline()), (None, Some(at(20))));
        assert_eq!(batcher.next_write(at(20)), Some(Write::New(vec![0, 1])));
        assert_eq!(batcher.next_deadline(), None);
        assert!(!batcher.is_idle());
        batcher.written();
        assert!(batcher.is_idle());
    }

    #[test]
    fn a_full_batch_does_not_wait_and_takes_no_more_than_the_limit() {
        let mut batcher = batcher(4);
        assert_eq!(batcher.next_write(at(0)), Some(Write::New(vec![0, 1, 2])));
        batcher.written();
        assert_eq!(batcher.next_write(at(0)), None, "the fourth gathers others again");
        assert_eq!(batcher.next_deadline(), Some(at(20)));
    }

    #[test]
    fn large_messages_make_small_batches() {
        let mut batcher = Batcher::new(LIMITS);
        for message in 0..3 {
            batcher.push(message, 60, at(0));
        }
        assert_eq!(batcher.next_write(at(0)), Some(Write::New(vec![0, 1])));
        batcher.written();
        batcher.push(3, 5000, at(0));
        assert_eq!(
            batcher.next_write(at(0)),
            Some(Write::New(vec![2, 3])),
            "one above the limit is written too"
        );
    }

    #[test]
    fn what_comes_while_a_batch_is_written_is_the_next_batch() {
        let mut batcher = batcher(3);
        assert!(batcher.next_write(at(0)).is_some());
        batcher.push(7, 1, at(1));
        assert_eq!(batcher.next_write(at(500)), None, "one at a time");
        batcher.written();
        assert_eq!(batcher.next_write(at(500)), Some(Write::New(vec![7])), "it has waited long enough");
    }

    #[test]
    fn a_batch_that_failed_is_written_again_after_pauses_that_double_up_to_a_limit() {
        let mut batcher = batcher(3);
        assert!(batcher.next_write(at(0)).is_some());
        let (mut now, mut pauses) = (0, Vec::new());
        for _ in 0..8 {
            batcher.failed(at(now));
            let until = batcher.next_deadline().expect("a pause").as_nanos() / 1_000_000;
            assert_eq!(batcher.next_write(at(until - 1)), None);
            assert_eq!(batcher.next_write(at(until)), Some(Write::Again));
            pauses.push(until - now);
            now = until;
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        batcher.written();
        batcher.push(7, 1, at(now));
        assert_eq!(batcher.next_write(at(now + 20)), Some(Write::New(vec![7])));
        batcher.failed(at(now));
        assert_eq!(batcher.next_deadline(), Some(at(now + 100)), "a success forgets the failures");
    }

    #[test]
    fn a_drain_waits_for_nobody() {
        let mut batcher = batcher(1);
        batcher.drain();
        assert_eq!(batcher.next_write(at(0)), Some(Write::New(vec![0])));
        batcher.written();
        assert_eq!((batcher.next_write(at(0)), batcher.is_idle()), (None, true));

        batcher.push(1, 1, at(0));
        assert_eq!(batcher.next_write(at(0)), Some(Write::New(vec![1])));
        batcher.failed(at(0));
        assert_eq!(batcher.next_write(at(0)), Some(Write::Again));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nothing_waiting() {
        let mut batcher = batcher(1);
        assert_eq!(batcher.next_write(at(-60_000)), Some(Write::New(vec![0])));
    }
}
