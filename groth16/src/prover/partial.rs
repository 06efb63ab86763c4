//! Most of a proof, made once for many.

use std::fmt;

use ark_bn254::{Fr, G1Projective, G2Projective};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Proof, ProveError, Prover, Randomizers, Sums, Threads, WireSet};
use crate::scratch::Scratch;

/// The sums over those wires that do not vary, for one witness and its varying wires.
///
/// It says as much about the witness as the witness itself, so it is overwritten when dropped and not
/// shown. It can be used for any number of proofs.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Partial {
    #[zeroize(skip)]
    key_sha256: [u8; 32],
    #[zeroize(skip)]
    varying: WireSet,
    /// The witness, to see that what does not vary has not changed.
    witness: Zeroizing<Vec<Fr>>,
    a: G1Projective,
    b_g1: G1Projective,
    b_g2: G2Projective,
    l: G1Projective,
}

impl fmt::Debug for Partial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Partial").field("varying", &self.varying.len()).finish_non_exhaustive()
    }
}

impl Prover {
    /// Sums over all wires of `witness` but those that vary, whose values do not matter yet.
    ///
    /// # Errors
    ///
    /// When `witness` is not one of this circuit's shape, or `varying` names wires that cannot vary.
    pub fn partial(&self, witness: &[Fr], varying: WireSet) -> Result<Partial, ProveError> {
        self.check_witness(witness)?;
        self.check_wires(&varying)?;
        let mut fixed = Scratch::filled(Fr::from(0u64), witness.len());
        fixed.copy_from_slice(witness);
        for wire in varying.iter() {
            fixed[wire] = Fr::from(0u64);
        }
        let key = self.key();
        Ok(Partial {
            key_sha256: key.sha256(),
            varying,
            witness: Zeroizing::new(witness.to_vec()),
            a: self.tables.a(&fixed) + key.verifying_key().alpha_g1,
            b_g1: self.tables.b_g1(&fixed) + key.beta_g1,
            b_g2: self.tables.b_g2(&fixed) + key.verifying_key().beta_g2,
            l: self.tables.l(&fixed),
        })
    }

    /// Proves `witness`, which differs from that of `partial` in no other wires than those that vary.
    ///
    /// # Errors
    ///
    /// When `witness` is not one of this circuit's shape, or another wire differs.
    pub fn finish(
        &self,
        partial: &Partial,
        witness: &[Fr],
        randomizers: &Randomizers,
    ) -> Result<Proof, ProveError> {
        self.check_partial(partial, witness)?;
        let (sums, _quotient) = self.partial_sums(self.threads, partial, witness, &randomizers.r);
        Ok(sums.blind(self.key(), randomizers).to_proof())
    }

    /// The sums of `partial` with those over what varies, and the quotient's scalars that went into them.
    pub(super) fn partial_sums(
        &self,
        threads: Threads,
        partial: &Partial,
        witness: &[Fr],
        r: &Fr,
    ) -> (Sums, Scratch<Fr>) {
        let varying = &partial.varying;
        let ((quotient, c), (a, b_g2)) = threads.both(
            || {
                let quotient = self.quotient.scalars(self.key(), witness);
                let c = self.tables.c_of(&quotient, witness, varying, r);
                (quotient, c)
            },
            || (self.tables.a_of(witness, varying), self.tables.b_g2_of(witness, varying)),
        );
        let sums = Sums { a: a + partial.a, b_g2: b_g2 + partial.b_g2, b_g1: partial.b_g1, c: c + partial.l };
        (sums, quotient)
    }

    pub(super) fn check_partial(&self, partial: &Partial, witness: &[Fr]) -> Result<(), ProveError> {
        self.check_witness(witness)?;
        if partial.key_sha256 != self.key().sha256() {
            return Err(ProveError::OtherKey);
        }
        let differs = |wire: &usize| witness[*wire] != partial.witness[*wire];
        let changed = (0..witness.len()).filter(differs).find(|wire| !partial.varying.contains(*wire));
        match changed {
            Some(wire) => Err(ProveError::StaticWireChanged { wire }),
            None => Ok(()),
        }
    }

    pub(super) fn check_wires(&self, varying: &WireSet) -> Result<(), ProveError> {
        let wires = self.key().wire_count();
        match varying.highest() {
            Some(wire) if wire >= wires => Err(ProveError::NoSuchWire { wire, wires }),
            Some(_) if varying.contains(0) => Err(ProveError::ConstantVaries),
            Some(_) | None => Ok(()),
        }
    }
}
