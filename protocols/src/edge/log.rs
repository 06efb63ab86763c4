//! Events that wait until the application reads them.
//!
//! # Invariants
//! At most [`MAX_SENDS`] sends with their events, of which a send has three at most, and at most the messages that
//! the operator allows. What is read is forgotten; what finds no room takes that of the oldest.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroUsize,
};

use weir_core::{MessageHash, PubsubTopic, Timestamp, WakuMessage};

use super::{Event, SendError, SendId};

/// Sends whose events are kept (waku-wire 14.8). A send has one or two events, so these take 2 MB.
const MAX_SENDS: usize = 10_000;

/// What became of a send, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendEvent {
    /// When this node knew.
    pub at: Timestamp,
    /// What.
    pub outcome: SendOutcome,
}

/// What became of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// A service node has given it to its peers.
    Propagated(MessageHash),
    /// A store has it.
    Sent(MessageHash),
    /// It did not get out.
    Failed(SendError),
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Where.
    pub topic: PubsubTopic,
    /// Its name.
    pub hash: MessageHash,
    /// What.
    pub message: WakuMessage,
}

/// Events that nobody has read.
#[derive(Debug)]
pub struct EventLog {
    sends: BTreeMap<SendId, Vec<SendEvent>>,
    received: VecDeque<ReceivedMessage>,
    capacity: NonZeroUsize,
    /// Messages that were pushed out before anybody read them.
    missed: u64,
}

impl EventLog {
    /// An empty one that keeps `capacity` received messages.
    pub const fn new(capacity: NonZeroUsize) -> Self {
        Self { sends: BTreeMap::new(), received: VecDeque::new(), capacity, missed: 0 }
    }

    /// Keeps an event of a send or a received message; any other is not kept.
    pub fn push(&mut self, event: Event, now: Timestamp) {
        let (send, outcome) = match event {
            Event::Propagated { send, hash } => (send, SendOutcome::Propagated(hash)),
            Event::Sent { send, hash } => (send, SendOutcome::Sent(hash)),
            Event::Error { send, error } => (send, SendOutcome::Failed(error)),
            Event::Received { topic, hash, message } => {
                if self.received.len() >= self.capacity.get() {
                    self.received.pop_front();
                    self.missed += 1;
                }
                return self.received.push_back(ReceivedMessage { topic, hash, message: *message });
            }
            Event::ConnectionStatus(_) | Event::ContentTopicHealth { .. } => return,
        };
        self.sends.entry(send).or_default().push(SendEvent { at: now, outcome });
        if self.sends.len() > MAX_SENDS {
            // Ids ascend, so the first is the oldest.
            self.sends.pop_first();
        }
    }

    /// The events of all sends, the oldest send first.
    pub fn take_sends(&mut self) -> BTreeMap<SendId, Vec<SendEvent>> {
        std::mem::take(&mut self.sends)
    }

    /// The events of one send; none if there are none.
    pub fn take_send(&mut self, send: SendId) -> Option<Vec<SendEvent>> {
        self.sends.remove(&send)
    }

    /// The messages, in the order in which they came.
    pub fn take_received(&mut self) -> Vec<ReceivedMessage> {
        std::mem::take(&mut self.received).into()
    }

    /// Messages that were pushed out before anybody read them.
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use weir_core::{ClusterId, ContentTopic, Meta, ProofField, ShardId};

    use super::*;

    const HASH: MessageHash = MessageHash::from_bytes([1; 32]);

    fn received(number: u8) -> Event {
        let message = WakuMessage {
            payload: vec![number].into(),
            content_topic: ContentTopic::new("/a/1/b/proto").expect("topic"),
            version: 0,
            timestamp: Timestamp::from_secs(1),
            meta: Meta::default(),
            ephemeral: false,
            proof: ProofField::Absent,
        };
        let topic = PubsubTopic::new(ClusterId(1), ShardId(0)).expect("shard");
        Event::Received { topic, hash: message.hash(topic), message: Box::new(message) }
    }

    #[test]
    fn what_is_read_is_forgotten() {
        let (mut log, now) = (EventLog::new(NonZeroUsize::MIN), Timestamp::from_secs(7));
        let (one, two) = (SendId(1), SendId(2));
        log.push(Event::Propagated { send: one, hash: HASH }, now);
        log.push(Event::Error { send: two, error: SendError::Overloaded(3) }, now);
        log.push(Event::Sent { send: one, hash: HASH }, now);
        let event = |outcome| SendEvent { at: now, outcome };
        let of_one = vec![event(SendOutcome::Propagated(HASH)), event(SendOutcome::Sent(HASH))];
        assert_eq!(log.take_send(one), Some(of_one));
        assert_eq!(log.take_send(one), None);
        let of_two = vec![event(SendOutcome::Failed(SendError::Overloaded(3)))];
        assert_eq!(log.take_sends(), BTreeMap::from([(two, of_two)]));
        assert!(log.take_sends().is_empty());
    }

    #[test]
    fn the_oldest_make_room() {
        let now = Timestamp::from_secs(7);
        let mut log = EventLog::new(NonZeroUsize::new(2).expect("not zero"));
        (0..3).for_each(|number| log.push(received(number), now));
        let left: Vec<u8> = log.take_received().iter().map(|received| received.message.payload[0]).collect();
        assert_eq!((left, log.missed()), (vec![1, 2], 1));
        (0..=MAX_SENDS as u64).for_each(|send| log.push(Event::Sent { send: SendId(send), hash: HASH }, now));
        assert_eq!(log.take_send(SendId(0)), None);
        assert_eq!(log.take_sends().len(), MAX_SENDS);
    }
}
