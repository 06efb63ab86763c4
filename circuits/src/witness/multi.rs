//! The wires of the circuit for several message ids, in the order of its published key.

use std::array;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

use super::{
    Assignment,
    line::LineLayout,
    membership::MembershipLayout,
    poseidon::wire_count,
    range::{BIT_WIRES, RangeLayout},
};
use crate::{
    TREE_DEPTH,
    multi::{MAX_MESSAGES, MultiStatement, MultiWitness},
};

/// Pairs of slots.
const PAIRS: usize = MAX_MESSAGES * (MAX_MESSAGES - 1) / 2;

// Wire 0 is always one.
const Y: usize = 1;
const ROOT: usize = Y + MAX_MESSAGES;
const NULLIFIER: usize = ROOT + 1;
const X: usize = NULLIFIER + MAX_MESSAGES;
const EXTERNAL_NULLIFIER: usize = X + 1;
const IS_USED: usize = EXTERNAL_NULLIFIER + 1;
const SECRET: usize = IS_USED + MAX_MESSAGES;
const LIMIT: usize = SECRET + 1;
const MESSAGE_ID: usize = LIMIT + 1;
const SIBLINGS: usize = MESSAGE_ID + MAX_MESSAGES;
const IS_RIGHT: usize = SIBLINGS + TREE_DEPTH;
const COMMITMENT: usize = IS_RIGHT + TREE_DEPTH;
const LEAF: usize = COMMITMENT + 1;
/// Whether both slots of a pair are in use.
const BOTH_USED: usize = LEAF + 1;
/// Whether the slots of a pair have the same message id.
const SAME_ID: usize = BOTH_USED + PAIRS;
const SLOPE: usize = SAME_ID + PAIRS;
/// The heights of the shares, whether in use or not.
const SHARE: usize = SLOPE + MAX_MESSAGES;
/// The nullifiers, whether in use or not.
const SLOT_NULLIFIER: usize = SHARE + MAX_MESSAGES;
const ACTIVE_LIMIT: usize = SLOT_NULLIFIER + MAX_MESSAGES;
/// A slot's message id or zero, its bits, whether it is below the limit, and the distance's bits.
const ACTIVE_LIMIT_WIRES: usize = 1 + BIT_WIRES + 1 + BIT_WIRES;
/// The inverse of the number of slots in use.
const USED_INVERSE: usize = ACTIVE_LIMIT + MAX_MESSAGES * ACTIVE_LIMIT_WIRES;
/// The inverse of the difference of a pair's message ids.
const DIFFERENCE_INVERSE: usize = USED_INVERSE + 1;
const CHILDREN: usize = DIFFERENCE_INVERSE + PAIRS;
const NODES: usize = CHILDREN + 2 * TREE_DEPTH;
const LEVEL_HASHES: usize = NODES + TREE_DEPTH - 1;
const COMMITMENT_HASH: usize = LEVEL_HASHES + TREE_DEPTH * wire_count(3);
const LEAF_HASH: usize = COMMITMENT_HASH + wire_count(2);
const SLOPE_HASH: usize = LEAF_HASH + wire_count(3);
const NULLIFIER_HASH: usize = SLOPE_HASH + MAX_MESSAGES * wire_count(4);

/// Wires of the circuit, the constant one among them.
pub const WIRES: usize = NULLIFIER_HASH + MAX_MESSAGES * wire_count(2);
const _: () = assert!(WIRES == 7401, "the published key has so many");

const MEMBERSHIP: MembershipLayout = MembershipLayout {
    secret: SECRET,
    limit: LIMIT,
    siblings: SIBLINGS,
    is_right: IS_RIGHT,
    commitment: COMMITMENT,
    leaf: LEAF,
    children: CHILDREN,
    nodes: NODES,
    root: ROOT,
    level_hashes: LEVEL_HASHES,
    commitment_hash: COMMITMENT_HASH,
    leaf_hash: LEAF_HASH,
};

/// The wires with which `witness` proves messages in the slots `is_used`, for the epoch of
/// `external_nullifier` and a signal that hashes to `x`.
pub fn full(
    witness: &MultiWitness,
    is_used: [bool; MAX_MESSAGES],
    external_nullifier: Fr,
    x: Fr,
) -> Assignment<WIRES> {
    let mut assignment = Assignment::blank();
    let wires = assignment.wires_mut();
    wires[X] = x;
    wires[EXTERNAL_NULLIFIER] = external_nullifier;
    MEMBERSHIP.write(witness.secret, Fr::from(witness.limit), &witness.path, wires);
    for (slot, used) in is_used.into_iter().enumerate() {
        write_slot(slot, used, Fr::from(witness.message_ids[slot]), wires);
    }
    let used: u64 = is_used.into_iter().map(u64::from).sum();
    wires[USED_INVERSE] = inverse_or_zero(Fr::from(used));
    write_pairs(wires);
    assignment
}

impl Assignment<WIRES> {
    /// What these wires prove, read from the public ones.
    pub fn statement(&self) -> MultiStatement {
        MultiStatement {
            root: self[ROOT],
            external_nullifier: self[EXTERNAL_NULLIFIER],
            x: self[X],
            is_used: array::from_fn(|slot| self[IS_USED + slot] != Fr::ZERO),
            y: array::from_fn(|slot| self[Y + slot]),
            nullifier: array::from_fn(|slot| self[NULLIFIER + slot]),
        }
    }
}

fn write_slot(slot: usize, is_used: bool, message_id: Fr, wires: &mut [Fr]) {
    let is_used = Fr::from(is_used);
    let (secret, limit) = (wires[SECRET], wires[LIMIT]);
    let line = LineLayout {
        message_id: MESSAGE_ID + slot,
        slope: SLOPE + slot,
        slope_hash: SLOPE_HASH + slot * wire_count(4),
        nullifier: SLOT_NULLIFIER + slot,
        nullifier_hash: NULLIFIER_HASH + slot * wire_count(2),
    };
    line.write(secret, wires[EXTERNAL_NULLIFIER], message_id, wires);
    wires[IS_USED + slot] = is_used;
    wires[SHARE + slot] = secret + wires[SLOPE + slot] * wires[X];
    wires[Y + slot] = is_used * wires[SHARE + slot];
    wires[NULLIFIER + slot] = is_used * wires[SLOT_NULLIFIER + slot];

    let active_id = is_used * message_id;
    let active_id_wire = ACTIVE_LIMIT + slot * ACTIVE_LIMIT_WIRES;
    let range = RangeLayout { message_id: active_id_wire + 1, distance: active_id_wire + 2 + BIT_WIRES };
    range.write(active_id, limit, wires);
    wires[active_id_wire] = active_id;
    wires[active_id_wire + 1 + BIT_WIRES] = Fr::from(super::range::is_below(active_id, limit));
}

fn write_pairs(wires: &mut [Fr]) {
    let mut pair = 0;
    for first in 0..MAX_MESSAGES {
        for second in first + 1..MAX_MESSAGES {
            let difference = wires[MESSAGE_ID + first] - wires[MESSAGE_ID + second];
            wires[BOTH_USED + pair] = wires[IS_USED + first] * wires[IS_USED + second];
            wires[SAME_ID + pair] = Fr::from(difference == Fr::ZERO);
            wires[DIFFERENCE_INVERSE + pair] = inverse_or_zero(difference);
            pair += 1;
        }
    }
}

fn inverse_or_zero(value: Fr) -> Fr {
    value.inverse().unwrap_or(Fr::ZERO)
}
