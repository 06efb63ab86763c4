//! Sums of a few points times scalars, over points that are not known before.

use ark_bn254::Fr;
use ark_ec::AffineRepr;
use zeroize::Zeroizing;

use super::group::TableGroup;
use super::halves::{Half, halves};

/// The width of digits: odd numbers below 2^4 and their negatives, with at least 4 zeros after each.
const WIDTH: u32 = 5;

/// How many odd multiples of a point that takes: 1, 3, up to 15.
const MULTIPLES: usize = 1 << (WIDTH - 2);

/// A half has at most 128 bits, and taking digits as negative may carry into one more.
const DIGITS: usize = 129;

type Digits = Zeroizing<[i8; DIGITS]>;

/// The sum of points times scalars. Points have to be in the group of prime order.
///
/// Scalars are cut in half with the endomorphism, and all halves share the 128 doublings (Straus). It is
/// meant for up to about four points; how much time each more takes does not get less after that.
pub fn few<G: TableGroup>(terms: &[(G::Affine, Fr)]) -> G {
    let multiples = odd_multiples::<G>(terms);
    let halves: Vec<[Digits; 2]> = terms.iter().map(|(_, scalar)| halves(scalar).map(digits)).collect();
    let mut sum = G::zero();
    for place in (0..DIGITS).rev() {
        sum.double_in_place();
        for ([first, second], multiples) in halves.iter().zip(multiples.chunks_exact(MULTIPLES)) {
            add_multiple(&mut sum, first[place], |index| multiples[index]);
            add_multiple(&mut sum, second[place], |index| G::times_lambda(&multiples[index]));
        }
    }
    sum
}

/// Adds `digit` times the point of which `odd_multiple` gives the multiples 1, 3, 5 and so on.
fn add_multiple<G: TableGroup>(sum: &mut G, digit: i8, odd_multiple: impl Fn(usize) -> G::Affine) {
    let index = usize::from(digit.unsigned_abs() / 2);
    match digit {
        0 => {}
        1.. => *sum += odd_multiple(index),
        _ => *sum -= odd_multiple(index),
    }
}

/// `P, 3 P, 5 P, ...` of each point.
fn odd_multiples<G: TableGroup>(terms: &[(G::Affine, Fr)]) -> Vec<G::Affine> {
    let mut multiples = Vec::with_capacity(terms.len() * MULTIPLES);
    for (point, _) in terms {
        let twice = point.into_group().double();
        let mut multiple = point.into_group();
        for _ in 0..MULTIPLES {
            multiples.push(multiple);
            multiple += twice;
        }
    }
    G::normalize_batch(&multiples)
}

/// The non-adjacent form: zeros, and odd digits of less than 2^(width - 1) with zeros between them.
fn digits(half: Half) -> Digits {
    let mut digits = Zeroizing::new([0; DIGITS]);
    let mut rest = half.magnitude;
    let mut place = 0;
    while rest != 0 {
        let zeros = rest.trailing_zeros();
        (rest, place) = (rest >> zeros, place + zeros as usize);
        let low = (rest & ((1 << WIDTH) - 1)) as i8;
        let digit = if low < 1 << (WIDTH - 1) { low } else { low - (1 << WIDTH) };
        digits[place] = if half.is_negative { -digit } else { digit };
        // What is left is a multiple of 2^width. Its carry may leave the number, so it is shifted first.
        rest = (rest >> WIDTH) + u128::from(digit < 0);
        place += WIDTH as usize;
    }
    digits
}

#[cfg(test)]
mod tests {
    use ark_bn254::{G1Projective, G2Projective, g1};
    use ark_ec::scalar_mul::glv::GLVConfig;
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn digits_are_few_and_add_up_to_the_half() {
        for magnitude in [0, 1, 15, 16, 17, 31, u128::MAX, u128::MAX - 15, 1 << 127, 0x5555 << 100] {
            for is_negative in [false, true] {
                let digits = digits(Half { is_negative, magnitude });
                let sum: Fr = (0..DIGITS)
                    .map(|place| Fr::from(digits[place]) * Fr::from(2u64).pow([place as u64]))
                    .sum();
                let expected = Fr::from(magnitude);
                assert_eq!(sum, if is_negative { -expected } else { expected });
                let used: Vec<_> = (0..DIGITS).filter(|&place| digits[place] != 0).collect();
                assert!(used.iter().all(|&place| digits[place] % 2 != 0));
                assert!(used.windows(2).all(|places| places[1] - places[0] >= WIDTH as usize));
            }
        }
    }

    fn sums_are_arks<G: TableGroup>() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let point = G::rand(&mut rng).into_affine();
        assert_eq!(G::times_lambda(&point), (point * g1::Config::LAMBDA).into_affine());
        for count in 0..6 {
            let mut terms: Vec<_> =
                (0..count).map(|_| (G::rand(&mut rng).into_affine(), Fr::rand(&mut rng))).collect();
            check::<G>(&terms);
            terms.extend([(point, Fr::ZERO), (point, -Fr::ONE), (G::Affine::zero(), Fr::ONE)]);
            terms.extend([(point, Fr::ONE), (point, Fr::ONE)]);
            check::<G>(&terms);
        }
        let scalar = Fr::rand(&mut rng);
        check::<G>(&[(point, scalar), (point, scalar)]);
        let opposite = (-point.into_group()).into_affine();
        check::<G>(&[(point, scalar), (opposite, scalar)]);
    }

    fn check<G: TableGroup>(terms: &[(G::Affine, Fr)]) {
        let expected: G = terms.iter().map(|(point, scalar)| *point * scalar).sum();
        assert_eq!(few::<G>(terms), expected);
    }

    #[test]
    fn sums_over_g1_are_arks() {
        sums_are_arks::<G1Projective>();
    }

    #[test]
    fn sums_over_g2_are_arks() {
        sums_are_arks::<G2Projective>();
    }
}
