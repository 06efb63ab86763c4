//! Statement, witness, and the constraints that tie them together.

use std::fmt;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{TREE_DEPTH, poseidon};

/// Bits of a message id, and of the distance from a message id up to its limit.
pub(crate) const LIMIT_BITS: u32 = 16;

/// What everyone sees: the public inputs of the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// Root of the tree the prover is a member of.
    pub root: Fr,
    /// Names the epoch and the application the message counts in.
    pub external_nullifier: Fr,
    /// Hash of the signal: the x of the prover's Shamir share.
    pub x: Fr,
    /// The y of the prover's Shamir share.
    pub y: Fr,
    /// Equal for two messages that use one message id of one epoch twice, otherwise unlinkable.
    pub nullifier: Fr,
}

/// What only the prover knows.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Witness {
    /// The identity secret, a0 of the line the shares lie on.
    pub secret: Fr,
    /// Messages that the member may send in an epoch.
    pub limit: u32,
    /// Which of them this is, from 0.
    pub message_id: u32,
    /// The way from the member's leaf to the root.
    #[zeroize(skip)]
    pub path: MerkleBranch,
}

/// The siblings of the nodes between a leaf and the root.
///
/// That each step is a bit and that there are [`TREE_DEPTH`] of them are constraints of the circuit;
/// here the type says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerkleBranch {
    /// The sibling at each level, the leaf's first.
    pub siblings: [Fr; TREE_DEPTH],
    /// True where the node on the way is a right child: the bits of the leaf's index, lowest first.
    pub is_right: [bool; TREE_DEPTH],
}

/// The constraint that a witness or a statement breaks. Each variant is one constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The message id does not fit in 16 bits.
    #[error("message id {0} does not fit in {LIMIT_BITS} bits")]
    MessageIdTooWide(u32),
    /// The message id is not below the limit.
    #[error("message id {message_id} is not below the limit of {limit} messages")]
    MessageIdAtLimit {
        /// The id, from 0.
        message_id: u32,
        /// The member's limit.
        limit: u32,
    },
    /// The limit exceeds the message id by more than 2^16, beyond what the comparison can see.
    #[error("limit {0} is too far above the message id to be compared in {LIMIT_BITS} bits")]
    LimitTooWide(u32),
    /// The leaf of this secret and limit does not lead to the root.
    #[error("the path does not lead from the leaf of this identity and limit to the stated root")]
    Root,
    /// The share is not on the line of this secret, epoch and message id.
    #[error("the share's y is not secret + x * slope")]
    Share,
    /// The nullifier is not the hash of the line's slope.
    #[error("the nullifier is not the hash of the slope")]
    Nullifier,
}

/// Whether `witness` proves `statement`: the relation of the circuit, constraint by constraint.
pub fn check(statement: &Statement, witness: &Witness) -> Result<(), Violation> {
    check_limit(witness.message_id, witness.limit)?;
    let expected = evaluate(witness, statement.external_nullifier, statement.x);
    if statement.root != expected.root {
        return Err(Violation::Root);
    }
    if statement.y != expected.y {
        return Err(Violation::Share);
    }
    if statement.nullifier != expected.nullifier {
        return Err(Violation::Nullifier);
    }
    Ok(())
}

/// Whether the comparison in the circuit finds `message_id` below `limit`.
pub(crate) fn check_limit(message_id: u32, limit: u32) -> Result<(), Violation> {
    if message_id >> LIMIT_BITS != 0 {
        return Err(Violation::MessageIdTooWide(message_id));
    }
    if message_id >= limit {
        return Err(Violation::MessageIdAtLimit { message_id, limit });
    }
    if limit - message_id > 1 << LIMIT_BITS {
        return Err(Violation::LimitTooWide(limit));
    }
    Ok(())
}

/// The statement that `witness` proves for a signal that hashes to `x`.
///
/// Whether the message id is within the limit is [`check`]'s question.
pub fn evaluate(witness: &Witness, external_nullifier: Fr, x: Fr) -> Statement {
    let commitment = poseidon(&[witness.secret]);
    let leaf = poseidon(&[commitment, Fr::from(witness.limit)]);
    let slope = slope(witness, external_nullifier);
    Statement {
        root: witness.path.root_of(leaf),
        external_nullifier,
        x,
        y: witness.secret + x * *slope,
        nullifier: poseidon(&[*slope]),
    }
}

/// The y of [`evaluate`] alone: for a message whose other public values are known already.
pub fn share_y(witness: &Witness, external_nullifier: Fr, x: Fr) -> Fr {
    witness.secret + x * *slope(witness, external_nullifier)
}

/// How steep the member's line is for this epoch and message id. With one share it gives the secret
/// away.
fn slope(witness: &Witness, external_nullifier: Fr) -> Zeroizing<Fr> {
    Zeroizing::new(poseidon(&[witness.secret, external_nullifier, Fr::from(witness.message_id)]))
}

impl MerkleBranch {
    /// The root of the tree in which `leaf` stands at the end of this branch.
    pub fn root_of(&self, leaf: Fr) -> Fr {
        self.siblings.iter().zip(self.is_right).fold(leaf, |node, (&sibling, is_right)| {
            if is_right { poseidon(&[sibling, node]) } else { poseidon(&[node, sibling]) }
        })
    }
}

impl Default for MerkleBranch {
    fn default() -> Self {
        Self { siblings: [Fr::ZERO; TREE_DEPTH], is_right: [false; TREE_DEPTH] }
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness([REDACTED])")
    }
}
