//! Where each part of the witness stands: the wire numbers of `RLN(20, 16)` in the published key.

use std::ops::Range;

use super::{
    line::LineLayout,
    membership::MembershipLayout,
    poseidon::{partial_rounds, wire_count},
    range::{BIT_WIRES, RangeLayout},
};
use crate::TREE_DEPTH;

// Wire 0 is always one.
pub(super) const Y: usize = 1;
const ROOT: usize = 2;
const NULLIFIER: usize = 3;
pub(super) const X: usize = 4;
pub(super) const EXTERNAL_NULLIFIER: usize = 5;
const SECRET: usize = 6;
const LIMIT: usize = 7;
const MESSAGE_ID: usize = 8;
const SIBLINGS: usize = 9;
const IS_RIGHT: usize = SIBLINGS + TREE_DEPTH;
const COMMITMENT: usize = IS_RIGHT + TREE_DEPTH;
const LEAF: usize = COMMITMENT + 1;
const SLOPE: usize = LEAF + 1;
const CHILDREN: usize = SLOPE + 1;
const NODES: usize = CHILDREN + 2 * TREE_DEPTH;
const LEVEL_HASHES: usize = NODES + TREE_DEPTH - 1;
const COMMITMENT_HASH: usize = LEVEL_HASHES + TREE_DEPTH * wire_count(3);
const LEAF_HASH: usize = COMMITMENT_HASH + wire_count(2);
const SLOPE_HASH: usize = LEAF_HASH + wire_count(3);
const NULLIFIER_HASH: usize = SLOPE_HASH + wire_count(4);
const MESSAGE_ID_BITS: usize = NULLIFIER_HASH + wire_count(2);
const DISTANCE_BITS: usize = MESSAGE_ID_BITS + BIT_WIRES;

/// Wires of the circuit, the constant one among them.
pub const WIRES: usize = DISTANCE_BITS + BIT_WIRES;
const _: () = assert!(WIRES == 5844, "the published key has so many");

/// The wires that change with the signal: y and x.
pub const SIGNAL_WIRES: [usize; 2] = [Y, X];

/// The wires that change from message to message of one member, ascending: the public ones but the
/// root, message id and slope, the hashes that make slope and nullifier, and the bits of the message id.
///
/// In the hash that makes the slope the secret's own first S-box does not change.
pub const MESSAGE_WIRES: [usize; MESSAGE_WIRE_COUNT] = flatten(&[
    Y..Y + 1,
    NULLIFIER..EXTERNAL_NULLIFIER + 1,
    MESSAGE_ID..MESSAGE_ID + 1,
    SLOPE..SLOPE + 1,
    SLOPE_HASH + 1..SLOPE_HASH_POWERS,
    SLOPE_HASH_POWERS + 2..WIRES,
]);

/// One member of each range above, or all of its length.
const MESSAGE_WIRE_COUNT: usize = 6 + (wire_count(4) - 3) + wire_count(2) + 2 * BIT_WIRES;

/// Where the powers of the full rounds begin among the slope's wires: behind 7 rounds of 4 lanes less one,
/// 3 lanes of the last round, and 56 partial rounds.
const SLOPE_HASH_POWERS: usize = SLOPE_HASH + (7 * 4 - 1) + 3 + partial_rounds(4);

pub(super) const MEMBERSHIP: MembershipLayout = MembershipLayout {
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

pub(super) const LINE: LineLayout = LineLayout {
    message_id: MESSAGE_ID,
    slope: SLOPE,
    slope_hash: SLOPE_HASH,
    nullifier: NULLIFIER,
    nullifier_hash: NULLIFIER_HASH,
};

pub(super) const RANGE: RangeLayout = RangeLayout { message_id: MESSAGE_ID_BITS, distance: DISTANCE_BITS };

/// The numbers in `ranges`, one behind the other. Does not compile when they are not `N`.
const fn flatten<const N: usize>(ranges: &[Range<usize>]) -> [usize; N] {
    let mut numbers = [0; N];
    let (mut range, mut filled) = (0, 0);
    while range < ranges.len() {
        let mut number = ranges[range].start;
        while number < ranges[range].end {
            numbers[filled] = number;
            filled += 1;
            number += 1;
        }
        range += 1;
    }
    assert!(filled == N, "the ranges hold N numbers");
    numbers
}
