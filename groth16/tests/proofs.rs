//! Every tier gives the proofs of ark, bit for bit, for equal randomizers.

mod oracle;

use std::sync::Arc;

use ark_bn254::{Bn254, Fr};
use ark_ff::UniformRand;
use ark_groth16::{Groth16, prepare_verifying_key};
use oracle::{ArkKey, Chain, any_wires, arkzkey, set_up};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use weir_groth16::key::{ProvingKey, Trust};
use weir_groth16::lanes::BackendKind;
use weir_groth16::prover::{Proof, ProveError, Prover, Randomizers, Tables, Threads, WireSet};
use weir_groth16::tables::cache::TableOrigin;

/// A circuit, its key in ark's types, and our prover for it.
struct World {
    ark: ArkKey,
    witness: Vec<Fr>,
    prover: Prover,
    rng: ChaCha20Rng,
}

impl World {
    fn new(public: usize, length: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let chain = Chain::random(public, length, &mut rng);
        let (ark, witness) = set_up(chain, &mut rng);
        let key = ProvingKey::from_arkzkey(&arkzkey(&ark), Trust::Checked).expect("a key from ark");
        let prover = Prover::new(Tables::build(Arc::new(key), BackendKind::detect()));
        Self { ark, witness, prover, rng }
    }

    fn randomizers(&mut self) -> (Fr, Fr) {
        (Fr::rand(&mut self.rng), Fr::rand(&mut self.rng))
    }

    fn other_wires(&mut self) -> Vec<Fr> {
        any_wires(self.witness.len(), &mut self.rng)
    }

    #[track_caller]
    fn assert_ark_proves_the_same(&self, proof: &Proof, wires: &[Fr], (r, s): (Fr, Fr)) {
        let expected = oracle::prove(&self.ark, wires, r, s);
        assert_eq!((proof.a, proof.b, proof.c), (expected.a, expected.b, expected.c));
    }
}

#[test]
fn a_full_proof_is_accepted_by_ark() {
    let mut world = World::new(2, 5);
    let randomizers = Randomizers::sample(&mut world.rng);
    let proof = world.prover.prove(&world.witness, &randomizers).unwrap();
    let proof = ark_groth16::Proof::<Bn254> { a: proof.a, b: proof.b, c: proof.c };
    let key = prepare_verifying_key(&world.ark.0.vk);
    assert!(Groth16::<Bn254>::verify_proof(&key, &proof, &world.witness[1..3]).unwrap());
}

#[test]
fn full_proofs_are_those_of_ark() {
    for (public, length) in [(1, 1), (1, 2), (2, 3), (3, 9), (2, 60)] {
        let mut world = World::new(public, length);
        for wires in [world.witness.clone(), world.other_wires()] {
            let (r, s) = world.randomizers();
            for (r, s) in [(r, s), (Fr::from(0u64), s), (r, Fr::from(0u64))] {
                let proof = world.prover.prove(&wires, &Randomizers::from_parts(r, s)).unwrap();
                world.assert_ark_proves_the_same(&proof, &wires, (r, s));
            }
        }
    }
}

#[test]
fn a_finished_partial_proof_is_that_of_ark() {
    let mut world = World::new(2, 20);
    let wires = world.other_wires();
    let varying: WireSet = [1, 2, 7, 11, 12, 40, world.witness.len() - 1].into_iter().collect();
    let partial = world.prover.partial(&wires, varying.clone()).unwrap();
    for _ in 0..3 {
        let mut changed = wires.clone();
        for wire in varying.iter() {
            changed[wire] = Fr::rand(&mut world.rng);
        }
        let (r, s) = world.randomizers();
        let proof = world.prover.finish(&partial, &changed, &Randomizers::from_parts(r, s)).unwrap();
        world.assert_ark_proves_the_same(&proof, &changed, (r, s));
    }
}

#[test]
fn a_finished_slot_is_the_proof_of_ark_for_the_same_signal() {
    let mut world = World::new(2, 20);
    let base = world.other_wires();
    let direction = [(1, Fr::from(1u64)), (2, Fr::rand(&mut world.rng)), (9, Fr::rand(&mut world.rng))];
    let wires: WireSet = direction.iter().map(|(wire, _)| *wire).collect();
    let signal = world.prover.signal(wires).unwrap();
    let partial = world.prover.partial(&base, (1..20).collect()).unwrap();
    for partial in [None, Some(&partial)] {
        for x in [Fr::from(0u64), Fr::from(1u64), Fr::rand(&mut world.rng)] {
            let (r, s) = world.randomizers();
            let randomizers = Randomizers::from_parts(r, s);
            let slot = world.prover.slot(&signal, &base, &direction, partial, &randomizers).unwrap();
            let mut at_x = base.clone();
            for (wire, slope) in &direction {
                at_x[*wire] += *slope * x;
            }
            world.assert_ark_proves_the_same(&slot.finish(x), &at_x, (r, s));
        }
    }
}

#[test]
fn two_threads_make_the_proof_of_one() {
    let mut world = World::new(2, 9);
    world.prover = world.prover.with_threads(Threads::Two);
    let (r, s) = world.randomizers();
    let proof = world.prover.prove(&world.witness, &Randomizers::from_parts(r, s)).unwrap();
    world.assert_ark_proves_the_same(&proof, &world.witness, (r, s));
}

#[test]
fn a_changed_static_wire_is_noticed() {
    let world = World::new(1, 3);
    let partial = world.prover.partial(&world.witness, [1, 2].into_iter().collect()).unwrap();
    let mut changed = world.witness.clone();
    changed[3] += Fr::from(1u64);
    let randomizers = Randomizers::from_parts(Fr::from(2u64), Fr::from(3u64));
    let refused = world.prover.finish(&partial, &changed, &randomizers).unwrap_err();
    assert_eq!(refused, ProveError::StaticWireChanged { wire: 3 });
}

#[test]
fn tables_from_a_file_prove_as_those_that_were_calculated() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("tables");
    let mut world = World::new(2, 9);
    let (r, s) = world.randomizers();
    for is_first in [true, false] {
        let key = ProvingKey::from_arkzkey(&arkzkey(&world.ark), Trust::Checked).expect("a key from ark");
        let (tables, origin) = Tables::read_or_build(Arc::new(key), BackendKind::detect(), &path);
        assert_eq!(matches!(origin, TableOrigin::Built { write_error: None, .. }), is_first);
        assert_eq!(matches!(origin, TableOrigin::Cache), !is_first);
        let proof = Prover::new(tables).prove(&world.witness, &Randomizers::from_parts(r, s)).unwrap();
        world.assert_ark_proves_the_same(&proof, &world.witness, (r, s));
    }
}
