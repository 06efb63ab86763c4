//! How much may wait for the archive, and what became of it.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::metrics::{ArchiveMetrics, Loss};

/// Messages that may wait: 2 s at 10,000 a second, longer than the fsync of a slow disk or the restart
/// of a database's connection.
pub(crate) const MAX_WAITING_MESSAGES: usize = 20_000;

/// Bytes that may wait: 3.3 KB for each message, twice as much as they have on average, so that only large
/// ones meet this bound before the other.
pub(crate) const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// The room of all that waits: in the mailbox, in the actor, and with the thread that writes.
#[derive(Debug)]
pub(super) struct Room {
    held: Mutex<Held>,
    lost: AtomicU64,
    stopping: AtomicBool,
    metrics: ArchiveMetrics,
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    messages: usize,
    bytes: usize,
}

/// The place of waiting messages. Whoever drops it without [`Place::stored`] has lost them, which is
/// counted; so nothing is lost in silence, whatever fails.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    held: Held,
    loss: Option<Loss>,
}

impl Room {
    pub(super) fn new(metrics: ArchiveMetrics) -> Arc<Self> {
        let (held, lost, stopping) = (Mutex::default(), AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { held, lost, stopping, metrics })
    }

    /// A place for one message of `bytes` bytes; none when there is no room, and then it is lost.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Option<Place> {
        let mut held = self.held();
        let (messages, sum) = (held.messages + 1, held.bytes.saturating_add(bytes));
        if messages > MAX_WAITING_MESSAGES || sum > MAX_WAITING_BYTES {
            drop(held);
            self.lose(1, Loss::BufferFull);
            return None;
        }
        *held = Held { messages, bytes: sum };
        self.show(*held);
        drop(held);
        Some(Place { room: Arc::clone(self), held: Held { messages: 1, bytes }, loss: None })
    }

    /// Messages and bytes that wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let held = self.held();
        (held.messages, held.bytes)
    }

    /// Whether there is room for a good while again.
    pub(super) fn is_half_empty(&self) -> bool {
        let (messages, bytes) = self.waiting();
        messages <= MAX_WAITING_MESSAGES / 2 && bytes <= MAX_WAITING_BYTES / 2
    }

    /// Messages lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// What is dropped from now on is lost to the stop.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn lose(&self, messages: usize, loss: Loss) {
        self.lost.fetch_add(messages as u64, Ordering::Relaxed);
        self.metrics.lost(messages, loss);
    }

    fn show(&self, held: Held) {
        self.metrics.waiting_messages.set(i64::try_from(held.messages).unwrap_or(i64::MAX));
        self.metrics.waiting_bytes.set(i64::try_from(held.bytes).unwrap_or(i64::MAX));
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Two numbers, changed together: nothing under the lock can fail in between.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// One place for the messages of both.
    pub(super) fn join(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.room, &other.room), "of one archive");
        let held = std::mem::take(&mut other.held);
        self.held =
            Held { messages: self.held.messages + held.messages, bytes: self.held.bytes + held.bytes };
    }

    /// Bytes it was taken for.
    pub(super) const fn bytes(&self) -> usize {
        self.held.bytes
    }

    /// Leaves the place, since the messages are where they should be.
    pub(super) fn stored(mut self) {
        self.release();
    }

    /// Gives the messages up.
    pub(super) fn lose(mut self, loss: Loss) {
        self.loss = Some(loss);
    }

    fn release(&mut self) -> usize {
        let Held { messages, bytes } = std::mem::take(&mut self.held);
        let mut held = self.room.held();
        *held = Held { messages: held.messages - messages, bytes: held.bytes - bytes };
        self.room.show(*held);
        messages
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let messages = self.release();
        if messages > 0 {
            let stopping = self.room.stopping.load(Ordering::Relaxed);
            let otherwise = if stopping { Loss::Stopped } else { Loss::Fault };
            self.room.lose(messages, self.loss.unwrap_or(otherwise));
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    fn room() -> Arc<Room> {
        Room::new(ArchiveMetrics::register(&mut Registry::default()))
    }

    #[test]
    fn no_more_messages_and_no_more_bytes_are_taken_than_there_is_room_for() {
        let room = room();
        let places: Vec<Place> = (0..MAX_WAITING_MESSAGES).filter_map(|_| room.take(1)).collect();
        assert_eq!(room.waiting(), (MAX_WAITING_MESSAGES, MAX_WAITING_MESSAGES));
        assert!(room.take(1).is_none());
        places.into_iter().for_each(Place::stored);
        assert_eq!((room.waiting(), room.lost()), ((0, 0), 1));

        let large = room.take(MAX_WAITING_BYTES).expect("fits");
        assert!(room.take(1).is_none());
        large.stored();
        assert!(room.take(usize::MAX).is_none());
        assert_eq!((room.lost(), room.metrics.lost_to(Loss::BufferFull)), (3, 3));
    }

    #[test]
    fn what_is_dropped_on_the_way_is_counted_once_and_its_room_is_free_again() {
        let room = room();
        let mut place = room.take(10).expect("fits");
        place.join(room.take(20).expect("fits"));
        assert_eq!((room.waiting(), room.lost()), ((2, 30), 0));
        drop(place);
        assert_eq!((room.waiting(), room.metrics.lost_to(Loss::Fault)), ((0, 0), 2));
        room.take(10).expect("fits").lose(Loss::Refused);
        room.stop();
        drop(room.take(10));
        let lost = [Loss::Refused, Loss::Stopped, Loss::Fault].map(|loss| room.metrics.lost_to(loss));
        assert_eq!((lost, room.lost()), ([1, 1, 2], 4));
    }
}
