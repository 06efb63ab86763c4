//! Whether the kernels of this crate give on one backend what they give on the portable one, or what ark
//! gives. Small enough for an emulated processor; a difference panics. See the example `ifma_selftest`.

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Field, UniformRand};
use ark_serialize::CanonicalSerialize;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::fft::CosetTransform;
use crate::key::VerifyingKey;
use crate::lanes::{Backend, BackendKind, Kernel, Lanes, dispatch};
use crate::msm::{FixedBaseTable, TableGroup};
use crate::verifier::{ProofBytes, Rejection, Verifier};

fn rng() -> StdRng {
    StdRng::seed_from_u64(9)
}

/// Compares the transform of domains of 64 and 512 elements with the portable one.
pub fn compare_transforms(kind: BackendKind) {
    for size in [64, 512] {
        let mut rng = rng();
        let values: Vec<Fr> = (0..size).map(|_| Fr::rand(&mut rng)).collect();
        let on_coset = |kind| dispatch(kind, ToCoset { values: &values });
        assert_eq!(on_coset(kind), on_coset(BackendKind::Portable), "transform of {size} elements");
    }
}

struct ToCoset<'a> {
    values: &'a [Fr],
}

impl Kernel for ToCoset<'_> {
    type Output = Vec<Fr>;

    #[inline(always)]
    fn run<B: Backend>(self, _: B) -> Vec<Fr> {
        let lanes = B::Fr::LANES;
        let transform = CosetTransform::<B>::new(self.values.len());
        let mut vectors = vec![B::Fr::zero(); transform.vectors()];
        for (vector, values) in vectors.iter_mut().zip(self.values.chunks_exact(lanes)) {
            *vector = B::Fr::from_lanes(values);
        }
        transform.to_coset(&mut vectors);
        let mut result = vec![Fr::ZERO; self.values.len()];
        for (vector, values) in vectors.iter().zip(result.chunks_exact_mut(lanes)) {
            vector.to_lanes(values);
        }
        result
    }
}

/// Compares sums over tables of both groups with ark's, among the bases some that are equal, opposite or
/// infinity.
pub fn compare_sums(kind: BackendKind) {
    compare_sum::<G1Projective>(kind, 60);
    compare_sum::<G2Projective>(kind, 20);
}

fn compare_sum<G: TableGroup>(kind: BackendKind, count: usize) {
    let mut rng = rng();
    let points: Vec<G> = (0..count).map(|_| G::rand(&mut rng)).collect();
    let mut bases = G::normalize_batch(&points);
    bases[1] = bases[0];
    bases[2] = (-points[0]).into_affine();
    bases[3] = G::Affine::zero();
    let mut scalars: Vec<Fr> = (0..count).map(|_| Fr::rand(&mut rng)).collect();
    scalars[1] = scalars[0];
    scalars[2] = scalars[0];
    scalars[4] = Fr::ZERO;
    scalars[5] = -Fr::ONE;
    let expected: G = bases.iter().zip(&scalars).map(|(base, scalar)| *base * scalar).sum();
    assert_eq!(FixedBaseTable::<G>::build(kind, &bases).msm(&scalars), expected, "sum of {count} points");
}

/// Verifies proofs that are valid and proofs that are not, alone and as a batch.
pub fn compare_verdicts(kind: BackendKind) {
    let mut rng = rng();
    let [alpha, beta, gamma, delta, ic0, ic1] = std::array::from_fn(|_| Fr::rand(&mut rng));
    let (g, h) = (G1Affine::generator(), G2Affine::generator());
    let key = VerifyingKey {
        alpha_g1: (g * alpha).into(),
        beta_g2: (h * beta).into(),
        gamma_g2: (h * gamma).into(),
        delta_g2: (h * delta).into(),
        gamma_abc_g1: vec![(g * ic0).into(), (g * ic1).into()],
    };
    // With the key's secrets any input is "proven": c is what the equation leaves to it.
    let mut proofs: Vec<(ProofBytes, [Fr; 1])> = (0..10)
        .map(|_| {
            let (a, b, input) = (Fr::rand(&mut rng), Fr::rand(&mut rng), Fr::rand(&mut rng));
            let c = (a * b - alpha * beta - (ic0 + ic1 * input) * gamma) / delta;
            (encoded((g * a).into(), (h * b).into(), (g * c).into()), [input])
        })
        .collect();
    proofs[3].1[0] += Fr::ONE;
    proofs[7].0 = encoded(g, h, g);

    let expected: Vec<_> =
        (0..10).map(|i| if i == 3 || i == 7 { Err(Rejection::Equation) } else { Ok(()) }).collect();
    let verifier = Verifier::new(&key, kind);
    let alone: Vec<_> = proofs.iter().map(|(proof, inputs)| verifier.verify_one(proof, inputs)).collect();
    assert_eq!(alone, expected, "verdicts one by one");
    assert_eq!(verifier.verify_batch(&proofs, &mut rng), expected, "verdicts as a batch");
}

fn encoded(a: G1Affine, b: G2Affine, c: G1Affine) -> ProofBytes {
    let mut bytes: ProofBytes = [0; 128];
    let mut rest = &mut bytes[..];
    a.serialize_compressed(&mut rest).expect("32 bytes of 128");
    b.serialize_compressed(&mut rest).expect("64 bytes of 96");
    c.serialize_compressed(&mut rest).expect("32 bytes of 32");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_agree_on_the_emulated_backend() {
        compare_transforms(BackendKind::Emulated);
        compare_sums(BackendKind::Emulated);
        compare_verdicts(BackendKind::Emulated);
    }
}
