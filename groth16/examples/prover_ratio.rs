//! How much less processor time each tier takes than zerokit's prover (rln 3.0.0) for the same
//! statement: medians of interleaved runs on one thread.
//!
//! ```text
//! cargo run --release -p weir-groth16 --example prover_ratio
//! ```

#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use ark_bn254::Fr;
use ark_ff::UniformRand;
use ark_serialize::CanonicalSerialize;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use rustix::time::{ClockId, clock_gettime};
use weir_circuits::witness::{self, MESSAGE_WIRES, SIGNAL_WIRES};
use weir_circuits::{MerkleBranch, Witness};
use weir_groth16::key::{ProvingKey, Trust};
use weir_groth16::lanes::BackendKind;
use weir_groth16::prover::{Prover, Randomizers, Tables};
use zerokit_rln::prelude::*;

const RUNS: usize = 9;

/// How many slots are finished in a run, so that the clock's grain does not show.
const SLOTS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    // SAFETY: no other thread is running yet.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
    let rng = &mut ChaCha20Rng::from_entropy();
    let kind = BackendKind::detect();

    let (tables, building) = timed(|| Tables::build(Arc::new(published_key()), kind));
    println!("{kind}: tables of {} MB in {building:?}", tables.bytes() >> 20);
    let prover = Prover::new(tables);
    let member = member(rng);
    let (external_nullifier, x) = (Fr::rand(rng), Fr::rand(rng));
    let mut wires = witness::full(&member, external_nullifier, x);
    let (partial, partially) = timed(|| prover.partial(&wires, MESSAGE_WIRES.into_iter().collect()));
    let (signal, signalling) = timed(|| prover.signal(SIGNAL_WIRES.into_iter().collect()));
    let (partial, signal) = (partial?, signal?);
    println!("once a member: {partially:?}, once a key: {signalling:?}");

    let zerokit = RLNBuilder::stateless().build();
    let input = zerokit_input(&member, external_nullifier, x)?;
    let zerokit_partial = zerokit.generate_partial_proof(&RLNPartialWitnessInput::from(&input))?;

    let mut times = Times::default();
    for _ in 0..RUNS {
        let randomizers = Randomizers::sample(rng);
        times.generate.push(timed(|| zerokit.generate_proof(&input)).1);
        times.full.push(
            timed(|| {
                let wires = witness::full(&member, external_nullifier, x);
                black_box(prover.prove(&wires, &randomizers))
            })
            .1,
        );
        times.finish.push(timed(|| zerokit.finish_proof(&zerokit_partial, &input)).1);
        times.cached.push(
            timed(|| {
                witness::update(&mut wires, member.message_id, external_nullifier, x);
                black_box(prover.finish(&partial, &wires, &randomizers))
            })
            .1,
        );
        let direction = wires.signal_direction();
        wires.set_signal(Fr::from(0u64));
        let make = || prover.slot(&signal, &wires, &direction, Some(&partial), &randomizers);
        let (first, making) = timed(make);
        times.slot_made.push(making);
        let slots: Vec<_> = std::iter::repeat_with(make).take(SLOTS - 1).collect::<Result<_, _>>()?;
        let (_, finishing) = timed(|| {
            for slot in slots {
                black_box(slot.finish(x));
            }
        });
        black_box(first?.finish(x));
        times.slot.push(finishing / (SLOTS as u32 - 1));
    }
    times.print();
    Ok(())
}

#[derive(Default)]
struct Times {
    generate: Vec<Duration>,
    full: Vec<Duration>,
    finish: Vec<Duration>,
    cached: Vec<Duration>,
    slot_made: Vec<Duration>,
    slot: Vec<Duration>,
}

impl Times {
    fn print(self) {
        let [generate, full, finish, cached, made, slot] =
            [self.generate, self.full, self.finish, self.cached, self.slot_made, self.slot].map(median);
        let ratio = |theirs: Duration, ours: Duration| theirs.as_secs_f64() / ours.as_secs_f64();
        println!("full    {full:>10.2?}  rln 3.0.0 {generate:>10.2?}  {:>7.2}x", ratio(generate, full));
        println!("cached  {cached:>10.2?}  rln 3.0.0 {finish:>10.2?}  {:>7.2}x", ratio(finish, cached));
        println!("slot    {slot:>10.2?}  rln 3.0.0 {finish:>10.2?}  {:>7.2}x", ratio(finish, slot));
        println!("making a slot takes {made:.2?} in idle time");
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// What `work` gives, and the processor time it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = processor_time();
    let result = work();
    (result, processor_time() - before)
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The key in zerokit, written to the bytes it was read from.
fn published_key() -> ProvingKey {
    let (key, matrices) = &**default_zkey_single();
    let mut file = Vec::new();
    let mut write = |part: &dyn Fn(&mut Vec<u8>) -> Result<(), _>| part(&mut file).expect("memory");
    write(&|file| key.serialize_uncompressed(file));
    let wires = [matrices.num_instance_variables, matrices.num_witness_variables, matrices.num_constraints];
    let terms = [matrices.a_num_non_zero, matrices.b_num_non_zero, matrices.c_num_non_zero];
    write(&|file| {
        [wires, terms].concat().iter().try_for_each(|count| count.serialize_uncompressed(&mut *file))
    });
    for matrix in [&matrices.a, &matrices.b, &matrices.c] {
        write(&|file| matrix.serialize_uncompressed(file));
    }
    ProvingKey::from_arkzkey(&file, Trust::Checked).expect("the published key")
}

fn member(rng: &mut ChaCha20Rng) -> Witness {
    let path = MerkleBranch {
        siblings: std::array::from_fn(|_| Fr::rand(rng)),
        is_right: std::array::from_fn(|_| rng.r#gen()),
    };
    Witness { secret: Fr::rand(rng), limit: 100, message_id: 7, path }
}

fn zerokit_input(member: &Witness, external_nullifier: Fr, x: Fr) -> Result<RLNWitnessInput, Box<dyn Error>> {
    let index = member.path.is_right.iter().map(|right| u8::from(*right)).collect();
    let input = RLNWitnessInput::new_single()
        .identity_secret(SecretFr::from(&mut member.secret.clone()))
        .user_message_limit(Fr::from(member.limit))
        .merkle_proof(RLNMerkleProof::new(member.path.siblings.to_vec(), index))
        .x(x)
        .external_nullifier(external_nullifier)
        .message_id(Fr::from(member.message_id))
        .build()?;
    Ok(input)
}
