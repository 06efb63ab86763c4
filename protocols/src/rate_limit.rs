//! How often services are answered: what the operator writes with `--rate-limit`, and the buckets it makes.
//!
//! The syntax and the rule are nwaku's (waku-wire 12). A limit of `volume` requests in a `period` makes one
//! bucket for the whole service and one of three quarters of it for each peer; a request needs a token of
//! both. The buckets hold several periods' worth, so that short bursts pass:
//!
//! ```text
//!            tokens come at                holds
//!  service   volume        /  period       volume · r              r = 10 up to 1 s, 3 up to 1 min, else 2
//!  peer      volume · 3/4  /  period       volume · r · 3/4
//! ```
//!
//! Filter has a bucket for each peer alone, of one period's worth.
//!
//! All begin full. nwaku's bucket of the service begins with one period's worth, so that the first peer to
//! ask could empty it for all others.
//!
//! # Security
//! Peer ids are free to make, so at most [`MAX_PEERS`] peers have buckets, and the bucket of the service bounds
//! all of them together.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use weir_core::{PeerId, Timestamp};

use crate::ingress::{PeerBuckets, Rate, Refusal, TokenBucket};

/// Peers with a bucket at one time: six times the default of 150 connections, as for the relay.
pub const MAX_PEERS: usize = 1024;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Service {
    /// Store queries.
    Store,
    /// Light push.
    Lightpush,
    /// Peer exchange.
    #[strum(serialize = "px")]
    PeerExchange,
    /// Filter.
    Filter,
}

/// So many requests in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    volume: u32,
    period: Duration,
}

/// One value of `--rate-limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    target: Target,
    /// None is no limit.
    limit: Option<RateLimit>,
}

/// A text that is no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Invalid rate-limit setting: {0}; expected [store|storev3|lightpush|px|filter:]<volume>/<period><h|m|s|ms>"
)]
pub struct SettingError(pub String);

/// The limits of all services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateLimits(BTreeMap<Target, Option<RateLimit>>);

/// The buckets of one service.
#[derive(Debug)]
pub struct ServiceQuota {
    rate: Rate,
    whole: TokenBucket,
    peers: PeerBuckets,
}

/// The buckets of a service that limits each peer and not all of them together (nwaku: filter).
#[derive(Debug)]
pub struct PeerQuota(PeerBuckets);

/// Why a request is not answered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// The peer's bucket is empty, or there is none for it.
    #[error("this peer asks too often")]
    ByPeer,
    /// The service's bucket is empty.
    #[error("all peers together ask too often")]
    ByAll,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Every,
    /// `store`, which `storev3` overrules.
    AnyStore,
    One(Service),
}

impl RateLimit {
    /// None when either is 0, which means no limit.
    pub const fn new(volume: u32, period: Duration) -> Option<Self> {
        if volume == 0 || period.is_zero() { None } else { Some(Self { volume, period }) }
    }

    /// How many requests.
    pub const fn volume(&self) -> u32 {
        self.volume
    }

    /// How many periods a full bucket lasts.
    fn periods_held(&self) -> u32 {
        if self.period <= Duration::from_secs(1) {
            10
        } else if self.period <= Duration::from_secs(60) {
            3
        } else {
            2
        }
    }

    fn whole(&self) -> Rate {
        let burst = self.volume.saturating_mul(self.periods_held());
        Rate { tokens: self.volume, period: self.period, burst }
    }

    fn of_a_peer(&self) -> Rate {
        let Rate { tokens, period, burst } = self.whole();
        let quarters = |n: u32| u32::try_from(u64::from(n) * 3 / 4).expect("less than a u32");
        // Three quarters of the tokens in one period are as many as all of them in four thirds of it, which
        // also holds for one token.
        Rate { tokens, period: period.saturating_mul(4) / 3, burst: quarters(burst).max(1) }
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:?}", self.volume, self.period)
    }
}

