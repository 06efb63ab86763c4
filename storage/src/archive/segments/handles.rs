//! How many sealed segments are open at once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::segment::Segment;

/// Open sealed segments: 2 MB of cache each make 512 MB at most, when hashes from all over 16 GB of messages are
/// asked for. Opening another takes less than a millisecond, which ten hashes in ten closed segments would wait
/// for ten times.
pub(super) const MAX_OPEN: usize = 256;

/// The sealed segments that are open, the longest open one in front.
#[derive(Debug)]
pub(super) struct Handles {
    open: Mutex<VecDeque<Weak<Segment>>>,
    most: usize,
}

impl Handles {
    pub(super) fn new(most: usize) -> Self {
        Self { open: Mutex::default(), most }
    }

    /// Notes that `segment` was opened. If these are too many, closes one that was not looked at lately.
    pub(super) fn opened(&self, segment: &Arc<Segment>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // The new one is not a candidate.
        for _ in 0..2 * open.len() {
            if open.len() < self.most {
                break;
            }
            let Some(oldest) = open.pop_front() else { break };
            if oldest.upgrade().is_some_and(|segment| !segment.close_if_idle()) {
                open.push_back(oldest);
            }
        }
        open.push_back(Arc::downgrade(segment));
    }
}
