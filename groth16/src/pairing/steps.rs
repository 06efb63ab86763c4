//! The schedule of the Miller loop.

use ark_bn254::{Config, Fq2, G2Affine};
use ark_ec::AffineRepr;
use ark_ec::bn::BnConfig;
use ark_ff::Field;

/// The digits of 6x + 2, least significant first. The highest is 1.
const DIGITS: &[i8] = Config::ATE_LOOP_COUNT;

/// How many lines the loop of one pair has: one for each doubling, each digit that is not zero, and
/// two at the end.
pub(crate) const LINE_COUNT: usize = line_count();

/// What happens to the running point T, which starts as Q.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// T becomes 2T. Except for the first of them, the value is squared before.
    Double,
    /// T becomes T + Q.
    Add,
    /// T becomes T - Q.
    Subtract,
    /// T becomes T + psi(Q).
    AddFrobenius,
    /// T becomes T - psi^2(Q).
    SubtractFrobeniusTwice,
}

/// All steps in order, [`LINE_COUNT`] of them.
pub(crate) fn steps() -> impl Iterator<Item = Step> {
    let loop_steps = DIGITS[..DIGITS.len() - 1].iter().rev().flat_map(|digit| {
        let after = match digit {
            0 => None,
            1.. => Some(Step::Add),
            _ => Some(Step::Subtract),
        };
        [Some(Step::Double), after].into_iter().flatten()
    });
    loop_steps.chain([Step::AddFrobenius, Step::SubtractFrobeniusTwice])
}

const fn line_count() -> usize {
    let mut count = DIGITS.len() - 1 + 2;
    let mut i = 0;
    while i < DIGITS.len() - 1 {
        if DIGITS[i] != 0 {
            count += 1;
        }
        i += 1;
    }
    count
}

/// The factors of psi: `psi(x, y) = (x^p * PSI_X, y^p * PSI_Y)`, the Frobenius map of the curve over
/// Fq12 seen on its twist.
pub(crate) const PSI_X: Fq2 = Config::TWIST_MUL_BY_Q_X;
/// See [`PSI_X`].
pub(crate) const PSI_Y: Fq2 = Config::TWIST_MUL_BY_Q_Y;

/// The points that the loop adds to T: psi(Q), -psi^2(Q), and -psi^3(Q), which T has to be at the end.
///
/// The last is the test of membership in the subgroup: `6x + 2 + psi - psi^2 + psi^3` takes a point Q of
/// the curve to zero if and only if Q is in the subgroup. ADR 0010 proves it.
pub(crate) fn images(q: &G2Affine) -> [G2Affine; 3] {
    let psi = |q: G2Affine| match q.xy() {
        None => q,
        Some((mut x, mut y)) => {
            x.frobenius_map_in_place(1);
            y.frobenius_map_in_place(1);
            G2Affine::new_unchecked(x * PSI_X, y * PSI_Y)
        }
    };
    let once = psi(*q);
    let twice = psi(once);
    [once, -twice, -psi(twice)]
}
