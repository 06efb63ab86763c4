//! `WakuMessage` (14/WAKU2-MESSAGE) in protobuf.

use std::str;

use bytes::Bytes;
use weir_core::{ContentTopic, Meta, ProofField, Timestamp, WakuMessage};

use crate::{
    DecodeError,
    protobuf::{self, Field, Fields, Value, narrow, unzigzag, zigzag},
    rate_limit_proof::{self, decode_rate_limit_proof},
};

const PAYLOAD: u64 = 1;
const CONTENT_TOPIC: u64 = 2;
const VERSION: u64 = 3;
const TIMESTAMP: u64 = 10;
const META: u64 = 11;
const PROOF: u64 = 21;
const EPHEMERAL: u64 = 31;

/// Encodes a message with all its fields, in nwaku's order, in one allocation.
///
/// For messages that begin here. One that was received is forwarded as its original bytes, for
/// another encoder may have left fields out and the gossip id is the hash of the bytes.
pub fn encode_message(message: &WakuMessage) -> Bytes {
    with_fields(message, protobuf::encode)
}

/// Length of [`encode_message`]'s result in bytes, without encoding.
pub fn encoded_len(message: &WakuMessage) -> usize {
    with_fields(message, protobuf::body_length)
}

fn with_fields<T>(message: &WakuMessage, then: impl FnOnce(&[Field<'_>]) -> T) -> T {
    let proof_fields;
    let proof = match &message.proof {
        ProofField::Absent => Field::Bytes(PROOF, &[]),
        ProofField::Malformed(bytes) => Field::Bytes(PROOF, bytes),
        ProofField::Present(proof) => {
            proof_fields = rate_limit_proof::fields(proof);
            Field::Message(PROOF, &proof_fields)
        }
    };
    then(&[
        Field::Bytes(PAYLOAD, &message.payload),
        Field::Bytes(CONTENT_TOPIC, message.content_topic.as_str().as_bytes()),
        Field::Varint(VERSION, message.version.into()),
        Field::Varint(TIMESTAMP, zigzag(message.timestamp.as_nanos())),
        Field::Bytes(META, message.meta.as_bytes()),
        proof,
        Field::Varint(EPHEMERAL, message.ephemeral.into()),
    ])
}

/// Decodes a message; payload, meta and a malformed proof share the buffer of `bytes`.
///
/// Payload and content topic have to be present, the other fields default to zero or empty. A proof
/// field that is not a proof does not fail the message, it becomes [`ProofField::Malformed`].
///
/// The size is the caller's to limit. Allocates the content topic and the proof, no more.
pub fn decode_message(bytes: &Bytes) -> Result<WakuMessage, DecodeError> {
    let mut payload = None;
    let mut content_topic = None;
    let mut version = 0;
    let mut timestamp = Timestamp::ZERO;
    let mut meta: &[u8] = &[];
    let mut proof: &[u8] = &[];
    let mut ephemeral = false;
    for field in Fields::new(bytes) {
        match field? {
            (PAYLOAD, Value::Bytes(value)) => payload = Some(value),
            (CONTENT_TOPIC, Value::Bytes(value)) => content_topic = Some(value),
            (VERSION, Value::Varint(value)) => version = narrow(value, "version", u32::MAX)?,
            (TIMESTAMP, Value::Varint(value)) => timestamp = Timestamp::from_nanos(unzigzag(value)),
            (META, Value::Bytes(value)) => meta = value,
            (PROOF, Value::Bytes(value)) => proof = value,
            (EPHEMERAL, Value::Varint(value)) => ephemeral = value != 0,
            _ => {}
        }
    }
    let payload = payload.ok_or(DecodeError::Missing("payload"))?;
    let content_topic = content_topic.ok_or(DecodeError::Missing("content_topic"))?;
    let content_topic = str::from_utf8(content_topic).map_err(|_| DecodeError::ContentTopicNotUtf8)?;
    Ok(WakuMessage {
        payload: bytes.slice_ref(payload),
        content_topic: ContentTopic::new(content_topic)?,
        version,
        timestamp,
        meta: Meta::new(bytes.slice_ref(meta))?,
        ephemeral,
        proof: match proof {
            [] => ProofField::Absent,
            _ => decode_rate_limit_proof(proof).map_or_else(
                |_| ProofField::Malformed(bytes.slice_ref(proof)),
                |proof| ProofField::Present(Box::new(proof)),
            ),
        },
    })
}
