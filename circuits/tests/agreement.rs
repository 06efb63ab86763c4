//! The plain relation and the compiled circuit agree: on what is valid, and on each way to be invalid.
//!
//! A prover is free to choose its private wires. Where the wires of the generator leave a choice, the
//! tests here say why no other choice would help.

mod common;

use ark_ff::UniformRand;
use common::{MULTI, SINGLE, random_branch, random_multi_witness, random_witness, rng};
use rand::Rng;
use weir_circuits::{
    Fr, Statement, Violation, Witness, check,
    multi::{self, MAX_MESSAGES, MultiViolation},
    witness,
};

/// Whether the circuit accepts the generated wires with the public ones replaced.
fn circuit_accepts(statement: &Statement, member: &Witness) -> bool {
    let mut wires = witness::full(member, statement.external_nullifier, statement.x).to_vec();
    wires[1] = statement.y;
    wires[2] = statement.root;
    wires[3] = statement.nullifier;
    SINGLE.first_unsatisfied(&wires).is_none()
}

#[test]
fn they_agree_on_every_way_to_break_one_constraint() {
    let mut rng = rng(11);
    let mut member = random_witness(&mut rng);
    (member.limit, member.message_id) = (100, 7);
    let wires = witness::full(&member, Fr::rand(&mut rng), Fr::rand(&mut rng));
    let valid = wires.statement();
    assert_eq!(check(&valid, &member), Ok(()));
    assert!(circuit_accepts(&valid, &member));

    let one = Fr::from(1);
    let with = |change: &dyn Fn(&mut Witness)| {
        let mut member = member.clone();
        change(&mut member);
        member
    };
    let path = random_branch(&mut rng);
    let elsewhere = with(&|member| member.path = path.clone());
    let other_secret = with(&|member| member.secret += one);
    let more = with(&|member| member.limit = 101);
    let other_id = with(&|member| member.message_id = 8);
    let altered = |change: fn(&mut Statement)| {
        let mut statement = valid;
        change(&mut statement);
        statement
    };
    for (statement, member, violation) in [
        (altered(|statement| statement.root += Fr::from(1)), &member, Violation::Root),
        (altered(|statement| statement.y += Fr::from(1)), &member, Violation::Share),
        (altered(|statement| statement.x += Fr::from(1)), &member, Violation::Share),
        (altered(|statement| statement.nullifier += Fr::from(1)), &member, Violation::Nullifier),
        (altered(|statement| statement.external_nullifier += Fr::from(1)), &member, Violation::Share),
        (valid, &elsewhere, Violation::Root),
        (valid, &other_secret, Violation::Root),
        (valid, &more, Violation::Root),
        (valid, &other_id, Violation::Share),
    ] {
        assert_eq!(check(&statement, member), Err(violation));
        assert!(!circuit_accepts(&statement, member), "{violation}");
    }
}

#[test]
fn they_agree_on_the_limit_at_all_its_edges() {
    let mut rng = rng(12);
    let (top, beyond) = (65_535, 65_536);
    for (message_id, limit, expected) in [
        (0, 1, Ok(())),
        (0, beyond, Ok(())),
        (top, beyond, Ok(())),
        (top, top + beyond, Ok(())),
        (0, 0, Err(Violation::MessageIdAtLimit { message_id: 0, limit: 0 })),
        (5, 5, Err(Violation::MessageIdAtLimit { message_id: 5, limit: 5 })),
        (top, 1, Err(Violation::MessageIdAtLimit { message_id: top, limit: 1 })),
        (beyond, u32::MAX, Err(Violation::MessageIdTooWide(beyond))),
        (beyond, beyond + 1, Err(Violation::MessageIdTooWide(beyond))),
        (0, beyond + 1, Err(Violation::LimitTooWide(beyond + 1))),
        (top, top + beyond + 1, Err(Violation::LimitTooWide(top + beyond + 1))),
        (0, u32::MAX, Err(Violation::LimitTooWide(u32::MAX))),
    ] {
        let path = random_branch(&mut rng);
        let member = Witness { secret: Fr::rand(&mut rng), limit, message_id, path };
        let wires = witness::full(&member, Fr::rand(&mut rng), Fr::rand(&mut rng));
        assert_eq!(check(&wires.statement(), &member), expected);
        assert_eq!(SINGLE.first_unsatisfied(&wires).is_none(), expected.is_ok(), "{message_id} of {limit}");
    }
}

