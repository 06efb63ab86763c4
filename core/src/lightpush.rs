//! What is asked of a light push service and what it answers (19/WAKU2-LIGHTPUSH).
//!
//! One request and one answer for both versions of the protocol; version 2 has fewer words on the wire.

use crate::{PubsubTopic, PubsubTopicError, WakuMessage};

/// A message to publish for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to; none when the service shall derive it from the content topic.
    pub topic: Option<PubsubTopic>,
    /// What.
    pub message: WakuMessage,
    /// Length of the message as this node encodes it, which is the longest way.
    pub encoded_size: usize,
}

/// Why a request has nothing to publish. The first texts are those of live nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes are no request, or its message is none; with the decoder's words.
    #[error("decode_rpc_failure: {0}")]
    Undecodable(String),
    /// Version 2: there is no request in it.
    #[error("empty_request_body_failure")]
    NoRequest,
    /// Version 3: the pubsub topic is there, and empty.
    #[error("topic must not be empty")]
    EmptyTopic,
    /// The pubsub topic is no shard.
    #[error(transparent)]
    Topic(#[from] PubsubTopicError),
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Sent to at least one peer.
    Success,
    /// The request is malformed.
    BadRequest,
    /// The message is longer than the network allows.
    PayloadTooLarge,
    /// The network would not accept the message.
    InvalidMessage,
    /// The node does not serve the topic.
    UnsupportedPubsubTopic,
    /// The client asks too often, or for too many proofs.
    TooManyRequests,
    /// The node failed.
    InternalError,
    /// The node cannot publish now.
    ServiceNotAvailable,
    /// The node has no proof for the message.
    OutOfRlnProof,
    /// No peer takes part in the topic.
    NoPeersToRelay,
    /// A code that has no meaning here.
    Other(u32),
}

/// Every status: its code, its name, and what a sender can do.
///
/// The specification has 503 for what is 505 here and in live nodes (`docs/spec-map.md`).
const STATUS: [(Status, u32, &str, &str); 10] = [
    (Status::Success, 200, "SUCCESS", ""),
    (Status::BadRequest, 400, "BAD_REQUEST", "correct the request"),
    (Status::PayloadTooLarge, 413, "PAYLOAD_TOO_LARGE", "send a smaller message or split it"),
    (Status::InvalidMessage, 420, "INVALID_MESSAGE", "correct the message"),
    (Status::UnsupportedPubsubTopic, 421, "UNSUPPORTED_PUBSUB_TOPIC", "use another service node"),
    (Status::TooManyRequests, 429, "TOO_MANY_REQUESTS", "retry later or use another service node"),
    (Status::InternalError, 500, "INTERNAL_SERVER_ERROR", "retry or use another service node"),
    (Status::ServiceNotAvailable, 503, "SERVICE_NOT_AVAILABLE", "retry later or use another service node"),
    (
        Status::OutOfRlnProof,
        504,
        "OUT_OF_RLN_PROOF",
        "attach a proof, retry later or use another service node",
    ),
    (Status::NoPeersToRelay, 505, "NO_PEERS_TO_RELAY", "retry later or use another service node"),
];

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What came of it.
    pub status: Status,
    /// Why, and what to do; none after a success.
    pub description: Option<String>,
    /// Peers the message was sent to; none unless it was.
    pub relay_peers: Option<u32>,
}

impl Status {
    /// Every status that has a meaning, by code.
    pub fn all() -> impl Iterator<Item = Self> {
        STATUS.iter().map(|row| row.0)
    }

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

    /// What a sender can do; empty after a success.
    pub fn advice(self) -> &'static str {
        self.row().map_or("", |row| row.3)
    }

    fn row(self) -> Option<&'static (Self, u32, &'static str, &'static str)> {
        STATUS.iter().find(|row| row.0 == self)
    }
}

impl Answer {
    /// Sent to `relay_peers`.
    pub const fn published(relay_peers: u32) -> Self {
        Self { status: Status::Success, description: None, relay_peers: Some(relay_peers) }
    }

    /// Not sent: `why`, and what to do about it.
    pub fn refused(status: Status, why: impl std::fmt::Display) -> Self {
        let description = Some(format!("{why}; {}", status.advice()));
        Self { status, description, relay_peers: None }
    }

    /// The client asks too often.
    pub fn rate_limited() -> Self {
        Self::refused(Status::TooManyRequests, "Request rejected due to too many requests")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_by_its_code_and_others_keep_theirs() {
        for (status, code, name, advice) in STATUS {
            assert_eq!((status.code(), status.name(), status.advice()), (code, name, advice));
            assert_eq!(Status::from_code(code), status);
            assert_eq!(advice.is_empty(), status == Status::Success, "{name} says what to do");
        }
        assert_eq!((Status::from_code(418), Status::Other(418).code()), (Status::Other(418), 418));
    }

    #[test]
    fn a_refusal_says_why_and_what_to_do() {
        let text = Answer::rate_limited().description;
        let expected = "Request rejected due to too many requests; retry later or use another service node";
        assert_eq!(text.as_deref(), Some(expected));
    }
}
