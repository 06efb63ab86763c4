//! The values of a circuit's wires.

use std::{fmt, ops::Deref};

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use zeroize::Zeroizing;

use super::layout::WIRES;

/// A value for each of the `N` wires of a circuit, as a slice. Knows the identity secret: it is wiped
/// when dropped and prints nothing of itself.
#[derive(Clone)]
pub struct Assignment<const N: usize = WIRES>(Zeroizing<Vec<Fr>>);

impl<const N: usize> Assignment<N> {
    /// One, and zeros to be filled in.
    pub(super) fn blank() -> Self {
        let mut wires = Zeroizing::new(vec![Fr::ZERO; N]);
        wires[0] = Fr::from(1);
        Self(wires)
    }

    pub(super) fn wires_mut(&mut self) -> &mut [Fr] {
        &mut self.0
    }
}

impl<const N: usize> Deref for Assignment<N> {
    type Target = [Fr];

    fn deref(&self) -> &[Fr] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Assignment<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Assignment([REDACTED])")
    }
}
