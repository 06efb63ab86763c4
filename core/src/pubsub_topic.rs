//! Pubsub topics of static sharding: one gossipsub topic per shard of a cluster.

use std::{fmt, str::FromStr};

use crate::limits::MAX_SHARD_INDEX;

/// A network of nodes that share shards, memberships and rules. A node serves one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u16);

/// Index of a shard in its cluster, at most [`MAX_SHARD_INDEX`] when it names a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `/waku/2/rs/<cluster>/<shard>` (51/WAKU2-RELAY-SHARDING).
///
/// # Invariants
/// The shard is at most [`MAX_SHARD_INDEX`], and the text form is the only one that parses: no
/// leading zeros, no sign, no trailing slash. So one topic has one gossipsub name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PubsubTopic {
    cluster: ClusterId,
    shard: ShardId,
}

/// Why a text is not a pubsub topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PubsubTopicError {
    /// The prefix or the number of parts is wrong.
    #[error("`{0}` is not a pubsub topic: expected /waku/2/rs/<cluster>/<shard>")]
    Structure(String),
    /// The cluster or the shard is not a plain decimal number of 16 bits.
    #[error("`{part}` in `{topic}` is not a number from 0 to 65535 without leading zeros")]
    Number {
        /// The whole text.
        topic: String,
        /// The part at fault.
        part: String,
    },
    /// The shard index is above [`MAX_SHARD_INDEX`].
    #[error("shard {0} is above {MAX_SHARD_INDEX}, the highest a cluster can have")]
    ShardTooHigh(u16),
}

impl PubsubTopic {
    /// The topic of `shard` in `cluster`.
    pub const fn new(cluster: ClusterId, shard: ShardId) -> Result<Self, PubsubTopicError> {
        if shard.0 > MAX_SHARD_INDEX {
            return Err(PubsubTopicError::ShardTooHigh(shard.0));
        }
        Ok(Self { cluster, shard })
    }

    /// The cluster the topic belongs to.
    pub const fn cluster(self) -> ClusterId {
        self.cluster
    }

    /// The shard the topic names.
    pub const fn shard(self) -> ShardId {
        self.shard
    }
}

impl fmt::Display for PubsubTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/waku/2/rs/{}/{}", self.cluster, self.shard)
    }
}

impl FromStr for PubsubTopic {
    type Err = PubsubTopicError;

    fn from_str(topic: &str) -> Result<Self, Self::Err> {
        let structure = || PubsubTopicError::Structure(topic.to_owned());
        let rest = topic.strip_prefix("/waku/2/rs/").ok_or_else(structure)?;
        let (cluster, shard) = rest.split_once('/').ok_or_else(structure)?;
        if shard.contains('/') {
            return Err(structure());
        }
        Self::new(ClusterId(parse_number(topic, cluster)?), ShardId(parse_number(topic, shard)?))
    }
}

fn parse_number(topic: &str, part: &str) -> Result<u16, PubsubTopicError> {
    let canonical = part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
    part.parse()
        .ok()
        .filter(|_| canonical)
        .ok_or_else(|| PubsubTopicError::Number { topic: topic.to_owned(), part: part.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_are_the_same_thing() {
        for text in ["/waku/2/rs/0/0", "/waku/2/rs/1/7", "/waku/2/rs/65535/1023"] {
            assert_eq!(text.parse::<PubsubTopic>().map(|t| t.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn other_spellings_are_refused_by_the_rule_they_break() {
        for text in [
            "",
            "/waku/2/rs",
            "/waku/2/rs/1",
            "/waku/2/rs/1/2/3",
            "waku/2/rs/1/2",
            "/waku/2/default-waku/proto",
            "/waku/2/rs/1/2/",
        ] {
            assert!(matches!(text.parse::<PubsubTopic>(), Err(PubsubTopicError::Structure(_))), "{text}");
        }
        for text in
            ["/waku/2/rs//1", "/waku/2/rs/01/1", "/waku/2/rs/+1/1", "/waku/2/rs/65536/1", "/waku/2/rs/1/x"]
        {
            assert!(matches!(text.parse::<PubsubTopic>(), Err(PubsubTopicError::Number { .. })), "{text}");
        }
        assert_eq!("/waku/2/rs/1/1024".parse::<PubsubTopic>(), Err(PubsubTopicError::ShardTooHigh(1024)));
    }
}
