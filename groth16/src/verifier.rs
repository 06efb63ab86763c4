//! Checks proofs, one at a time or many at the price of a few.
//!
//! A proof (A, B, C) for public inputs x is good when
//! `e(A, B) = e(alpha, beta) e(IC(x), gamma) e(C, delta)`, with `IC(x) = IC_0 + sum x_j IC_j`.
//! Of many proofs, one random combination is checked instead of each equation; why that is sound, and
//! what it costs when one of them is bad, is in `docs/adr/0010-batch-soundness.md`.

#[cfg(test)]
mod tests;

use ark_bn254::{Bn254, Fq12, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{Field, Zero};
use ark_serialize::{CanonicalDeserialize, SerializationError};
use rand::{CryptoRng, Rng as _, RngCore};

use crate::key::VerifyingKey;
use crate::lanes::BackendKind;

/// How long an encoded proof is: A and C take 32 bytes each, B takes 64.
pub const PROOF_LENGTH: usize = 128;

/// A proof as it is sent: A, B and C compressed as ark compresses them, little endian.
pub type ProofBytes = [u8; PROOF_LENGTH];

/// Which point of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "UPPERCASE")]
pub enum ProofPoint {
    /// The first, in G1.
    A,
    /// The second, in G2.
    B,
    /// The third, in G1.
    C,
}

/// Why a proof was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    /// The caller's mistake: the circuit has another number of public inputs.
    #[error("the circuit has {expected} public inputs, {given} were given")]
    InputCount {
        /// What the verifying key is for.
        expected: usize,
        /// What came with the proof.
        given: usize,
    },
    /// A coordinate that is not below the modulus, or flags that contradict each other.
    #[error("{0} is not encoded as points are")]
    Encoding(ProofPoint),
    /// No point of the curve has this x coordinate.
    #[error("{0} is not on the curve")]
    NotOnCurve(ProofPoint),
    /// B is on the curve, but not in its subgroup of prime order. (All of the curve of A and C is.)
    #[error("B is not in the subgroup of prime order")]
    NotInSubgroup,
    /// A well-formed proof of something else.
    #[error("the proof does not prove these public inputs")]
    Equation,
}

/// Checks the proofs of one circuit. Made once for a key, shared by all threads.
#[derive(Debug)]
pub struct Verifier {
    key: VerifyingKey,
    alpha_beta: Fq12,
}

struct Decoded {
    index: usize,
    a: G1Affine,
    b: G2Affine,
    c: G1Affine,
}

impl Verifier {
    /// Prepares `key` for proofs.
    pub fn new(key: &VerifyingKey, _backend: BackendKind) -> Self {
        Self { key: key.clone(), alpha_beta: Bn254::pairing(key.alpha_g1, key.beta_g2).0 }
    }

    /// How many public inputs every proof has.
    pub fn input_count(&self) -> usize {
        self.key.gamma_abc_g1.len() - 1
    }