impl FromStr for Setting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let parsed = || {
            let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            let lower = compact.to_ascii_lowercase();
            let (target, limit) = match lower.split_once(':') {
                None => (Target::Every, lower.as_str()),
                Some((target, limit)) => (Target::parse(target)?, limit),
            };
            let (volume, period) = limit.split_once('/')?;
            let limit = RateLimit::new(parse_number(volume)?, parse_period(period)?);
            Some(Self { target, limit })
        };
        parsed().ok_or_else(|| SettingError(text.to_owned()))
    }
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "store" => Self::AnyStore,
            "storev3" => Self::One(Service::Store),
            "lightpush" => Self::One(Service::Lightpush),
            "px" => Self::One(Service::PeerExchange),
            "filter" => Self::One(Service::Filter),
            _ => return None,
        })
    }
}

fn parse_period(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number = u64::from(parse_number(digits)?);
    Some(match &text[digits.len()..] {
        "h" => Duration::from_secs(number * 3600),
        "m" => Duration::from_secs(number * 60),
        "s" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        _ => return None,
    })
}

/// Digits alone: `parse` would take a sign.
fn parse_number(text: &str) -> Option<u32> {
    text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?
}

impl FromIterator<Setting> for RateLimits {
    /// Of several settings for one service the last counts.
    fn from_iter<I: IntoIterator<Item = Setting>>(settings: I) -> Self {
        Self(settings.into_iter().map(|setting| (setting.target, setting.limit)).collect())
    }
}

impl RateLimits {
    /// The limit of `service`: its own, else the one for every service, else this node's default.
    pub fn of(&self, service: Service) -> Option<RateLimit> {
        let any_store = (service == Service::Store).then_some(Target::AnyStore);
        let targets = [Some(Target::One(service)), any_store, Some(Target::Every)];
        let set = targets.into_iter().flatten().find_map(|target| self.0.get(&target));
        set.copied().unwrap_or_else(|| default_limit(service))
    }
}

/// Store: nwaku has none. A page takes about a millisecond of one of two processors, so this leaves three
/// quarters of a small machine to the relay, and 375 pages a second to one peer. The others are nwaku's.
const fn default_limit(service: Service) -> Option<RateLimit> {
    let volume = match service {
        Service::Store => 500,
        Service::Lightpush | Service::PeerExchange => 5,
        Service::Filter => 100,
    };
    RateLimit::new(volume, Duration::from_secs(1))
}

impl ServiceQuota {
    /// Without any peer yet.
    pub fn new(limit: RateLimit, now: Timestamp) -> Self {
        let rate = limit.whole();
        Self { rate, whole: TokenBucket::full(now), peers: PeerBuckets::new(limit.of_a_peer(), MAX_PEERS) }
    }

    /// Charges `peer` for one request. The peer's bucket comes first, so that a flood of one peer takes no
    /// more from the others than its own share.
    pub fn take(&mut self, peer: &PeerId, now: Timestamp) -> Result<(), Exceeded> {
        self.peers.take(peer, 1, now).map_err(|refusal| match refusal {
            Refusal::RateLimited | Refusal::TooManyPeers => Exceeded::ByPeer,
        })?;
        if self.whole.take(1, self.rate, now) { Ok(()) } else { Err(Exceeded::ByAll) }
    }
}

impl PeerQuota {
    /// Without any peer yet. At most `max_peers` have buckets at one time; who is beyond is refused.
    pub fn new(limit: RateLimit, max_peers: usize) -> Self {
        let rate = Rate { tokens: limit.volume, period: limit.period, burst: limit.volume };
        Self(PeerBuckets::new(rate, max_peers))
    }

