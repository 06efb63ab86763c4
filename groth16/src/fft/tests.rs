use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, FftField, UniformRand};
use ark_poly::{EvaluationDomain, GeneralEvaluationDomain};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::CosetTransform;
use crate::lanes::{Backend, BackendKind, Kernel, Lanes, dispatch};

/// Moves values to the coset with the backend it runs on, `None` if the domain does not fill its lanes.
struct ToCoset<'a>(&'a [Fr]);

impl Kernel for ToCoset<'_> {
    type Output = Option<Vec<Fr>>;

    #[inline(always)]
    fn run<B: Backend>(self, _backend: B) -> Self::Output {
        if self.0.len() < CosetTransform::<B>::SMALLEST {
            return None;
        }
        let transform = CosetTransform::<B>::new(self.0.len());
        let mut values: Vec<_> = self.0.chunks_exact(B::Fr::LANES).map(B::Fr::from_lanes).collect();
        transform.to_coset(&mut values);
        let mut out = vec![Fr::ZERO; self.0.len()];
        for (value, out) in values.iter().zip(out.chunks_exact_mut(B::Fr::LANES)) {
            value.to_lanes(out);
        }
        Some(out)
    }
}

fn ark_to_coset(values: &[Fr]) -> Vec<Fr> {
    let domain = GeneralEvaluationDomain::<Fr>::new(values.len()).unwrap();
    let shift = Fr::get_root_of_unity(2 * values.len() as u64).unwrap();
    domain.get_coset(shift).unwrap().fft(&domain.ifft(values))
}

#[test]
fn every_backend_moves_to_the_coset_as_ark_does() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let kinds = [BackendKind::detect(), BackendKind::Portable, BackendKind::Emulated];
    for bits in 0..=11 {
        let values: Vec<Fr> = (0..1 << bits).map(|_| Fr::rand(&mut rng)).collect();
        let expected = ark_to_coset(&values);
        for kind in kinds {
            if let Some(found) = dispatch(kind, ToCoset(&values)) {
                assert_eq!(found, expected, "2^{bits} elements, {kind}");
            } else {
                assert!(kind != BackendKind::Portable && bits < 6, "2^{bits} elements, {kind}");
            }
        }
    }
}
