//! One proof by itself.

use ark_bn254::{Fr, G1Affine};
use ark_ec::AffineRepr;
use ark_ff::Field;

use super::decode::Decoded;
use super::{Rejection, Verifier, line_factors};
use crate::lanes::{Backend, BackendKind, Kernel, dispatch};
use crate::pairing::{final_exponentiation, fixed_product, single_product};

/// Checks a well-formed proof whose inputs are as many as they should be.
pub(super) fn check(verifier: &Verifier, proof: &Decoded, inputs: &[Fr]) -> Result<(), Rejection> {
    let value = dispatch(BackendKind::Portable, Check { verifier, proof, inputs })?;
    if final_exponentiation(&value) == verifier.alpha_beta { Ok(()) } else { Err(Rejection::Equation) }
}

struct Check<'a> {
    verifier: &'a Verifier,
    proof: &'a Decoded,
    inputs: &'a [Fr],
}

impl Kernel for Check<'_> {
    /// The value of the pairs (A, B), (IC, -gamma) and (C, -delta).
    type Output = Result<ark_bn254::Fq12, Rejection>;

    #[inline(always)]
    fn run<B: Backend>(self, backend: B) -> Self::Output {
        let Self { verifier, proof: Decoded { a, b, c }, inputs } = self;
        let input_sum = verifier.input_sum([Fr::ONE].into_iter().chain(inputs.iter().copied()));
        let points = [G1Affine::into_group(*a), input_sum, c.into_group()];
        let [a, input_sum, c] = line_factors(points);
        let fixed = [(&verifier.minus_gamma, input_sum), (&verifier.minus_delta, c)];
        if b.is_zero() {
            // A pair with infinity has the value one.
            return Ok(fixed_product(backend, &fixed));
        }
        single_product(backend, b, &a, &fixed).ok_or(Rejection::NotInSubgroup)
    }
}
