//! What every backend has to do, checked against ark and against the emulated instructions.
//!
//! The tests of this crate run it, and so does the example `ifma_selftest`, which goes where there is a
//! processor (or an emulator of one) with the instructions. A difference panics with what differs.

use ark_ff::{BigInt, BigInteger, PrimeField};

use super::{Backend, BackendKind, Kernel, Lanes, MAX_LANES, Mask, Row, dispatch};

/// Compares all operations on both fields with ark's, on every pair of the representatives at which
/// carries, borrows and reductions turn over. Gives the number of pairs.
pub fn compare_with_ark(kind: BackendKind) -> usize {
    dispatch(kind, Comparison)
}

/// Compares each instruction of the eight-lane backend with its emulation; false where this processor
/// lacks them, so that nothing was compared.
pub fn compare_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    if super::eight::Ifma::detect().is_some() {
        super::eight::compare_with_emulation::<super::eight::IfmaWords>();
        return true;
    }
    false
}

pub(super) struct Comparison;

impl Kernel for Comparison {
    type Output = usize;

    fn run<B: Backend>(self, _: B) -> usize {
        compare_field::<ark_bn254::Fq, B::Fq>(B::KIND) + compare_field::<ark_bn254::Fr, B::Fr>(B::KIND)
    }
}

fn compare_field<F: PrimeField<BigInt = BigInt<4>>, L: Lanes<F>>(kind: BackendKind) -> usize {
    let numbers = turning_points::<F>(kind);
    for shift in 0..numbers.len() {
        let mut others = numbers.clone();
        others.rotate_left(shift);
        for (a, b) in numbers.chunks(L::LANES).zip(others.chunks(L::LANES)) {
            check_representatives::<F, L>(kind, a, b);
        }
    }
    numbers.len() * numbers.len()
}

/// Representatives that a backend may hold, as a row stores them: next to each multiple of p and of the
/// powers of two between words and limbs, and with words or limbs of zeros and ones alone.
fn turning_points<F: PrimeField<BigInt = BigInt<4>>>(kind: BackendKind) -> Vec<BigInt<4>> {
    let bound = bound::<F>(kind);
    let multiples = [BigInt::zero(), F::MODULUS, double(F::MODULUS)];
    let mut numbers = Vec::new();
    for multiple in multiples.into_iter().chain([bound]) {
        for distance in 0..2u64 {
            let (mut above, mut below) = (multiple, multiple);
            above.add_with_carry(&BigInt::from(distance));
            below.sub_with_borrow(&BigInt::from(distance));
            numbers.extend([above, below]);
        }
        // The same top limb or word, and the ones beside it, over every pattern of the lower ones.
        for bits in [52, 64] {
            let lower = 256 / bits * bits - if bits == 64 { 64 } else { 0 };
            let top = multiple >> lower as u32;
            for top in [top.0[0].wrapping_sub(1), top.0[0], top.0[0] + 1] {
                for pattern in 0..1u32 << (lower / bits) {
                    numbers.push(patterned(top, lower, bits, pattern));
                }
            }
        }
    }
    numbers.retain(|number| *number < bound);
    numbers.sort();
    numbers.dedup();
    numbers
}

/// `top` above `lower` bits, in which those parts of `bits` bits are ones that are set in `pattern`.
fn patterned(top: u64, lower: usize, bits: usize, pattern: u32) -> BigInt<4> {
    let mut number = BigInt::from(top) << lower as u32;
    for bit in 0..lower {
        if pattern >> (bit / bits) & 1 == 1 {
            number.0[bit / 64] |= 1 << (bit % 64);
        }
    }
    number
}

/// What the representatives of a backend are below: 2p for one lane, 2p and 2^209 for eight.
fn bound<F: PrimeField<BigInt = BigInt<4>>>(kind: BackendKind) -> BigInt<4> {
    let mut bound = double(F::MODULUS);
    if kind != BackendKind::Portable {
        bound.add_with_carry(&(BigInt::from(1u64) << 209));
    }
    bound
}

fn double(mut number: BigInt<4>) -> BigInt<4> {
    number.mul2();
    number
}

