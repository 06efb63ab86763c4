//! Checks proofs, one at a time or many at the price of a few.
//!
//! ```text
//!  bytes ── decode ──► A, B, C on their curves ─┬─ one:  single::check
//!                                               └─ many: batch::check ── when it fails ──► search
//! ```
//!
//! A proof (A, B, C) for public inputs x is good when
//! `e(A, B) = e(alpha, beta) e(IC(x), gamma) e(C, delta)`, with `IC(x) = IC_0 + sum x_j IC_j`.
//! Of many proofs, one random combination is checked instead of each equation; why that is sound, and
//! what it costs when one of them is bad, is in `docs/adr/0010-batch-soundness.md`.
//!
//! Everything here is public, so nothing is constant-time.

mod batch;
mod decode;
mod fixed_base;
mod rejection;
mod search;
mod single;
#[cfg(test)]
pub(crate) mod tests;
mod weighting;

pub use rejection::{ProofPoint, Rejection};

use ark_bn254::{Bn254, Fq, Fq12, Fr, G1Projective, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ff::AdditiveGroup;
use rand::{CryptoRng, RngCore};

use self::decode::{Decoded, decode};
use self::fixed_base::FixedBase;
use crate::key::VerifyingKey;
use crate::lanes::BackendKind;
use crate::pairing::FixedLines;
use crate::prover::PROOF_BYTES;

/// A proof as it is sent: A, B and C compressed as ark compresses them, little endian.
pub type ProofBytes = [u8; PROOF_BYTES];

/// How many proofs one equation checks at most; longer batches take several.
///
/// At this size an equation's own cost is below a fiftieth of the whole, and what the proofs need in
/// between, above all their 88 lines of 128 bytes (160 in lanes), stays below 2 MB.
pub const EQUATION_SIZE: usize = 128;

/// Checks the proofs of one circuit. Made once for a key, shared by all threads.
#[derive(Debug)]
pub struct Verifier {
    backend: BackendKind,
    /// IC_0 for the constant, then IC_1, ... for the inputs.
    inputs: Vec<FixedBase>,
    alpha: FixedBase,
    minus_beta: FixedLines,
    minus_gamma: FixedLines,
    minus_delta: FixedLines,
    alpha_beta: Fq12,
}

impl Verifier {
    /// Prepares `key` for proofs: some 10 ms, and 0.3 MB for each public input.
    ///
    /// The points of the key are taken to be in their groups, as [`VerifyingKey`] says, and `backend` to
    /// be [available](BackendKind::is_available): without its instructions batches panic.
    pub fn new(key: &VerifyingKey, backend: BackendKind) -> Self {
        let minus = |point: G2Affine| FixedLines::new(&-point);
        Self {
            backend,
            inputs: key.gamma_abc_g1.iter().map(FixedBase::new).collect(),
            alpha: FixedBase::new(&key.alpha_g1),
            minus_beta: minus(key.beta_g2),
            minus_gamma: minus(key.gamma_g2),
            minus_delta: minus(key.delta_g2),
            alpha_beta: Bn254::pairing(key.alpha_g1, key.beta_g2).0,
        }
    }

    /// How many public inputs every proof has.
    pub fn input_count(&self) -> usize {
        self.inputs.len().saturating_sub(1)
    }

    /// Checks one proof.
    ///
    /// # Errors
    ///
    /// A rule that the proof breaks.
    pub fn verify_one(&self, proof: &ProofBytes, inputs: &[Fr]) -> Result<(), Rejection> {
        self.check_input_count(inputs)?;
        // One proof fills one lane.
        let mut decoded = decode(BackendKind::Portable, &[proof]);
        single::check(self, &decoded.remove(0)?, inputs)
    }

    /// Checks many proofs together and says of each what [`Self::verify_one`] would say, in order. With
    /// a probability below 2^-120 a bad one passes.
    ///
    /// The randomisers come from `rng`, which no sender of proofs may be able to predict.
    pub fn verify_batch<I: AsRef<[Fr]>>(
        &self,
        proofs: &[(ProofBytes, I)],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Vec<Result<(), Rejection>> {
        proofs.chunks(EQUATION_SIZE).flat_map(|proofs| self.verify_chunk(proofs, rng)).collect()
    }

    fn verify_chunk<I: AsRef<[Fr]>>(
        &self,
        proofs: &[(ProofBytes, I)],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Vec<Result<(), Rejection>> {
        let mut verdicts: Vec<_> =
            proofs.iter().map(|(_, inputs)| self.check_input_count(inputs.as_ref())).collect();
        let well_formed: Vec<usize> = (0..proofs.len()).filter(|index| verdicts[*index].is_ok()).collect();
        let encoded: Vec<&ProofBytes> = well_formed.iter().map(|index| &proofs[*index].0).collect();
        let mut claims = Vec::with_capacity(well_formed.len());
        for (index, decoded) in well_formed.into_iter().zip(decode(self.backend, &encoded)) {
            match decoded {
                Ok(proof) => claims.push(Claim { index, proof, inputs: proofs[index].1.as_ref() }),
                Err(rejection) => verdicts[index] = Err(rejection),
            }
        }
        for (index, rejection) in batch::check(self, &claims, rng) {
            verdicts[index] = Err(rejection);
        }
        verdicts
    }

    fn check_input_count(&self, inputs: &[Fr]) -> Result<(), Rejection> {
        // So a key without even IC_0, which no circuit has, accepts nothing.
        if inputs.len() + 1 == self.inputs.len() {
            Ok(())
        } else {
            Err(Rejection::InputCount { expected: self.input_count(), given: inputs.len() })
        }
    }

    /// `scalars[0] IC_0 + scalars[1] IC_1 + ...`
    fn input_sum(&self, scalars: impl Iterator<Item = Fr>) -> G1Projective {
        let mut sum = G1Projective::ZERO;
        for (base, scalar) in self.inputs.iter().zip(scalars) {
            base.add_multiple(&mut sum, scalar);
        }
        sum
    }
}

/// A well-formed proof of a batch, and what it should prove.
struct Claim<'a> {
    /// Its place in the batch.
    index: usize,
    proof: Decoded,
    inputs: &'a [Fr],
}

/// What lines need to know of points of G1: `(-x / y, 1 / y)`, zeros for infinity.
///
/// With ark's Jacobian coordinates x / y is X Z / Y and 1 / y is Z^3 / Y. Y is never zero: nothing in
/// G1 has order two, and ark's infinity has Y = 1.
fn line_factors<const N: usize>(points: [G1Projective; N]) -> [(Fq, Fq); N] {
    let mut inverses = points.map(|point| point.y);
    ark_ff::batch_inversion(&mut inverses);
    std::array::from_fn(|i| {
        let z_over_y = points[i].z * inverses[i];
        (-points[i].x * z_over_y, points[i].z * points[i].z * z_over_y)
    })
}
