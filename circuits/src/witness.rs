//! The witness of the circuit: the value of each of its wires, in the order of the published key.
//!
//! [`full`] computes all of them from what the prover knows. It follows the circuit from the leaf to
//! the share, so reading it is reading `circom/rln.circom`:
//!
//! ```text
//! secret ─► commitment ─┐
//!                 limit ┴► leaf ─► 20 levels of the tree ─► root        the member: as long as the
//!                                                                       root stands
//! secret, epoch, message id ─► slope ─► nullifier                       the message: [`update`]
//! message id < limit, in bits
//!
//! slope, x ─► y                                                         the signal: [`Assignment::set_signal`]
//! ```
//!
//! The lower two thirds change from message to message and are [`MESSAGE_WIRES`]; x and y alone change
//! with the signal ([`SIGNAL_WIRES`]), y as a straight line in x. A prover that works ahead relies on
//! just that.
//!
//! The order is the one in which circom 2 numbers the signals that its optimiser leaves (`--O2`): one,
//! outputs, public inputs, private inputs, the main template's own signals, then those of its components.
//!
//! A witness that breaks the relation gets wires as well, but none that satisfy the circuit: ask
//! [`check`](crate::check) first.

mod layout;
mod matrix;
mod membership;
mod poseidon;
mod share;

use std::ops::Deref;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use zeroize::Zeroizing;

use crate::{Statement, Witness};
use layout::{MEMBERSHIP, SHARE};
pub use layout::{MESSAGE_WIRES, SIGNAL_WIRES, WIRES};

/// A value for each wire of the circuit. Knows the identity secret: it is wiped when dropped and prints
/// nothing of itself.
#[derive(Clone)]
pub struct Assignment(Zeroizing<Vec<Fr>>);

/// The wires with which `witness` proves a message for the epoch of `external_nullifier` whose signal
/// hashes to `x`.
pub fn full(witness: &Witness, external_nullifier: Fr, x: Fr) -> Assignment {
    let mut wires = Zeroizing::new(vec![Fr::ZERO; WIRES]);
    wires[layout::ONE] = Fr::from(1);
    MEMBERSHIP.write(&witness.secret, witness.limit, &witness.path, &mut wires);
    let mut assignment = Assignment(wires);
    update(&mut assignment, witness.message_id, external_nullifier, x);
    assignment
}

/// Turns the wires to another message of the same member in the same tree: [`MESSAGE_WIRES`] are
/// computed anew and all others stay.
pub fn update(assignment: &mut Assignment, message_id: u32, external_nullifier: Fr, x: Fr) {
    SHARE.write(message_id, external_nullifier, &mut assignment.0);
    assignment.set_signal(x);
}

impl Assignment {
    /// Turns the wires to another signal of the same message: [`SIGNAL_WIRES`] change and no others.
    ///
    /// Two proofs of one message with two signals give the secret away.
    pub fn set_signal(&mut self, x: Fr) {
        self.0[SHARE.x] = x;
        self.0[SHARE.y] = self.0[MEMBERSHIP.secret] + x * self.0[SHARE.slope];
    }

    /// How the wires move when x grows by one, as (wire, step): x by one and y by the slope of the
    /// member's line. Secret as the slope is.
    pub fn signal_direction(&self) -> [(usize, Fr); SIGNAL_WIRES.len()] {
        [(SHARE.y, self.0[SHARE.slope]), (SHARE.x, Fr::from(1))]
    }

    /// What these wires prove, read from the public ones.
    pub fn statement(&self) -> Statement {
        Statement {
            root: self.0[MEMBERSHIP.root],
            external_nullifier: self.0[SHARE.external_nullifier],
            x: self.0[SHARE.x],
            y: self.0[SHARE.y],
            nullifier: self.0[SHARE.nullifier],
        }
    }
}

impl Deref for Assignment {
    type Target = [Fr];

    fn deref(&self) -> &[Fr] {
        &self.0
    }
}

impl std::fmt::Debug for Assignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assignment([REDACTED])")
    }
}
