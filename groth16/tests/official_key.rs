//! The published RLN key: each tier's proof is that of ark, and zerokit's witness inputs play no part.

mod oracle;

use std::sync::Arc;

use ark_bn254::Fr;
use ark_ff::UniformRand;
use oracle::{arkzkey, prove};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use weir_circuits::witness::{self, MESSAGE_WIRES, SIGNAL_WIRES};
use weir_circuits::{MerkleBranch, RLN_V2_DEPTH_20, Witness};
use weir_groth16::key::{ProvingKey, Trust};
use weir_groth16::lanes::BackendKind;
use weir_groth16::prover::{Proof, Prover, Randomizers, Tables};
use weir_groth16::verifier::Verifier;
use zerokit_rln::prelude::default_zkey_single;

#[track_caller]
fn assert_same(found: &Proof, expected: &ark_groth16::Proof<ark_bn254::Bn254>) {
    assert_eq!((found.a, found.b, found.c), (expected.a, expected.b, expected.c));
}

#[test]
fn all_tiers_prove_the_published_circuit_as_ark_does() {
    let mut rng = ChaCha20Rng::seed_from_u64(20);
    let ark = default_zkey_single();
    let sha256 = hex::decode(RLN_V2_DEPTH_20.arkzkey).unwrap().try_into().unwrap();
    let key = ProvingKey::from_arkzkey(&arkzkey(ark), Trust::Pinned(sha256)).unwrap();
    let verifier = Verifier::new(key.verifying_key(), BackendKind::detect());
    let prover = Prover::new(Tables::build(Arc::new(key), BackendKind::detect()));

    let path = MerkleBranch {
        siblings: std::array::from_fn(|_| Fr::rand(&mut rng)),
        is_right: std::array::from_fn(|_| rng.r#gen()),
    };
    let member = Witness { secret: Fr::rand(&mut rng), limit: 100, message_id: 7, path };
    let external_nullifier = Fr::rand(&mut rng);
    let mut wires = witness::full(&member, external_nullifier, Fr::from(0u64));
    let partial = prover.partial(&wires, MESSAGE_WIRES.into_iter().collect()).unwrap();
    let signal = prover.signal(SIGNAL_WIRES.into_iter().collect()).unwrap();

    let (r, s) = (Fr::rand(&mut rng), Fr::rand(&mut rng));
    let randomizers = Randomizers::from_parts(r, s);
    witness::update(&mut wires, 8, external_nullifier, Fr::from(0u64));
    let direction = wires.signal_direction();
    let slot = prover.slot(&signal, &wires, &direction, Some(&partial), &randomizers).unwrap();

    let x = Fr::rand(&mut rng);
    wires.set_signal(x);
    let expected = prove(ark, &wires, r, s);
    let full = prover.prove(&wires, &randomizers).unwrap();
    assert_same(&full, &expected);
    assert_same(&prover.finish(&partial, &wires, &randomizers).unwrap(), &expected);
    assert_same(&slot.finish(x), &expected);
    assert_eq!(verifier.verify_one(&full.to_bytes(), &wires[1..6]), Ok(()));
}
