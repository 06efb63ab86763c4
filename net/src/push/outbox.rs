//! What waits for each client, shared between the owner of the pushes and the tasks of the connections.
//!
//! # Invariants
//! Each accepted push is told once: as written, or lost with its stream or its connection. What is told of one
//! client is told in the order in which it happened. At most one entry for each connection waits to be told.

use std::{
    collections::{HashMap, VecDeque},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use futures::task::AtomicWaker;
use weir_core::PeerId;

use super::PushFrame;

/// Frames that may wait for one client: as many as weir-protocols lets wait (`filter::Server`), which says no
/// before this does.
pub(super) const MAX_WAITING: usize = 64;

/// Frames are written together up to this size: what Yamux puts in one of its own frames, and Noise in one
/// packet. A client that is written to as fast as messages come gets each alone.
const BATCH_BYTES: usize = 16 * 1024;

/// The push streams of all connections. Clones share them.
#[derive(Clone, Default)]
pub struct PushStreams(Arc<Shared>);

/// What became of pushes, or of the connection that they go over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushEvent {
    /// The peer is connected: pushes are accepted.
    Connected(PeerId),
    /// The first of the pushes that waited were written to the stream.
    Written {
        /// The client.
        peer: PeerId,
        /// How many.
        count: usize,
    },
    /// The stream broke or could not be opened: all pushes that waited are lost.
    StreamLost(PeerId),
    /// The peer is not connected any more, and all pushes that waited are lost.
    Disconnected(PeerId),
}

#[derive(Default)]
struct Shared {
    outboxes: Mutex<HashMap<PeerId, Arc<Outbox>>>,
    untold: Mutex<Untold>,
}

/// Connections that have something to tell.
#[derive(Default)]
struct Untold {
    outboxes: VecDeque<Arc<Outbox>>,
    owner: Option<Waker>,
}

/// What waits for one connection, and what there is to tell of it.
struct Outbox {
    peer: PeerId,
    state: Mutex<State>,
    /// Wakes the task of the connection.
    task: AtomicWaker,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Bytes>,
    /// Frames taken by the task and not written yet.
    taken: usize,
    /// Counts how often everything was given up, so that what was taken before counts no more.
    generation: u64,
    /// The owner wants another stream.
    reset: bool,
    /// Whether the client said that it takes pushes; none before identify.
    speaks: Option<bool>,
    /// Whether it waits in [`Untold`].
    listed: bool,
    news: News,
}

/// What was not told yet; it happened in the order of the fields.
#[derive(Default)]
struct News {
    connected: bool,
    written: usize,
    /// Pushes are dropped until this is told, and are lost with the others.
    lost: bool,
    gone: bool,
}

/// Frames to be written in one go.
pub(super) struct Batch {
    pub(super) bytes: Bytes,
    frames: usize,
    generation: u64,
}

/// The side of the connection. Dropping it tells that the connection is gone.
pub(super) struct Connection {
    outbox: Arc<Outbox>,
    streams: PushStreams,
}

impl PushStreams {
    /// Hands `frame` over for `peer`; its outcome is told by [`PushStreams::poll_events`]. False when the peer is
    /// not connected or as much waits for it as may.
    pub fn push(&self, peer: &PeerId, frame: &PushFrame) -> bool {
        let outbox = lock(&self.0.outboxes).get(peer).cloned();
        outbox.is_some_and(|outbox| outbox.push(frame.0.clone()))
    }

    /// Drops the stream of `peer` and what waits for it, of which nothing will be told. The next push has a
    /// stream of its own.
    pub fn reset(&self, peer: &PeerId) {
        if let Some(outbox) = lock(&self.0.outboxes).get(peer) {
            outbox.reset();
        }
    }

    /// Drops all streams and what waits, as for an owner that has forgotten it.
    pub fn reset_all(&self) {
        for outbox in lock(&self.0.outboxes).values() {
            outbox.reset();
        }
    }

    /// Whether `peer` is known not to take pushes.
    pub fn is_refused_by(&self, peer: &PeerId) -> bool {
        lock(&self.0.outboxes).get(peer).is_some_and(|outbox| lock(&outbox.state).speaks == Some(false))
    }

    /// What happened, at least one event. Of several that ask only the last is woken.
    pub fn poll_events(&self, cx: &Context<'_>) -> Poll<Vec<PushEvent>> {
        let mut events = Vec::new();
        loop {
            let Some(outbox) = self.next_untold(cx) else { break };
            outbox.tell(&mut events);
        }
        if events.is_empty() { Poll::Pending } else { Poll::Ready(events) }
    }

