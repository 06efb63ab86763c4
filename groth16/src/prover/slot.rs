//! A proof of which everything is made in advance but what follows from one value.
//!
//! When all wires are linear in a signal x, w(x) = base + x direction, then so are A and B, and C is of
//! degree two because the quotient is a quadratic form in the wires:
//!
//! ```text
//!  A(x) = A0 + x A1      B(x) = B0 + x B1      C(x) = C0 + x C1 + x^2 C2
//! ```
//!
//! A0, B0 and C0 are the proof of the base. A1 and B1 are sums over the few wires of the direction. C2
//! is the quadratic form of the direction alone, so a sum over pairs of its wires of points that depend
//! on nothing but the key: [`Signal`] holds them. The form's value at base + direction gives C1. So a
//! slot takes two multi-scalar multiplications over H in idle time, and a handful of multiplications
//! of points when x is known.

use std::fmt;
use std::sync::Arc;

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, Field, Zero};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Partial, Proof, ProveError, Prover, Randomizers, WireSet};
use crate::scratch::Scratch;
use crate::verifier::{Rejection, Verifier};

/// The most wires that may follow a signal: there is a constant for each pair, each the price of a
/// multi-scalar multiplication over H, so 36 of them.
pub const MAX_SIGNAL_WIRES: usize = 8;

/// The wires that follow a signal, and the key's constants for them. Made once, for all slots.
#[derive(Debug)]
pub struct Signal {
    key_sha256: [u8; 32],
    wires: WireSet,
    /// For each pair of `wires`, the second not before the first and varying faster: the quotient's
    /// commitment to the product of the two.
    pairs: Vec<G1Affine>,
}

/// A proof that waits for its signal. It gives one proof and is gone.
///
/// Two proofs from the same slot would show two points of the same lines A(x), B(x) and C(x) and so
/// everything between them; in RLN, two signals for one message id show the member's secret anyway.
/// Therefore it is consumed, cannot be cloned, and is overwritten when it is dropped unused.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Slot {
    a: [G1Affine; 2],
    b: [G2Affine; 2],
    c: [G1Affine; 3],
}

impl fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Slot([REDACTED])")
    }
}

impl Prover {
    /// Calculates the key's constants for signals that `wires` follow.
    ///
    /// # Errors
    ///
    /// When a wire is not of this circuit or cannot vary, or when they are too many.
    pub fn signal(&self, wires: WireSet) -> Result<Arc<Signal>, ProveError> {
        self.check_wires(&wires)?;
        if wires.len() > MAX_SIGNAL_WIRES {
            return Err(ProveError::TooManySignalWires { given: wires.len(), most: MAX_SIGNAL_WIRES });
        }
        let form = |chosen: &[usize]| {
            let mut unit = vec![Fr::ZERO; self.key().wire_count()];
            chosen.iter().for_each(|wire| unit[*wire] = Fr::ONE);
            self.tables.h(&self.quotient.scalars(self.key(), &unit))
        };
        let wires_in_order: Vec<usize> = wires.iter().collect();
        let squares: Vec<_> = wires_in_order.iter().map(|wire| form(&[*wire])).collect();
        let mut pairs = Vec::new();
        for (first, first_wire) in wires_in_order.iter().enumerate() {
            pairs.push(squares[first]);
            for (second, second_wire) in wires_in_order.iter().enumerate().skip(first + 1) {
                // (u + v)^2 - u^2 - v^2, for the form.
                pairs.push(form(&[*first_wire, *second_wire]) - squares[first] - squares[second]);
            }
        }
        let pairs = G1Projective::normalize_batch(&pairs);
        Ok(Arc::new(Signal { key_sha256: self.key().sha256(), wires, pairs }))
    }

