//! Domain values of a Waku node: messages, topics, shards, hashes, time.
//!
//! Everything here is a plain value. A value that exists is well formed: constructors parse, and
//! nothing downstream checks again. The crate knows no bytes of any protocol (that is `weir-wire`),
//! no policy (that is `weir-protocols`), no clock and no input or output.
//!
//! Specs: 14/WAKU2-MESSAGE, 23/WAKU2-TOPICS, 51/WAKU2-RELAY-SHARDING.

mod autosharding;
mod content_topic;
pub mod filter;
mod fixed_bytes;
pub mod lightpush;
pub mod limits;
mod message;
mod peer;
pub mod peer_exchange;
mod pubsub_topic;
mod rate_limit_proof;
pub mod store;
mod time;

pub use autosharding::{Autosharding, AutoshardingError};
pub use content_topic::{ContentTopic, ContentTopicError, ContentTopicParts};
pub use fixed_bytes::HexError;
pub use message::{MessageHash, Meta, MetaTooLong, WakuMessage};
pub use peer::{PeerAddress, PeerId, PeerIdError};
pub use pubsub_topic::{ClusterId, PubsubTopic, PubsubTopicError, ShardId};
pub use rate_limit_proof::{ProofField, RateLimitProof};
pub use time::Timestamp;
