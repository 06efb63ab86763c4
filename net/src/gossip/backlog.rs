//! How much is queued for each peer, at most.
//!
//! gossipsub queues a message for each receiver and forgets one that finds a queue full; it has
//! then marked the message as published, so that it cannot be tried again. Therefore the node
//! counts what it queues and stops short of the end. The count is an upper bound: a message that
//! gossipsub does not send after all is counted too, until the next [`Backlog::drained`].

use std::{collections::HashMap, time::Duration};

use libp2p::PeerId;
use tokio::time::Instant;

/// Messages gossipsub queues per peer: 1.6 s of the 5,000 messages/s a node is built for, so that
/// a peer that pauses for a heartbeat (1 s) loses nothing.
pub(super) const QUEUE_LENGTH: usize = 8192;

/// A queue counts as full when this much is in it. The rest is left for what is not counted here:
/// answers to IWANT and one IHAVE per topic and heartbeat.
const FULL_AT: u64 = QUEUE_LENGTH as u64 * 3 / 4;

/// A queue counts as full at this many bytes too, and a peer that is behind by twice as much is
/// hopeless: with messages of the largest size the number alone would allow 1.2 GB.
const FULL_AT_BYTES: u64 = 32 * 1024 * 1024;

/// A peer whose queue stays full for so long is hopeless. Messages wait no longer either: those
/// with a rate limit proof expire after 20 s.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The queue is asked about when so much may be in it: often enough to notice in time that it is
/// empty, seldom enough to cost nothing.
const PROBE_AT: u64 = FULL_AT / 16;

/// As [`PROBE_AT`], in bytes: large messages fill a queue long before they are many.
const PROBE_AT_BYTES: u64 = FULL_AT_BYTES / 16;

/// What is queued for the connected peers.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    lanes: HashMap<PeerId, Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    queued: Position,
    drained: Position,
    probe: Option<Position>,
    full_since: Option<Instant>,
}

/// Messages and bytes since the peer connected.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Position {
    messages: u64,
    bytes: u64,
}

/// What the owner has to do about a peer's queue.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Set this mark behind the queue.
    pub(crate) probe: Option<u64>,
    /// The queue was full and is not any more.
    pub(crate) has_room: bool,
    /// Nothing is queued.
    pub(crate) empty: bool,
}

impl Backlog {
    pub(crate) fn connected(&mut self, peer: PeerId) {
        self.lanes.entry(peer).or_default();
    }

    pub(crate) fn disconnected(&mut self, peer: &PeerId) {
        self.lanes.remove(peer);
    }

    /// A message of `bytes` was queued for `peer`.
    pub(crate) fn queued(&mut self, peer: &PeerId, bytes: usize, now: Instant) -> Step {
        let Some(lane) = self.lanes.get_mut(peer) else { return Step::default() };
        lane.queued.messages += 1;
        lane.queued.bytes += bytes as u64;
        if lane.is_full() {
            lane.full_since.get_or_insert(now);
        }
        let due = lane.probe.is_none() && lane.is_worth_asking();
        Step { probe: due.then(|| lane.set_probe()), ..Step::default() }
    }

    /// Everything queued for `peer` before `mark` has left.
    pub(crate) fn drained(&mut self, peer: &PeerId, mark: u64) -> Step {
        let Some(lane) = self.lanes.get_mut(peer) else { return Step::default() };
        let Some(position) = lane.probe.take_if(|probe| probe.messages == mark) else {
            return Step::default();
        };
        lane.drained = position;
        let has_room = !lane.is_full() && lane.full_since.take().is_some();
        let due = lane.is_worth_asking();
        Step { probe: due.then(|| lane.set_probe()), has_room, empty: lane.depth() == 0 }
    }

    /// Asks about the queue of `peer` now, or `None` when it is being asked about or gone.
    pub(crate) fn ask(&mut self, peer: &PeerId) -> Option<u64> {
        let lane = self.lanes.get_mut(peer)?;
        lane.probe.is_none().then(|| lane.set_probe())
    }

    /// Asks again about the queue of `peer` if it was being asked about on a connection that is gone
    /// while another is there.
    pub(crate) fn ask_again(&mut self, peer: &PeerId) -> Option<u64> {
        let lane = self.lanes.get_mut(peer)?;
        lane.probe.is_some().then(|| lane.set_probe())
    }

    /// Whether nothing more should be queued for `peer`.
    pub(crate) fn is_full(&self, peer: &PeerId) -> bool {
        self.lanes.get(peer).is_some_and(Lane::is_full)
    }

    /// Whether something may be queued for `peer`.
    pub(crate) fn is_empty(&self, peer: &PeerId) -> bool {
        self.lanes.get(peer).is_none_or(|lane| lane.depth() == 0)
    }

    /// Messages that may be queued, of all peers together.
    pub(crate) fn depth(&self) -> u64 {
        self.lanes.values().map(Lane::depth).sum()
    }

    /// Peers that are too far behind to be worth the memory.
    pub(crate) fn hopeless(&self, now: Instant) -> Vec<PeerId> {
        self.lanes.iter().filter(|(_, lane)| lane.is_hopeless(now)).map(|(peer, _)| *peer).collect()
    }
}

