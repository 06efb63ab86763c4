//! A proof and its encoding.

use ark_bn254::{G1Affine, G2Affine};
use ark_serialize::CanonicalSerialize;

/// The length of an encoded proof: A and C take 32 bytes each, B takes 64.
pub const PROOF_BYTES: usize = 128;

/// A Groth16 proof. It is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// In G1.
    pub a: G1Affine,
    /// In G2.
    pub b: G2Affine,
    /// In G1.
    pub c: G1Affine,
}

impl Proof {
    /// A, B and C as ark compresses them: x little endian, the sign of y in the highest bit.
    pub fn to_bytes(&self) -> [u8; PROOF_BYTES] {
        let mut bytes = [0; PROOF_BYTES];
        let (a, rest) = bytes.split_at_mut(32);
        let (b, c) = rest.split_at_mut(64);
        let written = self
            .a
            .serialize_compressed(a)
            .and_then(|()| self.b.serialize_compressed(b))
            .and_then(|()| self.c.serialize_compressed(c));
        written.expect("compressed points take 32 and 64 bytes");
        bytes
    }
}
