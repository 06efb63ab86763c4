//! Proof that a member broke its quota: two of its shares, and the secret they reveal.

use crate::share::line_through;
use crate::{Epoch, IdentityCommitment, IdentitySecret, MerkleRoot, Nullifier, RecoverError, Share};

/// Two signals of one member under one message id, and what follows from them.
///
/// # Invariants
/// Both shares lie on the line whose slope hashes to `nullifier`, and `commitment` is that of
/// `secret`. Anyone who knows the shares can check this; no trust in the reporter is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// When it happened.
    pub epoch: Epoch,
    /// The root the second proof was made against.
    pub root: MerkleRoot,
    /// The line both shares are on.
    pub nullifier: Nullifier,
    /// The share seen first.
    pub first: Share,
    /// The share that broke the quota.
    pub second: Share,
    /// The member's secret.
    pub secret: IdentitySecret,
    /// Whom to remove from the registry.
    pub commitment: IdentityCommitment,
}

/// Why two shares are not evidence. With verified shares neither can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// They reveal no secret.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The line through them is not the one the nullifier names.
    #[error("the line through the shares does not hash to the nullifier, so one of them is not genuine")]
    OtherLine,
}

impl Evidence {
    /// Recovers the secret from two shares and checks that they are of the line `nullifier` names,
    /// which only the secret's owner could have drawn.
    pub fn new(
        epoch: Epoch,
        root: MerkleRoot,
        nullifier: Nullifier,
        first: Share,
        second: Share,
    ) -> Result<Self, EvidenceError> {
        let line = line_through(first, second)?;
        if line.nullifier() != nullifier {
            return Err(EvidenceError::OtherLine);
        }
        let commitment = line.secret.commitment();
        Ok(Self { epoch, root, nullifier, first, second, secret: line.secret, commitment })
    }
}