    /// Charges `peer` for one request.
    pub fn take(&mut self, peer: &PeerId, now: Timestamp) -> Result<(), Refusal> {
        self.0.take(peer, 1, now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(settings: &[&str]) -> RateLimits {
        settings.iter().map(|text| text.parse::<Setting>().expect("a limit")).collect()
    }

    fn limit(volume: u32, period: Duration) -> Option<RateLimit> {
        Some(RateLimit { volume, period })
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000).saturating_add(Duration::from_millis(millis))
    }

    fn peer(n: u16) -> PeerId {
        PeerId::from_bytes(&n.to_be_bytes()).expect("two bytes")
    }

    #[test]
    fn limits_are_written_as_for_nwaku() {
        for (text, expected) in [
            ("10/1m", limit(10, Duration::from_secs(60))),
            (" 10 / 2 h ", limit(10, Duration::from_secs(7200))),
            ("3/500MS", limit(3, Duration::from_millis(500))),
            ("0/1s", None),
            ("5/0s", None),
        ] {
            assert_eq!(limits(&[text]).of(Service::Store), expected, "{text}");
        }
        for text in [
            "",
            "10",
            "10/",
            "/1s",
            "10/s",
            "10/1",
            "10/1d",
            "-1/1s",
            "+1/1s",
            "relay:1/1s",
            "1:1/1s",
            "1/1s/1s",
        ] {
            assert_eq!(text.parse::<Setting>(), Err(SettingError(text.to_owned())));
        }
    }

    #[test]
    fn the_nearest_setting_counts_and_of_equals_the_last() {
        let second = Duration::from_secs(1);
        let set = limits(&["store:1/1s", "STOREv3 : 2/1s", "store:3/1s", "7/1s", "px:8/1s", "px:9/1s"]);
        assert_eq!(set.of(Service::Store), limit(2, second));
        assert_eq!(set.of(Service::PeerExchange), limit(9, second));
        assert_eq!(set.of(Service::Filter), limit(7, second));
        assert_eq!(limits(&["store:0/1s"]).of(Service::Store), None, "no limit");
        assert_eq!(limits(&["store:4/1s", "7/1s"]).of(Service::Store), limit(4, second));
        assert_eq!(limits(&[]).of(Service::Lightpush), limit(5, second));
    }

    #[test]
    fn a_peer_gets_three_quarters_and_all_of_them_no_more_than_there_is() {
        let mut quota = ServiceQuota::new(limit(8, Duration::from_secs(1)).expect("a limit"), at(0));
        let mut granted =
            |n: u16, now: Timestamp| (0..100).filter(|_| quota.take(&peer(n), now).is_ok()).count();
        assert_eq!(granted(1, at(0)), 60, "of 80");
        assert_eq!(granted(2, at(0)), 20);
        assert_eq!(granted(1, at(1_000)), 6);
    }

    #[test]
    fn which_bucket_is_empty_is_told() {
        let mut quota = ServiceQuota::new(limit(1, Duration::from_secs(3600)).expect("a limit"), at(0));
        assert_eq!(quota.take(&peer(1), at(0)), Ok(()));
        assert_eq!(quota.take(&peer(1), at(0)), Err(Exceeded::ByPeer));
        assert_eq!(quota.take(&peer(2), at(0)), Ok(()));
        assert_eq!(quota.take(&peer(3), at(0)), Err(Exceeded::ByAll));
    }

    #[test]
    fn a_peer_whose_bucket_is_its_own_gets_one_period_worth_and_no_one_else_pays() {
        let mut quota = PeerQuota::new(limit(100, Duration::from_secs(1)).expect("a limit"), 2);
        let mut granted =
            |n: u16, now: Timestamp| (0..1000).filter(|_| quota.take(&peer(n), now).is_ok()).count();
        assert_eq!((granted(1, at(0)), granted(2, at(0))), (100, 100));
        assert_eq!(granted(3, at(0)), 0, "there are two buckets");
        assert_eq!(granted(1, at(500)), 50);
        assert_eq!(granted(3, at(2_000)), 100, "who is idle needs no bucket");
    }

    proptest! {
        #[test]
        fn no_period_grants_a_peer_more_than_what_is_held_and_comes(
            volume in 1..20_u32,
            period in prop::sample::select(vec![100_u64, 1_000, 60_000, 3_600_000]),
            steps in prop::collection::vec((0..2_000_u64, 1..40_usize), 1..60),
        ) {
            let limit = limit(volume, Duration::from_millis(period)).expect("a limit");
            let mut quota = ServiceQuota::new(limit, at(0));
            let (mut now, mut granted) = (0, 0_u64);
            for (wait, requests) in steps {
                now += wait;
                granted += (0..requests).filter(|_| quota.take(&peer(1), at(now)).is_ok()).count() as u64;
                let held = u64::from(limit.of_a_peer().burst);
                prop_assert!((granted - granted.min(held)) * period <= u64::from(volume) * now + period);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,20}") {
            let _ = text.parse::<Setting>();
        }
    }
}