/// Checks the operations on values that were loaded as these representatives, and that what comes out is
/// below the bound again.
fn check_representatives<F: PrimeField<BigInt = BigInt<4>>, L: Lanes<F>>(
    kind: BackendKind,
    a: &[BigInt<4>],
    b: &[BigInt<4>],
) {
    let one_as_stored = {
        let (one, _) = loaded::<F, L>(&[BigInt::from(1u64)], &[BigInt::zero()]);
        elements(&one)[0]
    };
    let meaning = |numbers: &[BigInt<4>]| -> Vec<F> {
        let residues = numbers.iter().map(|number| F::from_le_bytes_mod_order(&number.to_bytes_le()));
        residues.map(|residue| residue * one_as_stored).cycle().take(L::LANES).collect()
    };
    let (left, right) = loaded::<F, L>(a, b);
    let results = check_operations(&left, &right, &meaning(a), &meaning(b));
    for result in results {
        let mut rows = [Row::default(); MAX_LANES];
        L::store(&result, &result, &mut rows[..L::LANES]);
        for row in &rows[..L::LANES] {
            let number = BigInt::new([row.0[0], row.0[1], row.0[2], row.0[3]]);
            assert!(number < bound::<F>(kind), "{number} is beyond the bound");
        }
    }
}

/// Loads representatives, repeated until every lane has one.
fn loaded<F: PrimeField, L: Lanes<F>>(a: &[BigInt<4>], b: &[BigInt<4>]) -> (L, L) {
    let mut rows = [Row::default(); MAX_LANES];
    for (row, (a, b)) in rows.iter_mut().zip(a.iter().zip(b).cycle()) {
        row.0[..4].copy_from_slice(&a.0);
        row.0[4..].copy_from_slice(&b.0);
    }
    L::load(rows.each_ref())
}

/// A name, what a backend made of `left` and `right`, and what ark makes of the elements.
type Operation<F, L> = (&'static str, L, fn(F, F) -> F);

/// Compares every operation on `left` and `right`, which hold `a` and `b`, with ark's. Gives the results.
pub(super) fn check_operations<F: PrimeField, L: Lanes<F>>(left: &L, right: &L, a: &[F], b: &[F]) -> Vec<L> {
    let all = Mask::first(L::LANES);
    let mask_of = |condition: fn(F, F) -> bool| {
        let set = a.iter().zip(b).enumerate().filter(|(_, (a, b))| condition(**a, **b));
        Mask(set.fold(0, |mask, (lane, _)| mask | 1 << lane))
    };
    let odd = mask_of(|a, _| a.into_bigint().is_odd());
    let (negated, doubled) = (left.neg(), right.double());

    let operations: [Operation<F, L>; 15] = [
        ("itself", L::from_lanes(a), |a, _| a),
        ("add", left.add(right), |a, b| a + b),
        ("sub", left.sub(right), |a, b| a - b),
        ("mul", left.mul(right), |a, b| a * b),
        ("double", doubled, |_, b| b.double()),
        ("neg", negated, |a, _| -a),
        ("square", left.square(), |a, _| a.square()),
        ("mul_sum", left.mul_sum(left, right), |a, b| a * (a + b)),
        ("mul_difference", left.mul_difference(left, right), |a, b| a * (a - b)),
        ("difference_of_squares", L::difference_of_squares(left, right), |a, b| a * a - b * b),
        ("sum_of_products", L::sum_of_products(left, right, &doubled, &negated), |a, b| {
            a * b - b.double() * a
        }),
        ("difference_of_products", L::difference_of_products(&negated, &doubled, left, right), |a, b| {
            -a * b.double() - a * b
        }),
        ("products of equals", L::sum_of_products(left, left, left, left), |a, _| a.square().double()),
        ("select", L::select(odd, left, right), |a, b| if a.into_bigint().is_odd() { a } else { b }),
        ("negate_where", left.negate_where(odd), |a, _| if a.into_bigint().is_odd() { -a } else { a }),
    ];
    for (name, result, expected) in &operations {
        let expected: Vec<F> = a.iter().zip(b).map(|(&a, &b)| expected(a, b)).collect();
        assert_eq!(elements(result), expected, "{name} of {a:?} and {b:?}");
    }

    assert_eq!(elements(left), a, "to_lanes");
    assert_eq!(left.is_zero(), mask_of(|a, _| a.is_zero()), "is_zero of {a:?}");
    assert_eq!(left.sub(left).is_zero(), all, "is_zero of a - a for {a:?}");
    assert_eq!(left.equals(right), mask_of(|a, b| a == b), "equals of {a:?} and {b:?}");
    assert_eq!(left.add(right).sub(right).equals(left), all, "a + b - b = a for {a:?} and {b:?}");

    let mut rows = [Row::default(); MAX_LANES];
    L::store(&doubled, &negated, &mut rows[..L::LANES]);
    let (first, second) = L::load(rows.each_ref());
    assert_eq!(first.equals(&doubled).and(second.equals(&negated)), all, "store and load");
    operations.map(|(_, result, _)| result).to_vec()
}

fn elements<F: PrimeField, L: Lanes<F>>(lanes: &L) -> Vec<F> {
    let mut out = vec![F::zero(); L::LANES];
    lanes.to_lanes(&mut out);
    out
}
