//! What is asked of a filter service, what it answers, and what it pushes (12/WAKU2-FILTER).

use crate::{ContentTopic, ContentTopicError, PubsubTopic, PubsubTopicError};

/// Content topics that one request can name.
pub const MAX_CONTENT_TOPICS: usize = 100;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Whether the client has subscriptions here.
    Ping,
    /// Messages of these from now on.
    Subscribe(Criteria),
    /// No more messages of these.
    Unsubscribe(Criteria),
    /// No more messages.
    UnsubscribeAll,
}

/// Content topics on one pubsub topic: from 1 to [`MAX_CONTENT_TOPICS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criteria {
    pubsub_topic: PubsubTopic,
    content_topics: Vec<ContentTopic>,
}

/// Why a well-formed request asks for what cannot be. The first texts are those of live nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// No pubsub topic, or no content topic.
    #[error("pubsubTopic and contentTopics must be specified")]
    NoCriteria,
    /// More than [`MAX_CONTENT_TOPICS`].
    #[error("exceeds maximum content topics: {MAX_CONTENT_TOPICS}")]
    TooManyContentTopics,
    /// A pubsub topic that is no shard, on which there are no messages.
    #[error(transparent)]
    PubsubTopic(#[from] PubsubTopicError),
    /// A content topic that no message can have.
    #[error(transparent)]
    ContentTopic(#[from] ContentTopicError),
    /// A topic is not UTF-8.
    #[error("a topic is not UTF-8")]
    NotUtf8,
    /// A kind of request that is not known.
    #[error("unknown filter subscribe type {0}: expected 0 (ping) to 3 (unsubscribe all)")]
    Kind(u64),
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Done.
    Ok,
    /// The request cannot be served by any node.
    BadRequest,
    /// The client has no subscriptions.
    NotFound,
    /// The client asks too often.
    TooManyRequests,
    /// The node has no room.
    ServiceUnavailable,
    /// A code that has no meaning here.
    Other(u32),
}

/// Codes and the names that live nodes put in front of descriptions.
const STATUS: [(Status, u32, &str); 5] = [
    (Status::Ok, 200, "OK"),
    (Status::BadRequest, 400, "BAD_REQUEST"),
    (Status::NotFound, 404, "NOT_FOUND"),
    (Status::TooManyRequests, 429, "TOO_MANY_REQUESTS"),
    (Status::ServiceUnavailable, 503, "SERVICE_UNAVAILABLE"),
];

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What came of it.
    pub status: Status,
    /// The same in words.
    pub description: String,
}

impl Criteria {
    /// Checks the number of content topics.
    pub fn new(pubsub_topic: PubsubTopic, content_topics: Vec<ContentTopic>) -> Result<Self, BadRequest> {
        match content_topics.len() {
            0 => Err(BadRequest::NoCriteria),
            1..=MAX_CONTENT_TOPICS => Ok(Self { pubsub_topic, content_topics }),
            _ => Err(BadRequest::TooManyContentTopics),
        }
    }

    /// The pubsub topic.
    pub const fn pubsub_topic(&self) -> PubsubTopic {
        self.pubsub_topic
    }

    /// The content topics, as they were named: one may be there twice.
    pub fn content_topics(&self) -> &[ContentTopic] {
        &self.content_topics
    }
}

impl Status {
    /// From its number.
    pub fn from_code(code: u32) -> Self {
        STATUS.iter().find(|row| row.1 == code).map_or(Self::Other(code), |row| row.0)
    }

    /// Its number.
    pub fn code(self) -> u32 {
        match self {
            Self::Other(code) => code,
            known => known.row().map_or(0, |row| row.1),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN", |row| row.2)
    }

    fn row(self) -> Option<&'static (Self, u32, &'static str)> {
        STATUS.iter().find(|row| row.0 == self)
    }
}

impl Answer {
    /// Done.
    pub fn ok() -> Self {
        Self { status: Status::Ok, description: Status::Ok.name().to_owned() }
    }

    /// Not done; the name of `status` comes in front of `why`.
    pub fn refused(status: Status, why: impl std::fmt::Display) -> Self {
        Self { status, description: format!("{}: {why}", status.name()) }
    }

    /// The client asks too often. Live nodes answer this without the name in front.
    pub fn rate_limited() -> Self {
        let description = "filter request rejected due rate limit exceeded".to_owned();
        Self { status: Status::TooManyRequests, description }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_by_its_code_and_others_keep_theirs() {
        for (status, code, name) in STATUS {
            assert_eq!((Status::from_code(code), status.code(), status.name()), (status, code, name));
        }
        assert_eq!((Status::from_code(418), Status::Other(418).code()), (Status::Other(418), 418));
        assert_eq!(Status::Other(418).name(), "UNKNOWN");
    }

    #[test]
    fn criteria_name_1_to_100_content_topics() {
        let topic = "/waku/2/rs/1/0".parse().expect("topic");
        let named = |count| vec![ContentTopic::new("/a/1/b/proto").expect("topic"); count];
        assert_eq!(Criteria::new(topic, named(0)), Err(BadRequest::NoCriteria));
        assert!(Criteria::new(topic, named(1)).is_ok());
        assert!(Criteria::new(topic, named(100)).is_ok());
        assert_eq!(Criteria::new(topic, named(101)), Err(BadRequest::TooManyContentTopics));
    }
}
