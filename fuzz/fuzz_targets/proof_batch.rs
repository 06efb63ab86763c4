//! A batch of any composition gets the verdicts that its proofs get one by one.
//!
//! Each nine bytes of input make a proof: a good one with up to four bytes changed, or its inputs.
#![no_main]

use ark_bn254::Fr;
use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::sync::LazyLock;
use weir_fuzz::{good_proof, key};
use weir_groth16::lanes::BackendKind;
use weir_groth16::prover::PROOF_BYTES;
use weir_groth16::verifier::{ProofBytes, Verifier};

/// More than one equation takes.
const MOST_PROOFS: usize = 140;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::new(&key(), BackendKind::detect()));
static GOOD: LazyLock<(ProofBytes, [Fr; 1])> = LazyLock::new(good_proof);

fuzz_target!(|input: &[u8]| {
    let batch: Vec<(ProofBytes, Vec<Fr>)> = input.chunks(9).take(MOST_PROOFS).map(changed).collect();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let verdicts = VERIFIER.verify_batch(&batch, &mut rng);
    assert_eq!(verdicts.len(), batch.len());
    for (verdict, (bytes, inputs)) in verdicts.iter().zip(&batch) {
        // What breaks several rules may be rejected for another one.
        assert_eq!(verdict.is_ok(), VERIFIER.verify_one(bytes, inputs).is_ok());
    }
});

/// The good proof as the bytes say: how many inputs it has and what is added to the first, then pairs
/// of a place and what is mixed into the byte there.
fn changed(instructions: &[u8]) -> (ProofBytes, Vec<Fr>) {
    let (mut bytes, inputs) = *GOOD;
    let mut inputs = inputs.to_vec();
    match instructions[0] {
        255 => inputs.clear(),
        254 => inputs.push(Fr::from(0u64)),
        offset => inputs[0] += Fr::from(u64::from(offset / 128)),
    }
    for change in instructions[1..].chunks_exact(2) {
        bytes[usize::from(change[0]) % PROOF_BYTES] ^= change[1];
    }
    (bytes, inputs)
}
