//! A proof is well-formed where ark says so, and what is accepted is accepted by ark.
#![no_main]

use ark_bn254::{Bn254, Fr};
use ark_ff::PrimeField;
use ark_groth16::{Groth16, PreparedVerifyingKey, Proof, prepare_verifying_key};
use ark_serialize::CanonicalDeserialize;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use weir_fuzz::{ark_key, key};
use weir_groth16::lanes::BackendKind;
use weir_groth16::prover::PROOF_BYTES;
use weir_groth16::verifier::{Rejection, Verifier};

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::new(&key(), BackendKind::detect()));
static ARK: LazyLock<PreparedVerifyingKey<Bn254>> = LazyLock::new(|| prepare_verifying_key(&ark_key()));

fuzz_target!(|input: &[u8]| {
    let Some((bytes, rest)) = input.split_first_chunk::<PROOF_BYTES>() else { return };
    let public_input = [Fr::from_le_bytes_mod_order(&rest[..rest.len().min(32)])];
    let verdict = VERIFIER.verify_one(bytes, &public_input);
    let parsed = Proof::<Bn254>::deserialize_compressed(&bytes[..]);
    assert_eq!(parsed.is_ok(), matches!(verdict, Ok(()) | Err(Rejection::Equation)), "{verdict:?}");
    if let Ok(proof) = parsed {
        let accepted = Groth16::<Bn254>::verify_proof(&ARK, &proof, &public_input);
        assert_eq!(accepted.is_ok_and(|accepted| accepted), verdict.is_ok());
    }
});
