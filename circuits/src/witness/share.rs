//! From secret, epoch and message id to share and nullifier, and that the message id is below the limit.

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInteger, PrimeField};

use super::{
    membership::POSEIDON_2,
    poseidon::{Sparse, wire_count},
};

/// Hashes three values.
static POSEIDON_4: LazyLock<Sparse<4>> = LazyLock::new(Sparse::circomlib);

/// Bits of a message id and of a limit's distance to it.
pub(super) const LIMIT_BITS: usize = 16;

/// The first wire of each part.
pub(super) struct ShareLayout {
    /// Public output: the share's height.
    pub(super) y: usize,
    /// Public output.
    pub(super) nullifier: usize,
    /// Public input: the hash of the signal.
    pub(super) x: usize,
    /// Public input: the epoch.
    pub(super) external_nullifier: usize,
    /// Private input, written with the membership.
    pub(super) secret: usize,
    /// Private input, written with the membership.
    pub(super) limit: usize,
    /// Private input.
    pub(super) message_id: usize,
    /// The slope of the line the shares of this message lie on.
    pub(super) slope: usize,
    /// The hash that makes the slope.
    pub(super) slope_hash: usize,
    /// The hash that makes the nullifier.
    pub(super) nullifier_hash: usize,
    /// The message id's bits but the highest.
    pub(super) message_id_bits: usize,
    /// The bits of 2^16 + message id - limit but the highest that may be set.
    pub(super) distance_bits: usize,
}

impl ShareLayout {
    /// Writes all but x and y; secret and limit are there already.
    pub(super) fn write(&self, message_id: u32, external_nullifier: Fr, wires: &mut [Fr]) {
        let message_id = Fr::from(message_id);
        let state = [Fr::ZERO, wires[self.secret], external_nullifier, message_id];
        let slope = POSEIDON_4.trace(state, &mut wires[self.slope_hash..][..wire_count(4)]);
        let nullifier =
            POSEIDON_2.trace([Fr::ZERO, slope], &mut wires[self.nullifier_hash..][..wire_count(2)]);
        wires[self.external_nullifier] = external_nullifier;
        wires[self.message_id] = message_id;
        wires[self.slope] = slope;
        wires[self.nullifier] = nullifier;

        // Below 2^16 exactly when the limit is above the message id, by 2^16 at most.
        let distance = Fr::from(1u32 << LIMIT_BITS) + message_id - wires[self.limit];
        write_low_bits(message_id, &mut wires[self.message_id_bits..][..LIMIT_BITS - 1]);
        write_low_bits(distance, &mut wires[self.distance_bits..][..LIMIT_BITS - 1]);
    }
}

/// The lowest bits of `value`, as many as there is room for. The bit above them is no wire: the
/// circuit takes what they leave of the value for it, and asks whether that is zero or one.
pub(super) fn write_low_bits(value: Fr, bits: &mut [Fr]) {
    let value = value.into_bigint();
    for (position, bit) in bits.iter_mut().enumerate() {
        *bit = Fr::from(value.get_bit(position));
    }
}
