//! A proof's public values, parsed and not yet believed.

use strum::IntoStaticStr;
use weir_circuits::Statement;
use weir_core::RateLimitProof;

use crate::{
    Epoch, ExternalNullifier, MerkleRoot, NotAnEpoch, NotCanonical, Nullifier, RlnIdentifier, Share, ShareX,
    ShareY,
};

/// What a message's proof claims. Every field is canonical; nothing is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofClaim {
    proof: [u8; 128],
    root: MerkleRoot,
    external_nullifier: ExternalNullifier,
    share: Share,
    nullifier: Nullifier,
    epoch: Epoch,
}

/// The part of a proof that is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ProofField {
    /// The root of the tree.
    MerkleRoot,
    /// The share's x.
    ShareX,
    /// The share's y.
    ShareY,
    /// The nullifier.
    Nullifier,
}

/// Why a proof's parts claim nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// A field element is not canonical.
    #[error("{field} of the proof is not a canonical field element")]
    NonCanonical {
        /// Which one.
        field: ProofField,
    },
    /// The epoch is not a number.
    #[error(transparent)]
    Epoch(#[from] NotAnEpoch),
}

impl ProofClaim {
    /// Parses a proof. The external nullifier is not part of it and follows from the epoch and the
    /// RLN identifier that it names.
    pub fn parse(proof: &RateLimitProof) -> Result<Self, ClaimError> {
        let epoch = Epoch::from_bytes(&proof.epoch)?;
        let identifier = RlnIdentifier::from_bytes(proof.rln_identifier);
        Ok(Self {
            proof: proof.proof,
            root: MerkleRoot::from_bytes(&proof.merkle_root).map_err(in_field(ProofField::MerkleRoot))?,
            external_nullifier: ExternalNullifier::new(epoch, &identifier),
            share: Share {
                x: ShareX::from_bytes(&proof.share_x).map_err(in_field(ProofField::ShareX))?,
                y: ShareY::from_bytes(&proof.share_y).map_err(in_field(ProofField::ShareY))?,
            },
            nullifier: Nullifier::from_bytes(&proof.nullifier).map_err(in_field(ProofField::Nullifier))?,
            epoch,
        })
    }

    /// The Groth16 proof, arkworks compressed.
    pub const fn proof(&self) -> &[u8; 128] {
        &self.proof
    }

    /// The tree the prover claims to be in.
    pub const fn root(&self) -> MerkleRoot {
        self.root
    }

    /// What the message counts against.
    pub const fn external_nullifier(&self) -> ExternalNullifier {
        self.external_nullifier
    }

    /// The share it gives away.
    pub const fn share(&self) -> Share {
        self.share
    }

    /// The line the share is on.
    pub const fn nullifier(&self) -> Nullifier {
        self.nullifier
    }

    /// The epoch it counts in.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The public inputs of the circuit.
    pub(crate) const fn statement(&self) -> Statement {
        Statement {
            root: self.root.0,
            external_nullifier: self.external_nullifier.0,
            x: self.share.x.0,
            y: self.share.y.0,
            nullifier: self.nullifier.0,
        }
    }
}

fn in_field(field: ProofField) -> impl Fn(NotCanonical) -> ClaimError {
    move |NotCanonical| ClaimError::NonCanonical { field }
}
