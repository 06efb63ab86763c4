//! What an engine must offer to be compared, and the two that are always there.

use std::{error::Error, fmt, path::PathBuf, time::Duration};

use ark_serialize::CanonicalSerialize;
use weir_circuits::Fr;
use weir_core::RateLimitProof;
use weir_rln::{ClaimError, Epoch, ExternalNullifier, ProveError, RlnIdentifier, Threads, VerifyingKeyError};

use crate::{Workload, workload::field};

mod rln_3;
mod weir;

pub(crate) use rln_3::Oracle;

/// Our engine.
pub const WEIR: Contestant = Contestant { name: "weir", label: "weir", start: weir::start };
/// zerokit's crate `rln` 3.0.0.
pub const RLN_3: Contestant = Contestant { name: "rln_3", label: "rln 3.0.0", start: rln_3::start };

/// An engine before it is started.
#[derive(Debug, Clone, Copy)]
pub struct Contestant {
    /// Its key in JSON.
    pub name: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// Loads its keys and whatever else it needs before its first proof.
    pub start: fn(&StartSettings) -> Result<Box<dyn Engine>, EngineError>,
}

/// How engines are started.
#[derive(Debug, Clone, Default)]
pub struct StartSettings {
    /// Where an engine that has tables may keep them. Without a file it builds them anew.
    pub table_cache: Option<PathBuf>,
    /// What weir makes a proof with. The `rln` crates ask rayon.
    pub threads: Threads,
}

/// One engine, started.
pub trait Engine {
    /// What starting it took.
    fn equipment(&self) -> Equipment;

    /// Does what comes before `task` and gives what is to be timed; `None` when this engine has
    /// nothing of that kind.
    fn prepare<'a>(
        &'a mut self,
        task: Task,
        workload: &'a Workload,
        message: Message,
    ) -> Result<Option<Timed<'a>>, EngineError>;

    /// How often it did something in another way than the one to be measured.
    fn fallbacks(&self) -> u64 {
        0
    }
}

/// Work to be timed.
pub struct Timed<'a> {
    /// Equal parts that the work consists of; the figure is that of one.
    pub units: u32,
    /// The work.
    pub work: Box<dyn FnOnce() -> Result<Outcome, EngineError> + 'a>,
}

/// What an engine is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// A proof from nothing.
    ProveFull,
    /// What can be done once for a member and a root.
    PrepareMember,
    /// A proof of a member that is prepared.
    ProveCached,
    /// What can be done once epoch and message id are known as well.
    PrepareSlot,
    /// A proof when only the signal was missing.
    ProveSlot,
    /// Check one proof, from its bytes.
    VerifySingle,
    /// Check one proof whose points were read and checked before.
    VerifyParsed,
    /// Check so many proofs, from their bytes.
    VerifyBatch(u32),
    /// Build a tree of [`Workload::leaves`].
    TreeBuild,
    /// Set one more leaf of it.
    TreeUpdate,
    /// Find a member's path in it.
    TreePath,
}

/// Which message a proof is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// The epoch's number.
    pub epoch: u64,
    /// Below the member's limit.
    pub message_id: u32,
    /// The signal's hash, canonical and little-endian.
    pub signal: [u8; 32],
}

/// What came of a task.
#[derive(Debug)]
pub enum Outcome {
    /// A proof, to be checked.
    Proof(Box<RateLimitProof>),
    /// Whether all proofs hold.
    Verdict(bool),
    /// The root of a tree, little-endian.
    Root([u8; 32]),
    /// Something that only the engine can use.
    Prepared,
}

/// What an engine needed to start, in wall time. Each part is measured once, and means something only
/// in a process in which no other engine was started: they share keys that are read once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Equipment {
    /// Reading proving key and circuit.
    pub key_load: Duration,
    /// Reading and preparing the verifying key; nothing when that happens at each check.
    pub verifier_load: Option<Duration>,
    /// Computing tables.
    pub table_build: Option<Duration>,
    /// Reading tables that were computed before.
    pub table_load: Option<Duration>,
}

/// Why an engine failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Our prover could not be loaded or refused.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// Our verifier could not be loaded.
    #[error(transparent)]
    VerifyingKey(#[from] VerifyingKeyError),
    /// A fresh proof has parts that are not canonical.
    #[error("a proof made here cannot be read back: {0}")]
    Claim(#[from] ClaimError),
    /// The other engine failed.
    #[error("the other engine failed: {0}")]
    Peer(String),
    /// More proofs in a batch than there are.
    #[error("a batch of {asked} proofs was asked for, and there are fewer")]
    TooFewProofs {
        /// Proofs of the batch.
        asked: u32,
    },
    /// The engines' trees of the same leaves have different roots.
    #[error("the engines disagree about the root of a tree; this build of weir is broken")]
    TreesDiffer,
}

impl fmt::Debug for Timed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("units", &self.units).finish_non_exhaustive()
    }
}

impl<'a> Timed<'a> {
    /// Work whose figure is its own.
    pub fn one(work: impl FnOnce() -> Result<Outcome, EngineError> + 'a) -> Self {
        Self::many(1, work)
    }

    /// Work of `units` equal parts.
    pub fn many(units: u32, work: impl FnOnce() -> Result<Outcome, EngineError> + 'a) -> Self {
        Self { units, work: Box::new(work) }
    }
}

impl Message {
    /// The signal's hash.
    pub fn x(&self) -> Fr {
        field(self.signal)
    }

    /// What it counts against.
    pub fn external_nullifier(&self) -> Fr {
        field(ExternalNullifier::new(Epoch::new(self.epoch), &RlnIdentifier::WAKU).to_bytes())
    }

    /// It with its proof, for an engine that gives the proof's points and public inputs (y, root,
    /// nullifier, x, external nullifier) apart.
    pub fn signed(
        &self,
        proof: &impl CanonicalSerialize,
        [y, root, nullifier, x, _]: [Fr; 5],
    ) -> Result<Outcome, EngineError> {
        let mut bytes = [0; 128];
        proof.serialize_compressed(bytes.as_mut_slice()).map_err(EngineError::peer)?;
        let little_endian = |value: Fr| {
            let mut bytes = [0; 32];
            value.serialize_compressed(bytes.as_mut_slice()).map(|()| bytes).map_err(EngineError::peer)
        };
        Ok(Outcome::Proof(Box::new(RateLimitProof {
            proof: bytes,
            merkle_root: little_endian(root)?,
            epoch: Epoch::new(self.epoch).to_bytes(),
            share_x: little_endian(x)?,
            share_y: little_endian(y)?,
            nullifier: little_endian(nullifier)?,
            rln_identifier: RlnIdentifier::WAKU.to_bytes(),
        })))
    }
}

impl EngineError {
    /// Of an engine that is not ours.
    pub fn peer(error: impl Error) -> Self {
        Self::Peer(error.to_string())
    }
}
