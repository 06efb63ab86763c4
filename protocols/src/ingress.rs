//! The first gate of everything a peer sends: a token bucket for each peer.
//!
//! Sits before any check that costs more than a map look-up. What passes comes out as
//! [`Admitted`], which nothing else can make; what does not is dropped by the caller. nwaku does not limit relay (waku-wire 12), so the rate here is far above
//! honest traffic: it bounds the share of this node's one relay thread that one peer can take.
//!
//! # Invariants
//! At most [`Config::max_peers`] peers have buckets. A bucket that is full again is the same as no
//! bucket, so forgetting it loses nothing, and a peer gains nothing by reconnecting.
//!
//! # Security
//! Peer ids are free to make. When every bucket is in use newcomers are refused; the connection
//! limit of the network keeps honest peers far below that bound.

use std::{collections::BTreeMap, time::Duration};

use weir_core::{PeerId, Timestamp};

/// A token bucket in the form of GCRA: the one number it stores is when it will be full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    full_at: Timestamp,
}

/// How fast a bucket fills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come in a period, at least 1.
    pub tokens: u32,
    /// The period.
    pub period: Duration,
    /// Tokens a full bucket holds, at least 1.
    pub burst: u32,
}

/// Something a peer sent that its quota allows. Made by [`PeerQuotas::admit`] only.
#[derive(Debug)]
pub struct Admitted<T>(T);

/// Why something was shed. Neither is held against the peer: the limit is ours, not the network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The peer's bucket is empty.
    #[error("the peer sends faster than its quota")]
    RateLimited,
    /// Every bucket belongs to another active peer.
    #[error("more peers are active than there are quotas")]
    TooManyPeers,
}

/// Limits of [`PeerQuotas`].
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Rate for relay messages, in units of about 5 µs of the relay thread; see [`cost`].
    pub relay: Rate,
    /// Peers that can have buckets at one time.
    pub max_peers: usize,
}

impl Default for Config {
    /// Relay: decoding a message, or hashing 1 KiB of it, takes about 5 µs, so a thread does some
    /// 200,000 units a second and a peer gets an eighth of it; two seconds' worth may come at once,
    /// which is what a peer's send queue holds after a stall. That still carries 12,500 messages of
    /// 1 KiB a second, or 24 MiB/s of the largest ones, twice what nwaku's flood publish assumes.
    /// Peers: six times the default 150 connections, so that peers that come and go find room.
    fn default() -> Self {
        Self { relay: Rate::per_second(25_000, 50_000), max_peers: 1024 }
    }
}

/// The relay's buckets of all peers.
#[derive(Debug)]
pub struct PeerQuotas(PeerBuckets);

/// One bucket for each peer, for one purpose.
#[derive(Debug)]
pub(crate) struct PeerBuckets {
    rate: Rate,
    max_peers: usize,
    peers: BTreeMap<PeerId, TokenBucket>,
    /// When idle buckets were last looked for; see [`PeerBuckets::make_room`].
    swept_at: Option<Timestamp>,
}

/// Idle buckets are looked for at most this often, so that a flood of new peers costs one scan a
/// second and not one a message.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

impl TokenBucket {
    /// A full bucket.
    pub const fn full(now: Timestamp) -> Self {
        Self { full_at: now }
    }

    /// Takes `cost` tokens if they are there. A cost above the burst takes a full bucket, so that
    /// nothing is refused for ever.
    pub fn take(&mut self, cost: u32, rate: Rate, now: Timestamp) -> bool {
        let emptiest = now.saturating_add(rate.time_for(rate.burst));
        // `full_at` is never later than `emptiest` unless the clock was set back; then the bucket
        // counts as empty, not as in debt.
        let full_at = self.full_at.clamp(now, emptiest);
        let after = full_at.saturating_add(rate.time_for(cost.min(rate.burst)));
        let granted = after <= emptiest;
        self.full_at = if granted { after } else { full_at };
        granted
    }

    /// Whether the bucket is full, which is how a new one begins.
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.full_at <= now
    }
}

impl Rate {
    /// So many tokens a second.
    pub const fn per_second(tokens: u32, burst: u32) -> Self {
        Self { tokens, period: Duration::from_secs(1), burst }
    }

    fn time_for(self, tokens: u32) -> Duration {
        let nanos = self.period.as_nanos() * u128::from(tokens) / u128::from(self.tokens.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Tokens that a message of so many encoded bytes costs.
pub fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes / 1024).unwrap_or(u32::MAX).saturating_add(1)
}

impl<T> Admitted<T> {
    /// What was admitted.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl PeerQuotas {
    /// Without any peer yet.
    pub const fn new(config: Config) -> Self {
        Self(PeerBuckets::new(config.relay, config.max_peers))
    }

    /// Charges `from` for one `item` of `bytes`.
    pub fn admit<T>(
        &mut self,
        from: &PeerId,
        bytes: usize,
        item: T,
        now: Timestamp,
    ) -> Result<Admitted<T>, Refusal> {
        self.0.take(from, cost(bytes), now).map(|()| Admitted(item))
    }

    /// Peers with a bucket.
    pub fn len(&self) -> usize {
        self.0.peers.len()
    }

