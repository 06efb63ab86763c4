//! From secret, epoch and message id to the slope of the member's line, and its hash, the nullifier.

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use super::{
    membership::POSEIDON_2,
    poseidon::{Sparse, wire_count},
};

/// Hashes three values.
static POSEIDON_4: LazyLock<Sparse<4>> = LazyLock::new(Sparse::circomlib);

/// The first wire of each part.
pub(super) struct LineLayout {
    /// Private input.
    pub(super) message_id: usize,
    /// The slope of the line the shares of this message lie on.
    pub(super) slope: usize,
    /// The hash that makes the slope.
    pub(super) slope_hash: usize,
    /// The slope's hash.
    pub(super) nullifier: usize,
    /// The hash that makes the nullifier.
    pub(super) nullifier_hash: usize,
}

impl LineLayout {
    pub(super) fn write(&self, secret: Fr, external_nullifier: Fr, message_id: Fr, wires: &mut [Fr]) {
        let state = [Fr::ZERO, secret, external_nullifier, message_id];
        let slope = POSEIDON_4.trace(state, &mut wires[self.slope_hash..][..wire_count(4)]);
        let nullifier =
            POSEIDON_2.trace([Fr::ZERO, slope], &mut wires[self.nullifier_hash..][..wire_count(2)]);
        wires[self.message_id] = message_id;
        wires[self.slope] = slope;
        wires[self.nullifier] = nullifier;
    }
}
