//! When to ask for peers, and whom.

use std::time::Duration;

use weir_core::{
    PeerId, Timestamp,
    peer_exchange::{Answer, EncodedRecord, MAX_RECORDS, Status},
};

use crate::service_peers::{RequestFailure, ServicePeers};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long until the next try when nobody could be asked.
const RETRY_DELAY: Duration = Duration::from_secs(10);

/// What the client is told once.
#[derive(Debug, Clone, Copy)]
pub struct ClientConfig {
    /// Peers to ask for; at most [`MAX_RECORDS`].
    pub count: u64,
    /// How often to ask; once when there is another way to find peers.
    pub interval: Option<Duration>,
}

impl Default for ClientConfig {
    /// nwaku's: 6 peers, each minute (waku-wire 6.3).
    fn default() -> Self {
        Self { count: 6, interval: Some(Duration::from_secs(60)) }
    }
}

/// Names a request. Given in ascending order, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientEffect {
    /// Ask `peer` for `count` peers; answer with [`Client::answered`].
    Ask {
        /// For the answer.
        id: RequestId,
        /// Whom.
        peer: PeerId,
        /// How many.
        count: u64,
    },
    /// Verify these records and offer their peers to the peer manager.
    Learn(Vec<EncodedRecord>),
}

/// The side that asks.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    peers: ServicePeers,
    next_id: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// As soon as there is somebody to ask, but not before `from`.
    Due {
        from: Timestamp,
    },
    Asking {
        id: RequestId,
        peer: PeerId,
        until: Timestamp,
    },
    /// Everything that was wanted is there.
    Done,
}

impl Client {
    /// A client that wants peers at once.
    pub fn new(config: ClientConfig) -> Self {
        let count = config.count.clamp(1, MAX_RECORDS as u64);
        let state = State::Due { from: Timestamp::from_nanos(i64::MIN) };
        Self { config: ClientConfig { count, ..config }, peers: ServicePeers::default(), next_id: 0, state }
    }

    /// `peer` is connected and speaks peer exchange.
    pub fn peer_available(&mut self, peer: PeerId, now: Timestamp, effects: &mut Vec<ClientEffect>) {
        self.peers.add(peer, None);
        self.tick(now, effects);
    }

    /// `peer` is gone.
    pub fn peer_gone(&mut self, peer: &PeerId, now: Timestamp, effects: &mut Vec<ClientEffect>) {
        self.peers.remove(peer);
        if matches!(&self.state, State::Asking { peer: asked, .. } if asked == peer) {
            self.state = State::Due { from: now };
        }
        self.tick(now, effects);
    }

    /// A request has an outcome.
    pub fn answered(
        &mut self,
        id: RequestId,
        result: Result<Answer, RequestFailure>,
        now: Timestamp,
        effects: &mut Vec<ClientEffect>,
    ) {
        let State::Asking { id: current, peer, .. } = &self.state else { return };
        if *current != id {
            return;
        }
        let peer = peer.clone();
        match result {
            // A peer that knows nobody is asked last the next time.
            Ok(Answer { status: Status::Success, records, .. }) if !records.is_empty() => {
                self.peers.succeeded(&peer);
                effects.push(ClientEffect::Learn(records));
                self.state = match self.config.interval {
                    Some(interval) => State::Due { from: now.saturating_add(interval) },
                    None => State::Done,
                };
            }
            Ok(_) | Err(_) => {
                self.peers.failed(&peer, now);
                self.state = State::Due { from: now };
            }
        }
        self.tick(now, effects);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp, effects: &mut Vec<ClientEffect>) {
        if let State::Asking { peer, until, .. } = &self.state
            && *until <= now
        {
            self.peers.failed(peer, now);
            self.state = State::Due { from: now };
        }
        if !matches!(self.state, State::Due { from } if from <= now) {
            return;
        }
        self.state = match self.peers.pick_rested(None, now, |_| true) {
            Some(peer) => {
                let id = RequestId(self.next_id);
                self.next_id += 1;
                effects.push(ClientEffect::Ask { id, peer: peer.clone(), count: self.config.count });
                State::Asking { id, peer, until: now.saturating_add(TIMEOUT) }
            }
            None => State::Due { from: now },
        };
    }

    /// When [`Client::tick`] is due at the latest.
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.state {
            State::Asking { until, .. } => Some(*until),
            State::Due { from } if *from > now => Some(*from),
            State::Due { .. } => Some(self.peers.next_rested(now)?.min(now.saturating_add(RETRY_DELAY))),
            State::Done => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn peer(n: u8) -> PeerId {
        PeerId::from_bytes(&[n]).expect("a byte")
    }

    fn record() -> EncodedRecord {
        EncodedRecord::new(vec![7].into()).expect("short")
    }

    fn told(records: Vec<EncodedRecord>) -> Result<Answer, RequestFailure> {
        Ok(Answer { status: Status::Success, description: None, records })
    }

    fn ask(id: u64, n: u8) -> ClientEffect {
        ClientEffect::Ask { id: RequestId(id), peer: peer(n), count: 6 }
    }

    /// Two peers, the first of which was asked.
    fn asking(interval: Option<Duration>) -> Client {
        let mut client = Client::new(ClientConfig { interval, ..ClientConfig::default() });
        let mut effects = Vec::new();
        for n in [1, 2] {
            client.peer_available(peer(n), at(0), &mut effects);
        }
        assert_eq!(effects, [ask(0, 1)]);
        client
    }

    #[test]
    fn peers_are_asked_for_each_minute() {
        let (mut client, mut effects) = (asking(Some(Duration::from_secs(60))), Vec::new());
        client.answered(RequestId(0), told(vec![record()]), at(1), &mut effects);
        assert_eq!(effects, [ClientEffect::Learn(vec![record()])]);
        assert_eq!(client.next_deadline(at(1)), Some(at(61)));
        client.tick(at(60), &mut effects);
        assert_eq!(effects.len(), 1);
        client.tick(at(61), &mut effects);
        assert_eq!(effects[1], ask(1, 2), "the other one");
    }

    #[test]
    fn with_another_way_to_find_peers_once_is_enough() {
        let (mut client, mut effects) = (asking(None), Vec::new());
        client.answered(RequestId(0), told(vec![record()]), at(1), &mut effects);
        assert_eq!(client.next_deadline(at(1)), None);
    }

    #[test]
    fn the_next_peer_is_asked_when_one_fails_knows_nobody_leaves_or_is_slow() {
        let refused = Answer { status: Status::ServiceUnavailable, description: None, records: vec![] };
        for result in [Err(RequestFailure::Unreachable), told(vec![]), Ok(refused)] {
            let (mut client, mut effects) = (asking(None), Vec::new());
            client.answered(RequestId(0), result.clone(), at(1), &mut effects);
            assert_eq!(effects, [ask(1, 2)]);
            client.answered(RequestId(1), result, at(1), &mut effects);
            assert_eq!(effects.len(), 1, "both rest");
            assert_eq!(client.next_deadline(at(1)), Some(at(11)));
            client.tick(at(11), &mut effects);
            assert_eq!(effects[1], ask(2, 1));
        }
        let (mut client, mut effects) = (asking(None), Vec::new());
        client.peer_gone(&peer(1), at(1), &mut effects);
        assert_eq!(effects, [ask(1, 2)]);
        let (mut client, mut effects) = (asking(None), Vec::new());
        client.tick(at(10), &mut effects);
        assert_eq!(effects, [ask(1, 2)]);
        client.answered(RequestId(0), told(vec![record()]), at(10), &mut effects);
        assert_eq!(effects.len(), 1, "a late answer is none");
    }
}
