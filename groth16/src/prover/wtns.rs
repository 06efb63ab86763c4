//! Witness files of snarkjs and circom's calculators (`.wtns`).
//!
//! ```text
//!  "wtns"  version 2: u32   2 sections: u32
//!  section 1: u32   40: u64   bytes of r, 32: u32   r   wires: u32
//!  section 2: u32   32 * wires: u64   the wires, little endian
//! ```
//!
//! Every writer writes exactly this, so that the file is compared with it rather than searched.

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};
use zeroize::Zeroizing;

/// Bytes before the first wire.
const HEADER_BYTES: usize = 76;

const WIRE_BYTES: usize = 32;

/// Why a witness file is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WtnsError {
    /// It does not begin as the witness files of this field do.
    #[error("not a .wtns file of version 2 over BN254's scalar field")]
    Header,
    /// It is longer or shorter than it says.
    #[error("{wires} wires take {expected} bytes, the file has {found}")]
    Length {
        /// How many wires the header announces.
        wires: u32,
        /// How long a file with that many is.
        expected: u64,
        /// How long it is.
        found: usize,
    },
    /// A wire that is not below the modulus.
    #[error("wire {wire} is not canonical")]
    NotCanonical {
        /// Its number.
        wire: usize,
    },
}

/// The wires of a witness file.
///
/// # Errors
///
/// The first [`WtnsError`] met.
pub fn read_wtns(file: &[u8]) -> Result<Zeroizing<Vec<Fr>>, WtnsError> {
    let (header, wires) = file.split_at_checked(HEADER_BYTES).ok_or(WtnsError::Header)?;
    // The count of wires is in the header's last part twice: itself, and as the length of section 2.
    let count = u32::from_le_bytes(header[60..64].try_into().expect("four bytes"));
    if header != expected_header(count) {
        return Err(WtnsError::Header);
    }
    let expected = HEADER_BYTES as u64 + u64::from(count) * WIRE_BYTES as u64;
    if file.len() as u64 != expected {
        return Err(WtnsError::Length { wires: count, expected, found: file.len() });
    }
    // Bounded: the file has that many.
    let mut witness = Zeroizing::new(Vec::with_capacity(count as usize));
    for (wire, bytes) in wires.chunks_exact(WIRE_BYTES).enumerate() {
        let words = std::array::from_fn(|word| {
            u64::from_le_bytes(bytes[8 * word..8 * word + 8].try_into().expect("eight bytes"))
        });
        let value = Fr::from_bigint(ark_ff::BigInt::new(words));
        witness.push(value.ok_or(WtnsError::NotCanonical { wire })?);
    }
    Ok(witness)
}

fn expected_header(wires: u32) -> Vec<u8> {
    let mut header = b"wtns".to_vec();
    header.extend([2u32, 2, 1].map(u32::to_le_bytes).concat());
    header.extend(40u64.to_le_bytes());
    header.extend((WIRE_BYTES as u32).to_le_bytes());
    header.extend(Fr::MODULUS.to_bytes_le());
    header.extend([wires, 2].map(u32::to_le_bytes).concat());
    header.extend((u64::from(wires) * WIRE_BYTES as u64).to_le_bytes());
    header
}
