//! Frames of the request and response protocols: a varint length, then that many bytes.
//!
//! [`read_prefix`] looks at the first bytes of a stream and refuses a frame beyond the protocol's
//! limit before anything is allocated for it.

use bytes::Bytes;

use crate::varint::{self, VarintError};

/// Longest length prefix in bytes: 9 groups of 7 bits, the bound of the multiformats unsigned varint.
pub const MAX_PREFIX_LENGTH: usize = 9;

/// What the beginning of a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// More bytes are needed to know; never asked for beyond [`MAX_PREFIX_LENGTH`].
    Incomplete,
    /// The prefix is complete and within the limit.
    Frame {
        /// Bytes the prefix takes.
        header: usize,
        /// Bytes the body takes.
        length: usize,
    },
}

/// Why a stream is not a frame, or not one to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The prefix does not end within [`MAX_PREFIX_LENGTH`] bytes.
    #[error("the length prefix does not end within {MAX_PREFIX_LENGTH} bytes")]
    PrefixTooLong,
    /// The frame is longer than the protocol allows.
    #[error("a frame of {announced} bytes was announced; at most {limit} are allowed")]
    TooLong {
        /// Bytes announced.
        announced: u64,
        /// Bytes allowed.
        limit: usize,
    },
}

/// Puts the length in front of `body`.
pub fn encode_frame(body: &[u8]) -> Bytes {
    let length = body.len() as u64;
    let mut frame = Vec::with_capacity(varint::length(length) + body.len());
    varint::write(length, &mut frame);
    frame.extend_from_slice(body);
    frame.into()
}

/// Reads the length prefix at the front of `buf`, of a frame with a body of at most `limit` bytes.
pub fn read_prefix(buf: &[u8], limit: usize) -> Result<Prefix, FrameError> {
    let (announced, header) = match varint::read(buf, MAX_PREFIX_LENGTH) {
        Ok(prefix) => prefix,
        Err(VarintError::Incomplete) => return Ok(Prefix::Incomplete),
        Err(VarintError::TooLong) => return Err(FrameError::PrefixTooLong),
    };
    match usize::try_from(announced) {
        Ok(length) if length <= limit => Ok(Prefix::Frame { header, length }),
        _ => Err(FrameError::TooLong { announced, limit }),
    }
}
