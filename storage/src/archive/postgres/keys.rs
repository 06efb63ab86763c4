//! How topics and hashes are written in the tables.

use sha2::{Digest, Sha256};
use weir_core::{ClusterId, ContentTopic, MessageHash, PubsubTopic, ShardId};

/// The beginning of a content topic's SHA-256. Finding two topics with one key takes 2^64 attempts. A table of
/// topics would save 12 bytes an entry, and would have to be kept small: anyone can invent topics.
pub(super) type ContentKey = [u8; 16];

/// Shards of a cluster; a topic's number is its cluster times this, plus its shard.
const SHARDS: i32 = 1_024;

pub(super) fn topic_number(topic: PubsubTopic) -> i32 {
    i32::from(topic.cluster().0) * SHARDS + i32::from(topic.shard().0)
}

/// The topic with this number, if there is one.
pub(super) fn topic_of(number: i32) -> Option<PubsubTopic> {
    let cluster = u16::try_from(number.div_euclid(SHARDS)).ok()?;
    let shard = u16::try_from(number.rem_euclid(SHARDS)).ok()?;
    PubsubTopic::new(ClusterId(cluster), ShardId(shard)).ok()
}

pub(super) fn content_key(topic: &ContentTopic) -> ContentKey {
    let digest: [u8; 32] = Sha256::digest(topic.as_str()).into();
    *digest.first_chunk().expect("32 bytes begin with 16")
}

/// What a hash is looked up by. Other hashes with the same key are told apart by the message table.
pub(super) fn lookup_key(hash: MessageHash) -> i64 {
    i64::from_be_bytes(*hash.as_bytes().first_chunk().expect("32 bytes begin with 8"))
}
