//! The verifier against ark_groth16, on proofs made with the trapdoor of a key.

use ark_bn254::{Bn254, Fq, Fq2, G1Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, Field, PrimeField, UniformRand, Zero};
use ark_groth16::{Groth16, Proof, prepare_verifying_key};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::pairing::tests::{backends, outsiders};

const INPUTS: usize = 3;

/// The secrets behind a key. With them any inputs are "proven", so no circuit is needed.
struct Trapdoor {
    alpha: Fr,
    beta: Fr,
    gamma: Fr,
    delta: Fr,
    ic: Vec<Fr>,
}

impl Trapdoor {
    fn sample(rng: &mut ChaCha8Rng) -> Self {
        let ic = (0..=INPUTS).map(|_| Fr::rand(rng)).collect();
        Self { alpha: Fr::rand(rng), beta: Fr::rand(rng), gamma: Fr::rand(rng), delta: Fr::rand(rng), ic }
    }

    fn key(&self) -> VerifyingKey {
        let (g, h) = (G1Affine::generator(), G2Affine::generator());
        VerifyingKey {
            alpha_g1: (g * self.alpha).into(),
            beta_g2: (h * self.beta).into(),
            gamma_g2: (h * self.gamma).into(),
            delta_g2: (h * self.delta).into(),
            gamma_abc_g1: self.ic.iter().map(|scalar| (g * scalar).into()).collect(),
        }
    }

    fn input_sum(&self, inputs: &[Fr]) -> Fr {
        self.ic[0] + inputs.iter().zip(&self.ic[1..]).map(|(x, ic)| *x * ic).sum::<Fr>()
    }

    /// A proof for `inputs` whose A and B have these logarithms.
    fn prove(&self, a: Fr, b: Fr, inputs: &[Fr]) -> Proof<Bn254> {
        let c = a * b - self.alpha * self.beta - self.input_sum(inputs) * self.gamma;
        let c = c * self.delta.inverse().expect("delta is not zero");
        let (g, h) = (G1Affine::generator(), G2Affine::generator());
        Proof { a: (g * a).into(), b: (h * b).into(), c: (g * c).into() }
    }
}

fn encode(proof: &Proof<Bn254>) -> ProofBytes {
    let mut bytes = [0; PROOF_BYTES];
    proof.serialize_compressed(&mut bytes[..]).expect("a proof has 128 bytes");
    bytes
}

/// What ark says about bytes and inputs.
fn ark_accepts(key: &VerifyingKey, bytes: &ProofBytes, inputs: &[Fr]) -> bool {
    let VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 } = key.clone();
    let key = ark_groth16::VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 };
    Proof::<Bn254>::deserialize_compressed(&bytes[..]).is_ok_and(|proof| {
        Groth16::<Bn254>::verify_proof(&prepare_verifying_key(&key), &proof, inputs).is_ok_and(|valid| valid)
    })
}

/// What should come of a case: a verdict, or any rejection.
type Expected = Option<Result<(), Rejection>>;

#[derive(Clone, Debug)]
struct Case {
    bytes: ProofBytes,
    inputs: Vec<Fr>,
    expected: Expected,
    what: &'static str,
}

/// Makes cases from a few honest proofs.
struct Cases {
    honest: Vec<(Proof<Bn254>, Vec<Fr>)>,
    outsiders: Vec<G2Affine>,
    edges: Vec<Case>,
}

impl Cases {
    fn new(trapdoor: &Trapdoor, rng: &mut ChaCha8Rng) -> Self {
        let mut honest = Vec::new();
        for _ in 0..16 {
            let inputs: Vec<Fr> = (0..INPUTS).map(|_| Fr::rand(rng)).collect();
            honest.push((trapdoor.prove(Fr::rand(rng), Fr::rand(rng), &inputs), inputs));
        }
        Self { honest, outsiders: outsiders(rng), edges: valid_proofs_with_infinity(trapdoor, rng) }
    }

