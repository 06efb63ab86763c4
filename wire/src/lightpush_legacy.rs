//! Light push version 2, whose answers are yes or no and a text (19/WAKU2-LIGHTPUSH).
//!
//! Requests and answers are those of version 3, so that one service serves both. Some texts are fixed, because
//! clients look for them; from a text that came the status of version 3 is told, as well as it can be.

use bytes::Bytes;
use weir_core::{
    PubsubTopic, WakuMessage,
    lightpush::{Answer, Malformed, Status},
};

use crate::{
    DecodeError, LIGHTPUSH_REQUEST_MAX_FRAME, LIGHTPUSH_RESPONSE_MAX_FRAME, LightPushRequest,
    LightPushResponse,
    bounds::{request_id_from, within},
    encode_message, lightpush,
    protobuf::{self, Field, Fields, Value},
};

const REQUEST_ID: u64 = 1;
const REQUEST: u64 = 2;
const RESPONSE: u64 = 3;

const PUBSUB_TOPIC: u64 = 1;
const MESSAGE: u64 = 2;

const IS_SUCCESS: u64 = 1;
const INFO: u64 = 2;

const OK: &str = "OK";

/// Texts that stand alone in an answer, with what they mean.
const FIXED: [(Status, &str); 2] =
    [(Status::NoPeersToRelay, "not_published_to_any_peer"), (Status::TooManyRequests, "TOO_MANY_REQUESTS")];

/// What an answer's text contains, with what that means. The first that is found counts; a text with none of
/// them is a failure of the service.
const CONTAINED: [(&str, Status); 10] = [
    ("RLN validation failed", Status::InvalidMessage),
    ("could not generate rln proof", Status::OutOfRlnProof),
    ("could not generate rln-v2 proof", Status::OutOfRlnProof),
    ("could not get new message id to generate an rln proof", Status::OutOfRlnProof),
    ("not_published_to_any_peer", Status::NoPeersToRelay),
    ("TOO_MANY_REQUESTS", Status::TooManyRequests),
    ("decode_rpc_failure", Status::BadRequest),
    ("empty_request_body_failure", Status::BadRequest),
    ("Message size exceeded", Status::PayloadTooLarge),
    ("signed shard validation failed", Status::InvalidMessage),
];

impl LightPushRequest {
    /// Decodes a request body of version 2; the payload shares its buffer. An empty topic asks for autosharding.
    ///
    /// Bounded by [`LIGHTPUSH_REQUEST_MAX_FRAME`].
    pub fn decode_legacy(body: &Bytes) -> Self {
        Self::or_undecodable(read(body))
    }
}

/// Encodes a request of version 2.
pub fn encode_legacy_lightpush_request(
    request_id: &str,
    topic: Option<PubsubTopic>,
    message: &WakuMessage,
) -> Bytes {
    let topic = topic.map(|topic| topic.to_string()).unwrap_or_default();
    let message = encode_message(message);
    let request = [Field::Bytes(PUBSUB_TOPIC, topic.as_bytes()), Field::Bytes(MESSAGE, &message)];
    protobuf::encode(&[Field::Bytes(REQUEST_ID, request_id.as_bytes()), Field::Message(REQUEST, &request)])
}

impl LightPushResponse {
    /// Encodes it in version 2.
    pub fn encode_legacy(&self) -> Bytes {
        let is_success = self.answer.status == Status::Success;
        let fixed = FIXED.iter().find(|(status, _)| *status == self.answer.status).map(|(_, text)| *text);
        let info = match (is_success, fixed) {
            (true, _) => OK,
            (false, Some(text)) => text,
            (false, None) => self.answer.description.as_deref().unwrap_or(self.answer.status.name()),
        };
        let response = [Field::Varint(IS_SUCCESS, is_success.into()), Field::Bytes(INFO, info.as_bytes())];
        protobuf::encode(&[
            Field::Bytes(REQUEST_ID, self.request_id.as_bytes()),
            Field::Message(RESPONSE, &response),
        ])
    }

    /// Decodes a response body of version 2. A success was sent to at least one peer, or it would be none.
    pub fn decode_legacy(body: &[u8]) -> Result<Self, DecodeError> {
        within(body, "light push response", LIGHTPUSH_RESPONSE_MAX_FRAME)?;
        let mut request_id: &[u8] = &[];
        let mut response = None;
        for field in Fields::new(body) {
            match field? {
                (REQUEST_ID, Value::Bytes(value)) => request_id = value,
                (RESPONSE, Value::Bytes(value)) => response = Some(value),
                _ => {}
            }
        }
        let answer = read_answer(response.ok_or(DecodeError::Missing("response"))?)?;
        Ok(Self { request_id: request_id_from(request_id)?, answer })
    }
}

fn read(body: &Bytes) -> Result<LightPushRequest, DecodeError> {
    within(body, "light push request", LIGHTPUSH_REQUEST_MAX_FRAME)?;
    let mut request_id: &[u8] = &[];
    let mut request = None;
    for field in Fields::new(body) {
        match field? {
            (REQUEST_ID, Value::Bytes(value)) => request_id = value,
            (REQUEST, Value::Bytes(value)) => request = Some(body.slice_ref(value)),
            _ => {}
        }
    }
    let asked = match request {
        None => Err(Malformed::NoRequest),
        Some(request) => read_request(&request),
    };
    Ok(LightPushRequest { request_id: request_id_from(request_id)?, asked })
}

fn read_request(bytes: &Bytes) -> Result<weir_core::lightpush::Request, Malformed> {
    let mut name: &[u8] = &[];
    let mut message = None;
    for field in Fields::new(bytes) {
        match field.map_err(lightpush::undecodable)? {
            (PUBSUB_TOPIC, Value::Bytes(value)) => name = value,
            (MESSAGE, Value::Bytes(value)) => message = Some(bytes.slice_ref(value)),
            _ => {}
        }
    }
    let topic = if name.is_empty() { None } else { Some(lightpush::topic(name)?) };
    let message = message.ok_or_else(|| lightpush::undecodable(DecodeError::Missing("message")))?;
    lightpush::request(topic, &message)
}

fn read_answer(response: &[u8]) -> Result<Answer, DecodeError> {
    let mut is_success = None;
    let mut info: &[u8] = &[];
    for field in Fields::new(response) {
        match field? {
            (IS_SUCCESS, Value::Varint(value)) => is_success = Some(value != 0),
            (INFO, Value::Bytes(value)) => info = value,
            _ => {}
        }
    }
    if is_success.ok_or(DecodeError::Missing("is_success"))? {
        return Ok(Answer::published(1));
    }
    let info = String::from_utf8_lossy(info).into_owned();
    let status = CONTAINED.iter().find(|(text, _)| info.contains(text)).map(|(_, status)| *status);
    Ok(Answer { status: status.unwrap_or(Status::InternalError), description: Some(info), relay_peers: None })
}
