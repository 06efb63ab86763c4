//! How many proofs of this node's quota clients get.
//!
//! The node's membership has a number of messages an epoch. Clients that bring no proof share a part of it, and of
//! that no client gets more than its own part, so that one cannot use up what is there for all.
//!
//! # Security
//! Peer ids are free to make, so the total is what bounds the service; the part of a client only makes it fair
//! among those who keep one id. At most as many clients are remembered as there are proofs in an epoch.

use std::{collections::BTreeMap, time::Duration};

use weir_core::{PeerId, Timestamp};

/// The part of the quota that is given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofQuotaConfig {
    /// Length of an epoch of the cluster.
    pub epoch: Duration,
    /// Proofs an epoch for one client.
    pub per_client: u32,
    /// Proofs an epoch for all clients.
    pub total: u32,
}

/// Whose part is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UsedUp {
    /// The client's.
    #[error("the {0} RLN proofs that this node makes for one client are used up in this epoch")]
    Client(u32),
    /// Everybody's.
    #[error("the {0} RLN proofs that this node makes for its clients are used up in this epoch")]
    All(u32),
}

/// What was given away in this epoch.
#[derive(Debug)]
pub(super) struct ProofQuota {
    config: ProofQuotaConfig,
    epoch: Option<i64>,
    given: u32,
    by_client: BTreeMap<PeerId, u32>,
}

impl ProofQuota {
    pub(super) const fn new(config: ProofQuotaConfig) -> Self {
        Self { config, epoch: None, given: 0, by_client: BTreeMap::new() }
    }

    /// Takes a proof for `client`.
    pub(super) fn take(&mut self, client: &PeerId, now: Timestamp) -> Result<(), UsedUp> {
        self.follow_epoch(now);
        let ProofQuotaConfig { per_client, total, .. } = self.config;
        let used = self.by_client.get(client).copied().unwrap_or_default();
        if used >= per_client {
            return Err(UsedUp::Client(per_client));
        }
        if self.given >= total {
            return Err(UsedUp::All(total));
        }
        self.given += 1;
        self.by_client.insert(client.clone(), used + 1);
        Ok(())
    }

    /// Begins anew with each epoch. A clock that is set back does not begin an old one again.
    fn follow_epoch(&mut self, now: Timestamp) {
        let length = i64::try_from(self.config.epoch.as_nanos()).unwrap_or(i64::MAX).max(1);
        let epoch = now.as_nanos().div_euclid(length);
        if self.epoch.is_none_or(|current| current < epoch) {
            self.epoch = Some(epoch);
            self.given = 0;
            self.by_client.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> PeerId {
        PeerId::from_bytes(&[n]).expect("a byte")
    }

    #[test]
    fn a_client_gets_its_part_and_all_get_theirs_until_the_next_epoch() {
        let at = Timestamp::from_secs;
        let config = ProofQuotaConfig { epoch: Duration::from_secs(600), per_client: 2, total: 3 };
        let mut quota = ProofQuota::new(config);
        assert_eq!(
            [0, 1, 2].map(|_| quota.take(&peer(1), at(600))),
            [Ok(()), Ok(()), Err(UsedUp::Client(2))]
        );
        assert_eq!([0, 1].map(|_| quota.take(&peer(2), at(1199))), [Ok(()), Err(UsedUp::All(3))]);
        assert_eq!(quota.by_client.len(), 2, "who got nothing is not remembered");
        assert_eq!(quota.take(&peer(1), at(1200)), Ok(()));
        assert_eq!(quota.take(&peer(1), at(599)), Ok(()));
        assert_eq!(
            quota.take(&peer(1), at(600)),
            Err(UsedUp::Client(2)),
            "an old epoch does not begin again"
        );
    }
}
