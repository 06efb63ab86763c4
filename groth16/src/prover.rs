//! Makes proofs, at one of three prices.
//!
//! ```text
//!            what is known          Prover::       price of a proof (RLN, one thread)
//!  full      nothing                prove          everything
//!  partial   most wires             finish         the quotient and the wires that vary
//!  slot      all but one value x    Slot::finish   a few multiplications of points
//! ```
//!
//! For a witness w, randomizers r and s, and the quotient's scalars h (`qap`), a proof is
//!
//! ```text
//!  A  = alpha + sum w_i A_i + r delta          B = beta + sum w_i B_i + s delta     (in G2)
//!  C  = sum h_j H_j + sum w_i L_i + s A + r B - rs delta                            (B in G1)
//!     = (sum h_j H_j + sum w_i L_i + sum (r w_i) B_i) + s A + r beta
//! ```
//!
//! so that all of C's sums are one multi-scalar multiplication. For equal r and s every tier gives the
//! proof that ark and snarkjs give, bit for bit.
//!
//! # Secrets
//!
//! Witness, randomizers and everything made from them are overwritten when they are dropped. Proving
//! does **not** take constant time: which table entries are read, and which additions are skipped,
//! depends on the witness and on r and s. Whoever can measure caches or time on the proving machine
//! very finely may learn of them; whoever only sees proofs arrive learns nothing worth mentioning.

mod error;
mod partial;
mod proof;
mod randomizers;
mod slot;
mod tables;
mod threads;
mod wires;
mod wtns;

pub use error::ProveError;
pub use partial::Partial;
pub use proof::{PROOF_BYTES, Proof};
pub use randomizers::Randomizers;
pub use slot::{MAX_SIGNAL_WIRES, Signal, Slot};
pub use tables::Tables;
pub use threads::Threads;
pub use wires::WireSet;
pub use wtns::{WtnsError, read_wtns};

use std::fmt;

use ark_bn254::{Fr, G1Projective, G2Projective};
use ark_ec::CurveGroup;
use ark_ff::Field;

use crate::key::ProvingKey;
use crate::qap::Quotient;
use crate::scratch::Scratch;

/// Proves statements about one circuit. Made once for a key, shared by all threads.
pub struct Prover {
    tables: Tables,
    quotient: Quotient,
    threads: Threads,
}

impl fmt::Debug for Prover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Prover").field("tables", &self.tables).finish_non_exhaustive()
    }
}

impl Prover {
    /// A prover for the key that `tables` are for.
    pub fn new(tables: Tables) -> Self {
        let quotient = Quotient::new(tables.key().domain_size(), tables.kind());
        Self { tables, quotient, threads: Threads::One }
    }

    /// Spreads each proof over `threads`. Slots are made by the caller's thread alone: nobody waits for them.
    pub fn with_threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// The key that it proves with.
    pub fn key(&self) -> &ProvingKey {
        self.tables.key()
    }

    /// The tables, to ask for their size.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Proves `witness`: all wires, the constant 1 first, public ones next.
    ///
    /// Whether it satisfies the constraints is not checked; if it does not, the proof is not accepted.
    ///
    /// # Errors
    ///
    /// When `witness` is not one of this circuit's shape.
    pub fn prove(&self, witness: &[Fr], randomizers: &Randomizers) -> Result<Proof, ProveError> {
        self.check_witness(witness)?;
        let (sums, _quotient) = self.full_sums(self.threads, witness, &randomizers.r);
        Ok(sums.blind(self.key(), randomizers).to_proof())
    }

    /// The sums over all wires, and the quotient's scalars that went into them.
    fn full_sums(&self, threads: Threads, witness: &[Fr], r: &Fr) -> (Sums, Scratch<Fr>) {
        let key = self.key();
        let ((quotient, c), (a, b_g2)) = threads.both(
            || {
                let quotient = self.quotient.scalars(key, witness);
                let c = self.tables.c(&quotient, witness, r);
                (quotient, c)
            },
            || (self.tables.a(witness), self.tables.b_g2(witness)),
        );
        let sums = Sums {
            a: a + key.verifying_key().alpha_g1,
            b_g2: b_g2 + key.verifying_key().beta_g2,
            b_g1: key.beta_g1.into(),
            c,
        };
        (sums, quotient)
    }

    fn check_witness(&self, witness: &[Fr]) -> Result<(), ProveError> {
        let expected = self.key().wire_count();
        if witness.len() != expected {
            return Err(ProveError::WireCount { expected, given: witness.len() });
        }
        if witness[0] != Fr::ONE {
            return Err(ProveError::FirstWire);
        }
        Ok(())
    }
}

/// The sums over wires that a proof is made from, before delta and the products with r and s.
struct Sums {
    /// alpha and the sum of A.
    a: G1Projective,
    /// beta and the sum of B, in G2.
    b_g2: G2Projective,
    /// The part of the sum of B, in G1 and with beta, that `c` does not hold times r.
    b_g1: G1Projective,
    /// The sums of H and L, and r times the rest of B in G1.
    c: G1Projective,
}

/// A proof whose coordinates are still projective.
struct Blinded {
    a: G1Projective,
    b: G2Projective,
    c: G1Projective,
}

impl Sums {
    fn blind(self, key: &ProvingKey, randomizers: &Randomizers) -> Blinded {
        let Randomizers { r, s } = randomizers;
        let a = self.a + key.delta_g1 * r;
        let b = self.b_g2 + key.verifying_key().delta_g2 * s;
        let c = self.c + a * s + self.b_g1 * r;
        Blinded { a, b, c }
    }
}

impl Blinded {
    fn to_proof(&self) -> Proof {
        let g1 = G1Projective::normalize_batch(&[self.a, self.c]);
        Proof { a: g1[0], b: self.b.into_affine(), c: g1[1] }
    }
}
