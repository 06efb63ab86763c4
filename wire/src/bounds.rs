//! Bounds that the request and response protocols share.

use std::str;

use weir_core::PubsubTopic;

use crate::DecodeError;

/// Longest request id in bytes that is given back; clients use 20 to 36.
const MAX_REQUEST_ID: usize = 256;

/// Refuses what is longer than `max` bytes.
pub(crate) fn within(bytes: &[u8], field: &'static str, max: usize) -> Result<(), DecodeError> {
    if bytes.len() <= max {
        return Ok(());
    }
    Err(DecodeError::Range { field, max: max as u64, value: bytes.len() as u64 })
}

/// A request id as text.
pub(crate) fn request_id_from(bytes: &[u8]) -> Result<String, DecodeError> {
    within(bytes, "request_id", MAX_REQUEST_ID)?;
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::NotUtf8("request_id"))
}

/// A pubsub topic that has to be a shard.
pub(crate) fn needed_pubsub_topic(bytes: &[u8]) -> Result<PubsubTopic, DecodeError> {
    let topic = str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8("pubsub_topic"))?;
    Ok(topic.parse::<PubsubTopic>()?)
}