/// The bits of a number are wires of their own, and a prover might try others: a bit that is neither
/// zero nor one, or one bit more. Each wire of the witness is held by some constraint.
#[test]
fn no_wire_can_be_changed_alone() {
    let mut rng = rng(13);
    let wires = witness::full(&random_witness(&mut rng), Fr::rand(&mut rng), Fr::rand(&mut rng)).to_vec();
    let mut touched = vec![false; wires.len()];
    for row in &SINGLE.constraints {
        for (wire, _) in row.a.iter().chain(&row.b).chain(&row.c) {
            touched[*wire] = true;
        }
    }
    assert_eq!(touched.iter().position(|touched| !touched), None);
    for _ in 0..100 {
        let wire = rng.gen_range(1..wires.len());
        let mut changed = wires.clone();
        changed[wire] += Fr::rand(&mut rng);
        assert_ne!(SINGLE.first_unsatisfied(&changed), None, "wire {wire}");
    }
}

#[test]
fn they_agree_on_several_message_ids() {
    let mut rng = rng(14);
    let slot = |slot, violation| Err(MultiViolation::Slot { slot, violation });
    let at_limit = |message_id| Violation::MessageIdAtLimit { message_id, limit: 10 };
    let (all, none) = ([true; MAX_MESSAGES], [false; MAX_MESSAGES]);
    let first_only = [true, false, false, false];
    for (limit, message_ids, is_used, expected) in [
        (10, [0, 1, 2, 9], all, Ok(())),
        (10, [9, 9, 9, 9], first_only, Ok(())),
        (10, [3, 70_000, 99, 10], first_only, Ok(())),
        (10, [3, 5, 3, 5], [true, true, false, false], Ok(())),
        (10, [0, 1, 2, 3], none, Err(MultiViolation::NoMessage)),
        (10, [0, 1, 2, 10], all, slot(3, at_limit(10))),
        (10, [11, 1, 2, 3], all, slot(0, at_limit(11))),
        (10, [1, 2, 1, 3], all, Err(MultiViolation::RepeatedMessageId { first: 0, second: 2 })),
        (
            10,
            [0, 4, 4, 3],
            [false, true, true, false],
            Err(MultiViolation::RepeatedMessageId { first: 1, second: 2 }),
        ),
        (200_000, [65_536, 1, 2, 3], all, slot(0, Violation::MessageIdTooWide(65_536))),
        (65_537, [1, 0, 0, 0], first_only, slot(1, Violation::LimitTooWide(65_537))),
        (65_536, [1, 0, 0, 0], first_only, Ok(())),
        (0, [0, 0, 0, 0], first_only, slot(0, Violation::MessageIdAtLimit { message_id: 0, limit: 0 })),
    ] {
        let mut member = random_multi_witness(&mut rng);
        (member.limit, member.message_ids) = (limit, message_ids);
        let (external_nullifier, x) = (Fr::rand(&mut rng), Fr::rand(&mut rng));
        let wires = witness::multi::full(&member, is_used, external_nullifier, x);
        assert_eq!(wires.statement(), multi::evaluate(&member, is_used, external_nullifier, x));
        assert_eq!(multi::check(&wires.statement(), &member), expected, "{message_ids:?} of {limit}");
        assert_eq!(MULTI.first_unsatisfied(&wires).is_none(), expected.is_ok(), "{message_ids:?} of {limit}");
    }
}

#[test]
fn they_agree_on_wrong_outputs_of_a_slot() {
    let mut rng = rng(15);
    let member = random_multi_witness(&mut rng);
    let is_used = [true, false, true, false];
    let wires = witness::multi::full(&member, is_used, Fr::rand(&mut rng), Fr::rand(&mut rng));
    // The first public wires are four heights, the root and four nullifiers.
    for slot in 0..MAX_MESSAGES {
        for (first_wire, violation) in [(1, Violation::Share), (6, Violation::Nullifier)] {
            let mut changed = wires.to_vec();
            changed[first_wire + slot] += Fr::from(1);
            assert_ne!(MULTI.first_unsatisfied(&changed), None);
            let mut statement = wires.statement();
            match violation {
                Violation::Share => statement.y[slot] += Fr::from(1),
                _ => statement.nullifier[slot] += Fr::from(1),
            }
            assert_eq!(multi::check(&statement, &member), Err(MultiViolation::Slot { slot, violation }));
        }
    }
    let mut statement = wires.statement();
    statement.root += Fr::from(1);
    assert_eq!(multi::check(&statement, &member), Err(MultiViolation::Root));
}
