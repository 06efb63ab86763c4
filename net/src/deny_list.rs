//! Peers that were disconnected for misbehaving and may not come back for a while.

use std::{collections::VecDeque, time::Duration};

use libp2p::PeerId;
use tokio::time::Instant;

/// How long a peer stays denied: as long as gossipsub remembers its score.
const TERM: Duration = Duration::from_secs(600);

/// Denied peers at a time. An attacker can make ids at will, so the oldest give way.
const CAPACITY: usize = 1024;

/// Who is denied, in the order in which the terms end.
#[derive(Debug, Default)]
pub(crate) struct DenyList {
    entries: VecDeque<(PeerId, Instant)>,
}

impl DenyList {
    /// Denies `peer`, which is not denied yet, and gives back the peer that had to give way.
    pub(crate) fn deny(&mut self, peer: PeerId, now: Instant) -> Option<PeerId> {
        let evicted = if self.entries.len() >= CAPACITY { self.entries.pop_front() } else { None };
        self.entries.push_back((peer, now + TERM));
        evicted.map(|(peer, _)| peer)
    }

    /// Takes out a peer whose term has ended.
    pub(crate) fn pop_released(&mut self, now: Instant) -> Option<PeerId> {
        self.entries.pop_front_if(|(_, until)| *until <= now).map(|(peer, _)| peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_released_when_its_term_ends_and_not_before() {
        let (mut list, now) = (DenyList::default(), Instant::now());
        let (first, second) = (PeerId::random(), PeerId::random());
        list.deny(first, now);
        list.deny(second, now + Duration::from_secs(1));
        assert_eq!(list.pop_released(now + TERM - Duration::from_millis(1)), None);
        assert_eq!(list.pop_released(now + TERM), Some(first));
        assert_eq!(list.pop_released(now + TERM), None);
    }

    #[test]
    fn the_oldest_gives_way_when_the_list_is_full() {
        let (mut list, now) = (DenyList::default(), Instant::now());
        let oldest = PeerId::random();
        assert_eq!(list.deny(oldest, now), None);
        for _ in 1..CAPACITY {
            assert_eq!(list.deny(PeerId::random(), now), None);
        }
        assert_eq!(list.deny(PeerId::random(), now), Some(oldest));
    }
}
