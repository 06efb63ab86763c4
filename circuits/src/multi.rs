//! The relation with several message ids: what one proof for up to [`MAX_MESSAGES`] messages proves.
//!
//! It has a slot for each of them. A slot in use obeys what [`crate::check`] says of one message; the
//! outputs of the others are zero. The circuit is circom-rln's `RLN(20, 16, 4)`, whose key is
//! [`RLN_V2_DEPTH_20_MULTI_4`](crate::RLN_V2_DEPTH_20_MULTI_4).

use std::{array, fmt};

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{MerkleBranch, Violation, poseidon, relation};

/// Slots in a proof.
pub const MAX_MESSAGES: usize = 4;

/// What everyone sees: the public inputs of the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MultiStatement {
    /// Root of the tree the prover is a member of.
    pub root: Fr,
    /// Names the epoch and the application the messages count in.
    pub external_nullifier: Fr,
    /// Hash of the signal, the same for all slots.
    pub x: Fr,
    /// Which slots are in use.
    pub is_used: [bool; MAX_MESSAGES],
    /// The share's height in each slot, zero where it is not in use.
    pub y: [Fr; MAX_MESSAGES],
    /// The nullifier in each slot, zero where it is not in use.
    pub nullifier: [Fr; MAX_MESSAGES],
}

/// What only the prover knows.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct MultiWitness {
    /// The identity secret.
    pub secret: Fr,
    /// Messages that the member may send in an epoch.
    pub limit: u32,
    /// A message id for each slot. Those not in use may hold any.
    pub message_ids: [u32; MAX_MESSAGES],
    /// The way from the member's leaf to the root.
    #[zeroize(skip)]
    pub path: MerkleBranch,
}

/// The constraint that a witness or a statement breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MultiViolation {
    /// No slot is in use: the proof would cost nothing of the limit.
    #[error("no message is proven")]
    NoMessage,
    /// The leaf of this secret and limit does not lead to the root.
    #[error("the path does not lead from the leaf of this identity and limit to the stated root")]
    Root,
    /// A slot breaks a constraint that a single message would.
    #[error("slot {slot}: {violation}")]
    Slot {
        /// Which, from 0.
        slot: usize,
        /// What it breaks.
        violation: Violation,
    },
    /// Two slots in use have one message id.
    #[error("slots {first} and {second} have the same message id")]
    RepeatedMessageId {
        /// A slot.
        first: usize,
        /// A later one.
        second: usize,
    },
}

/// Whether `witness` proves `statement`.
pub fn check(statement: &MultiStatement, witness: &MultiWitness) -> Result<(), MultiViolation> {
    if statement.is_used == [false; MAX_MESSAGES] {
        return Err(MultiViolation::NoMessage);
    }
    let expected = evaluate(witness, statement.is_used, statement.external_nullifier, statement.x);
    if statement.root != expected.root {
        return Err(MultiViolation::Root);
    }
    for slot in 0..MAX_MESSAGES {
        let in_slot = |violation| MultiViolation::Slot { slot, violation };
        check_limit(statement.is_used[slot], witness.message_ids[slot], witness.limit).map_err(in_slot)?;
        if statement.y[slot] != expected.y[slot] {
            return Err(in_slot(Violation::Share));
        }
        if statement.nullifier[slot] != expected.nullifier[slot] {
            return Err(in_slot(Violation::Nullifier));
        }
    }
    check_distinct(statement.is_used, witness.message_ids)
}

/// In a slot that is not in use zero is looked at in place of the message id. It need not be below the
/// limit, but the limit must still be one that the comparison can see.
fn check_limit(is_used: bool, message_id: u32, limit: u32) -> Result<(), Violation> {
    match (is_used, limit) {
        (true, _) => relation::check_limit(message_id, limit),
        (false, 0) => Ok(()),
        (false, _) => relation::check_limit(0, limit),
    }
}

fn check_distinct(
    is_used: [bool; MAX_MESSAGES],
    message_ids: [u32; MAX_MESSAGES],
) -> Result<(), MultiViolation> {
    for second in 0..MAX_MESSAGES {
        for first in 0..second {
            if is_used[first] && is_used[second] && message_ids[first] == message_ids[second] {
                return Err(MultiViolation::RepeatedMessageId { first, second });
            }
        }
    }
    Ok(())
}

/// The statement that `witness` proves for a signal that hashes to `x` with the slots `is_used`.
///
/// Whether the message ids are within the limit and distinct is [`check`]'s question.
pub fn evaluate(
    witness: &MultiWitness,
    is_used: [bool; MAX_MESSAGES],
    external_nullifier: Fr,
    x: Fr,
) -> MultiStatement {
    let leaf = poseidon(&[poseidon(&[witness.secret]), Fr::from(witness.limit)]);
    let slot = |slot: usize| {
        if !is_used[slot] {
            return (Fr::ZERO, Fr::ZERO);
        }
        let message_id = Fr::from(witness.message_ids[slot]);
        let mut slope = poseidon(&[witness.secret, external_nullifier, message_id]);
        let output = (witness.secret + x * slope, poseidon(&[slope]));
        slope.zeroize();
        output
    };
    let slots: [(Fr, Fr); MAX_MESSAGES] = array::from_fn(slot);
    MultiStatement {
        root: witness.path.root_of(leaf),
        external_nullifier,
        x,
        is_used,
        y: slots.map(|(y, _)| y),
        nullifier: slots.map(|(_, nullifier)| nullifier),
    }
}

impl fmt::Debug for MultiWitness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MultiWitness([REDACTED])")
    }
}
