//! The JSON form of a message, in and out.
//!
//! Reading borrows from the request: the payload's base64 is decoded from the body's bytes straight
//! into the bytes the node passes on.

use std::borrow::Cow;

use base64::{Engine, display::Base64Display, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use weir_core::{ContentTopic, Meta, ProofField, Timestamp, WakuMessage};
use weir_wire::{decode_rate_limit_proof, encode_rate_limit_proof};

use crate::{
    answer::Refusal,
    request::{decode_json, undecodable},
};

/// A message to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewMessage)]
pub(crate) struct NewMessage<'a> {
    /// Standard base64 with padding.
    #[serde(borrow, default)]
    #[schema(value_type = String, format = Byte, required)]
    payload: Option<Text<'a>>,
    /// What the application calls the message.
    #[serde(borrow, default)]
    #[schema(value_type = String, required, example = "/my-app/1/chat/proto")]
    content_topic: Option<Text<'a>>,
    /// Version of the payload's encryption, 0 when left out.
    #[serde(default)]
    version: Option<u32>,
    /// Nanoseconds since the Unix epoch; the node's time when left out or 0.
    #[serde(default)]
    timestamp: Option<i64>,
    /// At most 64 bytes in base64.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = Byte)]
    meta: Option<Text<'a>>,
    /// Whether stores shall not keep the message.
    #[serde(default)]
    ephemeral: Option<bool>,
    /// An RLN proof in base64. A node with a membership makes its own instead.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = Byte)]
    proof: Option<Text<'a>>,
}

/// Text that is borrowed unless JSON escapes are in it; serde does not borrow inside an `Option`
/// without such a type.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A message that was received.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Message)]
pub(crate) struct ReceivedMessage<'a> {
    #[schema(value_type = String, format = Byte)]
    payload: Base64<'a>,
    content_topic: &'a str,
    version: u32,
    /// Nanoseconds since the Unix epoch.
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Byte)]
    meta: Option<Base64<'a>>,
    ephemeral: bool,
    /// The RLN proof. Without one it is empty, and left out of answers of the store; filter leaves it out always.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Byte)]
    proof: Option<Base64<'a>>,
}

/// Bytes that are written as base64.
#[derive(Debug)]
struct Base64<'a>(Cow<'a, [u8]>);

/// Reads the message in a publish request, with `now` for a message without a time.
pub(crate) fn parse(body: &[u8], now: Timestamp) -> Result<WakuMessage, Refusal> {
    // Serde takes a list for an object's values in order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(undecodable("expected an object"));
    }
    let message: NewMessage<'_> = decode_json(body)?;
    message.check(now)
}

impl NewMessage<'_> {
    /// The message, with `now` for one without a time.
    pub(crate) fn check(self, now: Timestamp) -> Result<WakuMessage, Refusal> {
        let payload = not_blank(self.payload)
            .ok_or_else(|| undecodable("Field `payload` is missing or empty"))
            .and_then(|text| decode(&text))?;
        let content_topic = not_blank(self.content_topic)
            .ok_or_else(|| undecodable("Field `contentTopic` is missing or empty"))?;
        let meta = self.meta.map_or_else(|| Ok(Bytes::new()), |text| decode(&text))?;
        let proof = self.proof.map_or_else(|| Ok(Bytes::new()), |text| decode(&text))?;
        let timestamp = Timestamp::from_nanos(self.timestamp.unwrap_or_default());
        Ok(WakuMessage {
            payload,
            content_topic: ContentTopic::new(&content_topic.0)
                .map_err(|error| undecodable(&error.to_string()))?,
            version: self.version.unwrap_or_default(),
            timestamp: if timestamp.is_set() { timestamp } else { now },
            meta: Meta::new(meta).map_err(|error| undecodable(&error.to_string()))?,
            ephemeral: self.ephemeral.unwrap_or_default(),
            proof: proof_field(proof),
        })
    }
}

impl<'a> From<&'a WakuMessage> for ReceivedMessage<'a> {
    fn from(message: &'a WakuMessage) -> Self {
        let meta = message.meta.as_bytes();
        Self {
            payload: Base64(Cow::Borrowed(&message.payload)),
            content_topic: message.content_topic.as_str(),
            version: message.version,
            timestamp: message.timestamp.as_nanos(),
            meta: (!meta.is_empty()).then_some(Base64(Cow::Borrowed(meta))),
            ephemeral: message.ephemeral,
            proof: Some(Base64(match &message.proof {
                ProofField::Absent => Cow::Borrowed(&[]),
                ProofField::Present(proof) => Cow::Owned(encode_rate_limit_proof(proof).into()),
                ProofField::Malformed(bytes) => Cow::Borrowed(bytes),
            })),
        }
    }
}

impl<'a> ReceivedMessage<'a> {
    /// As filter answers it: without the proof.
    pub(crate) fn pushed(message: &'a WakuMessage) -> Self {
        Self { proof: None, ..Self::from(message) }
    }

    /// As the store answers it.
    pub(crate) fn stored(message: &'a WakuMessage) -> Self {
        let received = Self::from(message);
        Self { proof: received.proof.filter(|Base64(bytes)| !bytes.is_empty()), ..received }
    }
}

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &STANDARD))
    }
}

fn not_blank(text: Option<Text<'_>>) -> Option<Text<'_>> {
    text.filter(|Text(text)| !text.trim().is_empty())
}

fn decode(Text(text): &Text<'_>) -> Result<Bytes, Refusal> {
    STANDARD
        .decode(text.as_bytes())
        .map(Bytes::from)
        .map_err(|_| Refusal::bad_request("Incorrect base64 string"))
}

fn proof_field(bytes: Bytes) -> ProofField {
    if bytes.is_empty() {
        return ProofField::Absent;
    }
    match decode_rate_limit_proof(&bytes) {
        Ok(proof) => ProofField::Present(Box::new(proof)),
        Err(_) => ProofField::Malformed(bytes),
    }
}
