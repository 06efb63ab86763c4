//! The RLN proof a message carries, as opaque fixed-size parts.

use bytes::Bytes;

/// The proof that a message stays inside its sender's quota (17/WAKU2-RLN-RELAY).
///
/// Raw bytes of the right lengths and nothing more: whether the field elements are canonical and
/// the proof holds is decided by `weir-rln`. Field elements are little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitProof {
    /// Groth16 proof over BN254, arkworks compressed: A 32, B 64, C 32 bytes.
    pub proof: [u8; 128],
    /// Root of the membership tree the proof was made against.
    pub merkle_root: [u8; 32],
    /// Epoch number, little-endian in the first 8 bytes, the rest zero.
    pub epoch: [u8; 32],
    /// x of the Shamir share: the hash of the signal.
    pub share_x: [u8; 32],
    /// y of the Shamir share.
    pub share_y: [u8; 32],
    /// Nullifier, equal for two messages that use one message id of one epoch twice.
    pub nullifier: [u8; 32],
    /// Name of the RLN application, zero padded.
    pub rln_identifier: [u8; 32],
}

/// What stands in a message's proof field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ProofField {
    /// No proof.
    #[default]
    Absent,
    /// A proof whose parts have the right lengths.
    Present(Box<RateLimitProof>),
    /// Bytes that are not a proof. Kept, so that the message can be shown and hashed as received.
    Malformed(Bytes),
}

impl ProofField {
    /// The proof, if there is one of the right shape.
    pub fn as_proof(&self) -> Option<&RateLimitProof> {
        match self {
            Self::Present(proof) => Some(proof),
            Self::Absent | Self::Malformed(_) => None,
        }
    }
}
