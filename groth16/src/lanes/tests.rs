//! Every backend against ark, operation by operation.

use ark_ff::{BigInteger, PrimeField};
use proptest::prelude::*;

use super::portable::PortablePlain;
use super::*;

/// Compares every operation of `L` with ark's on the elements `a` and `b`, one for each lane, taken
/// repeatedly.
fn check_against_ark<F: PrimeField, L: Lanes<F>>(a: &[F], b: &[F]) {
    let a: Vec<F> = a.iter().cycle().take(L::LANES).copied().collect();
    let b: Vec<F> = b.iter().cycle().take(L::LANES).copied().collect();
    let (left, right) = (L::from_lanes(&a), L::from_lanes(&b));
    let expected =
        |operation: fn(F, F) -> F| -> Vec<F> { a.iter().zip(&b).map(|(&a, &b)| operation(a, b)).collect() };
    let mask_of = |condition: fn(F, F) -> bool| {
        let set = a.iter().zip(&b).enumerate().filter(|(_, (a, b))| condition(**a, **b));
        Mask(set.fold(0, |mask, (lane, _)| mask | 1 << lane))
    };

    assert_eq!(elements(&left), a, "through lanes and back");
    assert_eq!(elements(&left.add(&right)), expected(|a, b| a + b));
    assert_eq!(elements(&left.sub(&right)), expected(|a, b| a - b));
    assert_eq!(elements(&left.mul(&right)), expected(|a, b| a * b));
    assert_eq!(elements(&left.double()), expected(|a, _| a.double()));
    assert_eq!(elements(&left.neg()), expected(|a, _| -a));
    assert_eq!(elements(&left.square()), expected(|a, _| a.square()));
    assert_eq!(elements(&left.mul_sum(&left, &right)), expected(|a, b| a * (a + b)));
    assert_eq!(elements(&left.mul_difference(&left, &right)), expected(|a, b| a * (a - b)));
    assert_eq!(elements(&L::difference_of_squares(&left, &right)), expected(|a, b| a * a - b * b));
    let (negated, doubled) = (left.neg(), right.double());
    assert_eq!(
        elements(&L::sum_of_products(&left, &right, &doubled, &negated)),
        expected(|a, b| a * b - b.double() * a)
    );
    assert_eq!(
        elements(&L::difference_of_products(&negated, &doubled, &left, &right)),
        expected(|a, b| -a * b.double() - a * b)
    );
    assert_eq!(left.is_zero(), mask_of(|a, _| a.is_zero()));
    assert_eq!(left.sub(&left).is_zero(), Mask::first(L::LANES));
    assert_eq!(left.equals(&right), mask_of(|a, b| a == b));
    assert_eq!(left.add(&right).sub(&right).equals(&left), Mask::first(L::LANES));

    let odd = mask_of(|a, _| a.into_bigint().is_odd());
    assert_eq!(
        elements(&L::select(odd, &left, &right)),
        expected(|a, b| if a.into_bigint().is_odd() { a } else { b })
    );
    assert_eq!(
        elements(&left.negate_where(odd)),
        expected(|a, _| if a.into_bigint().is_odd() { -a } else { a })
    );

    let mut rows = [Row::default(); MAX_LANES];
    L::store(&left.double(), &right.neg(), &mut rows[..L::LANES]);
    let (doubled, negated) = L::load(rows.each_ref());
    assert_eq!(elements(&doubled), expected(|a, _| a.double()));
    assert_eq!(elements(&negated), expected(|_, b| -b));
}

fn elements<F: PrimeField, L: Lanes<F>>(lanes: &L) -> Vec<F> {
    let mut out = vec![F::zero(); L::LANES];
    lanes.to_lanes(&mut out);
    out
}

/// Elements at which carries, borrows and reductions turn over.
fn edges<F: PrimeField>() -> Vec<F> {
    let two = F::from(2u64);
    let mut edges = vec![F::zero(), F::one(), -F::one(), two, -two, two.inverse().expect("p is odd")];
    for exponent in [51, 52, 63, 64, 103, 104, 127, 128, 155, 156, 191, 192, 207, 208, 252, 253, 256, 260] {
        let power = two.pow([exponent]);
        edges.extend([power, -power, power - F::one(), power.inverse().expect("a power of two")]);
    }
    edges
}

fn element<F: PrimeField>() -> impl Strategy<Value = F> {
    let edges = edges::<F>();
    prop_oneof![
        prop::array::uniform32(any::<u8>()).prop_map(|bytes| F::from_le_bytes_mod_order(&bytes)),
        prop::sample::select(edges),
    ]
}

/// Runs the comparison on every pair of edges, then on what proptest draws.
struct Comparison;

impl Kernel for Comparison {
    type Output = ();

    fn run<B: Backend>(self, _: B) {
        compare_field::<ark_bn254::Fq, B::Fq>();
        compare_field::<ark_bn254::Fr, B::Fr>();
    }
}

fn compare_field<F: PrimeField, L: Lanes<F>>() {
    let edges = edges::<F>();
    for shift in 0..edges.len() {
        let mut others = edges.clone();
        others.rotate_left(shift);
        for (a, b) in edges.chunks(L::LANES).zip(others.chunks(L::LANES)) {
            check_against_ark::<F, L>(a, b);
        }
    }
    let pairs = (prop::collection::vec(element::<F>(), 8), prop::collection::vec(element::<F>(), 8));
    proptest!(|((a, b) in pairs)| check_against_ark::<F, L>(&a, &b));
}

#[test]
fn the_plain_portable_backend_calculates_as_ark_does() {
    PortablePlain.run(Comparison);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_adx_backend_calculates_as_ark_does() {
    match super::portable::PortableAdx::detect() {
        Some(backend) => backend.run(Comparison),
        None => println!("NOT RUN: this processor lacks ADX or BMI2"),
    }
}

#[test]
fn the_eight_lane_code_calculates_as_ark_does() {
    dispatch(BackendKind::Emulated, Comparison);
}

#[test]
fn every_available_kind_runs_kernels() {
    dispatch(BackendKind::detect(), Comparison);
}
