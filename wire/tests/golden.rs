//! Bytes of other implementations and the rules of their readers, one by one.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use weir_core::{
    ClusterId, ContentTopic, ContentTopicError, Meta, MetaTooLong, ProofField, RateLimitProof, ShardId,
    Timestamp, WakuMessage,
};
use weir_wire::{
    DecodeError, METADATA_MAX_FRAME, Metadata, MetadataTooLong, decode_message, decode_rate_limit_proof,
    encode_message, encode_rate_limit_proof,
};

/// Payload `p`, content topic `t`: the least that is a message.
const LEAST: &str = "0a0170120174";

fn bytes(hex: &str) -> Bytes {
    hex::decode(hex).expect("hex").into()
}

fn decode(hex: &str) -> Result<WakuMessage, DecodeError> {
    decode_message(&bytes(hex))
}

/// The message of the vectors in 14/WAKU2-MESSAGE.
fn vector_message(meta: &'static [u8], ephemeral: bool) -> WakuMessage {
    WakuMessage {
        payload: bytes("010203045445535405060708"),
        content_topic: ContentTopic::new("/waku/2/default-content/proto").expect("topic"),
        version: 0,
        timestamp: Timestamp::from_secs(1_681_964_442),
        meta: Meta::new(Bytes::from_static(meta)).expect("short"),
        ephemeral,
        proof: ProofField::Absent,
    }
}

