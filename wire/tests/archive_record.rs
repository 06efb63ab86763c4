//! Records of an export: their golden bytes, and what is refused.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use weir_core::{ContentTopic, Meta, ProofField, Timestamp, WakuMessage, store::StoredMessage};
use weir_wire::{
    ArchiveRecordError, DecodeError, decode_archive_record, encode_archive_record,
    framing::{Prefix, read_prefix},
};

/// nwaku's test message on `/waku/2/rs/0/0`: the length, then the hash of its digest tests, the bytes of the
/// reference (waku-wire.md 2.2) and the topic.
const RECORD: &str = concat!(
    "75",
    "0a20",
    "cccab07fed94181c83937c8ca8340c9108492b7ede354a6d95421ad34141fd37",
    "1241",
    "0a0c010203045445535405060708121d2f77616b752f322f64656661756c742d636f6e74656e742f70726f746f",
    "1800508090fca3f4efc4d72e5a00aa0100f80100",
    "1a0e2f77616b752f322f72732f302f30",
);

fn message(payload: Vec<u8>, seconds: i64) -> StoredMessage {
    let message = WakuMessage {
        payload: payload.into(),
        content_topic: ContentTopic::new("/waku/2/default-content/proto").expect("topic"),
        version: 0,
        timestamp: Timestamp::from_secs(seconds),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    };
    StoredMessage::new("/waku/2/rs/0/0".parse().expect("topic"), message)
}

fn vector() -> StoredMessage {
    message(hex::decode("010203045445535405060708").expect("hex"), 1_681_964_442)
}

/// The body of the record at the front of `frame`.
fn body(frame: &Bytes) -> Bytes {
    let Ok(Prefix::Frame { header, length }) = read_prefix(frame, usize::MAX) else { panic!("no frame") };
    frame.slice(header..header + length)
}

#[test]
fn a_record_is_a_frame_of_hash_message_and_topic() {
    assert_eq!(hex::encode(encode_archive_record(&vector())), RECORD);
    let record = Bytes::from(hex::decode(RECORD).expect("hex"));
    assert_eq!(decode_archive_record(&body(&record)), Ok(vector()));
}

#[test]
fn a_message_under_another_hash_is_refused_with_both() {
    let mut record = body(&encode_archive_record(&vector())).to_vec();
    record[2] ^= 1;
    let Err(ArchiveRecordError::WrongHash { named, actual }) = decode_archive_record(&record.into()) else {
        panic!("expected a wrong hash");
    };
    assert_eq!(actual, vector().hash);
    assert_eq!(named.as_bytes()[1..], actual.as_bytes()[1..]);
}

#[test]
fn a_record_without_a_part_is_refused() {
    let hash = format!("0a20{}", "07".repeat(32));
    let decode = |hex: &str| decode_archive_record(&hex::decode(hex).expect("hex").into());
    assert_eq!(decode(&hash), Err(ArchiveRecordError::NoMessage));
    assert_eq!(decode(""), Err(DecodeError::Missing("message_hash").into()));
    assert_eq!(decode(&format!("{hash}1203")), Err(DecodeError::Truncated.into()));
    let other_topic = format!("{hash}1a{:02x}{}", 5, hex::encode("/a/b/"));
    assert!(matches!(decode(&other_topic), Err(ArchiveRecordError::Malformed(DecodeError::PubsubTopic(_)))));
}

proptest! {
    #[test]
    fn records_survive_the_stream(payload in vec(any::<u8>(), 0..300), seconds in any::<i32>()) {
        let message = message(payload, seconds.into());
        prop_assert_eq!(decode_archive_record(&body(&encode_archive_record(&message))), Ok(message));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(body in vec(any::<u8>(), 0..200)) {
        let _ = decode_archive_record(&body.into());
    }
}