    /// Whether no peer has a bucket.
    pub fn is_empty(&self) -> bool {
        self.0.peers.is_empty()
    }
}

impl PeerBuckets {
    pub(crate) const fn new(rate: Rate, max_peers: usize) -> Self {
        Self { rate, max_peers, peers: BTreeMap::new(), swept_at: None }
    }

    /// Charges `from`.
    pub(crate) fn take(&mut self, from: &PeerId, cost: u32, now: Timestamp) -> Result<(), Refusal> {
        // The common case first: no clone of the id.
        if let Some(bucket) = self.peers.get_mut(from) {
            return if bucket.take(cost, self.rate, now) { Ok(()) } else { Err(Refusal::RateLimited) };
        }
        if !self.make_room(now) {
            return Err(Refusal::TooManyPeers);
        }
        let mut bucket = TokenBucket::full(now);
        bucket.take(cost, self.rate, now);
        self.peers.insert(from.clone(), bucket);
        Ok(())
    }

    fn make_room(&mut self, now: Timestamp) -> bool {
        if self.peers.len() < self.max_peers {
            return true;
        }
        if self.swept_at.is_none_or(|at| at.distance(now) >= SWEEP_INTERVAL) {
            self.swept_at = Some(now);
            self.peers.retain(|_, bucket| !bucket.is_full(now));
        }
        self.peers.len() < self.max_peers
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate::per_second(10, 20);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(1_700_000_000_000_000_000 + millis * 1_000_000)
    }

    fn peer(n: u16) -> PeerId {
        PeerId::from_bytes(&n.to_be_bytes()).expect("two bytes")
    }

    fn quotas(max_peers: usize) -> PeerQuotas {
        PeerQuotas::new(Config { relay: RATE, max_peers })
    }

    fn message(quotas: &mut PeerQuotas, n: u16, now: Timestamp) -> Result<(), Refusal> {
        quotas.admit(&peer(n), 100, (), now).map(Admitted::into_inner)
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = TokenBucket::full(at(0));
        assert_eq!((0..30).filter(|_| bucket.take(1, RATE, at(0))).count(), 20);
        assert!(!bucket.take(1, RATE, at(99)));
        assert!(bucket.take(1, RATE, at(100)));
        assert!(!bucket.is_full(at(2099)) && bucket.is_full(at(2100)));
    }

    #[test]
    fn a_rate_may_be_slower_than_a_token_a_second() {
        let rate = Rate { tokens: 2, period: Duration::from_secs(3600), burst: 1 };
        let mut bucket = TokenBucket::full(at(0));
        assert!(bucket.take(1, rate, at(0)));
        assert!(!bucket.take(1, rate, at(1_799_999)));
        assert!(bucket.take(1, rate, at(1_800_000)));
    }

    #[test]
    fn a_cost_above_the_burst_needs_a_full_bucket_and_not_more() {
        let mut bucket = TokenBucket::full(at(0));
        assert!(bucket.take(1_000, RATE, at(0)));
        assert!(!bucket.take(1_000, RATE, at(1999)));
        assert!(bucket.take(1_000, RATE, at(2000)));
    }

    #[test]
    fn a_clock_set_back_costs_a_peer_at_most_one_burst() {
        let mut bucket = TokenBucket::full(at(3_600_000));
        assert!(bucket.take(1, RATE, at(3_600_000)));
        assert!(!bucket.take(1, RATE, at(0)));
        assert!(bucket.take(20, RATE, at(2000)));
    }

    #[test]
    fn larger_messages_cost_more() {
        assert_eq!(cost(0), 1);
        assert_eq!(cost(150 * 1024), 151);
        let mut quotas = quotas(1);
        assert!(quotas.admit(&peer(1), 19 * 1024, (), at(0)).is_ok());
        assert_eq!(message(&mut quotas, 1, at(0)), Err(Refusal::RateLimited));
    }

    #[test]
    fn a_newcomer_takes_an_idle_bucket_but_never_an_active_one() {
        let mut quotas = quotas(2);
        assert_eq!(message(&mut quotas, 1, at(0)), Ok(()));
        assert_eq!(message(&mut quotas, 2, at(1000)), Ok(()));
        assert_eq!(message(&mut quotas, 3, at(50)), Err(Refusal::TooManyPeers));
        assert_eq!(message(&mut quotas, 3, at(1060)), Ok(()), "the first bucket is full again");
        assert_eq!(quotas.len(), 2);
    }

    proptest! {
        #[test]
        fn no_window_grants_more_than_burst_plus_rate(
            steps in prop::collection::vec((0_u32..500, 1_u32..30), 1..200),
        ) {
            let mut bucket = TokenBucket::full(at(0));
            let mut now = 0_i64;
            let mut granted: Vec<(i64, u64)> = Vec::new();
            for (wait, cost) in steps {
                now += i64::from(wait);
                if bucket.take(cost, RATE, at(now)) {
                    granted.push((now, u64::from(cost.min(RATE.burst))));
                }
            }
            for (first, &(start, _)) in granted.iter().enumerate() {
                let mut sum = 0;
                for &(moment, cost) in &granted[first..] {
                    sum += cost;
                    let allowed = 20_000 + u64::try_from(moment - start).expect("ordered") * 10;
                    prop_assert!(sum * 1000 <= allowed, "{sum} tokens in {} ms", moment - start);
                }
            }
        }
    }
}
