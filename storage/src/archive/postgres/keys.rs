//! How topics and hashes are written in the tables.

use std::error::Error;

use bytes::BytesMut;
use sha2::{Digest, Sha256};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use weir_core::{ClusterId, ContentTopic, MessageHash, PubsubTopic, ShardId};

/// What topics are found by: the beginning of a SHA-256. Finding two topics with one key takes 2^64 attempts. A
/// table of topics would save 12 bytes an entry, and would have to be kept small: anyone can invent topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopicKey([u8; 16]);

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

/// The key of a content topic.
pub(super) fn content_key(topic: &ContentTopic) -> TopicKey {
    TopicKey::of(Sha256::digest(topic.as_str()).into())
}

/// The key of both topics. One column, because the server leaves an index in time only where all that comes
/// before the time is compared for equality ([`super::statements`]).
pub(super) fn pair_key(topic: i32, content: &TopicKey) -> TopicKey {
    TopicKey::of(Sha256::new().chain_update(topic.to_be_bytes()).chain_update(content.0).finalize().into())
}

impl TopicKey {
    fn of(digest: [u8; 32]) -> Self {
        Self(*digest.first_chunk().expect("32 bytes begin with 16"))
    }
}

impl ToSql for TopicKey {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.as_slice().to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&[u8] as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

/// What a hash is looked up by. Other hashes with the same key are told apart by the message table.
pub(super) fn lookup_key(hash: MessageHash) -> i64 {
    i64::from_be_bytes(*hash.as_bytes().first_chunk().expect("32 bytes begin with 8"))
}
