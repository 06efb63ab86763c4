//! Which topics exist for this node: the shards of its own cluster.

use libp2p::gossipsub::{TopicHash, TopicSubscriptionFilter};
use weir_core::{ClusterId, limits::MAX_SHARD_INDEX};

use super::pubsub_topic;

/// Shards a cluster can have, so the most topics a peer can be subscribed to.
pub(super) const MAX_TOPICS: usize = MAX_SHARD_INDEX as usize + 1;

/// Lets subscriptions to well-formed topics of one cluster through and drops the others.
///
/// Since there are no more than [`MAX_TOPICS`] such names, what is kept per peer is bounded
/// without counting; how many a peer may send at once is bounded by gossipsub's control limit.
pub(crate) struct ClusterFilter {
    cluster: ClusterId,
}

impl ClusterFilter {
    pub(super) const fn new(cluster: ClusterId) -> Self {
        Self { cluster }
    }
}

impl TopicSubscriptionFilter for ClusterFilter {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        pubsub_topic(topic).is_some_and(|topic| topic.cluster() == self.cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shards_of_the_own_cluster_can_be_subscribed() {
        let mut filter = ClusterFilter::new(ClusterId(16));
        for (topic, allowed) in [
            ("/waku/2/rs/16/0", true),
            ("/waku/2/rs/16/1023", true),
            ("/waku/2/rs/16/1024", false),
            ("/waku/2/rs/1/0", false),
            ("/waku/2/rs/016/0", false),
            ("/waku/2/default-waku/proto", false),
            ("", false),
        ] {
            assert_eq!(filter.can_subscribe(&TopicHash::from_raw(topic)), allowed, "{topic}");
        }
    }
}
