//! How long a peer is left alone after a failure.

use std::time::Duration;

use super::Origin;

/// Before a dropped or remembered peer is dialled: gossipsub's prune back-off of 60 s and 2 s more
/// (waku-wire 11.1), so that our GRAFT is not punished.
pub(super) const RECONNECT_DELAY: Duration = Duration::from_secs(62);

const FIRST_DELAY_SECS: u64 = 120;
const MAX_FAILURES: u32 = 5;
const STATIC_CAP_SECS: u64 = 60;

/// The pause after the `failures`-th failure in a row; `None` when the peer is given up.
///
/// Static peers: 1 s, doubling to a minute, for ever. Others: 120 s · 4^(failures − 1), given up at
/// the fifth failure.
pub(super) fn retry_delay(origin: Origin, failures: u32) -> Option<Duration> {
    let earlier = failures.saturating_sub(1);
    if origin == Origin::Static {
        // 2^6 s is above the cap already, which keeps the shift in range.
        return Some(Duration::from_secs((1 << earlier.min(6)).min(STATIC_CAP_SECS)));
    }
    (failures < MAX_FAILURES).then(|| Duration::from_secs(FIRST_DELAY_SECS * 4_u64.pow(earlier)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_peers_wait_four_times_longer_each_time_and_are_given_up_at_the_fifth() {
        let delays: Vec<_> =
            (1..=6).map(|n| retry_delay(Origin::Cache, n).map(|delay| delay.as_secs())).collect();
        assert_eq!(delays, [Some(120), Some(480), Some(1920), Some(7680), None, None]);
    }

    #[test]
    fn static_peers_wait_at_most_a_minute_and_are_never_given_up() {
        let delays: Vec<_> = [1, 2, 3, 6, 7, 8, u32::MAX]
            .map(|n| retry_delay(Origin::Static, n).map(|delay| delay.as_secs()))
            .into();
        assert_eq!(delays, [1, 2, 4, 32, 60, 60, 60].map(Some));
    }
}
