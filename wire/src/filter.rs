//! Filter v2: subscribe request and response, message push (12/WAKU2-FILTER).
//!
//! A request that names what no message can have is as well formed as any other and gets an answer, so
//! that is not an error here: see [`FilterRequest::asked`].

use std::str;

use bytes::Bytes;
use weir_core::{
    ContentTopic, PubsubTopic, WakuMessage,
    filter::{Answer, BadRequest, Criteria, MAX_CONTENT_TOPICS, Request, Status},
};

use crate::{
    DecodeError,
    bounds::{needed_pubsub_topic, request_id_from, within},
    decode_message, encode_message,
    protobuf::{self, Field, Fields, Value, narrow},
};

/// Longest request body in bytes that is read. The longest that is served, with 100 content topics of 1 KiB,
/// takes 110 KiB; above that there is room for some thousand usual topics to be told that they are too many.
pub const FILTER_REQUEST_MAX_FRAME: usize = 256 * 1024;

/// Longest response body in bytes that is read, as in nwaku.
pub const FILTER_RESPONSE_MAX_FRAME: usize = 64 * 1024;

/// Longest push in bytes that is read, as in nwaku: ten messages of 150 KiB and 64 KiB, for networks with a
/// higher limit than the default.
pub const FILTER_PUSH_MAX_FRAME: usize = 10 * 150 * 1024 + 64 * 1024;

const REQUEST_ID: u64 = 1;
const KIND: u64 = 2;
const PUBSUB_TOPIC: u64 = 10;
const CONTENT_TOPICS: u64 = 11;

const STATUS_CODE: u64 = 10;
const STATUS_DESCRIPTION: u64 = 11;

const PUSHED_MESSAGE: u64 = 1;
const PUSHED_TOPIC: u64 = 2;

const PING: u64 = 0;
const SUBSCRIBE: u64 = 1;
const UNSUBSCRIBE: u64 = 2;
const UNSUBSCRIBE_ALL: u64 = 3;

/// A request to a filter service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRequest {
    /// Names the request in its response.
    pub request_id: String,
    /// What is asked, or why it cannot be.
    pub asked: Result<Request, BadRequest>,
}

/// The answer of a filter service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterResponse {
    /// The request that it answers; `N/A` in a refusal that came before the request was read.
    pub request_id: String,
    /// What came of it.
    pub answer: Answer,
}

impl FilterRequest {
    /// Decodes a request body.
    ///
    /// Bounded by [`FILTER_REQUEST_MAX_FRAME`]; at most [`MAX_CONTENT_TOPICS`] content topics are kept.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        within(body, "filter request", FILTER_REQUEST_MAX_FRAME)?;
        let (mut request_id, mut pubsub_topic): (&[u8], &[u8]) = (&[], &[]);
        let mut kind = PING;
        let mut named = Vec::new();
        let mut too_many = false;
        for field in Fields::new(body) {
            match field? {
                (REQUEST_ID, Value::Bytes(value)) => request_id = value,
                (KIND, Value::Varint(value)) => kind = value,
                (PUBSUB_TOPIC, Value::Bytes(value)) => pubsub_topic = value,
                (CONTENT_TOPICS, Value::Bytes(value)) if named.len() < MAX_CONTENT_TOPICS => {
                    named.push(value)
                }
                (CONTENT_TOPICS, Value::Bytes(_)) => too_many = true,
                _ => {}
            }
        }
        let criteria = || match too_many {
            true if !pubsub_topic.is_empty() => Err(BadRequest::TooManyContentTopics),
            _ => criteria(pubsub_topic, &named),
        };
        let asked = match kind {
            PING => Ok(Request::Ping),
            SUBSCRIBE => criteria().map(Request::Subscribe),
            UNSUBSCRIBE => criteria().map(Request::Unsubscribe),
            UNSUBSCRIBE_ALL => Ok(Request::UnsubscribeAll),
            unknown => Err(BadRequest::Kind(unknown)),
        };
        Ok(Self { request_id: request_id_from(request_id)?, asked })
    }
}

