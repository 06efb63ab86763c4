//! What a peer is told whose query has no page: a status and a text (waku-wire 8.3).

use weir_core::store::{MAX_CONTENT_TOPICS, MAX_HASHES};

use super::server::ANSWER_WITHIN;
use crate::rate_limit::Exceeded;

/// The status of an answer with a page.
pub const STATUS_OK: u32 = 200;

/// The status of a request beyond the limits.
pub const TOO_MANY_REQUESTS: u32 = 429;

const BAD_RESPONSE: u32 = 300;
const BAD_REQUEST: u32 = 400;
const SERVICE_UNAVAILABLE: u32 = 503;

/// Why a request is not answered with a page. The words in capitals and those of decoding and of the archive
/// are nwaku's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Refused {
    /// The bytes are no request.
    #[error("decoding rpc failed: {0}")]
    Undecodable(String),
    /// A hash or a cursor cannot be one.
    #[error("BAD_REQUEST: {0}")]
    Malformed(String),
    /// More content topics than an index is read for at a time.
    #[error("BAD_REQUEST: too many content topics: {0}; at most {MAX_CONTENT_TOPICS} can be asked for")]
    TooManyContentTopics(usize),
    /// More hashes than a page has.
    #[error("BAD_REQUEST: too many message hashes: {0}; at most {MAX_HASHES} can be asked for")]
    TooManyHashes(usize),
    /// A bucket is empty.
    #[error("TOO_MANY_REQUESTS: {0}")]
    RateLimited(#[from] Exceeded),
    /// The peer does not wait for its answers before it asks on.
    #[error("TOO_MANY_REQUESTS: too many requests of this peer wait")]
    PeerQueueFull,
    /// Everybody asks at once.
    #[error("TOO_MANY_REQUESTS: too many requests wait")]
    QueueFull,
    /// Answers of megabytes wait to be taken.
    #[error("TOO_MANY_REQUESTS: too many large answers wait to be sent; ask for fewer messages")]
    NoRoom,
    /// The archive has no page for it, or no answer.
    #[error("BAD_RESPONSE: archive error: {0}")]
    Archive(String),
    /// The archive cannot be reached.
    #[error("SERVICE_UNAVAILABLE: {0}")]
    Unavailable(String),
    /// It took too long.
    #[error("SERVICE_UNAVAILABLE: no answer within {} s", ANSWER_WITHIN.as_secs())]
    TimedOut,
    /// The node stops.
    #[error("SERVICE_UNAVAILABLE: the node is stopping")]
    Stopping,
}

impl Refused {
    /// The status that goes with the text.
    pub const fn status(&self) -> u32 {
        match self {
            Self::Undecodable(_)
            | Self::Malformed(_)
            | Self::TooManyContentTopics(_)
            | Self::TooManyHashes(_) => BAD_REQUEST,
            Self::RateLimited(_) | Self::PeerQueueFull | Self::QueueFull | Self::NoRoom => TOO_MANY_REQUESTS,
            Self::Archive(_) => BAD_RESPONSE,
            Self::Unavailable(_) | Self::TimedOut | Self::Stopping => SERVICE_UNAVAILABLE,
        }
    }
}
