//! Light push version 3: request and response (19/WAKU2-LIGHTPUSH).
//!
//! Whatever a client sends is answered, so reading a request cannot fail: what is wrong with it is part of
//! [`LightPushRequest`]. Version 2 is next door, in `lightpush_legacy`.

use std::str;

use bytes::Bytes;
use weir_core::{
    PubsubTopic, WakuMessage,
    lightpush::{Answer, Malformed, Request, Status},
};

use crate::{
    DecodeError,
    bounds::{request_id_from, within},
    decode_message, encode_message, encoded_len,
    protobuf::{self, Field, Fields, Value, narrow},
};

/// Longest request body in bytes that is read. Live nodes have no limit; js-waku sends up to 1 MiB and wants to
/// be told that it is too much, so this is above.
pub const LIGHTPUSH_REQUEST_MAX_FRAME: usize = 10 * 150 * 1024 + 64 * 1024;

/// Longest response body in bytes that is read: a code and a text.
pub const LIGHTPUSH_RESPONSE_MAX_FRAME: usize = 64 * 1024;

/// The request id in the answer to a request that has none that can be read, as live nodes have it.
pub const NO_REQUEST_ID: &str = "N/A";

const REQUEST_ID: u64 = 1;
const PUBSUB_TOPIC: u64 = 20;
const MESSAGE: u64 = 21;

const STATUS_CODE: u64 = 10;
const STATUS_DESCRIPTION: u64 = 11;
const RELAY_PEER_COUNT: u64 = 12;

/// A request to a light push service, of either version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LightPushRequest {
    /// Names the request in its response; `N/A` when it could not be read.
    pub request_id: String,
    /// What is to be published, or why there is nothing.
    pub asked: Result<Request, Malformed>,
}

/// The answer of a light push service, of either version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LightPushResponse {
    /// The request that it answers; `N/A` in a refusal that came before the request was read.
    pub request_id: String,
    /// What came of it.
    pub answer: Answer,
}

impl LightPushRequest {
    /// Decodes a request body of version 3; the payload shares its buffer.
    ///
    /// Bounded by [`LIGHTPUSH_REQUEST_MAX_FRAME`].
    pub fn decode(body: &Bytes) -> Self {
        Self::or_undecodable(read(body))
    }

    /// What was read, or the refusal of what could not be.
    pub(crate) fn or_undecodable(read: Result<Self, DecodeError>) -> Self {
        read.unwrap_or_else(|error| Self {
            request_id: NO_REQUEST_ID.to_owned(),
            asked: Err(undecodable(error)),
        })
    }
}

/// Encodes a request of version 3; `topic` is left out for autosharding.
pub fn encode_lightpush_request(
    request_id: &str,
    topic: Option<PubsubTopic>,
    message: &WakuMessage,
) -> Bytes {
    let (topic, message) = (topic.map(|topic| topic.to_string()), encode_message(message));
    let mut fields = vec![Field::Bytes(REQUEST_ID, request_id.as_bytes())];
    fields.extend(topic.as_deref().map(|topic| Field::Bytes(PUBSUB_TOPIC, topic.as_bytes())));
    fields.push(Field::Bytes(MESSAGE, &message));
    protobuf::encode(&fields)
}

impl LightPushResponse {
    /// Encodes it in version 3.
    pub fn encode(&self) -> Bytes {
        let Answer { status, description, relay_peers } = &self.answer;
        let mut fields = vec![
            Field::Bytes(REQUEST_ID, self.request_id.as_bytes()),
            Field::Varint(STATUS_CODE, status.code().into()),
        ];
        fields.extend(description.as_deref().map(|text| Field::Bytes(STATUS_DESCRIPTION, text.as_bytes())));
        fields.extend(relay_peers.map(|count| Field::Varint(RELAY_PEER_COUNT, count.into())));
        protobuf::encode(&fields)
    }

    /// Decodes a response body of version 3. A response without a status code is none.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        within(body, "light push response", LIGHTPUSH_RESPONSE_MAX_FRAME)?;
        let mut request_id: &[u8] = &[];
        let (mut status, mut description, mut relay_peers) = (None, None, None);
        for field in Fields::new(body) {
            match field? {
                (REQUEST_ID, Value::Bytes(value)) => request_id = value,
                (STATUS_CODE, Value::Varint(value)) => status = Some(narrow(value, "status_code", u32::MAX)?),
                (STATUS_DESCRIPTION, Value::Bytes(value)) => {
                    description = Some(String::from_utf8_lossy(value).into_owned());
                }
                (RELAY_PEER_COUNT, Value::Varint(value)) => {
                    relay_peers = Some(narrow(value, "relay_peer_count", u32::MAX)?);
                }
                _ => {}
            }
        }
        let status = Status::from_code(status.ok_or(DecodeError::Missing("status_code"))?);
        Ok(Self {
            request_id: request_id_from(request_id)?,
            answer: Answer { status, description, relay_peers },
        })
    }
}

/// The message of a request, once its bytes are found.
pub(crate) fn request(topic: Option<PubsubTopic>, message: &Bytes) -> Result<Request, Malformed> {
    let decoded = decode_message(message).map_err(undecodable)?;
    Ok(Request { topic, encoded_size: encoded_len(&decoded), message: decoded })
}

pub(crate) fn undecodable(error: DecodeError) -> Malformed {
    Malformed::Undecodable(error.to_string())
}

pub(crate) fn topic(bytes: &[u8]) -> Result<PubsubTopic, Malformed> {
    let text = str::from_utf8(bytes).map_err(|_| undecodable(DecodeError::NotUtf8("pubsub_topic")))?;
    Ok(text.parse::<PubsubTopic>()?)
}

fn read(body: &Bytes) -> Result<LightPushRequest, DecodeError> {
    within(body, "light push request", LIGHTPUSH_REQUEST_MAX_FRAME)?;
    let mut request_id: &[u8] = &[];
    let (mut topic_field, mut message) = (None, None);
    for field in Fields::new(body) {
        match field? {
            (REQUEST_ID, Value::Bytes(value)) => request_id = value,
            (PUBSUB_TOPIC, Value::Bytes(value)) => topic_field = Some(value),
            (MESSAGE, Value::Bytes(value)) => message = Some(body.slice_ref(value)),
            _ => {}
        }
    }
    let asked = match (topic_field, message) {
        (_, None) => Err(undecodable(DecodeError::Missing("message"))),
        (Some([]), Some(_)) => Err(Malformed::EmptyTopic),
        (None, Some(message)) => request(None, &message),
        (Some(name), Some(message)) => topic(name).and_then(|topic| request(Some(topic), &message)),
    };
    Ok(LightPushRequest { request_id: request_id_from(request_id)?, asked })
}