/// Encodes a request as live nodes do: id and kind always, topics when there are any.
pub fn encode_filter_request(request_id: &str, request: &Request) -> Bytes {
    let (kind, criteria) = match request {
        Request::Ping => (PING, None),
        Request::Subscribe(criteria) => (SUBSCRIBE, Some(criteria)),
        Request::Unsubscribe(criteria) => (UNSUBSCRIBE, Some(criteria)),
        Request::UnsubscribeAll => (UNSUBSCRIBE_ALL, None),
    };
    let topic = criteria.map(|criteria| criteria.pubsub_topic().to_string());
    let mut fields = vec![Field::Bytes(REQUEST_ID, request_id.as_bytes()), Field::Varint(KIND, kind)];
    fields.extend(topic.as_deref().map(|topic| Field::Bytes(PUBSUB_TOPIC, topic.as_bytes())));
    let named = criteria.map(Criteria::content_topics).unwrap_or_default();
    fields.extend(named.iter().map(|topic| Field::Bytes(CONTENT_TOPICS, topic.as_str().as_bytes())));
    protobuf::encode(&fields)
}

impl FilterResponse {
    /// Encodes it.
    pub fn encode(&self) -> Bytes {
        protobuf::encode(&[
            Field::Bytes(REQUEST_ID, self.request_id.as_bytes()),
            Field::Varint(STATUS_CODE, self.answer.status.code().into()),
            Field::Bytes(STATUS_DESCRIPTION, self.answer.description.as_bytes()),
        ])
    }

    /// Decodes a response body. A response without a status code is none.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        within(body, "filter response", FILTER_RESPONSE_MAX_FRAME)?;
        let (mut request_id, mut description): (&[u8], &[u8]) = (&[], &[]);
        let mut status = None;
        for field in Fields::new(body) {
            match field? {
                (REQUEST_ID, Value::Bytes(value)) => request_id = value,
                (STATUS_CODE, Value::Varint(value)) => status = Some(narrow(value, "status_code", u32::MAX)?),
                (STATUS_DESCRIPTION, Value::Bytes(value)) => description = value,
                _ => {}
            }
        }
        let status = Status::from_code(status.ok_or(DecodeError::Missing("status_code"))?);
        let description = String::from_utf8_lossy(description).into_owned();
        Ok(Self { request_id: request_id_from(request_id)?, answer: Answer { status, description } })
    }
}

/// Encodes a push of `message`, which was published on `topic`.
pub fn encode_filter_push(topic: PubsubTopic, message: &WakuMessage) -> Bytes {
    let (topic, message) = (topic.to_string(), encode_message(message));
    protobuf::encode(&[Field::Bytes(PUSHED_MESSAGE, &message), Field::Bytes(PUSHED_TOPIC, topic.as_bytes())])
}

/// Decodes a push; the payload shares the buffer.
pub fn decode_filter_push(body: &Bytes) -> Result<(PubsubTopic, WakuMessage), DecodeError> {
    within(body, "filter push", FILTER_PUSH_MAX_FRAME)?;
    let (mut message, mut topic) = (None, None);
    for field in Fields::new(body) {
        match field? {
            (PUSHED_MESSAGE, Value::Bytes(value)) => message = Some(value),
            (PUSHED_TOPIC, Value::Bytes(value)) => topic = Some(value),
            _ => {}
        }
    }
    let message = message.ok_or(DecodeError::Missing("waku_message"))?;
    let topic = topic.ok_or(DecodeError::Missing("pubsub_topic"))?;
    Ok((needed_pubsub_topic(topic)?, decode_message(&body.slice_ref(message))?))
}

/// The criteria that a request names; an empty pubsub topic is none, as encoders without presence write it.
fn criteria(pubsub_topic: &[u8], named: &[&[u8]]) -> Result<Criteria, BadRequest> {
    if pubsub_topic.is_empty() || named.is_empty() {
        return Err(BadRequest::NoCriteria);
    }
    let topic = text(pubsub_topic)?.parse::<PubsubTopic>()?;
    let content_topics = named.iter().map(|topic| Ok(ContentTopic::new(text(topic)?)?));
    Criteria::new(topic, content_topics.collect::<Result<_, BadRequest>>()?)
}

fn text(bytes: &[u8]) -> Result<&str, BadRequest> {
    str::from_utf8(bytes).map_err(|_| BadRequest::NotUtf8)
}
