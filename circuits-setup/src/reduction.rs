//! Circom's way from constraints to the quotient polynomial.
//!
//! The quotient h = (a·b - c) / z has a degree below n, the number of points in the domain, and a proof
//! holds h(τ)·z(τ)/δ in the exponent, with a τ that nobody knows. Libsnark, whose way ark goes, has
//! powers of τ in its key and finds the coefficients of h. Snarkjs never divides: p = a·b - c is zero on
//! the domain, so p is determined by its values on the domain's other coset, the odd powers of a 2n-th
//! root of unity ω. Its key holds the Lagrange basis of the doubled domain at τ, the odd half of it, and
//! the prover finds the values of p there:
//!
//! ```text
//! h(τ)·z(τ)/δ  =  p(τ)/δ  =  Σ p(ω^j) · L_j(τ)/δ      over odd j below 2n
//! ```
//!
//! Both halves are here: what a key's h query is, and what its scalars are.

use ark_ff::PrimeField;
use ark_groth16::r1cs_to_qap::{LibsnarkReduction, R1CSToQAP, evaluate_constraint};
use ark_poly::EvaluationDomain;
use ark_relations::r1cs::{ConstraintMatrices, ConstraintSystemRef, SynthesisError};

/// ark-groth16's plug for keys in the form of snarkjs, those of the published circuits among them.
#[derive(Debug, Clone, Copy)]
pub struct CircomReduction;

impl R1CSToQAP for CircomReduction {
    /// The polynomials of the wires at τ are what they are elsewhere.
    fn instance_map_with_evaluation<F: PrimeField, D: EvaluationDomain<F>>(
        system: ConstraintSystemRef<F>,
        tau: &F,
    ) -> Result<(Vec<F>, Vec<F>, Vec<F>, F, usize, usize), SynthesisError> {
        LibsnarkReduction::instance_map_with_evaluation::<F, D>(system, tau)
    }

    /// The values of p on the coset.
    fn witness_map_from_matrices<F: PrimeField, D: EvaluationDomain<F>>(
        matrices: &ConstraintMatrices<F>,
        num_inputs: usize,
        num_constraints: usize,
        wires: &[F],
    ) -> Result<Vec<F>, SynthesisError> {
        let domain = domain::<F, D>(num_constraints + num_inputs)?;
        let shift = domain_of_twice(&domain)?.group_gen();

        let evaluate = |rows: &[Vec<(F, usize)>]| -> Vec<F> {
            let mut values: Vec<F> = rows.iter().map(|row| evaluate_constraint(row, wires)).collect();
            values.resize(domain.size(), F::zero());
            values
        };
        let mut a = evaluate(&matrices.a);
        let mut b = evaluate(&matrices.b);
        let mut c: Vec<F> = a.iter().zip(&b).map(|(a, b)| *a * b).collect();
        // One more row for each public wire, on the left only, so that no two of them are exchangeable.
        a[num_constraints..num_constraints + num_inputs].copy_from_slice(&wires[..num_inputs]);

        for polynomial in [&mut a, &mut b, &mut c] {
            domain.ifft_in_place(polynomial);
            D::distribute_powers(polynomial, shift);
            domain.fft_in_place(polynomial);
        }
        Ok(a.iter().zip(&b).zip(&c).map(|((a, b), c)| *a * b - c).collect())
    }

    /// The odd half of the doubled domain's Lagrange basis at τ, over δ. `max_power` is n - 1.
    fn h_query_scalars<F: PrimeField, D: EvaluationDomain<F>>(
        max_power: usize,
        tau: F,
        _zero_of_tau: F,
        delta_inverse: F,
    ) -> Result<Vec<F>, SynthesisError> {
        let domain = domain::<F, D>(max_power + 1)?;
        let basis = domain_of_twice(&domain)?.evaluate_all_lagrange_coefficients(tau);
        Ok(basis.into_iter().skip(1).step_by(2).map(|value| value * delta_inverse).collect())
    }
}

fn domain<F: PrimeField, D: EvaluationDomain<F>>(points: usize) -> Result<D, SynthesisError> {
    D::new(points).ok_or(SynthesisError::PolynomialDegreeTooLarge)
}

fn domain_of_twice<F: PrimeField, D: EvaluationDomain<F>>(domain: &D) -> Result<D, SynthesisError> {
    self::domain(2 * domain.size())
}
