//! Our circom source is the circuit of the published keys, our witnesses make proofs with them, and
//! development keys have their form.

use std::{iter, sync::LazyLock};

use ark_bn254::Bn254;
use ark_ff::UniformRand;
use ark_groth16::{Groth16, ProvingKey, prepare_verifying_key};
use ark_relations::r1cs::ConstraintMatrices;
use ark_serialize::CanonicalSerialize;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use weir_circuits::{
    CircuitKey, Fr, KeyFile, MerkleBranch, R1cs, RLN_V2_DEPTH_20, RLN_V2_DEPTH_20_MULTI_4, Witness,
    matrices_digest,
    multi::{MultiStatement, MultiWitness},
    sha256_hex, witness,
};
use weir_circuits_setup::{CircomReduction, set_up};
use zerokit_rln::circuit::{default_zkey_multi, default_zkey_single, zkey_from_raw};

static SINGLE: LazyLock<R1cs> =
    LazyLock::new(|| unpack(include_bytes!("../../circuits/tests/fixtures/rln_20_16.r1cs.xz")));
static MULTI: LazyLock<R1cs> =
    LazyLock::new(|| unpack(include_bytes!("../../circuits/tests/fixtures/rln_multi_20_16_4.r1cs.xz")));

fn unpack(packed: &[u8]) -> R1cs {
    let mut bytes = Vec::new();
    lzma_rs::xz_decompress(&mut &packed[..], &mut bytes).expect("xz");
    R1cs::from_bytes(&bytes).expect("what circom wrote")
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn branch(rng: &mut impl Rng) -> MerkleBranch {
    MerkleBranch {
        siblings: std::array::from_fn(|_| Fr::rand(rng)),
        is_right: std::array::from_fn(|_| rng.r#gen()),
    }
}

fn digest_of(matrices: &ConstraintMatrices<Fr>) -> String {
    let terms = |row: &Vec<(Fr, usize)>| -> Vec<(usize, Fr)> {
        row.iter().map(|&(coefficient, wire)| (wire, coefficient)).collect()
    };
    matrices_digest(matrices.a.iter().map(terms), matrices.b.iter().map(terms))
}

/// Whether ark accepts the proof that it makes of `wires`, public ones first.
fn proves(key: &ProvingKey<Bn254>, matrices: &ConstraintMatrices<Fr>, wires: &[Fr]) -> bool {
    let mut rng = rng(9);
    let proof = Groth16::<Bn254, CircomReduction>::create_proof_with_reduction_and_matrices(
        key,
        Fr::rand(&mut rng),
        Fr::rand(&mut rng),
        matrices,
        matrices.num_instance_variables,
        matrices.num_constraints,
        wires,
    )
    .expect("a proof");
    let public = &wires[1..matrices.num_instance_variables];
    Groth16::<Bn254>::verify_proof(&prepare_verifying_key(&key.vk), &proof, public).expect("public inputs")
}

#[test]
fn our_source_has_the_matrices_of_the_published_keys() {
    for (circuit, key, (_, matrices)) in [
        (&SINGLE, RLN_V2_DEPTH_20, &**default_zkey_single()),
        (&MULTI, RLN_V2_DEPTH_20_MULTI_4, &**default_zkey_multi()),
    ] {
        assert_eq!(circuit.matrices_digest(), digest_of(matrices));
        assert_eq!(circuit.matrices_digest(), key.matrices);
        assert_eq!(circuit.shape(), key.shape);
    }
}

#[test]
fn the_published_verifying_keys_are_the_pinned_ones() {
    for (pinned, (key, _)) in
        [(RLN_V2_DEPTH_20, &**default_zkey_single()), (RLN_V2_DEPTH_20_MULTI_4, &**default_zkey_multi())]
    {
        let mut bytes = Vec::new();
        key.vk.serialize_compressed(&mut bytes).expect("into memory");
        assert_eq!(sha256_hex(&bytes), pinned.verifying_key);
        assert_eq!(CircuitKey::find(pinned.verifying_key).map(|(_, file)| file), Ok(KeyFile::VerifyingKey));
    }
}

#[test]
fn a_generated_witness_makes_a_proof_with_the_published_key() {
    let mut rng = rng(1);
    let member = Witness { secret: Fr::rand(&mut rng), limit: 100, message_id: 99, path: branch(&mut rng) };
    let mut wires = witness::full(&member, Fr::rand(&mut rng), Fr::rand(&mut rng)).to_vec();
    let (key, matrices) = &**default_zkey_single();
    assert!(proves(key, matrices, &wires));
    wires[1] += Fr::from(1);
    assert!(!proves(key, matrices, &wires));
}

#[test]
fn a_generated_witness_of_two_messages_makes_a_proof_with_the_published_key() {
    let mut rng = rng(2);
    let member = MultiWitness {
        secret: Fr::rand(&mut rng),
        limit: 10,
        message_ids: [3, 3, 9, 0],
        path: branch(&mut rng),
    };
    let is_used = [true, false, true, false];
    let wires = witness::multi::full(&member, is_used, Fr::rand(&mut rng), Fr::rand(&mut rng));
    let MultiStatement { y, nullifier, .. } = wires.statement();
    assert_eq!((y[1], nullifier[3]), (Fr::from(0), Fr::from(0)));
    let (key, matrices) = &**default_zkey_multi();
    assert!(proves(key, matrices, &wires));
}

#[test]
fn a_development_key_proves_and_reads_back_as_an_arkzkey() {
    let key = set_up(&SINGLE, &mut rng(3)).expect("a key");
    let (read, matrices) = zkey_from_raw(&key.to_arkzkey()).expect("zerokit reads it");
    assert_eq!(read, key.proving_key);
    assert_eq!(matrices, default_zkey_single().1);
    assert_eq!(key.to_verifying_key().len(), 424);

    let mut rng = rng(4);
    let member = Witness { secret: Fr::rand(&mut rng), limit: 7, message_id: 0, path: branch(&mut rng) };
    let wires = witness::full(&member, Fr::rand(&mut rng), Fr::rand(&mut rng));
    assert!(proves(&key.proving_key, &key.matrices, &wires));
}

#[test]
fn two_set_ups_share_nothing() {
    let small = R1cs { constraints: SINGLE.constraints[..1].to_vec(), ..SINGLE.clone() };
    let keys: Vec<_> = iter::zip([5, 6], iter::repeat(small))
        .map(|(seed, circuit)| set_up(&circuit, &mut rng(seed)).expect("a key").proving_key.vk)
        .collect();
    assert_ne!(keys[0].alpha_g1, keys[1].alpha_g1);
    assert_ne!(keys[0].delta_g2, keys[1].delta_g2);
}
