//! The compiled circuits, and members to prove things about.

#![allow(dead_code)] // each test file uses its part

use std::sync::LazyLock;

use ark_ff::UniformRand;
use rand::{Rng, SeedableRng, rngs::StdRng};
use weir_circuits::{Fr, MerkleBranch, R1cs, Witness, multi::MultiWitness};

/// `circom/rln_20_16.circom`, compiled with `circom/build.sh`.
pub(crate) static SINGLE: LazyLock<R1cs> =
    LazyLock::new(|| unpack(include_bytes!("../fixtures/rln_20_16.r1cs.xz")));

/// `circom/rln_multi_20_16_4.circom`, compiled with `circom/build.sh`.
pub(crate) static MULTI: LazyLock<R1cs> =
    LazyLock::new(|| unpack(include_bytes!("../fixtures/rln_multi_20_16_4.r1cs.xz")));

/// The bytes of an `.r1cs` file that is packed with xz.
pub(crate) fn unpack_bytes(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    lzma_rs::xz_decompress(&mut &packed[..], &mut bytes).expect("xz");
    bytes
}

fn unpack(packed: &[u8]) -> R1cs {
    R1cs::from_bytes(&unpack_bytes(packed)).expect("what circom wrote")
}

pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(crate) fn random_branch(rng: &mut StdRng) -> MerkleBranch {
    MerkleBranch {
        siblings: std::array::from_fn(|_| Fr::rand(rng)),
        is_right: std::array::from_fn(|_| rng.r#gen()),
    }
}

pub(crate) fn random_witness(rng: &mut StdRng) -> Witness {
    let limit = rng.gen_range(1..=65_536);
    let message_id = rng.gen_range(0..limit);
    Witness { secret: Fr::rand(rng), limit, message_id, path: random_branch(rng) }
}

pub(crate) fn random_multi_witness(rng: &mut StdRng) -> MultiWitness {
    let path = random_branch(rng);
    MultiWitness { secret: Fr::rand(rng), limit: 10, message_ids: [0, 1, 2, 3], path }
}
