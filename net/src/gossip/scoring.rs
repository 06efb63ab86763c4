//! Peer scores as nwaku computes them, so that the two agree on whom to shun.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use libp2p::gossipsub::{PeerScoreParams, PeerScoreThresholds, TopicScoreParams};

/// Peers below are disconnected. Eleven rejected messages get there from a new peer's score.
pub(crate) const GRAYLIST: f64 = -10_000.0;

/// Own messages are not sent to peers below.
pub(crate) const PUBLISH: f64 = -1_000.0;

pub(super) fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -100.0,
        publish_threshold: PUBLISH,
        graylist_threshold: GRAYLIST,
        accept_px_threshold: 10.0,
        opportunistic_graft_threshold: 0.0,
    }
}

pub(super) fn peer_params() -> PeerScoreParams {
    PeerScoreParams {
        // Set per topic on subscribing: `topic_params`.
        topics: HashMap::new(),
        topic_score_cap: 0.0,
        app_specific_weight: 0.0,
        ip_colocation_factor_weight: -50.0,
        ip_colocation_factor_threshold: 5.0,
        // Several nodes on the operator's own machine are not a Sybil attack.
        ip_colocation_factor_whitelist: HashSet::from([
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ]),
        behaviour_penalty_weight: -10.0,
        behaviour_penalty_threshold: 0.0,
        behaviour_penalty_decay: 0.986,
        decay_interval: Duration::from_secs(12),
        decay_to_zero: 0.01,
        retain_score: Duration::from_secs(600),
        // Waku has no such term: a peer that is slow to read is not hostile.
        slow_peer_weight: 0.0,
        slow_peer_threshold: 0.0,
        slow_peer_decay: 0.2,
    }
}

/// The same for every topic: time in mesh and first deliveries earn, invalid messages cost.
pub(crate) fn topic_params() -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 10.0,
        first_message_deliveries_weight: 1.0,
        first_message_deliveries_decay: 0.5,
        first_message_deliveries_cap: 10.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_message_deliveries_decay: 0.0,
        mesh_message_deliveries_cap: 0.0,
        mesh_message_deliveries_threshold: 0.0,
        mesh_message_deliveries_window: Duration::ZERO,
        mesh_message_deliveries_activation: Duration::ZERO,
        mesh_failure_penalty_weight: 0.0,
        mesh_failure_penalty_decay: 0.0,
        invalid_message_deliveries_weight: -100.0,
        invalid_message_deliveries_decay: 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_valid() {
        assert_eq!(thresholds().validate(), Ok(()));
        assert_eq!(peer_params().validate(), Ok(()));
        assert_eq!(topic_params().validate(), Ok(()));
    }

    #[test]
    fn eleven_invalid_messages_outweigh_the_best_reputation() {
        let topic = topic_params();
        let best = topic.time_in_mesh_weight * topic.time_in_mesh_cap
            + topic.first_message_deliveries_weight * topic.first_message_deliveries_cap;
        let score = |invalid: f64| best + topic.invalid_message_deliveries_weight * invalid * invalid;
        assert!(score(10.0) > GRAYLIST && score(11.0) < GRAYLIST);
    }
}