    /// One case, or two that belong together.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<Case> {
        let (proof, inputs) = self.honest[rng.gen_range(0..self.honest.len())].clone();
        let (other, other_inputs) = &self.honest[rng.gen_range(0..self.honest.len())];
        let one = |what, proof: Proof<Bn254>, inputs: Vec<Fr>, expected| {
            vec![Case { bytes: encode(&proof), inputs, expected: Some(expected), what }]
        };
        let bad = Err(Rejection::Equation);
        match rng.gen_range(0..40) {
            0 => one("A negated", Proof { a: -proof.a, ..proof }, inputs, bad),
            1 => one("B negated", Proof { b: -proof.b, ..proof }, inputs, bad),
            2 => one("C negated", Proof { c: -proof.c, ..proof }, inputs, bad),
            3 => one("A and B negated", Proof { a: -proof.a, b: -proof.b, ..proof }, inputs, Ok(())),
            4 => {
                let s = Fr::rand(rng);
                let (a, b) = (proof.a * s, proof.b * s.inverse().expect("not zero"));
                one("A and B scaled", Proof { a: a.into(), b: b.into(), ..proof }, inputs, Ok(()))
            }
            5 => one("A and C swapped", Proof { a: proof.c, c: proof.a, ..proof }, inputs, bad),
            6 if other_inputs != &inputs => one("another's inputs", proof, other_inputs.clone(), bad),
            7 if other_inputs != &inputs => one("another's B", Proof { b: other.b, ..proof }, inputs, bad),
            8 => {
                let mut inputs = inputs;
                inputs[rng.gen_range(0..INPUTS)] += Fr::ONE;
                one("an input off by one", proof, inputs, bad)
            }
            9 => {
                let mut inputs = inputs;
                inputs.truncate(rng.gen_range(0..INPUTS));
                let given = inputs.len();
                one("too few inputs", proof, inputs, Err(Rejection::InputCount { expected: INPUTS, given }))
            }
            10 => one("A at infinity", Proof { a: G1Affine::zero(), ..proof }, inputs, bad),
            11 => one("B at infinity", Proof { b: G2Affine::zero(), ..proof }, inputs, bad),
            12 => one("C at infinity", Proof { c: G1Affine::zero(), ..proof }, inputs, bad),
            13 => {
                let b = self.outsiders[rng.gen_range(0..self.outsiders.len())];
                one("B outside", Proof { b, ..proof }, inputs, Err(Rejection::NotInSubgroup))
            }
            14 => {
                // In the subgroup but for a part of small order: a test on a combination could miss it.
                let b = (proof.b + self.outsiders[1]).into();
                one("B with a small part", Proof { b, ..proof }, inputs, Err(Rejection::NotInSubgroup))
            }
            15 => {
                // Valid only in sum: a batch without randomisers would accept the two together.
                let d = G1Affine::rand(rng);
                let first = Proof { c: (proof.c + d).into(), ..proof };
                let second = Proof { c: (other.c - d).into(), ..other.clone() };
                let mut cases = one("valid only in sum", first, inputs, bad);
                cases.extend(one("valid only in sum", second, other_inputs.clone(), bad));
                cases
            }
            16 => vec![self.edges[rng.gen_range(0..self.edges.len())].clone()],
            17..=24 => vec![malformed(&proof, inputs, rng)],
            _ => one("honest", proof, inputs, Ok(())),
        }
    }
}

