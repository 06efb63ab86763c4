//! Which peers serve this node, and which of them to ask next.
//!
//! Used for each service by its own: light push, filter, store. A peer that failed is left alone for a while, the
//! longer the more often it failed in a row; when there is no other, the one that is left alone for the
//! shortest time is asked all the same, because asking costs less than waiting.
//!
//! # Invariants
//! At most [`MAX_PEERS`] peers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_core::{PeerId, PubsubTopic, Timestamp};

/// Peers remembered for a service: the most connections that a node has by default (waku-wire 11.1).
pub const MAX_PEERS: usize = 150;

/// How long a peer is left alone after its first failure (js-waku), and at most (go-waku).
const FIRST_REST: Duration = Duration::from_secs(10);
const LONGEST_REST: Duration = Duration::from_secs(180);

/// Why a request to a peer has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RequestFailure {
    /// No stream, or it broke.
    #[error("the service peer cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the service peer did not answer in time")]
    TimedOut,
    /// An answer that is a refusal, where there is no more to tell of it.
    #[error("the service peer refused")]
    Refused,
    /// Bytes that are no answer, or the answer to another request.
    #[error("the service peer answered nonsense")]
    Nonsense,
}

/// The peers of one service.
#[derive(Debug, Default)]
pub struct ServicePeers {
    peers: BTreeMap<PeerId, Peer>,
    picks: u64,
}

#[derive(Debug)]
struct Peer {
    /// What it serves; everything when it did not tell.
    topics: Option<BTreeSet<PubsubTopic>>,
    /// In a row.
    failures: u32,
    rests_until: Timestamp,
    /// Of all picks, the number of its last.
    last_pick: u64,
}

impl ServicePeers {
    /// `peer` is connected and offers the service, on `topics` if it told them. False when there is no room.
    pub fn add(&mut self, peer: PeerId, topics: Option<BTreeSet<PubsubTopic>>) -> bool {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.topics = topics;
            return true;
        }
        if self.peers.len() >= MAX_PEERS {
            return false;
        }
        let fresh = Peer { topics, failures: 0, rests_until: Timestamp::from_nanos(i64::MIN), last_pick: 0 };
        self.peers.insert(peer, fresh);
        true
    }

    /// `peer` is gone.
    pub fn remove(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    /// `peer` answered as it should.
    pub fn succeeded(&mut self, peer: &PeerId) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.failures = 0;
            peer.rests_until = Timestamp::from_nanos(i64::MIN);
        }
    }

    /// `peer` did not answer as it should.
    pub fn failed(&mut self, peer: &PeerId, now: Timestamp) {
        if let Some(peer) = self.peers.get_mut(peer) {
            // Five doublings reach the longest rest.
            let rest = FIRST_REST.saturating_mul(1 << peer.failures.min(5)).min(LONGEST_REST);
            peer.rests_until = now.saturating_add(rest);
            peer.failures = peer.failures.saturating_add(1);
        }
    }

    /// The best peer for `topic` that `may_serve`: one that does not rest, has failed least, and was picked least
    /// recently; else the one that rests for the shortest time.
    pub fn pick(
        &mut self,
        topic: Option<PubsubTopic>,
        now: Timestamp,
        may_serve: impl Fn(&PeerId) -> bool,
    ) -> Option<PeerId> {
        self.pick_best(topic, |_| true, now, may_serve)
    }

    /// As [`ServicePeers::pick`], but none that rests.
    pub fn pick_rested(
        &mut self,
        topic: Option<PubsubTopic>,
        now: Timestamp,
        may_serve: impl Fn(&PeerId) -> bool,
    ) -> Option<PeerId> {
        self.pick_best(topic, |peer| peer.rests_until <= now, now, may_serve)
    }

    /// Whether `peer` serves `topic`, as far as is known.
    pub fn serves(&self, peer: &PeerId, topic: PubsubTopic) -> bool {
        self.peers.get(peer).is_some_and(|peer| peer.serves(Some(topic)))
    }

    /// Whether there is a peer for `topic` that does not rest and `may_serve`.
    pub fn has_rested(
        &self,
        topic: Option<PubsubTopic>,
        now: Timestamp,
        may_serve: impl Fn(&PeerId) -> bool,
    ) -> bool {
        self.peers.iter().any(|(id, peer)| peer.serves(topic) && peer.rests_until <= now && may_serve(id))
    }

    /// When the first of the peers that rest has rested.
    pub fn next_rested(&self, now: Timestamp) -> Option<Timestamp> {
        self.peers.values().map(|peer| peer.rests_until).filter(|until| *until > now).min()
    }

    /// Peers that serve `topic`, resting ones too.
    pub fn count(&self, topic: Option<PubsubTopic>) -> usize {
        self.peers.values().filter(|peer| peer.serves(topic)).count()
    }

    fn pick_best(
        &mut self,
        topic: Option<PubsubTopic>,
        fits: impl Fn(&Peer) -> bool,
        now: Timestamp,
        may_serve: impl Fn(&PeerId) -> bool,
    ) -> Option<PeerId> {
        self.picks += 1;
        let (id, peer) = self
            .peers
            .iter_mut()
            .filter(|(id, peer)| peer.serves(topic) && fits(peer) && may_serve(id))
            .min_by_key(|(_, peer)| (peer.rests_until.max(now), peer.failures, peer.last_pick))?;
        peer.last_pick = self.picks;
        Some(id.clone())
    }
}

