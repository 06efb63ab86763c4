//! How many times faster than ark_groth16 (which is what rln 3.0.0 verifies with) proofs are checked,
//! from bytes, on one thread.
//!
//! `cargo run --release -p weir-groth16 --example verify_ratio [rounds]`; `WEIR_NO_SIMD=1` keeps to the
//! portable backend. Proofs have five public inputs, as RLN's; they are made with a key's secrets, which
//! makes no difference to who checks them. CPU time of the thread, the two taken in turn, medians.

#![allow(clippy::print_stdout, reason = "it is there to print")]

use std::hint::black_box;

use ark_bn254::{Bn254, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{Field, UniformRand};
use ark_groth16::{Groth16, Proof, prepare_verifying_key};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rustix::time::{ClockId, clock_gettime};
use weir_groth16::key::VerifyingKey;
use weir_groth16::lanes::BackendKind;
use weir_groth16::prover::PROOF_BYTES;
use weir_groth16::verifier::{ProofBytes, Verifier};

const INPUTS: usize = 5;
const BATCHES: [usize; 6] = [1, 2, 4, 8, 32, 128];

fn main() {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(15);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (key, proofs) = key_and_proofs(&mut rng);
    let backend = BackendKind::detect();
    let verifier = Verifier::new(&key, backend);
    let VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 } = key;
    let ark = prepare_verifying_key(&ark_groth16::VerifyingKey::<Bn254> {
        alpha_g1,
        beta_g2,
        gamma_g2,
        delta_g2,
        gamma_abc_g1,
    });
    let ark_accepts = |(bytes, inputs): &(ProofBytes, [Fr; INPUTS])| {
        let proof = Proof::deserialize_compressed(&bytes[..]).expect("an honest proof");
        Groth16::<Bn254>::verify_proof(&ark, &proof, inputs).expect("as many inputs")
    };

    println!("backend {backend}, milliseconds for each proof, medians of {rounds}");
    println!("{:>6} {:>9} {:>9} {:>7}", "proofs", "ark", "weir", "ratio");
    for size in BATCHES {
        let batch = &proofs[..size];
        let (mut arks, mut ours) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            arks.push(cpu_time(|| assert!(ark_accepts(black_box(&proofs[round % proofs.len()])))));
            let taken = cpu_time(|| match black_box(batch) {
                [(bytes, inputs)] => assert_eq!(verifier.verify_one(bytes, inputs), Ok(())),
                batch => assert!(verifier.verify_batch(batch, &mut rng).iter().all(Result::is_ok)),
            });
            ours.push(taken / size as f64);
        }
        let (ark, ours) = (median(arks), median(ours));
        println!("{size:>6} {:>9.4} {:>9.4} {:>6.2}x", ark * 1e3, ours * 1e3, ark / ours);
    }
}

fn key_and_proofs(rng: &mut ChaCha20Rng) -> (VerifyingKey, Vec<(ProofBytes, [Fr; INPUTS])>) {
    let (g, h) = (G1Affine::generator(), G2Affine::generator());
    let [alpha, beta, gamma, delta] = [(); 4].map(|()| Fr::rand(rng));
    let ic = [(); INPUTS + 1].map(|()| Fr::rand(rng));
    let key = VerifyingKey {
        alpha_g1: (g * alpha).into(),
        beta_g2: (h * beta).into(),
        gamma_g2: (h * gamma).into(),
        delta_g2: (h * delta).into(),
        gamma_abc_g1: ic.iter().map(|scalar| (g * scalar).into()).collect(),
    };
    let prove = |_| {
        let inputs = [(); INPUTS].map(|()| Fr::rand(rng));
        let (a, b) = (Fr::rand(rng), Fr::rand(rng));
        let input_sum = ic[0] + inputs.iter().zip(&ic[1..]).map(|(x, ic)| *x * ic).sum::<Fr>();
        let c = (a * b - alpha * beta - input_sum * gamma) * delta.inverse().expect("not zero");
        let proof = Proof::<Bn254> { a: (g * a).into(), b: (h * b).into(), c: (g * c).into() };
        let mut bytes = [0; PROOF_BYTES];
        proof.serialize_compressed(&mut bytes[..]).expect("a proof has 128 bytes");
        (bytes, inputs)
    };
    let most = BATCHES[BATCHES.len() - 1];
    (key, (0..most).map(prove).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The seconds that this thread was running during `work`.
fn cpu_time(work: impl FnOnce()) -> f64 {
    let before = thread_seconds();
    work();
    thread_seconds() - before
}

fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