fn least_message() -> WakuMessage {
    WakuMessage {
        payload: Bytes::from_static(b"p"),
        content_topic: ContentTopic::new("t").expect("topic"),
        version: 0,
        timestamp: Timestamp::ZERO,
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}

fn proof() -> RateLimitProof {
    RateLimitProof {
        proof: [1; 128],
        merkle_root: [2; 32],
        epoch: [3; 32],
        share_x: [4; 32],
        share_y: [5; 32],
        nullifier: [6; 32],
        rln_identifier: [7; 32],
    }
}

/// The proof field by field, as hex.
fn proof_fields() -> [String; 7] {
    std::array::from_fn(|index| {
        let number = index as u8 + 1;
        let (length, size) = if number == 1 { ("8001", 128) } else { ("20", 32) };
        format!("{:02x}{length}{}", number << 3 | 2, hex::encode(vec![number; size]))
    })
}

#[test]
fn messages_agree_with_nwaku_byte_for_byte() {
    let head = "0a0c010203045445535405060708121d2f77616b752f322f64656661756c742d636f6e74656e742f70726f746f\
                1800508090fca3f4efc4d72e";
    let vectors = [
        (
            vector_message(b"", false),
            format!("{head}5a00aa0100f80100"),
            "8b26f2043c45235217e611de98699e1fe436b288e0278c2762707b1aaa983c51",
        ),
        (
            vector_message(b"super-secret", true),
            format!("{head}5a0c73757065722d736563726574aa0100f80101"),
            "416fb1c6c5c21c189ad3517c11685d8e75937b9b23c4daea1de6e2b79d96d732",
        ),
    ];
    for (message, expected, gossip_id) in vectors {
        let encoded = encode_message(&message);
        assert_eq!(hex::encode(&encoded), expected);
        assert_eq!(hex::encode(Sha256::digest(&encoded)), gossip_id);
        assert_eq!(decode_message(&encoded), Ok(message));
    }
}

#[test]
fn a_proof_is_seven_fields_of_fixed_size_nested_in_field_21() {
    let expected = proof_fields().concat();
    let encoded = encode_rate_limit_proof(&proof());
    assert_eq!(hex::encode(&encoded), expected);
    assert_eq!(encoded.len(), 335);
    assert_eq!(decode_rate_limit_proof(&encoded), Ok(proof()));

    let message = WakuMessage { proof: ProofField::Present(Box::new(proof())), ..least_message() };
    let encoded = encode_message(&message);
    assert_eq!(hex::encode(&encoded), format!("{LEAST}180050005a00aa01cf02{expected}f80100"));
    assert_eq!(decode_message(&encoded), Ok(message));
}

#[test]
fn a_proof_with_a_part_missing_or_of_another_size_is_refused() {
    let names = ["proof", "merkle_root", "epoch", "share_x", "share_y", "nullifier", "rln_identifier"];
    for (index, name) in names.into_iter().enumerate() {
        let mut fields = proof_fields();
        fields[index].clear();
        assert_eq!(
            decode_rate_limit_proof(&bytes(&fields.concat())),
            Err(DecodeError::Missing(name)),
            "{name}"
        );
        for size in [0, 31, 33, 127] {
            fields[index] = format!("{:02x}{size:02x}{}", (index + 1) << 3 | 2, "00".repeat(size));
            let expected = if index == 0 { 128 } else { 32 };
            assert_eq!(
                decode_rate_limit_proof(&bytes(&fields.concat())),
                Err(DecodeError::Length { field: name, expected, actual: size })
            );
        }
    }
}

#[test]
fn an_empty_proof_field_is_no_proof_and_another_one_is_kept_as_it_came() {
    let cases = [
        ("", ProofField::Absent),
        ("aa0100", ProofField::Absent),
        ("aa0103070809", ProofField::Malformed(Bytes::from_static(&[7, 8, 9]))),
        ("aa0103070809aa0100", ProofField::Absent),
    ];
    for (field, proof) in cases {
        assert_eq!(decode(&format!("{LEAST}{field}")), Ok(WakuMessage { proof, ..least_message() }));
    }
    let malformed = format!("{LEAST}180050005a00aa0103070809f80100");
    let message = decode(&malformed).expect("decodes");
    assert_eq!(hex::encode(encode_message(&message)), malformed);
}

#[test]
fn fields_left_out_by_an_encoder_that_elides_defaults_are_what_was_sent() {
    let elided = bytes("0a0170120174508090fca3f4efc4d72e");
    let sent = WakuMessage { timestamp: Timestamp::from_secs(1_681_964_442), ..least_message() };
    assert_eq!(decode_message(&elided), Ok(sent.clone()));
    // Which is why a relay forwards the bytes and not the message: the gossip ids differ.
    assert_ne!(encode_message(&sent), elided);
}

#[test]
fn payload_and_content_topic_have_to_be_present_but_the_payload_may_be_empty() {
    assert_eq!(decode(""), Err(DecodeError::Missing("payload")));
    assert_eq!(decode("120174"), Err(DecodeError::Missing("payload")));
    assert_eq!(decode("0a0170"), Err(DecodeError::Missing("content_topic")));
    assert_eq!(decode("0a00120174"), Ok(WakuMessage { payload: Bytes::new(), ..least_message() }));
    assert_eq!(decode("0a01701200"), Err(DecodeError::ContentTopic(ContentTopicError::Blank)));
    assert_eq!(decode("0a01701201ff"), Err(DecodeError::ContentTopicNotUtf8));
}

#[test]
fn the_last_occurrence_of_a_field_wins() {
    let twice = "0a0171120175 1801 5002 5a026d6d aa010101 f80101".replace(' ', "");
    let expected = decode(LEAST).expect("decodes");
    assert_eq!(decode(&format!("{twice}{LEAST}180050005a00aa0100f80100")), Ok(expected));
}

#[test]
fn known_fields_of_another_wire_type_and_unknown_fields_are_skipped() {
    let skipped = [
        "0805",                   // payload as varint
        "0d00000000",             // payload as fixed32
        "1105000000000000 00",    // content topic as fixed64
        "1a0101",                 // version as bytes
        "5100000000000000 00",    // timestamp as fixed64
        "5801",                   // meta as varint
        "fa010101",               // ephemeral as bytes
        "2001",                   // field 4
        "0001",                   // field 0
        "f8ffffff0f01",           // field 2^29 - 1
        "f8ffffffffffffffff0101", // a number no field can have
    ];
    for field in skipped {
        let field = field.replace(' ', "");
        assert_eq!(decode(&format!("{LEAST}{field}")), Ok(least_message()), "{field}");
    }
    assert_eq!(decode("0805120174"), Err(DecodeError::Missing("payload")));
}

#[test]
fn each_malformed_message_names_its_rule() {
    let range = DecodeError::Range { field: "version", max: u32::MAX.into(), value: 1 << 32 };
    let cases = [
        ("0b".to_owned(), DecodeError::WireType(3)),
        ("0c".to_owned(), DecodeError::WireType(4)),
        ("0e".to_owned(), DecodeError::WireType(6)),
        ("0f".to_owned(), DecodeError::WireType(7)),
        (format!("18{}00", "80".repeat(10)), DecodeError::VarintTooLong),
        (format!("{}00", "88".repeat(10)), DecodeError::VarintTooLong),
        ("188080808010".to_owned(), range),
        ("18".to_owned(), DecodeError::Truncated),
        ("1880".to_owned(), DecodeError::Truncated),
        ("0a02ff".to_owned(), DecodeError::Truncated),
        ("0affffffffffffffffff01".to_owned(), DecodeError::Truncated),
        ("0d000000".to_owned(), DecodeError::Truncated),
        ("0900000000000000".to_owned(), DecodeError::Truncated),
        (format!("5a41{}", "00".repeat(65)), DecodeError::Meta(MetaTooLong(65))),
        (format!("128108{}", "61".repeat(1025)), DecodeError::ContentTopic(ContentTopicError::TooLong(1025))),
    ];
    for (field, error) in cases {
        assert_eq!(decode(&format!("{LEAST}{field}")), Err(error), "{field}");
    }
}

#[test]
fn numbers_are_read_in_full_width() {
    let timestamp = |nanos| Ok(WakuMessage { timestamp: Timestamp::from_nanos(nanos), ..least_message() });
    assert_eq!(decode(&format!("{LEAST}5001")), timestamp(-1));
    assert_eq!(decode(&format!("{LEAST}50ffffffffffffffffff01")), timestamp(i64::MIN));
    assert_eq!(decode(&format!("{LEAST}50feffffffffffffffff01")), timestamp(i64::MAX));
    let version = WakuMessage { version: u32::MAX, ..least_message() };
    assert_eq!(decode(&format!("{LEAST}18ffffffff0f")), Ok(version));
    for (varint, ephemeral) in [("00", false), ("8000", false), ("01", true), ("8002", true)] {
        let expected = WakuMessage { ephemeral, ..least_message() };
        assert_eq!(decode(&format!("{LEAST}f801{varint}")), Ok(expected), "{varint}");
    }
    assert!(decode(&format!("{LEAST}5a40{}", "00".repeat(64))).is_ok());
}

#[test]
fn the_payload_is_a_slice_of_the_received_buffer() {
    let payload = vec![7; 150 * 1024];
    let encoded = encode_message(&WakuMessage { payload: payload.into(), ..least_message() });
    let decoded = decode_message(&encoded).expect("decodes");
    // Tag and three bytes of length.
    assert_eq!(decoded.payload.as_ptr(), encoded[4..].as_ptr());
}

#[test]
fn metadata_agrees_with_nwaku_byte_for_byte() {
    let vectors: [(Option<u16>, &[u16], &str); 3] = [
        (Some(1), &[], "08011a00"),
        (Some(1), &[0, 1, 7], "08011000100110071a03000107"),
        (None, &[1023], "10ff071a02ff07"),
    ];
    for (cluster, shards, expected) in vectors {
        let metadata = Metadata {
            cluster: cluster.map(ClusterId),
            shards: shards.iter().copied().map(ShardId).collect(),
        };
        let encoded = metadata.encode().expect("fits");
        assert_eq!(hex::encode(&encoded), expected);
        assert_eq!(Metadata::decode(&encoded), Ok(metadata));
    }
}

#[test]
fn shards_are_read_from_packed_3_else_packed_2_else_unpacked_2() {
    let cases: [(&str, &[u16]); 6] = [
        ("1001 120102 1a0103", &[3]),
        ("1001 120102 1a00", &[2]),
        ("1001 120102", &[2]),
        ("1001 1002", &[1, 2]),
        ("1a0103 1a0104", &[3, 4]),
        ("", &[]),
    ];
    for (body, shards) in cases {
        let decoded = Metadata::decode(&bytes(&body.replace(' ', ""))).expect(body);
        assert_eq!(decoded.cluster, None);
        assert_eq!(decoded.shards, shards.iter().copied().map(ShardId).collect::<Vec<_>>(), "{body}");
    }
}

#[test]
fn each_malformed_metadata_names_its_rule() {
    let range = |field| DecodeError::Range { field, max: 65535, value: 65536 };
    let cases = [
        ("08808004", range("cluster_id")),
        ("10808004", range("shards")),
        ("1203808004", range("shards")),
        ("1a03808004", range("shards")),
        ("1a0180", DecodeError::Truncated),
        ("1a02", DecodeError::Truncated),
        ("0b", DecodeError::WireType(3)),
    ];
    for (body, error) in cases {
        assert_eq!(Metadata::decode(&bytes(body)), Err(error), "{body}");
    }
}

#[test]
fn metadata_is_neither_written_nor_read_beyond_1024_bytes() {
    // Field 4, unknown, pads the body.
    let padded = |length: usize| [&[0x22, 0xfd, 0x07][..], &vec![0; length - 3]].concat();
    assert_eq!(Metadata::decode(&padded(METADATA_MAX_FRAME)), Ok(Metadata::default()));
    assert_eq!(
        Metadata::decode(&padded(METADATA_MAX_FRAME + 1)),
        Err(DecodeError::Metadata(MetadataTooLong(METADATA_MAX_FRAME + 1)))
    );
    let of = |count: u16| Metadata {
        cluster: Some(ClusterId(u16::MAX)),
        shards: (0..count).map(|index| ShardId(1023 - index)).collect(),
    };
    assert!(of(200).encode().is_ok());
    assert_eq!(of(204).encode(), Err(MetadataTooLong(4 + 204 * 3 + 3 + 204 * 2)));
}
