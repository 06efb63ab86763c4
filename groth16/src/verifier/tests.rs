//! The verifier against ark_groth16, on proofs made with the trapdoor of a key.

use ark_bn254::{Bn254, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{Field, UniformRand, Zero};
use ark_groth16::{Groth16, Proof, prepare_verifying_key};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

/// The secrets behind a key. With them any inputs are "proven", so no circuit is needed.
pub(crate) struct Trapdoor {
    alpha: Fr,
    beta: Fr,
    gamma: Fr,
    delta: Fr,
    ic: Vec<Fr>,
}

impl Trapdoor {
    pub(crate) fn sample(input_count: usize, rng: &mut impl Rng) -> Self {
        let mut ic = vec![Fr::zero(); input_count + 1];
        ic.iter_mut().for_each(|scalar| *scalar = Fr::rand(rng));
        Self { alpha: Fr::rand(rng), beta: Fr::rand(rng), gamma: Fr::rand(rng), delta: Fr::rand(rng), ic }
    }

    pub(crate) fn key(&self) -> VerifyingKey {
        let (g, h) = (G1Affine::generator(), G2Affine::generator());
        VerifyingKey {
            alpha_g1: (g * self.alpha).into(),
            beta_g2: (h * self.beta).into(),
            gamma_g2: (h * self.gamma).into(),
            delta_g2: (h * self.delta).into(),
            gamma_abc_g1: self.ic.iter().map(|scalar| (g * scalar).into()).collect(),
        }
    }

    /// The logarithm of the C that makes a proof of `a` and `b`.
    fn c(&self, a: Fr, b: Fr, inputs: &[Fr]) -> Fr {
        let ic: Fr = self.ic[0] + inputs.iter().zip(&self.ic[1..]).map(|(x, ic)| *x * ic).sum::<Fr>();
        let delta = self.delta.inverse().expect("delta is not zero");
        (a * b - self.alpha * self.beta - ic * self.gamma) * delta
    }

    /// A proof for `inputs` whose A and B have these logarithms.
    pub(crate) fn prove(&self, a: Fr, b: Fr, inputs: &[Fr]) -> ProofBytes {
        let c = self.c(a, b, inputs);
        let (g, h) = (G1Affine::generator(), G2Affine::generator());
        encode(&Proof { a: (g * a).into(), b: (h * b).into(), c: (g * c).into() })
    }
}

fn encode(proof: &Proof<Bn254>) -> ProofBytes {
    let mut bytes = [0; PROOF_LENGTH];
    proof.serialize_compressed(&mut bytes[..]).expect("a proof has 128 bytes");
    bytes
}

/// What ark says about a proof of `key`.
fn ark_accepts(key: &VerifyingKey, bytes: &ProofBytes, inputs: &[Fr]) -> bool {
    let VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 } = key.clone();
    let key = ark_groth16::VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 };
    Proof::<Bn254>::deserialize_compressed(&bytes[..]).is_ok_and(|proof| {
        Groth16::<Bn254>::verify_proof(&prepare_verifying_key(&key), &proof, inputs).is_ok_and(|valid| valid)
    })
}

#[test]
fn a_batch_names_the_one_bad_proof() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let trapdoor = Trapdoor::sample(3, &mut rng);
    let key = trapdoor.key();
    let verifier = Verifier::new(&key, BackendKind::Portable);
    let mut proofs: Vec<_> = (0..9)
        .map(|_| {
            let inputs = [(); 3].map(|()| Fr::rand(&mut rng));
            (trapdoor.prove(Fr::rand(&mut rng), Fr::rand(&mut rng), &inputs), inputs)
        })
        .collect();
    assert!(ark_accepts(&key, &proofs[0].0, &proofs[0].1));
    assert_eq!(verifier.verify_batch(&proofs, &mut rng), [Ok(()); 9]);
    proofs[4].1[1] += Fr::ONE;
    assert!(!ark_accepts(&key, &proofs[4].0, &proofs[4].1));
    let verdicts = verifier.verify_batch(&proofs, &mut rng);
    for (index, (verdict, (bytes, inputs))) in verdicts.iter().zip(&proofs).enumerate() {
        assert_eq!(*verdict, if index == 4 { Err(Rejection::Equation) } else { Ok(()) });
        assert_eq!(*verdict, verifier.verify_one(bytes, inputs));
    }
}
