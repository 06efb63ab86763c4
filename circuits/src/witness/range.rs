//! That a message id is below its limit: the bits of both the id and its distance to the limit.

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};

use crate::relation::LIMIT_BITS;

/// Wires of one number's bits. The highest bit is none: the circuit takes what the others leave of the
/// number for it, and asks whether that is zero or one.
pub(super) const BIT_WIRES: usize = LIMIT_BITS as usize - 1;

/// The first wire of each part.
pub(super) struct RangeLayout {
    /// The message id's bits.
    pub(super) message_id: usize,
    /// The bits of 2^16 + message id - limit, which is below 2^16 when the id is below the limit.
    pub(super) distance: usize,
}

impl RangeLayout {
    pub(super) fn write(&self, message_id: Fr, limit: Fr, wires: &mut [Fr]) {
        write_low_bits(message_id, &mut wires[self.message_id..][..BIT_WIRES]);
        write_low_bits(distance(message_id, limit), &mut wires[self.distance..][..BIT_WIRES]);
    }
}

/// Whether the circuit finds `message_id` below `limit`: the highest bit of their distance is not set.
pub(super) fn is_below(message_id: Fr, limit: Fr) -> bool {
    !distance(message_id, limit).into_bigint().get_bit(LIMIT_BITS as usize)
}

/// Below 2^16 exactly when the limit is above the message id, by 2^16 at most.
fn distance(message_id: Fr, limit: Fr) -> Fr {
    Fr::from(1u32 << LIMIT_BITS) + message_id - limit
}

fn write_low_bits(value: Fr, bits: &mut [Fr]) {
    let value = value.into_bigint();
    for (position, bit) in bits.iter_mut().enumerate() {
        *bit = Fr::from(value.get_bit(position));
    }
}
