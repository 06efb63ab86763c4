//! Autosharding: the shard of a content topic follows from its application and version.

use sha2::{Digest, Sha256};

use crate::{
    ClusterId, ContentTopic, ContentTopicError, PubsubTopic, PubsubTopicError, ShardId,
    limits::MAX_SHARD_INDEX,
};

/// The sharding rule of a cluster whose shard count is known (51/WAKU2-RELAY-SHARDING,
/// generation 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autosharding {
    cluster: ClusterId,
    shard_count: u16,
}

/// Why no shard can be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AutoshardingError {
    /// A cluster has from 1 to 1024 shards.
    #[error("a cluster has 1 to 1024 shards, not {0}")]
    ShardCount(u16),
    /// The content topic has no structure to shard by.
    #[error(transparent)]
    ContentTopic(#[from] ContentTopicError),
    /// The shard is not one a topic can have.
    #[error(transparent)]
    PubsubTopic(#[from] PubsubTopicError),
}

impl Autosharding {
    /// The rule for `cluster` with `shard_count` shards, 1 to 1024.
    pub const fn new(cluster: ClusterId, shard_count: u16) -> Result<Self, AutoshardingError> {
        if shard_count == 0 || shard_count > MAX_SHARD_INDEX + 1 {
            return Err(AutoshardingError::ShardCount(shard_count));
        }
        Ok(Self { cluster, shard_count })
    }

    /// Number of shards in the cluster.
    pub const fn shard_count(self) -> u16 {
        self.shard_count
    }

    /// The shard of `content_topic`: the last 8 bytes of SHA-256(application ‖ version), read
    /// big-endian, modulo the shard count.
    pub fn shard_of(self, content_topic: &ContentTopic) -> Result<ShardId, AutoshardingError> {
        let parts = content_topic.parts()?;
        let digest = Sha256::new().chain_update(parts.application).chain_update(parts.version).finalize();
        let mut last = [0; 8];
        last.copy_from_slice(&digest[24..]);
        let shard = u64::from_be_bytes(last) % u64::from(self.shard_count);
        Ok(ShardId(u16::try_from(shard).expect("a remainder of a u16 fits in a u16")))
    }

    /// The pubsub topic that carries `content_topic`.
    pub fn pubsub_topic_of(self, content_topic: &ContentTopic) -> Result<PubsubTopic, AutoshardingError> {
        Ok(PubsubTopic::new(self.cluster, self.shard_of(content_topic)?)?)
    }

    /// Every topic of the cluster, in order.
    pub fn all_topics(self) -> impl Iterator<Item = PubsubTopic> {
        (0..self.shard_count).filter_map(move |shard| PubsubTopic::new(self.cluster, ShardId(shard)).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors from nwaku's tests and the interoperability suite, eight shards.
    const VECTORS: [(&str, u16); 12] = [
        ("/myapp/1/latest/proto", 0),
        ("/waku/2/content/test.js", 1),
        ("/waku/2/default-content/proto", 1),
        ("/app/22/sometopic/someencoding", 2),
        ("/toychat/2/huilong/proto", 3),
        ("/statusim/1/community/cbor", 4),
        ("/app/27/sometopic/someencoding", 5),
        ("/my-app/1/chat/proto", 5),
        ("/toychat2/2/huilong/proto", 6),
        ("/app/29/sometopic/someencoding", 6),
        ("/toychat/4/huilong/proto2", 7),
        ("/app/20/sometopic/someencoding", 7),
    ];

    #[test]
    fn shards_agree_with_the_vectors_of_other_implementations() {
        let sharding = Autosharding::new(ClusterId(1), 8).expect("8 shards");
        for (topic, shard) in VECTORS {
            let topic = ContentTopic::new(topic).expect("well formed");
            assert_eq!(sharding.shard_of(&topic), Ok(ShardId(shard)), "{topic}");
            assert_eq!(
                sharding.pubsub_topic_of(&topic).map(|t| t.to_string()),
                Ok(format!("/waku/2/rs/1/{shard}"))
            );
        }
    }

    #[test]
    fn a_cluster_without_shards_or_with_too_many_has_no_rule() {
        assert_eq!(Autosharding::new(ClusterId(1), 0), Err(AutoshardingError::ShardCount(0)));
        assert_eq!(Autosharding::new(ClusterId(1), 1025), Err(AutoshardingError::ShardCount(1025)));
        assert_eq!(Autosharding::new(ClusterId(1), 1024).map(|s| s.all_topics().count()), Ok(1024));
    }
}
