//! Every backend against ark.

use ark_ff::PrimeField;
use proptest::prelude::*;

use super::conformance::{check_operations, compare_instructions, compare_with_ark};
use super::portable::PortablePlain;
use super::*;

/// Elements at which ark's own words and ours turn over, or any others.
fn element<F: PrimeField>() -> impl Strategy<Value = F> {
    let two = F::from(2u64);
    let powers = (0..256).step_by(4).map(move |exponent| two.pow([exponent]));
    let edges: Vec<F> = powers.flat_map(|power| [power, -power, power - F::one()]).collect();
    prop_oneof![
        prop::array::uniform32(any::<u8>()).prop_map(|bytes| F::from_le_bytes_mod_order(&bytes)),
        prop::sample::select(edges),
    ]
}

/// Compares the operations on what proptest draws.
struct Comparison;

impl Kernel for Comparison {
    type Output = ();

    fn run<B: Backend>(self, _: B) {
        compare_field::<ark_bn254::Fq, B::Fq>();
        compare_field::<ark_bn254::Fr, B::Fr>();
    }
}

fn compare_field<F: PrimeField, L: Lanes<F>>() {
    let drawn = || prop::collection::vec(element::<F>(), L::LANES);
    proptest!(|(a in drawn(), b in drawn())| {
        check_operations(&L::from_lanes(&a), &L::from_lanes(&b), &a, &b);
        check_operations(&L::splat(a[0]), &L::one(), &vec![a[0]; L::LANES], &vec![F::one(); L::LANES]);
        check_operations(&L::zero(), &L::from_lanes(&b), &vec![F::zero(); L::LANES], &b);
    });
}

#[test]
fn the_portable_backend_calculates_as_ark_does() {
    dispatch(BackendKind::Portable, Comparison);
    compare_with_ark(BackendKind::Portable);
}

#[test]
fn the_portable_backend_needs_no_special_instructions() {
    PortablePlain.run(Comparison);
    PortablePlain.run(conformance::Comparison);
}

#[test]
fn the_eight_lane_code_calculates_as_ark_does() {
    dispatch(BackendKind::Emulated, Comparison);
    compare_with_ark(BackendKind::Emulated);
}

#[test]
fn the_eight_lane_instructions_do_what_their_emulation_does() {
    if !compare_instructions() {
        println!("NOT RUN: this processor lacks AVX-512 IFMA");
        return;
    }
    dispatch(BackendKind::Ifma, Comparison);
    compare_with_ark(BackendKind::Ifma);
}