impl Peer {
    fn serves(&self, topic: Option<PubsubTopic>) -> bool {
        match (&self.topics, topic) {
            (Some(topics), Some(topic)) => topics.contains(&topic),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_core::{ClusterId, ShardId};

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn peer(n: u8) -> PeerId {
        PeerId::from_bytes(&[n]).expect("a byte")
    }

    fn shard(n: u16) -> PubsubTopic {
        PubsubTopic::new(ClusterId(1), ShardId(n)).expect("shard")
    }

    fn three() -> ServicePeers {
        let mut peers = ServicePeers::default();
        for n in 1..=3 {
            assert!(peers.add(peer(n), None));
        }
        peers
    }

    fn pick(peers: &mut ServicePeers, now: i64) -> Option<PeerId> {
        peers.pick(None, at(now), |_| true)
    }

    #[test]
    fn peers_take_turns() {
        let mut peers = three();
        let picked: Vec<_> = (0..6).filter_map(|_| pick(&mut peers, 0)).collect();
        assert_eq!(picked, [1, 2, 3, 1, 2, 3].map(peer));
    }

    #[test]
    fn a_peer_that_failed_rests_longer_each_time_and_comes_after_the_others() {
        let mut peers = three();
        for (failed_at, rested_at) in
            [(0, 10), (10, 30), (30, 70), (70, 150), (150, 310), (310, 490), (490, 670)]
        {
            peers.failed(&peer(1), at(failed_at));
            assert_eq!(peers.next_rested(at(failed_at)), Some(at(rested_at)));
        }
        assert!((0..9).all(|_| pick(&mut peers, 700) != Some(peer(1))), "rested, but it failed most");
        peers.succeeded(&peer(1));
        assert!((0..3).any(|_| pick(&mut peers, 700) == Some(peer(1))));
    }

    #[test]
    fn when_all_rest_the_one_with_the_shortest_rest_is_asked_unless_only_rested_ones_may_be() {
        let mut peers = three();
        for (n, now) in [(2, 0), (1, 1), (3, 2)] {
            peers.failed(&peer(n), at(now));
        }
        assert_eq!(pick(&mut peers, 3), Some(peer(2)));
        assert_eq!(peers.pick_rested(None, at(3), |_| true), None);
        assert!(!peers.has_rested(None, at(9), |_| true) && peers.has_rested(None, at(10), |_| true));
        assert_eq!(peers.pick_rested(None, at(10), |_| true), Some(peer(2)));
    }

    #[test]
    fn a_peer_that_told_its_topics_is_asked_for_no_other() {
        let mut peers = ServicePeers::default();
        peers.add(peer(1), Some([shard(0)].into()));
        assert_eq!(peers.pick(Some(shard(1)), at(0), |_| true), None);
        assert_eq!(peers.pick(Some(shard(0)), at(0), |_| true), Some(peer(1)));
        assert_eq!(peers.pick(Some(shard(0)), at(0), |other| *other != peer(1)), None);
        peers.add(peer(1), Some([shard(1)].into()));
        assert_eq!((peers.count(Some(shard(0))), peers.count(None)), (0, 1));
        peers.remove(&peer(1));
        assert_eq!(peers.count(None), 0);
    }

    #[test]
    fn peers_beyond_the_bound_are_not_kept() {
        let mut peers = ServicePeers::default();
        for n in 0..MAX_PEERS {
            assert!(peers.add(peer(n as u8), None));
        }
        assert!(!peers.add(peer(200), None));
        assert!(peers.add(peer(0), None), "known already");
    }
}
