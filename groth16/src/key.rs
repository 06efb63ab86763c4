//! Groth16 keys of one circuit over BN254, and the files they come in.
//!
//! ```text
//!  rln_final.arkzkey ── ProvingKey::from_arkzkey ─┐
//!                                                 ├─► ProvingKey { points, rows of A and B, sha256 }
//!  circuit_final.zkey ─ ProvingKey::from_zkey ────┘      └─ VerifyingKey
//! ```
//!
//! A file is data with an identity. One whose SHA-256 the caller pins ([`Trust::Pinned`]) was examined
//! when it was pinned, and is only parsed; of any other ([`Trust::Checked`]) every point is checked to
//! be in its group. Nothing in a file makes a parser panic or allocate more than a few times the
//! file's size.

mod arkzkey;
mod error;
mod points;
mod reader;
mod rows;
mod verifying;
mod zkey;

pub use error::{KeyError, KeyPart};
pub(crate) use rows::SparseRows;
pub use verifying::VerifyingKey;

use ark_bn254::{Fr, G1Affine, G2Affine};
use sha2::{Digest, Sha256};

/// The largest domain: the scalar field has roots of unity of order 2^28, and the coset on which
/// circom takes the quotient is shifted by a root of twice the domain's order.
const LARGEST_DOMAIN: usize = 1 << 27;

/// The largest file. Wires, rows and terms are numbered in 32 bits, and each takes more than a byte.
const LARGEST_FILE: usize = u32::MAX as usize;

/// What is known of a key file before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The file must have this SHA-256, and is then taken to hold points of the right groups.
    Pinned([u8; 32]),
    /// Any key: every point is checked. That takes a tenth of a millisecond for each point of G2.
    Checked,
}

/// What a prover knows about a circuit: Groth16's points (in the names of ark and of the paper, eprint
/// 2016/260) and circom's constraints. Wire 0 is the constant 1, public wires come next.
#[derive(Clone, Debug)]
pub struct ProvingKey {
    verifying_key: VerifyingKey,
    sha256: [u8; 32],
    /// `beta * G`.
    pub(crate) beta_g1: G1Affine,
    /// `delta * G`.
    pub(crate) delta_g1: G1Affine,
    /// The polynomial of each wire in A at tau, in G1. Infinity for wires that A does not use.
    pub(crate) a_query: Vec<G1Affine>,
    /// The polynomial of each wire in B at tau, in G1.
    pub(crate) b_g1_query: Vec<G1Affine>,
    /// The same in G2.
    pub(crate) b_g2_query: Vec<G2Affine>,
    /// One point for each point of the coset on which the quotient is taken.
    pub(crate) h_query: Vec<G1Affine>,
    /// One point for each private wire.
    pub(crate) l_query: Vec<G1Affine>,
    /// What each row of the domain takes from the wires on the left of the product. Circom gives each
    /// public wire a row of its own after the constraints.
    pub(crate) a_rows: SparseRows,
    /// What each row takes on the right.
    pub(crate) b_rows: SparseRows,
}

impl ProvingKey {
    /// Reads what zerokit ships: ark's uncompressed proving key, then its constraint matrices.
    ///
    /// # Errors
    ///
    /// The first [`KeyError`] met.
    pub fn from_arkzkey(file: &[u8], trust: Trust) -> Result<Self, KeyError> {
        let sha256 = identify(file, trust)?;
        arkzkey::read(file, trust)?.with_identity(sha256)
    }

    /// Reads what snarkjs writes: a Groth16 `.zkey` over BN254.
    ///
    /// # Errors
    ///
    /// The first [`KeyError`] met.
    pub fn from_zkey(file: &[u8], trust: Trust) -> Result<Self, KeyError> {
        let sha256 = identify(file, trust)?;
        zkey::read(file, trust)?.with_identity(sha256)
    }

    /// What a verifier needs.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// SHA-256 of the file it was read from: what tables made for it are known by.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// How many wires a witness has, the constant 1 included.
    pub fn wire_count(&self) -> usize {
        self.a_query.len()
    }

