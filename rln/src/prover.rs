//! Making proofs, in three tiers: the more is known in advance, the less is left to do.
//!
//! | tier | known in advance | left when the message comes |
//! |---|---|---|
//! | [`Prover::prove`] | nothing | everything |
//! | [`MemberProver::prove`] | who sends, and the path to the root | epoch, message id and signal |
//! | [`Slot::prove`] | epoch and message id too | the signal |
//!
//! All three give the same kind of proof: nobody can tell from it how it was made.

use std::sync::{Arc, OnceLock};

use weir_circuits::{
    Statement, Violation, Witness, check, evaluate, share_y,
    witness::{self, Assignment},
};
use weir_core::RateLimitProof;
use zeroize::Zeroize;

use crate::{
    EngineHealth, EngineSettings, Epoch, ExternalNullifier, FastPath, IdentitySecret, MerklePath, MessageId,
    RlnIdentifier, ShareX, TableOrigin, UserMessageLimit, field::field_to_bytes,
};

mod fast;
mod member;
mod slot;
mod zerokit;

pub use member::MemberProver;
pub use slot::Slot;

pub(crate) use fast::inputs;

use fast::Fast;
use zerokit::Zerokit;

/// Makes proofs. `Send` and `Sync`, and cheap to clone: clones share keys and tables.
#[derive(Clone)]
pub struct Prover {
    engine: Arc<Engine>,
}

