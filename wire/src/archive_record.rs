//! One message of an exported archive.
//!
//! An export is a row of frames ([`crate::framing`]) and nothing else; the body of each is the
//! `WakuMessageKeyValue` that a store answers with, hash, message and topic all present. So any protobuf
//! library reads it with the published schema, and two exports put one behind the other are an export.

use bytes::Bytes;
use weir_core::{
    MessageHash,
    store::{Row, StoredMessage},
};

use crate::{
    DecodeError, STORE_RESPONSE_MAX_FRAME,
    framing::encode_frame,
    store::{decode_row, encode_row},
};

/// Longest body of a record in bytes that is read: a message that no answer of a store could carry is in no
/// archive.
pub const ARCHIVE_RECORD_MAX_FRAME: usize = STORE_RESPONSE_MAX_FRAME;

/// Why the body of a frame is not a message of an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveRecordError {
    /// The bytes are no `WakuMessageKeyValue`.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// A hash alone.
    #[error("the message or its pubsub topic is missing")]
    NoMessage,
    /// The message has another hash than the record says: one of them was altered.
    #[error("the message is named {named}, but its hash is {actual}")]
    WrongHash {
        /// As the record has it.
        named: MessageHash,
        /// Of the message on its topic.
        actual: MessageHash,
    },
}

/// Encodes `message` as a frame, the length in front.
pub fn encode_archive_record(message: &StoredMessage) -> Bytes {
    encode_frame(&encode_row(&message.clone().into_row(true)))
}

/// Decodes the body of a frame; the payload shares its buffer. The hash of what comes back is right.
///
/// The size is the caller's to limit, to [`ARCHIVE_RECORD_MAX_FRAME`].
pub fn decode_archive_record(body: &Bytes) -> Result<StoredMessage, ArchiveRecordError> {
    let Row { hash: named, data } = decode_row(body)?;
    let (topic, message) = data.ok_or(ArchiveRecordError::NoMessage)?;
    let stored = StoredMessage::new(topic, message);
    if stored.hash != named {
        return Err(ArchiveRecordError::WrongHash { named, actual: stored.hash });
    }
    Ok(stored)
}
