//! The fast path: the circuit of `weir-circuits` proven by `weir-groth16`.
//!
//! Nothing that it makes leaves unchecked. A whole proof is verified, for a millisecond. A slot is
//! verified when it is made, with a signal drawn at random that is erased afterwards: see
//! `docs/adr/0014-batching-and-slots.md` for why that is enough and gives nothing away.

use std::sync::{Arc, OnceLock};

use ark_ff::UniformRand;
use rand::thread_rng;
use weir_circuits::{
    Fr, RLN_V2_DEPTH_20, Statement,
    witness::{Assignment, MESSAGE_WIRES, SIGNAL_WIRES},
};
use weir_groth16::{
    key::{KeyError, ProvingKey, Trust},
    lanes::BackendKind,
    prover::{Partial, ProveError, Prover, Randomizers, Signal, Slot, Tables},
    tables::cache,
    verifier::{Rejection, Verifier},
};
use zeroize::Zeroizing;

use super::zerokit;
use crate::{EngineSettings, TableOrigin};

/// Proves with tables.
pub(super) struct Fast {
    prover: Prover,
    verifier: Verifier,
    /// What slots share. Made with the first one.
    signal: OnceLock<Result<Arc<Signal>, ProveError>>,
}

/// Why the fast path gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FastError {
    /// The key that zerokit embeds is not the one this node knows.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The witness does not fit the key.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The witness says something else than the relation: our own generator is wrong.
    #[error("the witness states something else than was asked for")]
    Statement,
    /// What was made does not hold.
    #[error("the proof that was made does not hold: {0}")]
    Unsound(#[from] Rejection),
}

impl Fast {
    /// Reads the key and reads or computes its tables.
    pub(super) fn load(settings: &EngineSettings) -> Result<(Self, TableOrigin), FastError> {
        let kind = settings.backend.unwrap_or_else(BackendKind::detect);
        let key = ProvingKey::from_arkzkey(&zerokit::key_file(), Trust::Pinned(key_sha256()))?;
        let key = Arc::new(key);
        let tables = || match &settings.table_cache {
            Some(path) => {
                let (tables, origin) = Tables::read_or_build(Arc::clone(&key), kind, path);
                (tables, origin.into())
            }
            None => (Tables::build(Arc::clone(&key), kind), TableOrigin::Built),
        };
        let verifier = || Verifier::new(key.verifying_key(), kind);
        let ((tables, origin), verifier) = settings.threads.both(tables, verifier);
        let prover = Prover::new(tables).with_threads(settings.threads);
        Ok((Self { prover, verifier, signal: OnceLock::new() }, origin))
    }

    /// Proves `statement`, which `wires` state.
    pub(super) fn full(&self, wires: &Assignment, statement: &Statement) -> Result<[u8; 128], FastError> {
        let proof = self.prover.prove(wires, &Randomizers::sample(&mut thread_rng()))?;
        self.checked(proof.to_bytes(), wires, statement)
    }

    /// Does what all messages of the member of `wires` have in common.
    pub(super) fn partial(&self, wires: &Assignment) -> Result<Partial, FastError> {
        Ok(self.prover.partial(wires, MESSAGE_WIRES.into_iter().collect())?)
    }

    /// Proves `statement`, which `wires` state, for the member of `partial`.
    pub(super) fn finish(
        &self,
        partial: &Partial,
        wires: &Assignment,
        statement: &Statement,
    ) -> Result<[u8; 128], FastError> {
        let proof = self.prover.finish(partial, wires, &Randomizers::sample(&mut thread_rng()))?;
        self.checked(proof.to_bytes(), wires, statement)
    }

    /// Makes a slot for the message of `wires`. They are left with a signal that is none.
    pub(super) fn slot(&self, partial: Option<&Partial>, wires: &mut Assignment) -> Result<Slot, FastError> {
        let signal = self.signal.get_or_init(|| self.prover.signal(SIGNAL_WIRES.into_iter().collect()));
        let signal = signal.as_ref().map_err(|error| *error)?;
        let direction = Zeroizing::new(wires.signal_direction());
        wires.set_signal(Fr::from(0));
        let randomizers = Randomizers::sample(&mut thread_rng());
        let slot = self.prover.slot(signal, wires, direction.as_slice(), partial, &randomizers)?;
        // With the slot's true point this one would reveal the secret, so nothing of it may stay.
        let x = Zeroizing::new(Fr::rand(&mut thread_rng()));
        wires.set_signal(*x);
        slot.check_at(&self.verifier, *x, inputs(&wires.statement()).as_slice())?;
        wires.set_signal(Fr::from(0));
        Ok(slot)
    }

    fn checked(
        &self,
        proof: [u8; 128],
        wires: &Assignment,
        statement: &Statement,
    ) -> Result<[u8; 128], FastError> {
        if wires.statement() != *statement {
            return Err(FastError::Statement);
        }
        self.verifier.verify_one(&proof, inputs(statement).as_slice())?;
        Ok(proof)
    }
}

impl From<cache::TableOrigin> for TableOrigin {
    fn from(origin: cache::TableOrigin) -> Self {
        match origin {
            cache::TableOrigin::Cache => Self::Cache,
            cache::TableOrigin::Built { write_error: None, .. } => Self::Built,
            cache::TableOrigin::Built { write_error: Some(_), .. } => Self::Unsaved,
        }
    }
}

/// The public inputs, in the order in which the circuit declares them.
pub(crate) fn inputs(statement: &Statement) -> Zeroizing<[Fr; 5]> {
    let Statement { y, root, nullifier, x, external_nullifier } = *statement;
    Zeroizing::new([y, root, nullifier, x, external_nullifier])
}

/// SHA-256 of the proving key in use.
fn key_sha256() -> [u8; 32] {
    let mut hash = [0; 32];
    hex::decode_to_slice(RLN_V2_DEPTH_20.arkzkey, &mut hash).expect("a constant of 64 hex digits");
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_zerokit_embeds_is_the_published_one_and_fits_our_witness() {
        let file = zerokit::key_file();
        let key = ProvingKey::from_arkzkey(&file, Trust::Pinned(key_sha256())).expect("the published key");
        assert_eq!(key.wire_count(), weir_circuits::witness::WIRES);
        assert_eq!(file.len(), zerokit::KEY_FILE_BYTES);
    }
}
