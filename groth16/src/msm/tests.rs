//! Sums against ark's, on every backend there is.

use ark_bn254::{G1Projective, G2Projective};
use ark_ec::VariableBaseMSM;
use ark_ff::{AdditiveGroup, Field, UniformRand, Zero};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::*;

/// Every kind that this machine can run. The portable one is another on processors without ADX: the lanes'
/// own tests compare the two.
fn kinds() -> impl Iterator<Item = BackendKind> {
    [BackendKind::Portable, BackendKind::Emulated, BackendKind::Ifma]
        .into_iter()
        .filter(|kind| kind.is_available())
}

/// Compares on every backend the sum of `scalars` over `bases` with ark's.
fn check<G: TableGroup>(bases: &[G::Affine], scalars: &[(usize, Fr)]) {
    let expected: G = scalars.iter().map(|(base, scalar)| bases[*base] * scalar).sum();
    for kind in kinds() {
        let table = FixedBaseTable::<G>::build(kind, bases);
        assert_eq!(table.msm_sparse(scalars), expected, "{kind}, {} bases", bases.len());
    }
}

fn check_all<G: TableGroup>(bases: &[G::Affine], scalars: &[Fr]) {
    check::<G>(bases, &scalars.iter().copied().enumerate().collect::<Vec<_>>());
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}

fn points<G: TableGroup>(count: usize) -> Vec<G::Affine> {
    let mut rng = rng();
    G::normalize_batch(&(0..count).map(|_| G::rand(&mut rng)).collect::<Vec<_>>())
}

/// Scalars with the digits of which something is special, and some without.
fn scalars(count: usize) -> Vec<Fr> {
    let mut rng = rng();
    let two = Fr::from(2u64);
    let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, two, two.pow([253]), two.inverse().expect("not zero"), -two];
    (0..count).map(|i| if i % 3 == 0 { edges[i / 3 % edges.len()] } else { Fr::rand(&mut rng) }).collect()
}

fn sums_are_arks<G: TableGroup>() {
    for count in [1, 2, 7, 8, 9, 100] {
        check_all::<G>(&points::<G>(count), &scalars(count));
    }
}

#[test]
fn sums_over_g1_are_arks() {
    sums_are_arks::<G1Projective>();
}

#[test]
fn sums_over_g2_are_arks() {
    sums_are_arks::<G2Projective>();
}

fn special_points_are_added_rightly<G: TableGroup>() {
    let point = points::<G>(1)[0];
    let opposite: G::Affine = (-point.into_group()).into_affine();
    let double: G::Affine = point.into_group().double().into_affine();
    let infinity = G::Affine::zero();
    let bases = [point, point, opposite, infinity, double, opposite, double, point, infinity];
    let some = Fr::rand(&mut rng());
    let table = FixedBaseTable::<G>::build(BackendKind::detect(), &bases);
    for signs in 0..1 << bases.len() {
        let signed: Vec<_> =
            (0..bases.len()).map(|i| if signs >> i & 1 == 1 { -some } else { some }).collect();
        let expected: G = bases.iter().zip(&signed).map(|(base, scalar)| *base * scalar).sum();
        assert_eq!(table.msm(&signed), expected, "signs {signs:b}");
        if signs % 97 == 0 {
            check_all::<G>(&bases, &signed);
        }
    }
    for all in [Fr::ONE, -Fr::ONE, some] {
        check_all::<G>(&[point; 70], &[all; 70]);
        check_all::<G>(&[infinity; 3], &[all; 3]);
        let alternating: Vec<_> = (0..71).map(|i| if i % 2 == 0 { point } else { opposite }).collect();
        check_all::<G>(&alternating, &[all; 71]);
    }
    check_all::<G>(&bases, &scalars(bases.len()));
    check_all::<G>(&bases, &[Fr::zero(); 9]);
}

#[test]
fn equal_opposite_and_infinite_points_of_g1_are_added_rightly() {
    special_points_are_added_rightly::<G1Projective>();
}

#[test]
fn equal_opposite_and_infinite_points_of_g2_are_added_rightly() {
    special_points_are_added_rightly::<G2Projective>();
}

#[test]
fn a_sum_over_few_of_the_bases_may_name_one_of_them_twice() {
    let bases = points::<G1Projective>(30);
    let scalar = Fr::rand(&mut rng());
    check::<G1Projective>(&bases, &[(3, scalar), (29, -scalar), (3, scalar), (3, -scalar), (0, Fr::ONE)]);
    check::<G1Projective>(&bases, &[]);
    check::<G1Projective>(&[], &[]);
}

/// Buckets longer than a block, many blocks, and many steps to an inversion.
#[test]
fn large_sums_are_arks() {
    let bases = points::<G1Projective>(20_000);
    let kind = BackendKind::detect();
    let table = FixedBaseTable::<G1Projective>::build(kind, &bases);
    for scalars in [scalars(bases.len()), vec![Fr::ONE; bases.len()]] {
        let expected = G1Projective::msm(&bases, &scalars).expect("as many scalars as bases");
        assert_eq!(table.msm(&scalars), expected);
    }
}

#[test]
fn rows_of_another_length_make_no_table() {
    let bases = points::<G1Projective>(5);
    let kind = BackendKind::detect();
    let mut rows = FixedBaseTable::<G1Projective>::build(kind, &bases).rows().to_vec();
    assert!(FixedBaseTable::<G1Projective>::from_rows(kind, &bases[1..], rows.clone()).is_none());
    rows.pop();
    assert!(FixedBaseTable::<G1Projective>::from_rows(kind, &bases, rows).is_none());
}

#[test]
fn debug_prints_no_rows() {
    let table = FixedBaseTable::<G1Projective>::build(BackendKind::Portable, &points::<G1Projective>(5));
    assert!(format!("{table:?}").len() < 200);
}
