//! What is asked for in peer exchange, and what is answered (34/WAKU2-PEER-EXCHANGE).

use bytes::Bytes;

/// Records that one answer can have.
pub const MAX_RECORDS: usize = 60;

/// Longest node record in bytes (EIP-778).
pub const MAX_RECORD_LENGTH: usize = 300;

/// A node record in its binary form, not looked into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EncodedRecord(Bytes);

/// Bytes that are no node record by their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node record has 1 to {MAX_RECORD_LENGTH} bytes, not {0}")]
pub struct RecordLength(pub usize);

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Here are peers, if any.
    Success,
    /// The request is malformed.
    BadRequest,
    /// The client asks too often.
    TooManyRequests,
    /// The node cannot answer now.
    ServiceUnavailable,
    /// A code that has no meaning here.
    Other(u32),
}

const STATUS: [(Status, u32); 4] = [
    (Status::Success, 200),
    (Status::BadRequest, 400),
    (Status::TooManyRequests, 429),
    (Status::ServiceUnavailable, 503),
];

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What came of it.
    pub status: Status,
    /// The same in words, if there is something to say.
    pub description: Option<String>,
    /// Peers, at most [`MAX_RECORDS`].
    pub records: Vec<EncodedRecord>,
}

impl EncodedRecord {
    /// Checks the length.
    pub fn new(bytes: Bytes) -> Result<Self, RecordLength> {
        match bytes.len() {
            1..=MAX_RECORD_LENGTH => Ok(Self(bytes)),
            length => Err(RecordLength(length)),
        }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
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
            known => STATUS.iter().find(|row| row.0 == known).map_or(0, |row| row.1),
        }
    }
}

impl Answer {
    /// Without peers.
    pub const fn refused(status: Status, description: Option<String>) -> Self {
        Self { status, description, records: Vec::new() }
    }

    /// The client asks too often; live nodes say no more.
    pub const fn rate_limited() -> Self {
        Self::refused(Status::TooManyRequests, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_by_its_code_and_others_keep_theirs() {
        for (status, code) in STATUS {
            assert_eq!((Status::from_code(code), status.code()), (status, code));
        }
        assert_eq!((Status::from_code(599), Status::Other(599).code()), (Status::Other(599), 599));
    }

    #[test]
    fn a_record_has_1_to_300_bytes() {
        let record = |length| EncodedRecord::new(vec![0; length].into()).map(|_| ());
        assert_eq!(record(0), Err(RecordLength(0)));
        assert_eq!((record(1), record(300)), (Ok(()), Ok(())));
        assert_eq!(record(301), Err(RecordLength(301)));
    }
}
