//! The witness of the circuit: the value of each of its wires, in the order of the published key.
//!
//! [`full`] computes all of them from what the prover knows. It follows the circuit from the leaf to
//! the share, so reading it is reading `circom/rln.circom`:
//!
//! ```text
//! secret ─► commitment ─┐
//!                 limit ┴► leaf ─► 20 levels of the tree ─► root     the member: as long as the
//!                                                                    root stands
//!
//! secret, epoch, message id ─► slope ─► nullifier                    the message: `update`
//! message id < limit, in bits
//!
//! slope, x ─► y                                                      the signal: `set_signal`
//! ```
//!
//! All but the first part changes from message to message: [`MESSAGE_WIRES`]. x and y alone change with
//! the signal ([`SIGNAL_WIRES`]), y as a straight line in x. A prover that works ahead relies on that.
//!
//! The order is the one in which circom 2 numbers the signals that its optimiser (`--O2`) leaves: one,
//! outputs, public inputs, private inputs, the main template's own signals, then those of its
//! components by their names.
//!
//! A witness that breaks the relation gets wires as well, but none that satisfy the circuit: ask
//! [`check`](crate::check) first.

mod assignment;
mod layout;
mod line;
mod matrix;
mod membership;
pub mod multi;
mod poseidon;
mod range;

use ark_bn254::Fr;

use crate::{Statement, Witness};
pub use assignment::Assignment;
use layout::{EXTERNAL_NULLIFIER, LINE, MEMBERSHIP, RANGE, X, Y};
pub use layout::{MESSAGE_WIRES, SIGNAL_WIRES, WIRES};

/// The wires with which `witness` proves a message for the epoch of `external_nullifier` whose signal
/// hashes to `x`.
pub fn full(witness: &Witness, external_nullifier: Fr, x: Fr) -> Assignment {
    let mut assignment = Assignment::blank();
    MEMBERSHIP.write(witness.secret, Fr::from(witness.limit), &witness.path, assignment.wires_mut());
    update(&mut assignment, witness.message_id, external_nullifier, x);
    assignment
}

/// Turns the wires to another message of the same member in the same tree: [`MESSAGE_WIRES`] are
/// computed anew and all others stay.
pub fn update(assignment: &mut Assignment, message_id: u32, external_nullifier: Fr, x: Fr) {
    let (secret, limit) = (assignment[MEMBERSHIP.secret], assignment[MEMBERSHIP.limit]);
    let message_id = Fr::from(message_id);
    let wires = assignment.wires_mut();
    wires[EXTERNAL_NULLIFIER] = external_nullifier;
    LINE.write(secret, external_nullifier, message_id, wires);
    RANGE.write(message_id, limit, wires);
    assignment.set_signal(x);
}

impl Assignment {
    /// Turns the wires to another signal of the same message: [`SIGNAL_WIRES`] change and no others.
    ///
    /// Two proofs of one message with two signals give the secret away.
    pub fn set_signal(&mut self, x: Fr) {
        let y = self[MEMBERSHIP.secret] + x * self[LINE.slope];
        self.wires_mut()[X] = x;
        self.wires_mut()[Y] = y;
    }

    /// How the wires move when x grows by one, as (wire, step): y by the slope of the member's line and
    /// x by one. The slope is as secret as the identity.
    pub fn signal_direction(&self) -> [(usize, Fr); SIGNAL_WIRES.len()] {
        [(Y, self[LINE.slope]), (X, Fr::from(1))]
    }

    /// What these wires prove, read from the public ones.
    pub fn statement(&self) -> Statement {
        Statement {
            root: self[MEMBERSHIP.root],
            external_nullifier: self[EXTERNAL_NULLIFIER],
            x: self[X],
            y: self[Y],
            nullifier: self[LINE.nullifier],
        }
    }
}
