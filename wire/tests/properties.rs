//! What holds for every value and for every input.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use weir_core::{ClusterId, ContentTopic, Meta, ProofField, RateLimitProof, ShardId, Timestamp, WakuMessage};
use weir_wire::{
    Metadata, decode_message, decode_rate_limit_proof, encode_message, encode_rate_limit_proof, encoded_len,
    framing::{FrameError, MAX_PREFIX_LENGTH, Prefix, encode_frame, read_prefix},
};

fn any_proof() -> impl Strategy<Value = RateLimitProof> {
    (vec(any::<u8>(), 128), any::<[[u8; 32]; 6]>()).prop_map(|(proof, [a, b, c, d, e, f])| RateLimitProof {
        proof: proof.try_into().expect("128 bytes"),
        merkle_root: a,
        epoch: b,
        share_x: c,
        share_y: d,
        nullifier: e,
        rln_identifier: f,
    })
}

fn any_proof_field() -> impl Strategy<Value = ProofField> {
    prop_oneof![
        Just(ProofField::Absent),
        any_proof().prop_map(|proof| ProofField::Present(Box::new(proof))),
        // Too short to be a proof.
        vec(any::<u8>(), 1..300).prop_map(|bytes| ProofField::Malformed(bytes.into())),
    ]
}

prop_compose! {
    fn any_message()(
        payload in vec(any::<u8>(), 0..2000),
        content_topic in "[^\\s]\\PC{0,40}",
        version in prop_oneof![Just(0), any::<u32>()],
        timestamp in prop_oneof![Just(0), any::<i64>()],
        meta in vec(any::<u8>(), 0..=64),
        ephemeral: bool,
        proof in any_proof_field(),
    ) -> WakuMessage {
        WakuMessage {
            payload: payload.into(),
            content_topic: ContentTopic::new(&content_topic).expect("not blank and short"),
            version,
            timestamp: Timestamp::from_nanos(timestamp),
            meta: Meta::new(meta.into()).expect("short"),
            ephemeral,
            proof,
        }
    }
}

/// Splits an encoded message between its fields.
fn split_fields(encoded: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    let mut rest = encoded;
    while !rest.is_empty() {
        let (tag, mut end) = take_varint(rest);
        let (number, length) = take_varint(&rest[end..]);
        end += length + if tag & 7 == 2 { number as usize } else { 0 };
        fields.push(rest[..end].to_vec());
        rest = &rest[end..];
    }
    fields
}

fn take_varint(bytes: &[u8]) -> (u64, usize) {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0).expect("a varint ends") + 1;
    let value = bytes[..length].iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    (value, length)
}

proptest! {
    #[test]
    fn a_message_decodes_to_what_was_encoded(message in any_message()) {
        let encoded = encode_message(&message);
        prop_assert_eq!(encoded_len(&message), encoded.len());
        prop_assert_eq!(decode_message(&encoded), Ok(message));
    }

    #[test]
    fn a_message_of_an_encoder_that_elides_defaults_and_orders_fields_its_own_way_decodes_alike(
        (message, fields) in any_message().prop_flat_map(|message| {
            let fields = split_fields(&encode_message(&message));
            assert_eq!(fields.len(), 7);
            (Just(message), Just(fields).prop_shuffle())
        }),
    ) {
        // Version, timestamp, meta, proof and ephemeral; the readers demand payload and content topic.
        let defaults: [&[u8]; 5] =
            [&[0x18, 0], &[0x50, 0], &[0x5a, 0], &[0xaa, 0x01, 0], &[0xf8, 0x01, 0]];
        let elided: Vec<u8> = fields
            .into_iter()
            .filter(|field| !defaults.contains(&&field[..]))
            .flatten()
            .collect();
        prop_assert_eq!(decode_message(&elided.into()), Ok(message));
    }

    #[test]
    fn a_proof_decodes_to_what_was_encoded(proof in any_proof()) {
        prop_assert_eq!(decode_rate_limit_proof(&encode_rate_limit_proof(&proof)), Ok(proof));
    }

    #[test]
    fn metadata_decodes_to_what_was_encoded(cluster: Option<u16>, shards in vec(any::<u16>(), 0..=145)) {
        // A shard takes at most 4 bytes in field 2 and 3 in field 3, so 145 of them always fit.
        let metadata =
            Metadata { cluster: cluster.map(ClusterId), shards: shards.into_iter().map(ShardId).collect() };
        let body = metadata.encode().expect("fits");
        prop_assert_eq!(Metadata::decode(&body), Ok(metadata));
    }

    #[test]
    fn a_frame_is_its_length_and_its_body(body in vec(any::<u8>(), 0..20_000)) {
        let frame = encode_frame(&body);
        let Ok(Prefix::Frame { header, length }) = read_prefix(&frame, body.len()) else {
            panic!("a frame of the limit's length is read");
        };
        prop_assert_eq!(length, body.len());
        prop_assert_eq!(&frame[header..], &body[..]);
        for short in 0..header {
            prop_assert_eq!(read_prefix(&frame[..short], body.len()), Ok(Prefix::Incomplete));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..1200), limit: usize) {
        decode_everything(&bytes.into(), limit);
    }

    #[test]
    fn valid_bytes_with_one_changed_and_the_end_cut_off_never_panic(
        message in any_message(),
        position: prop::sample::Index,
        byte: u8,
        end: prop::sample::Index,
    ) {
        let mut bytes = encode_message(&message).to_vec();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        bytes.truncate(end.index(bytes.len()) + 1);
        decode_everything(&bytes.into(), usize::MAX);
    }
}

fn decode_everything(bytes: &Bytes, limit: usize) {
    let _ = decode_message(bytes);
    let _ = decode_rate_limit_proof(bytes);
    let _ = Metadata::decode(bytes);
    if let Ok(Prefix::Frame { header, length }) = read_prefix(bytes, limit) {
        assert!(header <= MAX_PREFIX_LENGTH && length <= limit);
    }
}

#[test]
fn a_frame_above_the_limit_is_refused_by_its_prefix_alone() {
    let limit = 153_600;
    // Five bytes, padded with zeros where fewer would do.
    let announced = |length: u64| {
        let mut prefix = [0; 5];
        for (index, byte) in prefix.iter_mut().enumerate() {
            *byte = (length >> (7 * index)) as u8 & 0x7f | if index < 4 { 0x80 } else { 0 };
        }
        prefix
    };
    assert_eq!(read_prefix(&announced(153_600), limit), Ok(Prefix::Frame { header: 5, length: 153_600 }));
    for length in [153_601, 1 << 30] {
        assert_eq!(
            read_prefix(&announced(length), limit),
            Err(FrameError::TooLong { announced: length, limit })
        );
    }
    assert_eq!(read_prefix(&[0xff; 8], limit), Ok(Prefix::Incomplete));
    assert_eq!(read_prefix(&[0xff; 9], limit), Err(FrameError::PrefixTooLong));
}