    /// The next connection that has something to tell; the asker is woken when there is another.
    fn next_untold(&self, cx: &Context<'_>) -> Option<Arc<Outbox>> {
        let mut untold = lock(&self.0.untold);
        let next = untold.outboxes.pop_front();
        if next.is_none() && !untold.owner.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            untold.owner = Some(cx.waker().clone());
        }
        next
    }

    /// A connection to `peer` is there. It takes the place of one that is on its way out.
    pub(super) fn connected(&self, peer: PeerId) -> Connection {
        let outbox =
            Arc::new(Outbox { peer: peer.clone(), state: Mutex::default(), task: AtomicWaker::new() });
        let before = lock(&self.0.outboxes).insert(peer, Arc::clone(&outbox));
        match before {
            Some(before) => self.list(&before, Outbox::lose),
            None => self.list(&outbox, |_, state| state.news.connected = true),
        }
        Connection { outbox, streams: self.clone() }
    }

    fn gone(&self, outbox: &Arc<Outbox>) {
        let mut outboxes = lock(&self.0.outboxes);
        // Another connection may have taken its place, with its losses told.
        if outboxes.get(&outbox.peer).is_some_and(|current| Arc::ptr_eq(current, outbox)) {
            outboxes.remove(&outbox.peer);
            // Before the map is free again, so that it is told before a connection that comes after.
            self.list(outbox, |_, state| state.news.gone = true);
        }
    }

    /// Changes what there is to tell of a connection.
    fn list(&self, outbox: &Arc<Outbox>, change: impl FnOnce(&Outbox, &mut State)) {
        let mut state = lock(&outbox.state);
        change(outbox, &mut state);
        if mem::replace(&mut state.listed, true) {
            return;
        }
        let owner = {
            let mut untold = lock(&self.0.untold);
            untold.outboxes.push_back(Arc::clone(outbox));
            untold.owner.take()
        };
        drop(state);
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}

impl Outbox {
    fn push(&self, frame: Bytes) -> bool {
        let mut state = lock(&self.state);
        if state.news.lost {
            return true;
        }
        if state.frames.len() + state.taken >= MAX_WAITING {
            return false;
        }
        state.frames.push_back(frame);
        // The task takes all there is, so it knows already unless this is the first.
        let wake = state.frames.len() == 1;
        drop(state);
        if wake {
            self.task.wake();
        }
        true
    }

    fn reset(&self) {
        let mut state = lock(&self.state);
        state.give_up();
        state.reset = true;
        drop(state);
        self.task.wake();
    }

    /// Everything that waits is lost.
    fn lose(&self, state: &mut State) {
        state.give_up();
        state.news.lost = true;
    }

    fn tell(&self, events: &mut Vec<PushEvent>) {
        let mut state = lock(&self.state);
        state.listed = false;
        let News { connected, written, lost, gone } = mem::take(&mut state.news);
        drop(state);
        let peer = || self.peer.clone();
        events.extend(connected.then(|| PushEvent::Connected(peer())));
        events.extend((written > 0).then(|| PushEvent::Written { peer: peer(), count: written }));
        events.extend(lost.then(|| PushEvent::StreamLost(peer())));
        events.extend(gone.then(|| PushEvent::Disconnected(peer())));
    }
}

impl State {
    fn give_up(&mut self) {
        self.frames.clear();
        self.taken = 0;
        self.generation += 1;
    }
}

impl Connection {
    /// Has the task of the connection woken when there is something to do.
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.outbox.task.register(cx.waker());
    }

    /// Whether something waits to be written.
    pub(super) fn has_frames(&self) -> bool {
        !lock(&self.outbox.state).frames.is_empty()
    }

    /// Whether the owner wants another stream. True once for each time.
    pub(super) fn take_reset(&self) -> bool {
        mem::take(&mut lock(&self.outbox.state).reset)
    }

    /// The frames that wait, as many as go together, and at least one if there is any.
    pub(super) fn take_batch(&self) -> Option<Batch> {
        let mut state = lock(&self.outbox.state);
        let first = state.frames.pop_front()?;
        let mut more = Vec::new();
        let mut size = first.len();
        while let Some(frame) = state.frames.pop_front_if(|frame| size + frame.len() <= BATCH_BYTES) {
            size += frame.len();
            more.push(frame);
        }
        let frames = 1 + more.len();
        state.taken += frames;
        let generation = state.generation;
        drop(state);
        let bytes = if more.is_empty() {
            first
        } else {
            let mut all = BytesMut::with_capacity(size);
            all.extend_from_slice(&first);
            more.iter().for_each(|frame| all.extend_from_slice(frame));
            all.freeze()
        };
        Some(Batch { bytes, frames, generation })
    }

    /// A batch was written.
    pub(super) fn written(&self, batch: &Batch) {
        self.streams.list(&self.outbox, |_, state| {
            // Given up in between; then the owner does not count it any more.
            if state.generation == batch.generation {
                state.taken -= batch.frames;
                state.news.written += batch.frames;
            }
        });
    }

    /// The stream broke or could not be opened.
    pub(super) fn lost(&self) {
        self.streams.list(&self.outbox, Outbox::lose);
    }

    /// The client told whether it takes pushes.
    pub(super) fn told(&self, speaks: bool) {
        lock(&self.outbox.state).speaks = Some(speaks);
    }

    /// Whether the client has told it.
    pub(super) fn has_told(&self) -> bool {
        lock(&self.outbox.state).speaks.is_some()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.streams.gone(&self.outbox);
    }
}

