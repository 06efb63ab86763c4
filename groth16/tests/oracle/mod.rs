//! What this crate is compared with: ark-groth16 with circom's reduction, and keys for it.

#![allow(dead_code, reason = "each test takes what it needs")]

use ark_bn254::{Bn254, Fr};
use ark_ff::{Field, One, PrimeField, UniformRand, Zero};
use ark_groth16::r1cs_to_qap::{LibsnarkReduction, R1CSToQAP, evaluate_constraint};
use ark_groth16::{Groth16, ProvingKey};
use ark_poly::EvaluationDomain;
use ark_relations::lc;
use ark_relations::r1cs::{
    ConstraintMatrices, ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, SynthesisError,
    SynthesisMode, Variable,
};
use ark_serialize::CanonicalSerialize;
use rand_chacha::ChaCha20Rng;

pub(crate) type ArkKey = (ProvingKey<Bn254>, ConstraintMatrices<Fr>);

/// The quotient of circom and snarkjs, term by term after their description, with ark's transforms.
pub(crate) struct CircomReduction;

impl R1CSToQAP for CircomReduction {
    fn instance_map_with_evaluation<F: PrimeField, D: EvaluationDomain<F>>(
        system: ConstraintSystemRef<F>,
        tau: &F,
    ) -> Result<(Vec<F>, Vec<F>, Vec<F>, F, usize, usize), SynthesisError> {
        LibsnarkReduction::instance_map_with_evaluation::<F, D>(system, tau)
    }

    fn witness_map_from_matrices<F: PrimeField, D: EvaluationDomain<F>>(
        matrices: &ConstraintMatrices<F>,
        inputs: usize,
        constraints: usize,
        wires: &[F],
    ) -> Result<Vec<F>, SynthesisError> {
        let domain = D::new(constraints + inputs).expect("a small domain");
        let shift = F::get_root_of_unity(2 * domain.size() as u64).expect("a small domain");
        let coset = domain.get_coset(shift).expect("a shift that is not zero");
        let rows = |matrix: &[Vec<(F, usize)>]| -> Vec<F> {
            matrix.iter().map(|row| evaluate_constraint(row, wires)).collect()
        };
        let (mut a, mut b) = (rows(&matrices.a), rows(&matrices.b));
        let mut c: Vec<F> = a.iter().zip(&b).map(|(a, b)| *a * b).collect();
        a.extend_from_slice(&wires[..inputs]);
        for values in [&mut a, &mut b, &mut c] {
            values.resize(domain.size(), F::zero());
            domain.ifft_in_place(values);
            coset.fft_in_place(values);
        }
        Ok(a.iter().zip(&b).zip(&c).map(|((a, b), c)| *a * b - c).collect())
    }

    fn h_query_scalars<F: PrimeField, D: EvaluationDomain<F>>(
        most: usize,
        tau: F,
        _vanishing: F,
        delta_inverse: F,
    ) -> Result<Vec<F>, SynthesisError> {
        // Lagrange polynomials of the doubled domain at tau; the odd ones are those of the coset.
        let domain = D::new(2 * most + 1).expect("a small domain");
        let lagrange = domain.evaluate_all_lagrange_coefficients(tau);
        Ok(lagrange.into_iter().skip(1).step_by(2).map(|value| value * delta_inverse).collect())
    }
}

/// A circuit for tests: `public` wires are the products of chains of `length` private ones, each link
/// of which has a constant and some wires more on either side.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) public: usize,
    pub(crate) length: usize,
    pub(crate) seeds: Vec<Fr>,
}

impl Chain {
    pub(crate) fn random(public: usize, length: usize, rng: &mut ChaCha20Rng) -> Self {
        Self { public, length, seeds: (0..public + length).map(|_| Fr::rand(rng)).collect() }
    }
}

impl ConstraintSynthesizer<Fr> for Chain {
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let mut privates = Vec::new();
        for seed in &self.seeds[self.public..] {
            privates.push((system.new_witness_variable(|| Ok(*seed))?, *seed));
        }
        // Wires that no constraint takes on the right, and one that none takes at all.
        system.new_witness_variable(|| Ok(Fr::one()))?;
        for index in 0..self.public {
            let seed = self.seeds[index];
            let mut last = (system.new_witness_variable(|| Ok(seed))?, seed);
            for (link, (wire, value)) in privates.iter().enumerate() {
                let factor = Fr::from(link as u64 + 2);
                let left = lc!() + last.0 + (factor, *wire) - Variable::One;
                let right = lc!() + *wire + (-factor, Variable::One);
                let product = (last.1 + factor * value - Fr::one()) * (*value - factor);
                let next = system.new_witness_variable(|| Ok(product))?;
                system.enforce_constraint(left, right, lc!() + next)?;
                last = (next, product);
            }
            let output = system.new_input_variable(|| Ok(last.1))?;
            system.enforce_constraint(lc!() + last.0, lc!() + Variable::One, lc!() + output)?;
        }
        Ok(())
    }
}

/// A key of `circuit` from a set-up whose secrets the generator knows, and a witness.
pub(crate) fn set_up(circuit: Chain, rng: &mut ChaCha20Rng) -> (ArkKey, Vec<Fr>) {
    let key =
        Groth16::<Bn254, CircomReduction>::generate_random_parameters_with_reduction(circuit.clone(), rng);
    let system = ConstraintSystem::new_ref();
    system.set_mode(SynthesisMode::Prove { construct_matrices: true });
    circuit.generate_constraints(system.clone()).expect("a circuit");
    system.finalize();
    let matrices = system.to_matrices().expect("matrices were constructed");
    let system = system.borrow().expect("it is there");
    let wires = [&system.instance_assignment[..], &system.witness_assignment[..]].concat();
    ((key.expect("a key"), matrices), wires)
}

/// The file format of zerokit, written by ark.
pub(crate) fn arkzkey((key, matrices): &ArkKey) -> Vec<u8> {
    let mut file = Vec::new();
    let mut write = |part: &dyn Fn(&mut Vec<u8>)| part(&mut file);
    write(&|file| key.serialize_uncompressed(file).expect("memory"));
    let counts = [
        matrices.num_instance_variables,
        matrices.num_witness_variables,
        matrices.num_constraints,
        matrices.a_num_non_zero,
        matrices.b_num_non_zero,
        matrices.c_num_non_zero,
    ];
    for count in counts {
        write(&|file| count.serialize_uncompressed(file).expect("memory"));
    }
    for matrix in [&matrices.a, &matrices.b, &matrices.c] {
        write(&|file| matrix.serialize_uncompressed(file).expect("memory"));
    }
    file
}

/// The proof that ark makes.
pub(crate) fn prove((key, matrices): &ArkKey, wires: &[Fr], r: Fr, s: Fr) -> ark_groth16::Proof<Bn254> {
    Groth16::<Bn254, CircomReduction>::create_proof_with_reduction_and_matrices(
        key,
        r,
        s,
        matrices,
        matrices.num_instance_variables,
        matrices.num_constraints,
        wires,
    )
    .expect("the key's own matrices")
}

/// Any wires at all: equality of provers does not need constraints to hold.
pub(crate) fn any_wires(count: usize, rng: &mut ChaCha20Rng) -> Vec<Fr> {
    let mut wires: Vec<Fr> = (0..count).map(|_| Fr::rand(rng)).collect();
    wires[0] = Fr::ONE;
    for wire in wires.iter_mut().skip(3).step_by(5) {
        *wire = Fr::zero();
    }
    for wire in wires.iter_mut().skip(4).step_by(7) {
        *wire = -Fr::one();
    }
    wires
}
