//! The second tier: one member, one tree, many messages.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use ark_ff::{AdditiveGroup, UniformRand};
use rand::thread_rng;
use weir_circuits::{
    Fr, Witness,
    witness::{self, Assignment},
};
use weir_core::RateLimitProof;
use weir_groth16::prover::Partial;

use super::{Engine, Fast, Proposition, ProveError, Scope, Slot};
use crate::{
    Epoch, FastPath, IdentitySecret, MerklePath, MerkleRoot, MessageId, RateCommitment, RlnIdentifier,
    ShareX, UserMessageLimit,
};

/// Proves for one member in one tree. Made by [`crate::Prover::member`], anew whenever the tree has
/// changed and the old root is about to leave the window.
///
/// Holds the identity secret; erased when dropped.
pub struct MemberProver {
    engine: Arc<Engine>,
    identity: IdentitySecret,
    limit: UserMessageLimit,
    path: MerklePath,
    root: MerkleRoot,
    /// Made when it is first needed; `None` in it when that failed.
    prepared: OnceLock<Option<Prepared>>,
}

/// What all messages of the member have in common.
struct Prepared {
    /// Of some message; those of another are computed over it.
    wires: Assignment,
    partial: Partial,
}

impl MemberProver {
    pub(super) fn new(
        engine: Arc<Engine>,
        identity: IdentitySecret,
        limit: UserMessageLimit,
        path: MerklePath,
    ) -> Self {
        let root = path.root_of(RateCommitment::new(identity.commitment(), limit));
        Self { engine, identity, limit, path, root, prepared: OnceLock::new() }
    }

    /// The root that its proofs are against.
    pub const fn root(&self) -> MerkleRoot {
        self.root
    }

    /// Does now what all its proofs have in common, which otherwise the first of them does.
    pub fn prepare(&self) {
        // Without a fast path there is nothing to prepare, and a failure is counted.
        let _ = self.prepared();
    }

    /// Proves that `signal` is message `message_id` of `epoch`. The id is reserved for this signal
    /// alone, durably, before it comes here.
    pub fn prove(
        &self,
        epoch: Epoch,
        rln_identifier: RlnIdentifier,
        message_id: MessageId,
        signal: ShareX,
    ) -> Result<RateLimitProof, ProveError> {
        let scope = Scope { epoch, rln_identifier };
        let proposition = Proposition::new(self.witness(message_id), scope, signal)?;
        let Some((fast, prepared)) = self.prepared() else { return self.engine.prove(&proposition) };
        let statement = &proposition.statement;
        let finish = || {
            let mut wires = prepared.wires.clone();
            witness::update(&mut wires, message_id.0, statement.external_nullifier, statement.x);
            fast.finish(&prepared.partial, &wires, statement)
        };
        match self.engine.health.attempt(FastPath::ProveMember, finish) {
            Some(proof) => Ok(proposition.signed(proof)),
            None => self.engine.prove_slowly(&proposition),
        }
    }

    /// Does everything of a proof that does not depend on the signal. The id is reserved for this
    /// slot alone, durably, before it comes here.
    pub fn slot(
        &self,
        epoch: Epoch,
        rln_identifier: RlnIdentifier,
        message_id: MessageId,
    ) -> Result<Slot, ProveError> {
        let scope = Scope { epoch, rln_identifier };
        // At zero the line shows the secret; any other point alone shows nothing.
        let nowhere = ShareX(Fr::rand(&mut thread_rng()));
        let proposition = Proposition::new(self.witness(message_id), scope, nowhere)?;
        let external_nullifier = proposition.statement.external_nullifier;
        let ready = self.prepared().and_then(|(fast, prepared)| {
            let mut wires = prepared.wires.clone();
            let make = || {
                witness::update(&mut wires, message_id.0, external_nullifier, Fr::ZERO);
                fast.slot(Some(&prepared.partial), &mut wires)
            };
            self.engine.health.attempt(FastPath::ProveSlot, make)
        });
        Ok(Slot::new(Arc::clone(&self.engine), proposition, message_id, ready))
    }

    fn prepared(&self) -> Option<(&Fast, &Prepared)> {
        let fast = self.engine.fast()?;
        let prepare = || {
            // Message 0 of no epoch and no signal: what is common does not depend on them.
            let wires = witness::full(&self.witness(MessageId(0)), Fr::ZERO, Fr::ZERO);
            let partial = self.engine.health.attempt(FastPath::ProveMember, || fast.partial(&wires))?;
            Some(Prepared { wires, partial })
        };
        Some((fast, self.prepared.get_or_init(prepare).as_ref()?))
    }

    fn witness(&self, message_id: MessageId) -> Witness {
        Witness {
            secret: self.identity.0,
            limit: self.limit.get(),
            message_id: message_id.0,
            path: self.path.branch(),
        }
    }
}

impl fmt::Debug for MemberProver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberProver").field("root", &self.root).finish_non_exhaustive()
    }
}
