//! What is remembered of each sender's proofs: how far it is trusted.
//!
//! A sender's *allowance* is how many of its proofs may share a batch. It begins small, so that a
//! peer that just came can spoil little, and grows by one with each proof that holds, which doubles
//! it with each batch. A proof that does not hold sets it back and makes the sender suspect for a
//! while, twice as long for each further one. An honest relay never sends one: it verifies before it
//! forwards.
//!
//! # Bounds
//! [`MAX_SENDERS`] senders of some 100 bytes. When one more comes, the one that was quiet for longest
//! is forgotten, a suspect last.

use std::{collections::BTreeMap, time::Duration};

use weir_core::Timestamp;

use super::MAX_BATCH;
use crate::relay::Origin;

/// Proofs of an unknown sender that may share a batch. Finding four bad ones in a full batch takes
/// about as long as checking a second batch.
const FIRST_ALLOWANCE: usize = 4;

/// As many as have ingress quotas (`crate::ingress::Config::max_peers`).
const MAX_SENDERS: usize = 1024;

/// For a first bad proof. Long enough that gossipsub's score, which decays by the second, decides
/// whether the peer stays at all.
const FIRST_PENALTY: Duration = Duration::from_secs(10);

/// 320 s, five doublings: longer than a peer that gossipsub drops stays away.
const MAX_DOUBLINGS: u32 = 5;

#[derive(Debug)]
pub(super) struct Conducts(BTreeMap<Origin, Conduct>);

#[derive(Debug)]
struct Conduct {
    allowance: usize,
    seen_at: Timestamp,
    offence: Option<Offence>,
}

/// The last bad proof, and how many came before it in too short a time.
#[derive(Debug, Clone, Copy)]
struct Offence {
    at: Timestamp,
    repeats: u32,
}

impl Conducts {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// A proof of `sender` was good.
    pub(super) fn held(&mut self, sender: &Origin, now: Timestamp) {
        let conduct = self.of(sender, now);
        if !conduct.is_suspect(now) {
            conduct.allowance = (conduct.allowance + 1).min(MAX_BATCH);
        }
    }

    /// A proof of `sender` was bad. Within twice the penalty of the one before, it is a repetition;
    /// later, the one before is forgiven.
    pub(super) fn did_not_hold(&mut self, sender: &Origin, now: Timestamp) {
        let conduct = self.of(sender, now);
        conduct.allowance = FIRST_ALLOWANCE;
        let repeats = match conduct.offence {
            Some(before) if before.at.distance(now) < before.penalty() * 2 => {
                before.repeats.saturating_add(1)
            }
            _ => 0,
        };
        conduct.offence = Some(Offence { at: now, repeats });
    }

    pub(super) fn is_suspect(&self, sender: &Origin, now: Timestamp) -> bool {
        self.0.get(sender).is_some_and(|conduct| conduct.is_suspect(now))
    }

    /// How many proofs of `sender` may share a batch, at least one.
    pub(super) fn allowance(&self, sender: &Origin) -> usize {
        self.0.get(sender).map_or(FIRST_ALLOWANCE, |conduct| conduct.allowance)
    }

    fn of(&mut self, sender: &Origin, now: Timestamp) -> &mut Conduct {
        if !self.0.contains_key(sender) && self.0.len() >= MAX_SENDERS {
            self.forget_one(now);
        }
        let new = || Conduct { allowance: FIRST_ALLOWANCE, seen_at: now, offence: None };
        let conduct = self.0.entry(sender.clone()).or_insert_with(new);
        conduct.seen_at = now;
        conduct
    }

    fn forget_one(&mut self, now: Timestamp) {
        let by_interest = |(_, conduct): &(&Origin, &Conduct)| (conduct.is_suspect(now), conduct.seen_at);
        let least = self.0.iter().min_by_key(by_interest).map(|(sender, _)| sender.clone());
        if let Some(sender) = least {
            self.0.remove(&sender);
        }
    }
}

impl Conduct {
    fn is_suspect(&self, now: Timestamp) -> bool {
        self.offence.is_some_and(|offence| offence.at.distance(now) < offence.penalty())
    }
}

impl Offence {
    /// How long the sender stays suspect. Measured as a distance, so that a clock that is set back
    /// prolongs it by no more than the penalty.
    fn penalty(&self) -> Duration {
        FIRST_PENALTY * 2u32.pow(self.repeats.min(MAX_DOUBLINGS))
    }
}

#[cfg(test)]
mod tests {
    use weir_core::PeerId;

    use super::*;

    fn peer(n: u32) -> Origin {
        Origin::Peer(PeerId::from_bytes(&n.to_be_bytes()).expect("four bytes"))
    }

    const fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn trust_begins_small_grows_with_each_good_proof_and_has_an_end() {
        let mut conducts = Conducts::new();
        assert_eq!(conducts.allowance(&peer(1)), FIRST_ALLOWANCE);
        conducts.held(&peer(1), at(0));
        assert_eq!(conducts.allowance(&peer(1)), FIRST_ALLOWANCE + 1);
        (0..1000).for_each(|_| conducts.held(&peer(1), at(0)));
        assert_eq!(conducts.allowance(&peer(1)), MAX_BATCH);
        conducts.did_not_hold(&peer(1), at(0));
        assert_eq!(conducts.allowance(&peer(1)), FIRST_ALLOWANCE);
    }

    #[test]
    fn the_penalty_doubles_with_each_repetition_and_is_forgiven_after_as_long_again() {
        let mut conducts = Conducts::new();
        conducts.did_not_hold(&peer(1), at(0));
        assert!(conducts.is_suspect(&peer(1), at(9)) && !conducts.is_suspect(&peer(1), at(10)));
        conducts.did_not_hold(&peer(1), at(19));
        assert!(conducts.is_suspect(&peer(1), at(38)) && !conducts.is_suspect(&peer(1), at(39)));
        conducts.did_not_hold(&peer(1), at(59));
        assert!(!conducts.is_suspect(&peer(1), at(69)), "40 s without one: a first one again");
        (0..50).for_each(|_| conducts.did_not_hold(&peer(1), at(59)));
        assert!(conducts.is_suspect(&peer(1), at(59 + 319)) && !conducts.is_suspect(&peer(1), at(59 + 320)));
    }

    #[test]
    fn a_suspect_that_sends_good_proofs_stays_one_for_its_time() {
        let mut conducts = Conducts::new();
        conducts.did_not_hold(&peer(1), at(0));
        conducts.held(&peer(1), at(1));
        assert!(conducts.is_suspect(&peer(1), at(9)));
        assert_eq!(conducts.allowance(&peer(1)), FIRST_ALLOWANCE);
    }

    #[test]
    fn of_too_many_senders_the_quiet_are_forgotten_before_the_suspect() {
        let mut conducts = Conducts::new();
        conducts.did_not_hold(&peer(0), at(0));
        for n in 1..=2000 {
            conducts.held(&peer(n), at(1));
        }
        assert_eq!(conducts.0.len(), MAX_SENDERS);
        assert!(conducts.is_suspect(&peer(0), at(2)));
    }
}
