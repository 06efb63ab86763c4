//! The generated witness satisfies the compiled circuit, and exactly the promised wires move.

mod common;

use ark_ff::UniformRand;
use common::{SINGLE, random_witness, rng};
use weir_circuits::{Fr, evaluate, witness};

#[test]
fn a_generated_witness_satisfies_every_constraint_and_states_what_the_relation_says() {
    let mut rng = rng(1);
    for _ in 0..4 {
        let member = random_witness(&mut rng);
        let (external_nullifier, x) = (Fr::rand(&mut rng), Fr::rand(&mut rng));
        let wires = witness::full(&member, external_nullifier, x);
        assert_eq!(SINGLE.first_unsatisfied(&wires), None);
        assert_eq!(wires.statement(), evaluate(&member, external_nullifier, x));
    }
}

/// Wires that are not the same in both.
fn moved(left: &[Fr], right: &[Fr]) -> Vec<usize> {
    (0..left.len()).filter(|&wire| left[wire] != right[wire]).collect()
}

#[test]
fn another_message_moves_the_message_wires_and_only_those() {
    let mut rng = rng(2);
    let mut member = random_witness(&mut rng);
    (member.limit, member.message_id) = (65_536, 0);
    let first = witness::full(&member, Fr::rand(&mut rng), Fr::rand(&mut rng));
    let mut seen = vec![false; witness::WIRES];
    // Between 0 and 65,535 every bit of the message id and of its distance to the limit flips.
    for message_id in [65_535, 43_690, 21_845] {
        let (external_nullifier, x) = (Fr::rand(&mut rng), Fr::rand(&mut rng));
        let mut updated = first.clone();
        witness::update(&mut updated, message_id, external_nullifier, x);
        member.message_id = message_id;
        assert_eq!(*updated, *witness::full(&member, external_nullifier, x));
        for wire in moved(&first, &updated) {
            seen[wire] = true;
        }
    }
    let moved: Vec<usize> = (0..witness::WIRES).filter(|&wire| seen[wire]).collect();
    assert_eq!(moved, witness::MESSAGE_WIRES);
}

#[test]
fn another_signal_moves_x_and_y_along_the_line() {
    let mut rng = rng(3);
    let first = witness::full(&random_witness(&mut rng), Fr::rand(&mut rng), Fr::from(0));
    let x = Fr::rand(&mut rng);
    let mut second = first.clone();
    second.set_signal(x);
    assert_eq!(moved(&first, &second), witness::SIGNAL_WIRES);
    for (wire, step) in first.signal_direction() {
        assert_eq!(second[wire], first[wire] + x * step);
    }
    assert_eq!(SINGLE.first_unsatisfied(&second), None);
}
