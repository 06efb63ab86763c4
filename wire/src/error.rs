//! Why bytes are not a value.

use weir_core::{ContentTopicError, MetaTooLong, PubsubTopicError};

use crate::metadata::MetadataTooLong;

/// Why bytes are not the value they should be. Each variant is one rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A value reaches beyond the end of the input.
    #[error("the input ends inside a field")]
    Truncated,
    /// A varint that does not end within 10 bytes.
    #[error("a varint does not end within 10 bytes")]
    VarintTooLong,
    /// A wire type other than varint, fixed, and length-delimited: groups (3, 4), or no wire type
    /// at all (6, 7).
    #[error("wire type {0} is not supported")]
    WireType(u8),
    /// A field that has to be present, be it empty, is not.
    #[error("required field `{0}` is missing")]
    Missing(&'static str),
    /// A field of fixed size has another one.
    #[error("field `{field}` has {actual} bytes where {expected} are needed")]
    Length {
        /// Name of the field.
        field: &'static str,
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// A number is too high for what it counts.
    #[error("field `{field}` has value {value}; at most {max} is allowed")]
    Range {
        /// Name of the field.
        field: &'static str,
        /// Highest value the field can have.
        max: u64,
        /// Value given.
        value: u64,
    },
    /// The content topic is not UTF-8.
    #[error("the content topic is not UTF-8")]
    ContentTopicNotUtf8,
    /// A field that is text is not UTF-8.
    #[error("field `{0}` is not UTF-8")]
    NotUtf8(&'static str),
    /// A pubsub topic that is no shard.
    #[error(transparent)]
    PubsubTopic(#[from] PubsubTopicError),
    /// The content topic is text, but not a content topic.
    #[error(transparent)]
    ContentTopic(#[from] ContentTopicError),
    /// The meta field is longer than 64 bytes.
    #[error(transparent)]
    Meta(#[from] MetaTooLong),
    /// A metadata body beyond its limit.
    #[error(transparent)]
    Metadata(#[from] MetadataTooLong),
}
