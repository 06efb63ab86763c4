//! Prover: makes the proofs of this node's own messages, as far as it can before they are there.
//!
//! Owns      the identity secret, its quota of message ids, and the slots made with some of them;
//!           nobody else allocates.
//! Receives  [`Prove`] through a bounded queue; a full queue gives the job back.
//! Sends     [`Proved`], exactly one for each job taken.
//! Bounds    [`QUEUE`] jobs; slots as [`weir_rln::SlotPlanner`] says.
//! On fault  a panic is a refusal of that job; the id it may have taken stays taken.
//! Stops     when the last port to it is dropped; the slots that are ready are lost with their ids.
//!
//! ```text
//!  Prove ──> weir-prove ──┬── a slot is ready ── it becomes the proof ──────────┬──> Proved
//!               │         └── none is ────────── an id, then a whole proof ─────┘
//!             [Desk]   ids, slots, the membership's path
//!               │
//!          weir-slots     tables at the start; then, while nobody waits, a slot for each that is wanted
//! ```
//!
//! The order is what keeps a member from slashing itself: a message id is reserved on disk and fsynced
//! before anything is made with it, slots live in memory only, and what takes an id or a slot from the
//! desk uses it up. So no crash can lead to the same id with another message.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use actix::Message;
use tokio::sync::watch;
use weir_core::{RateLimitProof, Timestamp};
use weir_membership::Membership;
use weir_protocols::relay::{ProofRefusal, Ticket};
use weir_rln::{Epoch, MerklePath, MerkleRoot, Prover, ShareX, ValidatorConfig};

use crate::{
    Clock,
    metrics::ProofMetrics,
    node::{MemberSettings, StartError},
    port::{Port, Refused},
    workers::Workers,
};

mod desk;
mod slots;
#[cfg(test)]
mod tests;

use desk::{Desk, Material};

/// Proofs that may wait. Without tables, in the first seconds of a node's life, a proof takes about
/// 0.3 s, and a publisher waits 5 s, so more than 16 could not be answered in time.
pub(crate) const QUEUE: usize = 16;

/// Asks for the proof of one message.
#[derive(Debug)]
pub(crate) struct Prove {
    pub(crate) ticket: Ticket,
    pub(crate) epoch: Epoch,
    pub(crate) signal: ShareX,
    /// After this moment nobody waits for the proof, and no message id is spent on it.
    pub(crate) not_after: Timestamp,
}

/// Tells how a proof ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Proved {
    pub(crate) ticket: Ticket,
    pub(crate) result: Result<RateLimitProof, ProofRefusal>,
}

/// Where a membership stands in the tree now.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) membership: Membership,
    pub(crate) path: MerklePath,
    /// The newer half of the roots that verifiers accept. A proof against an older one might not be
    /// accepted any more by the time it is everywhere.
    pub(crate) fresh_roots: Arc<[MerkleRoot]>,
}

/// How much of the quota of one epoch is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuotaUse {
    pub(crate) epoch: Epoch,
    pub(crate) used: u32,
}

/// A member of the group, able to prove.
pub(crate) struct Member {
    prover: Prover,
    desk: Desk,
    clock: Clock,
}

/// What the two threads and the port share.
struct Office {
    prover: Prover,
    desk: Mutex<Desk>,
    /// A slot was made, a publish was answered, or the office was closed.
    changed: Condvar,
    /// Jobs that were taken and not answered; slots are made while there are none.
    waiting: AtomicUsize,
    clock: Clock,
    metrics: ProofMetrics,
}

/// Closes the office when the last port is dropped.
struct Entrance(Arc<Office>);

impl Member {
    /// Reads what is used of the current epoch.
    pub(crate) fn new(
        prover: Prover,
        settings: MemberSettings,
        limits: ValidatorConfig,
        standing: watch::Receiver<Option<Standing>>,
        used: watch::Sender<Option<QuotaUse>>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let desk = Desk::new(settings, limits, standing, used, clock.now())?;
        Ok(Self { prover, desk, clock })
    }
}

/// Starts the thread that proves and the one that prepares.
pub(crate) fn start(
    member: Member,
    outcomes: Port<Proved>,
    metrics: &ProofMetrics,
) -> io::Result<Port<Prove>> {
    let office = Office::open(member, metrics);
    slots::start(Arc::clone(&office))?;
    office.serve(outcomes)
}

impl Office {
    fn open(Member { prover, desk, clock }: Member, metrics: &ProofMetrics) -> Arc<Self> {
        Arc::new(Self {
            prover,
            desk: Mutex::new(desk),
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            clock,
            metrics: metrics.clone(),
        })
    }

    /// Starts the thread that proves.
    fn serve(self: Arc<Self>, outcomes: Port<Proved>) -> io::Result<Port<Prove>> {
        let office = Arc::clone(&self);
        let worker = move |job: Prove| {
            let started = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| office.prove(&job))).unwrap_or_else(|_| {
                tracing::error!("the prover panicked");
                Err(ProofRefusal::Failed("the prover failed; see the log".into()))
            });
            if result.is_ok() {
                office.metrics.generation.observe(started.elapsed().as_secs_f64());
            }
            // The relay's mailbox has a place for every job of this queue.
            drop(outcomes.tell(Proved { ticket: job.ticket, result }));
            office.waiting.fetch_sub(1, Ordering::SeqCst);
            office.changed.notify_all();
        };
        let queue = Workers::start("weir-prove", QUEUE, vec![worker])?.port();
        let entrance = Entrance(self);
        Ok(Port::from_fn(move |job: Prove| {
            let waiting = &entrance.0.waiting;
            waiting.fetch_add(1, Ordering::SeqCst);
            queue.tell(job).inspect_err(|_: &Refused<Prove>| {
                waiting.fetch_sub(1, Ordering::SeqCst);
            })
        }))
    }

    fn prove(&self, job: &Prove) -> Result<RateLimitProof, ProofRefusal> {
        if self.clock.now() > job.not_after {
            return Err(ProofRefusal::Overloaded);
        }
        let material = self.material_for(job.epoch)?;
        self.metrics.made(material.tier());
        let proof = match material {
            Material::Slot(slot) => slot.prove(job.signal),
            Material::Id { member, rln_identifier, message_id } => {
                member.prove(job.epoch, rln_identifier, message_id, job.signal)
            }
        };
        proof.map_err(|error| ProofRefusal::Failed(error.to_string()))
    }

    /// What a proof of `epoch` is made from. Waits for the slot that is being made when it holds the
    /// last id there is.
    fn material_for(&self, epoch: Epoch) -> Result<Material, ProofRefusal> {
        let mut desk = self.desk();
        loop {
            let found = desk.material_for(epoch, &self.prover, self.clock.now());
            self.metrics.slots_ready.set(i64::try_from(desk.slots_ready()).unwrap_or(i64::MAX));
            match found {
                Err(ProofRefusal::QuotaExhausted { .. }) if desk.is_making(epoch) => {
                    desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
                }
                found => return found,
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // A desk that a panic left holds ids as used that are not, and none twice.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.0.desk().close();
        self.0.changed.notify_all();
    }
}
