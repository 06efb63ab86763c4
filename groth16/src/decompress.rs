//! Points from the bytes in which they are sent: ark's compressed encoding.
//!
//! ```text
//!  bytes ── parse ──► x, flags ── lanes: y = sqrt(x^3 + b) ──► y or -y, as the flags say ──► point
//! ```
//!
//! A coordinate is 32 bytes, least significant first, and must be below the modulus; one in Fq2 is c0,
//! then c1. The two highest bits of the last byte are flags: 00 for the smaller of y and -y, 10 for the
//! larger, 01 for infinity, whose x may be any. Whether a point of G2 is in its subgroup is not decided
//! here: the Miller loop finds out.

mod root;
#[cfg(test)]
mod tests;

use ark_bn254::{Fq, Fq2};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{AdditiveGroup, BigInt, PrimeField};

pub(crate) use self::root::Coordinate;
use self::root::Solve;
use crate::lanes::{Backend, BackendKind, Kernel, Lanes as _, MAX_LANES, Mask, dispatch};

/// What the bytes of a point say, before its y is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed<X> {
    /// Infinity.
    Infinity,
    /// One of the two points with this x.
    Finite {
        /// The coordinate.
        x: X,
        /// Whether y is the larger of the two roots.
        larger: bool,
    },
}

/// Parses a point of G1. `None` if a coordinate is not below the modulus, or both flags are set.
pub(crate) fn parse_g1(bytes: &[u8; 32]) -> Option<Parsed<Fq>> {
    let (x, flags) = without_flags(bytes);
    parsed(coordinate(&x)?, flags)
}

/// Parses a point of the twist, of which G2 is a part. `None` as for [`parse_g1`].
pub(crate) fn parse_g2(bytes: &[u8; 64]) -> Option<Parsed<Fq2>> {
    let (halves, _) = bytes.as_chunks::<32>();
    let (c1, flags) = without_flags(&halves[1]);
    parsed(Fq2::new(coordinate(&halves[0])?, coordinate(&c1)?), flags)
}

fn without_flags(bytes: &[u8; 32]) -> ([u8; 32], u8) {
    let mut bytes = *bytes;
    let flags = bytes[31] >> 6;
    bytes[31] &= 0b0011_1111;
    (bytes, flags)
}

fn parsed<X>(x: X, flags: u8) -> Option<Parsed<X>> {
    match flags {
        0b00 => Some(Parsed::Finite { x, larger: false }),
        0b10 => Some(Parsed::Finite { x, larger: true }),
        0b01 => Some(Parsed::Infinity),
        _ => None,
    }
}

fn coordinate(bytes: &[u8; 32]) -> Option<Fq> {
    let (words, _) = bytes.as_chunks::<8>();
    let mut limbs = [0; 4];
    for (limb, word) in limbs.iter_mut().zip(words) {
        *limb = u64::from_le_bytes(*word);
    }
    Fq::from_bigint(BigInt::new(limbs))
}

/// The points that were parsed, `None` where no point of the curve has that x.
pub(crate) fn points<P>(kind: BackendKind, parsed: &[Parsed<P::BaseField>]) -> Vec<Option<Affine<P>>>
where
    P: SWCurveConfig<BaseField: Coordinate>,
{
    dispatch(kind, Points::<P>(parsed))
}

struct Points<'a, P: SWCurveConfig>(&'a [Parsed<P::BaseField>]);

impl<P: SWCurveConfig<BaseField: Coordinate>> Kernel for Points<'_, P> {
    type Output = Vec<Option<Affine<P>>>;

    #[inline(always)]
    fn run<B: Backend>(self, backend: B) -> Self::Output {
        let lanes = B::Fq::LANES;
        let mut points = Vec::with_capacity(self.0.len());
        for chunk in self.0.chunks(2 * lanes) {
            let mut x = [P::BaseField::ZERO; 2 * MAX_LANES];
            for (x, point) in x.iter_mut().zip(chunk) {
                if let Parsed::Finite { x: given, .. } = point {
                    *x = *given;
                }
            }
            let mut y = x;
            let solved = if chunk.len() > lanes {
                backend.run(Solve::<_, 2> { x: &x[..2 * lanes], y: &mut y[..2 * lanes] })
            } else {
                let [solved] = backend.run(Solve::<_, 1> { x: &x[..lanes], y: &mut y[..lanes] });
                [solved, Mask::NONE]
            };
            points.extend(chunk.iter().enumerate().map(|(i, point)| match *point {
                Parsed::Infinity => Some(Affine::identity()),
                Parsed::Finite { x, larger } => solved[i / lanes].has(i % lanes).then(|| {
                    let y = if (y[i] > -y[i]) == larger { y[i] } else { -y[i] };
                    Affine::new_unchecked(x, y)
                }),
            }));
        }
        points
    }
}