impl Lane {
    const fn depth(&self) -> u64 {
        self.queued.messages - self.drained.messages
    }

    const fn bytes(&self) -> u64 {
        self.queued.bytes - self.drained.bytes
    }

    const fn is_full(&self) -> bool {
        self.depth() >= FULL_AT || self.bytes() >= FULL_AT_BYTES
    }

    const fn is_worth_asking(&self) -> bool {
        self.depth() >= PROBE_AT || self.bytes() >= PROBE_AT_BYTES
    }

    fn is_hopeless(&self, now: Instant) -> bool {
        let too_long = self.full_since.is_some_and(|since| now.duration_since(since) >= PATIENCE);
        too_long || self.bytes() >= 2 * FULL_AT_BYTES
    }

    fn set_probe(&mut self) -> u64 {
        self.probe = Some(self.queued);
        self.queued.messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_peer() -> (Backlog, PeerId, Instant) {
        let (mut backlog, peer) = (Backlog::default(), PeerId::random());
        backlog.connected(peer);
        (backlog, peer, Instant::now())
    }

    fn fill(backlog: &mut Backlog, peer: &PeerId, count: u64, now: Instant) -> Vec<u64> {
        (0..count).filter_map(|_| backlog.queued(peer, 1000, now).probe).collect()
    }

    #[test]
    fn a_queue_is_asked_about_once_until_it_answers() {
        let (mut backlog, peer, now) = with_peer();
        assert_eq!(fill(&mut backlog, &peer, PROBE_AT - 1, now), []);
        assert_eq!(fill(&mut backlog, &peer, PROBE_AT, now), [PROBE_AT]);
        let step = backlog.drained(&peer, PROBE_AT);
        assert_eq!(step, Step { probe: None, has_room: false, empty: false });
        assert_eq!(backlog.depth(), PROBE_AT - 1);
        assert_eq!(backlog.ask(&peer), Some(2 * PROBE_AT - 1));
        assert_eq!(backlog.ask(&peer), None);
        assert!(backlog.drained(&peer, 2 * PROBE_AT - 1).empty);
    }

    #[test]
    fn a_question_that_was_lost_with_its_connection_is_asked_again() {
        let (mut backlog, peer, now) = with_peer();
        assert_eq!(backlog.ask_again(&peer), None);
        fill(&mut backlog, &peer, PROBE_AT + 1, now);
        assert_eq!(backlog.ask_again(&peer), Some(PROBE_AT + 1));
        assert_eq!(backlog.drained(&peer, PROBE_AT), Step::default());
        assert!(backlog.drained(&peer, PROBE_AT + 1).empty);
    }

    #[test]
    fn a_full_queue_says_when_it_has_room_again() {
        let (mut backlog, peer, now) = with_peer();
        fill(&mut backlog, &peer, FULL_AT - 1, now);
        assert!(!backlog.is_full(&peer));
        fill(&mut backlog, &peer, 1, now);
        assert!(backlog.is_full(&peer));
        let step = backlog.drained(&peer, PROBE_AT);
        assert!(step.has_room && step.probe == Some(FULL_AT), "{step:?}");
        assert_eq!(backlog.drained(&peer, FULL_AT), Step { probe: None, has_room: false, empty: true });
    }

    /// One message of 150 KB at a time, each gone before the next, was refused after 32 MiB: nobody had
    /// asked whether they had left.
    #[test]
    fn a_queue_of_large_messages_is_asked_about_long_before_it_is_full() {
        let (mut backlog, peer, now) = with_peer();
        for _ in 0..1000 {
            if let Some(mark) = backlog.queued(&peer, 150_000, now).probe {
                backlog.drained(&peer, mark);
            }
            assert!(!backlog.is_full(&peer));
        }
    }

    #[test]
    fn large_messages_fill_a_queue_by_their_bytes() {
        let (mut backlog, peer, now) = with_peer();
        backlog.queued(&peer, 32 * 1024 * 1024, now);
        assert!(backlog.is_full(&peer));
        assert_eq!(backlog.hopeless(now), []);
        backlog.queued(&peer, 32 * 1024 * 1024, now);
        assert_eq!(backlog.hopeless(now), [peer]);
    }

    #[test]
    fn a_peer_that_stays_full_is_given_up_after_a_while() {
        let (mut backlog, peer, now) = with_peer();
        fill(&mut backlog, &peer, FULL_AT, now);
        assert_eq!(backlog.hopeless(now + PATIENCE - Duration::from_millis(1)), []);
        assert_eq!(backlog.hopeless(now + PATIENCE), [peer]);
    }

    #[test]
    fn answers_to_questions_of_an_earlier_connection_are_ignored() {
        let (mut backlog, peer, now) = with_peer();
        fill(&mut backlog, &peer, PROBE_AT, now);
        backlog.disconnected(&peer);
        backlog.connected(peer);
        backlog.queued(&peer, 1, now);
        assert_eq!(backlog.drained(&peer, PROBE_AT), Step::default());
        assert_eq!(backlog.depth(), 1);
    }
}
