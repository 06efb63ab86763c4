//! Many proofs by one equation.

use ark_bn254::{Fq, Fq12, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Field};
use rand::{CryptoRng, RngCore};

use super::search::search;
use super::weighting::{Randomiser, evaluations, to_points, weigh};
use super::{Claim, Rejection, Verifier, line_factors, single};
use crate::lanes::{Backend, BackendKind, Kernel, dispatch};
use crate::pairing::{FixedLines, each, final_exponentiation, fixed_product, product, walk};

/// Up to this many proofs are checked one by one, which costs less than sharing so little.
const ONE_BY_ONE: usize = 1;

/// Checks claims, at most [`super::EQUATION_SIZE`]. Gives the places of the bad ones.
pub(super) fn check(
    verifier: &Verifier,
    claims: &[Claim<'_>],
    rng: &mut (impl RngCore + CryptoRng),
) -> Vec<(usize, Rejection)> {
    if claims.len() <= ONE_BY_ONE {
        let check_alone = |claim: &Claim<'_>| {
            let rejection = single::check(verifier, &claim.proof, claim.inputs).err()?;
            Some((claim.index, rejection))
        };
        return claims.iter().filter_map(check_alone).collect();
    }
    let factors: Vec<Randomiser> = claims.iter().map(|_| Randomiser::sample(rng)).collect();
    dispatch(verifier.backend, Check { verifier, claims, factors: &factors })
}

struct Check<'a> {
    verifier: &'a Verifier,
    claims: &'a [Claim<'a>],
    factors: &'a [Randomiser],
}

impl Kernel for Check<'_> {
    type Output = Vec<(usize, Rejection)>;

    #[inline(always)]
    fn run<B: Backend>(self, backend: B) -> Self::Output {
        let Self { verifier, claims, factors } = self;
        let b: Vec<G2Affine> = claims.iter().map(|claim| not_infinity(claim.proof.b)).collect();
        let (lines, in_subgroup) = walk(backend, &b);
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..claims.len()).partition(|place| in_subgroup[*place]);
        let mut rejections: Vec<_> =
            outside.into_iter().map(|place| (claims[place].index, Rejection::NotInSubgroup)).collect();

        // A pair counts as one if a point is infinity, and shall if B is outside: A at infinity does both.
        let a: Vec<G1Affine> = claims
            .iter()
            .zip(in_subgroup)
            .map(
                |(claim, inside)| {
                    if inside && !claim.proof.b.is_zero() { claim.proof.a } else { G1Affine::identity() }
                },
            )
            .collect();
        let c: Vec<G1Affine> = claims.iter().map(|claim| claim.proof.c).collect();
        let at = evaluations(backend, &weigh(backend, &a, factors));
        let weighted_c = to_points(backend, &weigh(backend, &c, factors));
        let equation = Equation { verifier, claims, factors, weighted_c };
        if !equation.holds(&inside, &product(backend, &lines, &at)) {
            let values = each(backend, &lines, &at);
            let value_of = |places: &[usize]| places.iter().map(|place| values[*place]).product();
            for bad in search(&inside, &|places| equation.holds(places, &value_of(places))) {
                rejections.push((claims[bad].index, Rejection::Equation));
            }
        }
        rejections
    }
}

/// The point, or any other of the subgroup for infinity, which has no lines.
fn not_infinity(point: G2Affine) -> G2Affine {
    if point.is_zero() { G2Affine::generator() } else { point }
}

/// The combination of the equations of some claims.
struct Equation<'a> {
    verifier: &'a Verifier,
    claims: &'a [Claim<'a>],
    factors: &'a [Randomiser],
    /// z C of each claim.
    weighted_c: Vec<G1Projective>,
}

impl Equation<'_> {
    /// Whether the combination for the claims at `places` holds, given the product of the values of
    /// their pairs (z A, B).
    fn holds(&self, places: &[usize], value: &Fq12) -> bool {
        let mut scalars = vec![Fr::ZERO; self.verifier.inputs.len()];
        let mut c = G1Projective::ZERO;
        for place in places {
            let z = self.factors[*place].to_scalar();
            scalars[0] += z;
            for (scalar, input) in scalars[1..].iter_mut().zip(self.claims[*place].inputs) {
                *scalar += z * input;
            }
            c += self.weighted_c[*place];
        }
        let mut alpha = G1Projective::ZERO;
        self.verifier.alpha.add_multiple(&mut alpha, scalars[0]);
        let input_sum = self.verifier.input_sum(scalars.into_iter());
        let [alpha, input_sum, c] = line_factors([alpha, input_sum, c]);
        let fixed = [
            (&self.verifier.minus_beta, alpha),
            (&self.verifier.minus_gamma, input_sum),
            (&self.verifier.minus_delta, c),
        ];
        let fixed = dispatch(BackendKind::Portable, FixedPairs(&fixed));
        final_exponentiation(&(fixed * value)) == Fq12::ONE
    }
}

/// The value of pairs whose points of G2 are the key's. They are few, so one lane does.
struct FixedPairs<'a>(&'a [(&'a FixedLines, (Fq, Fq)); 3]);

impl Kernel for FixedPairs<'_> {
    type Output = Fq12;

    #[inline(always)]
    fn run<B: Backend>(self, backend: B) -> Fq12 {
        fixed_product(backend, self.0)
    }
}