    /// How many of them are public, the constant 1 included.
    pub fn public_wire_count(&self) -> usize {
        self.wire_count() - self.l_query.len()
    }

    /// How many rows the quotient is taken over: constraints and public wires, up to a power of two.
    pub fn domain_size(&self) -> usize {
        self.h_query.len()
    }

    /// The left sides of the constraints, in order: for each term its wire and coefficient.
    pub fn left_sides(&self) -> impl ExactSizeIterator<Item = impl Iterator<Item = (usize, Fr)>> {
        (0..self.constraint_count()).map(|row| self.a_rows.terms(row))
    }

    /// The right sides of the constraints, likewise.
    pub fn right_sides(&self) -> impl ExactSizeIterator<Item = impl Iterator<Item = (usize, Fr)>> {
        (0..self.constraint_count()).map(|row| self.b_rows.terms(row))
    }

    /// How many constraints there are.
    pub fn constraint_count(&self) -> usize {
        self.a_rows.len() - self.public_wire_count()
    }
}

fn identify(file: &[u8], trust: Trust) -> Result<[u8; 32], KeyError> {
    if file.len() > LARGEST_FILE {
        return Err(KeyError::TooLarge { bytes: file.len(), most: LARGEST_FILE });
    }
    let found: [u8; 32] = Sha256::digest(file).into();
    match trust {
        Trust::Pinned(expected) if expected != found => Err(KeyError::OtherFile { expected, found }),
        Trust::Pinned(_) | Trust::Checked => Ok(found),
    }
}

/// What either format holds, before its parts are known to fit each other.
struct KeyParts {
    verifying_key: VerifyingKey,
    beta_g1: G1Affine,
    delta_g1: G1Affine,
    a_query: Vec<G1Affine>,
    b_g1_query: Vec<G1Affine>,
    b_g2_query: Vec<G2Affine>,
    h_query: Vec<G1Affine>,
    l_query: Vec<G1Affine>,
    a_rows: SparseRows,
    b_rows: SparseRows,
}

impl KeyParts {
    fn with_identity(self, sha256: [u8; 32]) -> Result<ProvingKey, KeyError> {
        self.check_shapes()?;
        Ok(ProvingKey {
            verifying_key: self.verifying_key,
            sha256,
            beta_g1: self.beta_g1,
            delta_g1: self.delta_g1,
            a_query: self.a_query,
            b_g1_query: self.b_g1_query,
            b_g2_query: self.b_g2_query,
            h_query: self.h_query,
            l_query: self.l_query,
            a_rows: self.a_rows,
            b_rows: self.b_rows,
        })
    }

    /// All that the prover's loops take for granted.
    fn check_shapes(&self) -> Result<(), KeyError> {
        let public = self.verifying_key.gamma_abc_g1.len();
        if public == 0 {
            return Err(KeyError::Count { part: KeyPart::PublicInputs, expected: 1, found: 0 });
        }
        let wires = public + self.l_query.len();
        expect_count(KeyPart::AQuery, wires, self.a_query.len())?;
        expect_count(KeyPart::BG1Query, wires, self.b_g1_query.len())?;
        expect_count(KeyPart::BG2Query, wires, self.b_g2_query.len())?;
        let rows = self.a_rows.len();
        expect_count(KeyPart::BRows, rows, self.b_rows.len())?;
        let domain = rows.max(1).next_power_of_two();
        if domain > LARGEST_DOMAIN {
            return Err(KeyError::TooManyRows { rows, most: LARGEST_DOMAIN });
        }
        expect_count(KeyPart::HQuery, domain, self.h_query.len())?;
        for (part, rows) in [(KeyPart::ARows, &self.a_rows), (KeyPart::BRows, &self.b_rows)] {
            if let Some(wire) = rows.largest_wire().filter(|wire| *wire as usize >= wires) {
                return Err(KeyError::NoSuchWire { part, wire: wire.into(), wires });
            }
        }
        Ok(())
    }
}

fn expect_count(part: KeyPart, expected: usize, found: usize) -> Result<(), KeyError> {
    if expected == found { Ok(()) } else { Err(KeyError::Count { part, expected, found }) }
}