    /// Makes all of a proof but what the signal x adds: its witness will be `base` + x `direction`.
    ///
    /// `direction` has the slopes of wires of `signal`; others do not follow x. `partial`, if there is
    /// one that fits `base`, saves time and changes nothing else.
    ///
    /// # Errors
    ///
    /// When `base` is not of this circuit's shape or does not fit `partial`, or when `direction` has a
    /// wire that is not of `signal`.
    pub fn slot(
        &self,
        signal: &Signal,
        base: &[Fr],
        direction: &[(usize, Fr)],
        partial: Option<&Partial>,
        randomizers: &Randomizers,
    ) -> Result<Slot, ProveError> {
        let key = self.key();
        let Randomizers { r, s } = randomizers;
        self.check_witness(base)?;
        if signal.key_sha256 != key.sha256() {
            return Err(ProveError::OtherKey);
        }
        let slopes = signal.slopes(direction)?;

        let mut quotient = self.quotient.scalars(key, base);
        let sums = match partial {
            Some(partial) => {
                self.check_partial(partial, base)?;
                self.partial_sums(partial, &quotient, base, r)
            }
            None => self.full_sums(&quotient, base, r),
        };
        let at_zero = sums.blind(key, randomizers);

        let mut shifted = Scratch::filled(Fr::ZERO, base.len());
        shifted.copy_from_slice(base);
        for (wire, slope) in signal.wires.iter().zip(slopes.iter()) {
            shifted[wire] += slope;
        }
        let at_one = self.quotient.scalars(key, &shifted);
        for (zero, one) in quotient.iter_mut().zip(at_one.iter()) {
            *zero = *one - *zero;
        }

        let a1: G1Projective = signal.sum(&slopes, &key.a_query);
        let b1: G2Projective = signal.sum(&slopes, &key.b_g2_query);
        let b1_g1: G1Projective = signal.sum(&slopes, &key.b_g1_query);
        let c2 = signal.form(&slopes);
        let c1 = self.tables.h(&quotient) - c2 + self.private_sum(signal, &slopes) + a1 * s + b1_g1 * r;

        let g1 = G1Projective::normalize_batch(&[at_zero.a, a1, at_zero.c, c1, c2]);
        let g2 = G2Projective::normalize_batch(&[at_zero.b, b1]);
        Ok(Slot { a: [g1[0], g1[1]], b: [g2[0], g2[1]], c: [g1[2], g1[3], g1[4]] })
    }

    /// The sum of L over the signal's private wires.
    fn private_sum(&self, signal: &Signal, slopes: &[Fr]) -> G1Projective {
        let public = self.key().public_wire_count();
        let mut sum = G1Projective::zero();
        for (wire, slope) in signal.wires.iter().zip(slopes) {
            if let Some(private) = wire.checked_sub(public) {
                sum += self.key().l_query[private] * slope;
            }
        }
        sum
    }
}

impl Signal {
    /// The wires that follow it.
    pub fn wires(&self) -> &WireSet {
        &self.wires
    }

    /// The slope of each of its wires.
    fn slopes(&self, direction: &[(usize, Fr)]) -> Result<Scratch<Fr>, ProveError> {
        let mut slopes = Scratch::filled(Fr::ZERO, self.wires.len());
        for (wire, slope) in direction {
            let position = self.wires.position(*wire).ok_or(ProveError::NotOfTheSignal { wire: *wire })?;
            slopes[position] += slope;
        }
        Ok(slopes)
    }

    /// The sum of each wire's point of `query` times its slope.
    fn sum<G: CurveGroup<ScalarField = Fr>>(&self, slopes: &[Fr], query: &[G::Affine]) -> G {
        self.wires.iter().zip(slopes).map(|(wire, slope)| query[wire] * slope).sum()
    }

    /// The commitment to the quadratic form of the slopes.
    fn form(&self, slopes: &[Fr]) -> G1Projective {
        let pairs =
            (0..slopes.len()).flat_map(|first| (first..slopes.len()).map(move |second| (first, second)));
        let products = pairs.map(|(first, second)| slopes[first] * slopes[second]);
        self.pairs.iter().zip(products).map(|(point, product)| *point * product).sum()
    }
}

impl Slot {
    /// The proof for the signal `x`: the one that [`Prover::prove`] gives for base + x direction and the
    /// same randomizers.
    pub fn finish(self, x: Fr) -> Proof {
        self.at(x)
    }

    /// Whether `verifier` accepts the proof for the signal `x` with these public `inputs`, which is how
    /// to see that the slot is sound before a signal waits for it.
    ///
    /// Both sides of the verifier's equation are of degree two in x, so what holds for one x that was
    /// drawn at random holds for all, except with a chance of 2 in the group's order. The proof does
    /// not leave this function; the caller erases `x` and `inputs`, and must never prove that signal.
    ///
    /// # Errors
    ///
    /// The rule that the proof breaks.
    pub fn check_at(&self, verifier: &Verifier, x: Fr, inputs: &[Fr]) -> Result<(), Rejection> {
        verifier.verify_one(&Zeroizing::new(self.at(x).to_bytes()), inputs)
    }

    fn at(&self, x: Fr) -> Proof {
        let a = self.a[1] * x + self.a[0];
        let b = self.b[1] * x + self.b[0];
        let c = self.c[2] * x.square() + self.c[1] * x + self.c[0];
        let g1 = G1Projective::normalize_batch(&[a, c]);
        Proof { a: g1[0], b: b.into_affine(), c: g1[1] }
    }
}