/// What is under these locks is whole whenever they are free: nothing under them can fail half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for PushStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushStreams").field("connections", &lock(&self.0.outboxes).len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;

    use super::*;

    fn peer(n: u8) -> PeerId {
        PeerId::from_bytes(&[n; 4]).expect("a peer id")
    }

    fn frame(n: u8, size: usize) -> PushFrame {
        PushFrame(vec![n; size].into())
    }

    fn events(streams: &PushStreams) -> Vec<PushEvent> {
        match streams.poll_events(&Context::from_waker(noop_waker_ref())) {
            Poll::Ready(events) => events,
            Poll::Pending => Vec::new(),
        }
    }

    #[test]
    fn a_client_has_64_pushes_waiting_also_while_some_of_them_are_written() {
        let streams = PushStreams::default();
        assert!(!streams.push(&peer(1), &frame(0, 1)), "not connected");
        let connection = streams.connected(peer(1));
        assert_eq!(events(&streams), [PushEvent::Connected(peer(1))]);
        assert_eq!((0..100).filter(|_| streams.push(&peer(1), &frame(0, 1))).count(), 64);
        let batch = connection.take_batch().expect("frames");
        assert_eq!(batch.bytes.len(), 64);
        assert!(!streams.push(&peer(1), &frame(0, 1)));
        connection.written(&batch);
        assert!(streams.push(&peer(1), &frame(0, 1)));
        assert_eq!(events(&streams), [PushEvent::Written { peer: peer(1), count: 64 }]);
    }

    #[test]
    fn frames_go_together_in_order_up_to_16_kib_and_a_longer_one_alone() {
        let streams = PushStreams::default();
        let connection = streams.connected(peer(1));
        for (n, size) in [(1, 10_000), (2, 6_000), (3, 1_000), (4, 100_000), (5, 1)] {
            assert!(streams.push(&peer(1), &frame(n, size)));
        }
        let batches: Vec<Bytes> =
            std::iter::from_fn(|| connection.take_batch().map(|batch| batch.bytes)).collect();
        let expected =
            [[vec![1; 10_000], vec![2; 6_000]].concat(), vec![3; 1_000], vec![4; 100_000], vec![5]];
        assert_eq!(batches, expected);
    }

    #[test]
    fn what_happens_to_a_client_is_told_once_and_in_its_order() {
        let streams = PushStreams::default();
        let connection = streams.connected(peer(1));
        assert!(streams.push(&peer(1), &frame(0, 1)));
        let batch = connection.take_batch().expect("a frame");
        connection.written(&batch);
        assert!(streams.push(&peer(1), &frame(0, 1)));
        connection.lost();
        assert!(streams.push(&peer(1), &frame(0, 1)), "is lost with the others, which is told yet");
        assert!(!connection.has_frames());
        drop(connection);
        let expected = [
            PushEvent::Connected(peer(1)),
            PushEvent::Written { peer: peer(1), count: 1 },
            PushEvent::StreamLost(peer(1)),
            PushEvent::Disconnected(peer(1)),
        ];
        assert_eq!(events(&streams), expected);
        assert_eq!(events(&streams), []);
    }

    #[test]
    fn what_was_taken_before_a_reset_is_not_told_after_it() {
        let streams = PushStreams::default();
        let connection = streams.connected(peer(1));
        assert!(streams.push(&peer(1), &frame(1, 1)));
        let batch = connection.take_batch().expect("a frame");
        streams.reset(&peer(1));
        assert!(connection.take_reset() && !connection.take_reset());
        assert!(streams.push(&peer(1), &frame(2, 1)));
        connection.written(&batch);
        assert_eq!(events(&streams), [PushEvent::Connected(peer(1))]);
        let batch = connection.take_batch().expect("the frame after the reset");
        connection.written(&batch);
        assert_eq!(events(&streams), [PushEvent::Written { peer: peer(1), count: 1 }]);
    }

    #[test]
    fn a_connection_that_takes_the_place_of_another_goes_on_as_the_same_client() {
        let streams = PushStreams::default();
        let first = streams.connected(peer(1));
        assert!(streams.push(&peer(1), &frame(1, 1)));
        let second = streams.connected(peer(1));
        drop(first);
        assert_eq!(events(&streams), [PushEvent::Connected(peer(1)), PushEvent::StreamLost(peer(1))]);
        assert!(streams.push(&peer(1), &frame(2, 1)) && second.has_frames());
        drop(second);
        assert_eq!(events(&streams), [PushEvent::Disconnected(peer(1))]);
        assert!(!streams.push(&peer(1), &frame(3, 1)));
    }
}