/// Proofs that only the trapdoor can make: they hold although a pairing has a point at infinity.
fn valid_proofs_with_infinity(trapdoor: &Trapdoor, rng: &mut ChaCha8Rng) -> Vec<Case> {
    let mut edges = Vec::new();
    let mut add = |what, proof: Proof<Bn254>, inputs: &[Fr]| {
        let bytes = encode(&proof);
        edges.push(Case { bytes, inputs: inputs.to_vec(), expected: Some(Ok(())), what });
    };
    let mut inputs: Vec<Fr> = (0..INPUTS).map(|_| Fr::rand(rng)).collect();
    add("A is infinity", trapdoor.prove(Fr::zero(), Fr::rand(rng), &inputs), &inputs);
    add("B is infinity", trapdoor.prove(Fr::rand(rng), Fr::zero(), &inputs), &inputs);
    let product = trapdoor.alpha * trapdoor.beta + trapdoor.input_sum(&inputs) * trapdoor.gamma;
    let a = Fr::rand(rng);
    let b = product * a.inverse().expect("not zero");
    let c_is_infinity = trapdoor.prove(a, b, &inputs);
    assert!(c_is_infinity.c.is_zero());
    add("C is infinity", c_is_infinity, &inputs);
    // The last input makes the sum of the inputs zero.
    inputs[INPUTS - 1] = Fr::zero();
    inputs[INPUTS - 1] = -trapdoor.input_sum(&inputs) * trapdoor.ic[INPUTS].inverse().expect("not zero");
    add("IC is infinity", trapdoor.prove(Fr::rand(rng), Fr::rand(rng), &inputs), &inputs);
    edges
}

/// An honest proof with other bytes for one of its points.
fn malformed(proof: &Proof<Bn254>, inputs: Vec<Fr>, rng: &mut ChaCha8Rng) -> Case {
    let mut bytes = encode(proof);
    let point = [ProofPoint::A, ProofPoint::B, ProofPoint::C][rng.gen_range(0..3)];
    let (start, end) = match point {
        ProofPoint::A => (0, 32),
        ProofPoint::B => (32, 96),
        ProofPoint::C => (96, 128),
    };
    let p = Fq::MODULUS;
    let mut coordinate_above = p;
    coordinate_above.add_with_carry(&ark_ff::BigInt::new([rng.gen_range(0..1000), 0, 0, 0]));
    let (what, expected) = match rng.gen_range(0..6) {
        0 => {
            bytes[end - 1] |= 0b1100_0000;
            ("both flags", Some(Err(Rejection::Encoding(point))))
        }
        1 => {
            bytes[end - 32..end].copy_from_slice(&coordinate_above.to_bytes_le());
            ("x not below p", Some(Err(Rejection::Encoding(point))))
        }
        2 => {
            // In B this is c0, which has no flags: they make it too large.
            bytes[start + 31] |= 0b1100_0000;
            ("flags in the first coordinate", Some(Err(Rejection::Encoding(point))))
        }
        3 => {
            loop {
                let x = Fq2::rand(rng);
                let on_curve = match point {
                    ProofPoint::B => G2Affine::get_ys_from_x_unchecked(x).is_some(),
                    _ => G1Affine::get_ys_from_x_unchecked(x.c1).is_some(),
                };
                if !on_curve {
                    let mut x_bytes = Vec::new();
                    x.serialize_compressed(&mut x_bytes).expect("into memory");
                    bytes[start..end].copy_from_slice(&x_bytes[64 - (end - start)..]);
                    break;
                }
            }
            ("x of no point", Some(Err(Rejection::NotOnCurve(point))))
        }
        4 => {
            // As ark does, any x is taken with the flag of infinity.
            bytes[end - 1] = bytes[end - 1] & 0b0011_1111 | 0b0100_0000;
            ("infinity with an x", Some(Err(Rejection::Equation)))
        }
        _ => {
            bytes[rng.gen_range(start..end)] ^= 1 << rng.gen_range(0..8);
            ("a bit flipped", None)
        }
    };
    Case { bytes, inputs, expected, what }
}

fn agrees(verdict: &Result<(), Rejection>, case: &Case) -> bool {
    case.expected.map_or(verdict.is_err(), |expected| *verdict == expected)
}

/// How many cases the test of many goes through. `WEIR_NIGHTLY=1 cargo test --release -p weir-groth16
/// verifier` takes the larger number.
fn case_count() -> usize {
    if std::env::var_os("WEIR_NIGHTLY").is_some_and(|value| value == "1") { 1_000_000 } else { 10_000 }
}

