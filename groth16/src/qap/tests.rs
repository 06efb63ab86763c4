use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field, UniformRand};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::Quotient;
use crate::lanes::BackendKind;

/// The value at `point` of the polynomial through `values` on the domain, by Lagrange's formula.
fn interpolate(values: &[Fr], point: Fr) -> Fr {
    let root = crate::fft::root_of_unity(values.len() as u64);
    let mut sum = Fr::ZERO;
    for (index, value) in values.iter().enumerate() {
        let mut basis = Fr::ONE;
        for other in (0..values.len()).filter(|other| *other != index) {
            let (here, there) = (root.pow([index as u64]), root.pow([other as u64]));
            basis *= (point - there) / (here - there);
        }
        sum += basis * value;
    }
    sum
}

#[test]
fn the_quotient_is_ab_minus_c_on_the_coset() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for (size, kind) in [(1, BackendKind::Emulated), (8, BackendKind::Emulated), (64, BackendKind::Emulated)]
    {
        let mut a: Vec<Fr> = (0..size).map(|_| Fr::rand(&mut rng)).collect();
        let b: Vec<Fr> = (0..size).map(|_| Fr::rand(&mut rng)).collect();
        let c: Vec<Fr> = a.iter().zip(&b).map(|(a, b)| *a * b).collect();
        let shift = crate::fft::root_of_unity(2 * size as u64);
        let point = shift * shift.square().pow([size as u64 / 2]);
        let expected = interpolate(&a, point) * interpolate(&b, point) - interpolate(&c, point);
        Quotient::new(size, kind).engine.quotient(&mut a, &b);
        assert_eq!(a[size / 2], expected, "{size} rows");
    }
}
