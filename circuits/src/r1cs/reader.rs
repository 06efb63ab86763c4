//! Takes numbers off the front of a section, and never reads past its end.

use ark_bn254::Fr;
use ark_ff::{BigInt, PrimeField};

use super::{Combination, Part, R1csError};

/// A wire's number and a coefficient.
const TERM_BYTES: usize = 4 + 32;

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    part: Part,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], part: Part) -> Self {
        Self { bytes, part }
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn u32(&mut self) -> Result<u32, R1csError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, R1csError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next `length` bytes, or nothing when there are fewer.
    pub(super) fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        Some(taken)
    }

    /// A counted list of terms of `constraint`, in a circuit with `wires` wires.
    pub(super) fn combination(&mut self, constraint: usize, wires: usize) -> Result<Combination, R1csError> {
        let terms = self.u32()? as usize;
        if terms > self.remaining() / TERM_BYTES {
            return Err(R1csError::Truncated(self.part));
        }
        (0..terms).map(|_| self.term(constraint, wires)).collect()
    }

    pub(super) fn end(self) -> Result<(), R1csError> {
        match self.bytes.len() {
            0 => Ok(()),
            bytes => Err(R1csError::Trailing { part: self.part, bytes }),
        }
    }

    fn term(&mut self, constraint: usize, wires: usize) -> Result<(usize, Fr), R1csError> {
        let wire = self.u32()? as usize;
        if wire >= wires {
            return Err(R1csError::WireOutOfRange { constraint, wire });
        }
        let limbs = [self.u64()?, self.u64()?, self.u64()?, self.u64()?];
        let coefficient = Fr::from_bigint(BigInt(limbs)).ok_or(R1csError::Coefficient { constraint })?;
        Ok((wire, coefficient))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], R1csError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(R1csError::Truncated(self.part))?;
        self.bytes = rest;
        Ok(*taken)
    }
}
