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
//! on nothing but the key. Those wires' and pairs' points are in tables of [`Signal`]. C1 alone is a
//! point of the slot; the form's value at base + direction gives it, so that a slot takes two
//! multi-scalar multiplications over H in idle time, and a few hundred additions when x is known.

use std::fmt;
use std::sync::Arc;

use ark_bn254::{Fr, G1Projective, G2Projective};
use ark_ff::{AdditiveGroup, Field, Zero};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Blinded, Partial, Proof, ProveError, Prover, Randomizers, Threads, WireSet};
use crate::msm::{PointTable, TableGroup};
use crate::scratch::Scratch;
use crate::verifier::{Rejection, Verifier};

/// The most wires that may follow a signal: there is a constant for each pair, each the price of a
/// multi-scalar multiplication over H, so 36 of them.
pub const MAX_SIGNAL_WIRES: usize = 8;

/// Digits of the multiples that a key's constants are in: 43 additions for 88 KB in G1, 176 KB in G2.
const SIGNAL_DIGIT_BITS: u32 = 6;

/// Digits of the multiples that a slot holds of its one own point: 64 additions for 33 KB.
const SLOT_DIGIT_BITS: u32 = 4;

/// The wires that follow a signal, and the key's constants for them. Made once, for all slots.
pub struct Signal {
    key_sha256: [u8; 32],
    wires: WireSet,
    /// Each wire's point of A.
    a: Vec<PointTable<G1Projective>>,
    /// Each wire's point of B, in G2.
    b: Vec<PointTable<G2Projective>>,
    /// For each pair of wires, in the order of [`pairs`]: the quotient's commitment to their product.
    products: Vec<PointTable<G1Projective>>,
}

/// A proof that waits for its signal. It gives one proof and is gone.
///
/// Two proofs from the same slot would show two points of the same lines A(x), B(x) and C(x) and so
/// everything between them; in RLN, two signals for one message id show the member's secret anyway.
/// Therefore it is consumed, cannot be cloned, and is overwritten when it is dropped unused.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Slot {
    #[zeroize(skip)]
    signal: Arc<Signal>,
    /// How the signal's wires move.
    slopes: Vec<Fr>,
    a0: G1Projective,
    b0: G2Projective,
    c0: G1Projective,
    // It overwrites itself.
    #[zeroize(skip)]
    c1: PointTable<G1Projective>,
}

impl fmt::Debug for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Signal").field("wires", &self.wires).finish_non_exhaustive()
    }
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
        let chosen: Vec<usize> = wires.iter().collect();
        let squares: Vec<_> = chosen.iter().map(|wire| form(&[*wire])).collect();
        let product = |(first, second): (usize, usize)| {
            if first == second {
                return squares[first];
            }
            // (u + v)^2 - u^2 - v^2, for the form.
            form(&[chosen[first], chosen[second]]) - squares[first] - squares[second]
        };
        let key = self.key();
        Ok(Arc::new(Signal {
            key_sha256: key.sha256(),
            a: chosen.iter().map(|wire| constant(key.a_query[*wire].into())).collect(),
            b: chosen.iter().map(|wire| constant(key.b_g2_query[*wire].into())).collect(),
            products: pairs(chosen.len()).map(|pair| constant(product(pair))).collect(),
            wires,
        }))
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
        signal: &Arc<Signal>,
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

        let (sums, mut quotient) = match partial {
            Some(partial) => {
                self.check_partial(partial, base)?;
                self.partial_sums(Threads::One, partial, base, r)
            }
            None => self.full_sums(Threads::One, base, r),
        };
        let at_zero = sums.blind(key, randomizers);

        self.subtract_from_quotient_at_one(signal, base, &slopes, &mut quotient);
        // A1, B1 in G1 and C2 are sums of the key's points; what is left of C is the slot's own.
        let c1 = self.tables.h(&quotient) - signal.c2(&slopes)
            + self.private_sum(signal, &slopes)
            + signal.a1(&slopes) * s
            + self.b1_g1(signal, &slopes) * r;
        Ok(Slot {
            signal: Arc::clone(signal),
            slopes: slopes.to_vec(),
            a0: at_zero.a,
            b0: at_zero.b,
            c0: at_zero.c,
            c1: PointTable::new(c1, SLOT_DIGIT_BITS),
        })
    }

    /// Replaces the quotient at `base` by that at `base` plus the direction, minus it.
    fn subtract_from_quotient_at_one(
        &self,
        signal: &Signal,
        base: &[Fr],
        slopes: &[Fr],
        quotient: &mut [Fr],
    ) {
        let mut shifted = Scratch::filled(Fr::ZERO, base.len());
        shifted.copy_from_slice(base);
        for (wire, slope) in signal.wires.iter().zip(slopes) {
            shifted[wire] += slope;
        }
        let at_one = self.quotient.scalars(self.key(), &shifted);
        for (at_zero, at_one) in quotient.iter_mut().zip(at_one.iter()) {
            *at_zero = *at_one - *at_zero;
        }
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

    /// The sum of B in G1 over the signal's wires.
    fn b1_g1(&self, signal: &Signal, slopes: &[Fr]) -> G1Projective {
        signal.wires.iter().zip(slopes).map(|(wire, slope)| self.key().b_g1_query[wire] * slope).sum()
    }
}

fn constant<G: TableGroup>(point: G) -> PointTable<G> {
    PointTable::new(point, SIGNAL_DIGIT_BITS)
}

/// All pairs of 0 to `count` - 1, the second not before the first and counting faster.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |first| (first..count).map(move |second| (first, second)))
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

    /// The sum of A over its wires.
    fn a1(&self, slopes: &[Fr]) -> G1Projective {
        let mut sum = G1Projective::zero();
        self.a.iter().zip(slopes).for_each(|(table, slope)| table.add_multiple(&mut sum, slope));
        sum
    }

    /// The commitment to the quadratic form of the slopes.
    fn c2(&self, slopes: &[Fr]) -> G1Projective {
        let mut sum = G1Projective::zero();
        for (table, (first, second)) in self.products.iter().zip(pairs(slopes.len())) {
            table.add_multiple(&mut sum, &(slopes[first] * slopes[second]));
        }
        sum
    }

    /// The sum of B in G2 over its wires.
    fn b1(&self, slopes: &[Fr]) -> G2Projective {
        let mut sum = G2Projective::zero();
        self.b.iter().zip(slopes).for_each(|(table, slope)| table.add_multiple(&mut sum, slope));
        sum
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
        // A form takes x slopes to x^2 times its value, a sum to x times.
        let mut moved = Scratch::filled(x, self.slopes.len());
        moved.iter_mut().zip(&self.slopes).for_each(|(moved, slope)| *moved *= slope);
        let mut c = self.c0 + self.signal.c2(&moved);
        self.c1.add_multiple(&mut c, &x);
        Blinded { a: self.a0 + self.signal.a1(&moved), b: self.b0 + self.signal.b1(&moved), c }.to_proof()
    }
}