#[test]
fn verdicts_are_as_expected_and_as_arks_in_batches_of_any_composition() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let trapdoor = Trapdoor::sample(&mut rng);
    let key = trapdoor.key();
    let verifier = Verifier::new(&key, BackendKind::Portable);
    let cases = Cases::new(&trapdoor, &mut rng);
    let mut judged = 0;
    while judged < case_count() {
        let size = rng.gen_range(1..=160);
        // Some batches are all honest but for one proof.
        let mut batch: Vec<Case> = if rng.r#gen() {
            (0..size).flat_map(|_| cases.draw(&mut rng)).collect()
        } else {
            let honest = |case: &Case| case.what == "honest";
            let mut batch: Vec<Case> =
                std::iter::repeat_with(|| cases.draw(&mut rng)).flatten().filter(honest).take(size).collect();
            batch.extend(cases.draw(&mut rng));
            batch
        };
        let turn = rng.gen_range(0..batch.len());
        batch.rotate_left(turn);
        check_batch(&verifier, &key, &batch, &mut rng);
        judged += batch.len();
    }
}

/// Checks a batch, and a few of its cases alone and with ark.
fn check_batch(verifier: &Verifier, key: &VerifyingKey, batch: &[Case], rng: &mut ChaCha8Rng) {
    let proofs: Vec<_> = batch.iter().map(|case| (case.bytes, &case.inputs)).collect();
    let verdicts = verifier.verify_batch(&proofs, rng);
    assert_eq!(verdicts.len(), batch.len());
    for (verdict, case) in verdicts.iter().zip(batch) {
        assert!(agrees(verdict, case), "{verdict:?} of a batch for {case:?}");
        if rng.gen_range(0..32) == 0 {
            assert_eq!(verifier.verify_one(&case.bytes, &case.inputs), *verdict, "{case:?}");
            assert_eq!(ark_accepts(key, &case.bytes, &case.inputs), verdict.is_ok(), "{case:?}");
        }
    }
}

#[test]
fn every_backend_gives_the_same_verdicts() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let trapdoor = Trapdoor::sample(&mut rng);
    let key = trapdoor.key();
    let cases = Cases::new(&trapdoor, &mut rng);
    for kind in backends() {
        let verifier = Verifier::new(&key, kind);
        for size in [1, 2, 8, 20] {
            let batch: Vec<Case> = (0..size).flat_map(|_| cases.draw(&mut rng)).collect();
            check_batch(&verifier, &key, &batch, &mut rng);
        }
    }
}

#[test]
fn proofs_with_points_at_infinity_are_accepted_where_ark_accepts_them() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let trapdoor = Trapdoor::sample(&mut rng);
    let key = trapdoor.key();
    let verifier = Verifier::new(&key, BackendKind::Portable);
    for case in valid_proofs_with_infinity(&trapdoor, &mut rng) {
        assert!(ark_accepts(&key, &case.bytes, &case.inputs), "{}", case.what);
        assert_eq!(verifier.verify_one(&case.bytes, &case.inputs), Ok(()), "{}", case.what);
    }
}

#[test]
fn an_empty_batch_has_no_verdicts() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let verifier = Verifier::new(&Trapdoor::sample(&mut rng).key(), BackendKind::Portable);
    assert_eq!(verifier.verify_batch::<Vec<Fr>>(&[], &mut rng), []);
}

#[test]
fn a_batch_longer_than_one_equation_is_judged_in_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let trapdoor = Trapdoor::sample(&mut rng);
    let verifier = Verifier::new(&trapdoor.key(), BackendKind::Portable);
    let inputs = vec![Fr::ONE; INPUTS];
    let good = (encode(&trapdoor.prove(Fr::rand(&mut rng), Fr::rand(&mut rng), &inputs)), inputs);
    let mut proofs = vec![good; EQUATION_SIZE + 5];
    proofs[EQUATION_SIZE + 2].1[0] = Fr::zero();
    let verdicts = verifier.verify_batch(&proofs, &mut rng);
    let bad: Vec<usize> = (0..proofs.len()).filter(|place| verdicts[*place].is_err()).collect();
    assert_eq!(bad, [EQUATION_SIZE + 2]);
}