/// What a proof is to say.
#[derive(Debug, Clone, Copy)]
pub struct ProveRequest<'a> {
    /// Who sends.
    pub identity: &'a IdentitySecret,
    /// Messages the sender registered for.
    pub limit: UserMessageLimit,
    /// Which of them this is. Reserved for this signal alone, durably, before it comes here.
    pub message_id: MessageId,
    /// The sender's way to a root that verifiers still accept.
    pub path: &'a MerklePath,
    /// The epoch of the message's timestamp.
    pub epoch: Epoch,
    /// The application it counts in.
    pub rln_identifier: RlnIdentifier,
    /// What is sent, see [`crate::signal_hash`].
    pub signal: ShareX,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The proving key in use is not that of the verifying key everyone checks with.
    #[error("the embedded proving key is not the one this node verifies with; the build mixes rln versions")]
    ForeignKey,
    /// The built-in verifying key could not be read.
    #[error(transparent)]
    VerifyingKey(#[from] crate::VerifyingKeyError),
    /// The request breaks the relation, so no proof of it exists.
    #[error("the request cannot be proven: {0}")]
    Relation(#[from] Violation),
    /// Zerokit failed.
    #[error("the prover failed: {0}")]
    Backend(String),
    /// Zerokit proved another statement than was asked for.
    #[error("the prover and this node disagree about what was proven")]
    Disagreement,
}

/// Keys and tables that every tier uses.
struct Engine {
    settings: EngineSettings,
    zerokit: Zerokit,
    /// Empty until the tables are there; `None` in it when there will be none.
    fast: OnceLock<(Option<Fast>, TableOrigin)>,
    /// There was a cache at the start, so the tables will be there sooner than a slow proof.
    tables_come_soon: bool,
    health: EngineHealth,
}

/// The epoch and the application that a proof counts in.
#[derive(Debug, Clone, Copy)]
struct Scope {
    epoch: Epoch,
    rln_identifier: RlnIdentifier,
}

/// What is to be proven, and known to be true.
struct Proposition {
    statement: Statement,
    witness: Witness,
    scope: Scope,
}

impl Prover {
    /// Reads the embedded keys and checks that they belong to the pinned verifying key. About 10 ms
    /// and 12 MB; the tables of the fast path come with [`Prover::prepare_tables`], and until then
    /// zerokit proves.
    pub fn load(settings: &EngineSettings) -> Result<Self, ProveError> {
        let engine = Engine {
            settings: settings.clone(),
            zerokit: Zerokit::load()?,
            fast: OnceLock::new(),
            tables_come_soon: settings.table_cache.as_ref().is_some_and(|cache| cache.exists()),
            health: EngineHealth::default(),
        };
        Ok(Self { engine: Arc::new(engine) })
    }

    /// Reads or computes the tables of the fast path, unless they are there. Takes up to seconds, so
    /// call it where nobody waits.
    pub fn prepare_tables(&self) -> TableOrigin {
        self.engine.prepare().1
    }

    /// Proves `request`. The relation is checked first, so that a bad request costs no proof and has
    /// a named reason, and what was proven is compared with what was asked afterwards.
    pub fn prove(&self, request: &ProveRequest<'_>) -> Result<RateLimitProof, ProveError> {
        let scope = Scope { epoch: request.epoch, rln_identifier: request.rln_identifier };
        let witness = Witness {
            secret: request.identity.0,
            limit: request.limit.get(),
            message_id: request.message_id.0,
            path: request.path.branch(),
        };
        self.engine.prove(&Proposition::new(witness, scope, request.signal)?)
    }

    /// Prepares to prove for one member in one tree.
    pub fn member(
        &self,
        identity: &IdentitySecret,
        limit: UserMessageLimit,
        path: &MerklePath,
    ) -> MemberProver {
        MemberProver::new(Arc::clone(&self.engine), identity.clone(), limit, path.clone())
    }

    /// How often the fast path was given up.
    pub fn health(&self) -> &EngineHealth {
        &self.engine.health
    }
}

impl Engine {
    fn prepare(&self) -> &(Option<Fast>, TableOrigin) {
        self.fast.get_or_init(|| match self.health.attempt(FastPath::Tables, || Fast::load(&self.settings)) {
            Some((fast, origin)) => (Some(fast), origin),
            None => (None, TableOrigin::None),
        })
    }

    /// The fast path, if its tables are there or will be in a moment.
    fn fast(&self) -> Option<&Fast> {
        let ready = if self.tables_come_soon { Some(self.prepare()) } else { self.fast.get() };
        ready.and_then(|(fast, _)| fast.as_ref())
    }

    fn prove(&self, proposition: &Proposition) -> Result<RateLimitProof, ProveError> {
        let quickly = |fast: &Fast| {
            let full = || fast.full(&proposition.wires(), &proposition.statement);
            self.health.attempt(FastPath::ProveFull, full)
        };
        match self.fast().and_then(quickly) {
            Some(proof) => Ok(proposition.signed(proof)),
            None => self.prove_slowly(proposition),
        }
    }

    fn prove_slowly(&self, proposition: &Proposition) -> Result<RateLimitProof, ProveError> {
        let proof = self.zerokit.prove(&proposition.witness, &proposition.statement)?;
        Ok(proposition.signed(proof))
    }
}

impl Proposition {
    /// What `witness` says of `signal` in `scope`, or which constraint it breaks.
    fn new(witness: Witness, scope: Scope, signal: ShareX) -> Result<Self, Violation> {
        let statement = evaluate(&witness, scope.external_nullifier().0, signal.0);
        check(&statement, &witness)?;
        Ok(Self { statement, witness, scope })
    }

    /// The same message with another signal.
    fn move_to(&mut self, signal: ShareX) {
        self.statement.x = signal.0;
        self.statement.y = share_y(&self.witness, self.statement.external_nullifier, signal.0);
    }

    /// All wires of the circuit.
    fn wires(&self) -> Assignment {
        witness::full(&self.witness, self.statement.external_nullifier, self.statement.x)
    }

    /// The proof as messages carry it.
    fn signed(&self, proof: [u8; 128]) -> RateLimitProof {
        RateLimitProof {
            proof,
            merkle_root: field_to_bytes(&self.statement.root),
            epoch: self.scope.epoch.to_bytes(),
            share_x: field_to_bytes(&self.statement.x),
            share_y: field_to_bytes(&self.statement.y),
            nullifier: field_to_bytes(&self.statement.nullifier),
            rln_identifier: self.scope.rln_identifier.to_bytes(),
        }
    }
}

impl Drop for Proposition {
    /// A point of the member's line is public once it is sent, and a second one is the secret. Some are
    /// made to be thrown away.
    fn drop(&mut self) {
        self.statement.y.zeroize();
    }
}

impl Scope {
    fn external_nullifier(&self) -> ExternalNullifier {
        ExternalNullifier::new(self.epoch, &self.rln_identifier)
    }
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prover")
    }
}