    /// Checks one proof.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn verify_one(&self, proof: &ProofBytes, inputs: &[Fr]) -> Result<(), Rejection> {
        self.check_input_count(inputs)?;
        let proof = decode(0, proof)?;
        let mut ic = self.key.gamma_abc_g1[0].into_group();
        for (input, base) in inputs.iter().zip(&self.key.gamma_abc_g1[1..]) {
            ic += *base * input;
        }
        let pairs = Bn254::multi_miller_loop(
            [proof.a, ic.into_affine(), proof.c],
            [proof.b, (-self.key.gamma_g2.into_group()).into(), (-self.key.delta_g2.into_group()).into()],
        );
        match Bn254::final_exponentiation(pairs) {
            Some(value) if value.0 == self.alpha_beta => Ok(()),
            _ => Err(Rejection::Equation),
        }
    }

    /// Checks many proofs together and says of each what [`Self::verify_one`] would say, except with
    /// probability below 2^-120.
    ///
    /// The randomisers come from `rng`, which no sender of proofs may be able to predict.
    pub fn verify_batch<I: AsRef<[Fr]>>(
        &self,
        proofs: &[(ProofBytes, I)],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Vec<Result<(), Rejection>> {
        let mut verdicts = Vec::with_capacity(proofs.len());
        let mut decoded = Vec::with_capacity(proofs.len());
        for (index, (bytes, inputs)) in proofs.iter().enumerate() {
            let well_formed = self.check_input_count(inputs.as_ref()).and_then(|()| decode(index, bytes));
            verdicts.push(well_formed.as_ref().map(|_| ()).map_err(|rejection| *rejection));
            decoded.extend(well_formed);
        }
        self.search(proofs, &decoded, rng, &mut verdicts);
        verdicts
    }

    fn search<I: AsRef<[Fr]>>(
        &self,
        proofs: &[(ProofBytes, I)],
        decoded: &[Decoded],
        rng: &mut (impl RngCore + CryptoRng),
        verdicts: &mut [Result<(), Rejection>],
    ) {
        if decoded.is_empty() || self.all_hold(proofs, decoded, rng) {
            return;
        }
        if let [bad] = decoded {
            verdicts[bad.index] = Err(Rejection::Equation);
            return;
        }
        let (left, right) = decoded.split_at(decoded.len() / 2);
        self.search(proofs, left, rng, verdicts);
        self.search(proofs, right, rng, verdicts);
    }

    fn all_hold<I: AsRef<[Fr]>>(
        &self,
        proofs: &[(ProofBytes, I)],
        decoded: &[Decoded],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> bool {
        let mut left = Vec::new();
        let mut right = Vec::new();
        let mut ic_scalars = vec![Fr::zero(); self.key.gamma_abc_g1.len()];
        let mut randomisers = Vec::new();
        for proof in decoded {
            let z = Fr::from(rng.r#gen::<u128>().max(1));
            randomisers.push(z);
            ic_scalars[0] += z;
            for (sum, input) in ic_scalars[1..].iter_mut().zip(proofs[proof.index].1.as_ref()) {
                *sum += z * input;
            }
            left.push((proof.a * z).into_affine());
            right.push(proof.b);
        }
        let c: Vec<G1Affine> = decoded.iter().map(|proof| proof.c).collect();
        let sum = |bases: &[G1Affine], scalars: &[Fr]| {
            G1Projective::msm(bases, scalars).expect("as many scalars as bases").into_affine()
        };
        left.extend([
            sum(&self.key.gamma_abc_g1, &ic_scalars),
            sum(&c, &randomisers),
            (self.key.alpha_g1 * ic_scalars[0]).into_affine(),
        ]);
        right.extend(
            [self.key.gamma_g2, self.key.delta_g2, self.key.beta_g2].map(|q| (-q.into_group()).into_affine()),
        );
        let pairs = Bn254::multi_miller_loop(left, right);
        Bn254::final_exponentiation(pairs).is_some_and(|value| value.0 == Fq12::ONE)
    }

    fn check_input_count(&self, inputs: &[Fr]) -> Result<(), Rejection> {
        let expected = self.input_count();
        if inputs.len() == expected {
            Ok(())
        } else {
            Err(Rejection::InputCount { expected, given: inputs.len() })
        }
    }
}

fn decode(index: usize, bytes: &ProofBytes) -> Result<Decoded, Rejection> {
    let a = decode_point(&bytes[..32], ProofPoint::A)?;
    let b: G2Affine = decode_point(&bytes[32..96], ProofPoint::B)?;
    let c = decode_point(&bytes[96..], ProofPoint::C)?;
    if !b.is_in_correct_subgroup_assuming_on_curve() {
        return Err(Rejection::NotInSubgroup);
    }
    Ok(Decoded { index, a, b, c })
}

fn decode_point<P: CanonicalDeserialize>(bytes: &[u8], point: ProofPoint) -> Result<P, Rejection> {
    P::deserialize_compressed_unchecked(bytes).map_err(|error| match error {
        SerializationError::UnexpectedFlags => Rejection::Encoding(point),
        _ => Rejection::NotOnCurve(point),
    })
}
