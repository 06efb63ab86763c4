//! Two threads for one proof.

use std::panic::resume_unwind;
use std::thread;

/// How many threads make one proof. Whoever makes many at once gains nothing from a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Threads {
    /// The caller's.
    #[default]
    One,
    /// The caller's for C and one more for A and B: for RLN's circuit that is about half of the work.
    Two,
}

impl Threads {
    /// Two where this machine has them.
    pub fn available() -> Self {
        if thread::available_parallelism().is_ok_and(|count| count.get() > 1) { Self::Two } else { Self::One }
    }

    /// Does both, one after the other or at the same time. A panic of either is the caller's.
    pub fn both<A, B: Send>(self, first: impl FnOnce() -> A, second: impl FnOnce() -> B + Send) -> (A, B) {
        match self {
            Self::One => (first(), second()),
            Self::Two => thread::scope(|scope| {
                let second = scope.spawn(second);
                let first = first();
                (first, second.join().unwrap_or_else(|panic| resume_unwind(panic)))
            }),
        }
    }
}
