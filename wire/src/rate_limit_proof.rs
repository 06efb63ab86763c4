//! `RateLimitProof` (17/WAKU2-RLN-RELAY) in protobuf: seven byte fields of fixed size.

use bytes::Bytes;
use weir_core::RateLimitProof;

use crate::{
    DecodeError,
    protobuf::{self, Field, Fields, Value},
};

const PROOF: u64 = 1;
const MERKLE_ROOT: u64 = 2;
const EPOCH: u64 = 3;
const SHARE_X: u64 = 4;
const SHARE_Y: u64 = 5;
const NULLIFIER: u64 = 6;
const RLN_IDENTIFIER: u64 = 7;

/// Encodes a proof as it stands in field 21 of a message.
pub fn encode_rate_limit_proof(proof: &RateLimitProof) -> Bytes {
    protobuf::encode(&fields(proof))
}

/// Decodes the content of field 21. Every part has to be there and have its size.
///
/// nwaku fills parts that are missing or short with zeros and refuses the proof later; the verdict
/// is the same.
pub fn decode_rate_limit_proof(bytes: &[u8]) -> Result<RateLimitProof, DecodeError> {
    let mut parts: [Option<&[u8]>; RLN_IDENTIFIER as usize] = [None; _];
    for field in Fields::new(bytes) {
        if let (number @ PROOF..=RLN_IDENTIFIER, Value::Bytes(value)) = field? {
            parts[(number - PROOF) as usize] = Some(value);
        }
    }
    let [proof, merkle_root, epoch, share_x, share_y, nullifier, rln_identifier] = parts;
    Ok(RateLimitProof {
        proof: sized(proof, "proof")?,
        merkle_root: sized(merkle_root, "merkle_root")?,
        epoch: sized(epoch, "epoch")?,
        share_x: sized(share_x, "share_x")?,
        share_y: sized(share_y, "share_y")?,
        nullifier: sized(nullifier, "nullifier")?,
        rln_identifier: sized(rln_identifier, "rln_identifier")?,
    })
}

/// The fields of `proof`, to nest it in a message.
pub(crate) const fn fields(proof: &RateLimitProof) -> [Field<'_>; 7] {
    [
        Field::Bytes(PROOF, &proof.proof),
        Field::Bytes(MERKLE_ROOT, &proof.merkle_root),
        Field::Bytes(EPOCH, &proof.epoch),
        Field::Bytes(SHARE_X, &proof.share_x),
        Field::Bytes(SHARE_Y, &proof.share_y),
        Field::Bytes(NULLIFIER, &proof.nullifier),
        Field::Bytes(RLN_IDENTIFIER, &proof.rln_identifier),
    ]
}

fn sized<const N: usize>(part: Option<&[u8]>, field: &'static str) -> Result<[u8; N], DecodeError> {
    let part = part.ok_or(DecodeError::Missing(field))?;
    part.try_into().map_err(|_| DecodeError::Length { field, expected: N, actual: part.len() })
}
