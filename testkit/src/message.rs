//! Messages that differ from each other and are easy to tell apart.

use bytes::Bytes;
use weir_core::{ContentTopic, Meta, ProofField, Timestamp, WakuMessage};

/// The content topic of every generated message.
pub const CONTENT_TOPIC: &str = "/weir-test/1/testkit/proto";

/// A message without a proof.
pub fn message(payload: impl Into<Bytes>, timestamp: Timestamp) -> WakuMessage {
    WakuMessage {
        payload: payload.into(),
        content_topic: ContentTopic::new(CONTENT_TOPIC).expect("the constant is a content topic"),
        version: 0,
        timestamp,
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}

/// `length` bytes, no 256 of which repeat the 256 before them, so that a shifted or repeated part
/// shows.
pub fn payload(length: usize) -> Vec<u8> {
    // The low byte of i + i / 256: a run of all values whose start moves by one each time.
    (0..length).map(|i| (i + i / 256).to_le_bytes()[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_payload_is_the_part_before() {
        let bytes = payload(256 * 20);
        assert_eq!(bytes.len(), 256 * 20);
        assert!(bytes.chunks(256).zip(bytes.chunks(256).skip(1)).all(|(a, b)| a != b));
    }
}
