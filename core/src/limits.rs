//! Sizes the network agrees on.

/// Largest encoded `WakuMessage`, and largest gossipsub RPC frame, in bytes: 150 KiB.
///
/// nwaku applies one number to both, so a message this long cannot travel: the frame around it
/// adds [`RPC_OVERHEAD`].
pub const DEFAULT_MAX_MESSAGE_SIZE: usize = 150 * 1024;

/// Longest `meta` field in bytes (14/WAKU2-MESSAGE); a longer one makes the message undecodable.
pub const MAX_META_LENGTH: usize = 64;

/// Longest content topic in bytes. No specification bounds it; a content topic names an
/// application, and one longer than this is an attempt to fill indexes.
pub const MAX_CONTENT_TOPIC_LENGTH: usize = 1024;

/// Highest shard index of a cluster (51/WAKU2-RELAY-SHARDING).
pub const MAX_SHARD_INDEX: u16 = 1023;

/// Bytes that a gossipsub RPC frame with one message adds to its data: the two length-delimited
/// layers around it (tag and up to 4 length bytes each), the data field's own tag and length (5),
/// and the topic (tag, length and at most `/waku/2/rs/65535/1023` = 21 bytes).
pub const RPC_OVERHEAD: usize = 5 + 5 + 5 + 23;
