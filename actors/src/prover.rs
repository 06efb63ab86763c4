//! Prover: makes the proofs of this node's own messages.
//!
//! Owns      the identity secret and its quota of message ids; nobody else allocates.
//! Receives  [`Prove`] through a bounded queue; a full queue gives the job back.
//! Sends     [`Proved`], exactly one for each job taken.
//! On fault  a panic is a refusal of that job; the id it may have taken stays taken.
//! Stops     when the last port to it is dropped.
//!
//! The order inside [`Member::prove`] is what keeps a member from slashing itself: the message id is
//! reserved on disk and fsynced before the proof exists, so no crash can lead to the same id with
//! another message.

use std::{
    io,
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use actix::Message;
use tokio::sync::watch;
use weir_core::{RateLimitProof, Timestamp};
use weir_membership::Membership;
use weir_protocols::relay::{ProofRefusal, Ticket};
use weir_rln::{
    EngineSettings, Epoch, EpochLength, Identity, MerklePath, MessageId, ProveRequest, Prover, RlnIdentifier,
    ShareX, UserMessageLimit, ValidatorConfig,
    quota::{QuotaLedger, Step},
};
use weir_storage::{QuotaStore, StoreError};

use crate::{
    Clock,
    metrics::ProofMetrics,
    node::{MemberSettings, StartError},
    port::Port,
    workers::Workers,
};

#[cfg(test)]
mod tests;

/// Proofs that may wait. A proof takes about 0.3 s today and a publisher waits 5 s, so more than 16
/// could not be answered in time.
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
}

/// How much of the quota of one epoch is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuotaUse {
    pub(crate) epoch: Epoch,
    pub(crate) used: u32,
}

/// A member of the group, able to prove.
pub(crate) struct Member {
    identity: Identity,
    epoch_length: EpochLength,
    rln_identifier: RlnIdentifier,
    prover: Prover,
    ledger: QuotaLedger,
    store: QuotaStore,
    standing: watch::Receiver<Option<Standing>>,
    used: watch::Sender<Option<QuotaUse>>,
    clock: Clock,
}

/// Starts the thread that proves.
pub(crate) fn start(
    mut member: Member,
    outcomes: Port<Proved>,
    metrics: &ProofMetrics,
) -> io::Result<Port<Prove>> {
    let metrics = metrics.clone();
    let worker = move |job: Prove| {
        let started = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| member.prove(&job))).unwrap_or_else(|_| {
            tracing::error!("the prover panicked");
            Err(ProofRefusal::Failed("the prover failed; see the log".into()))
        });
        if result.is_ok() {
            metrics.generation.observe(started.elapsed().as_secs_f64());
        }
        // The relay's mailbox has a place for every job of this queue.
        drop(outcomes.tell(Proved { ticket: job.ticket, result }));
    };
    Ok(Workers::start("weir-prove", QUEUE, vec![worker])?.port())
}

/// Message ids reserved at a time: one fsync for so many messages, and at most so many of the quota
/// lost in a crash. A sixteenth of the usual limits (100 to 600), rounded down to a power of two.
const RESERVED_AT_ONCE: NonZeroU32 = NonZeroU32::new(8).expect("8 is not 0");

impl Member {
    /// Loads the proving key and reads what is used of the current epoch.
    pub(crate) fn new(
        settings: MemberSettings,
        ValidatorConfig { epoch_length, rln_identifier, .. }: ValidatorConfig,
        standing: watch::Receiver<Option<Standing>>,
        used: watch::Sender<Option<QuotaUse>>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let MemberSettings { identity, quota: store } = settings;
        let epoch = epoch_length.of(clock.now());
        let spent = match store.used(&identity.commitment().to_bytes(), epoch.number()) {
            // Nothing is granted in this epoch: what was used of it is not known.
            Err(StoreError::EpochForgotten { .. }) => u32::MAX,
            spent => spent?,
        };
        used.send_replace(Some(QuotaUse { epoch, used: spent }));
        let ledger = QuotaLedger::new(RESERVED_AT_ONCE);
        let prover = Prover::load(&EngineSettings::default())?;
        Ok(Self { identity, epoch_length, rln_identifier, prover, ledger, store, standing, used, clock })
    }

    fn prove(&mut self, job: &Prove) -> Result<RateLimitProof, ProofRefusal> {
        if self.clock.now() > job.not_after {
            return Err(ProofRefusal::Overloaded);
        }
        let standing = self.standing.borrow().clone().ok_or(ProofRefusal::NotYetRegistered)?;
        let limit = standing.membership.limit;
        let message_id = self.allocate(job.epoch, standing.membership)?;
        let request = ProveRequest {
            identity: self.identity.secret(),
            limit,
            message_id,
            path: &standing.path,
            epoch: job.epoch,
            rln_identifier: self.rln_identifier,
            signal: job.signal,
        };
        self.prover.prove(&request).map_err(|error| ProofRefusal::Failed(error.to_string()))
    }

    fn refusal(&self, error: StoreError, limit: UserMessageLimit, epoch: Epoch) -> ProofRefusal {
        match error {
            StoreError::EpochForgotten { floor, .. } => ProofRefusal::QuotaExhausted {
                limit: limit.get(),
                epoch,
                resets_at: self.epoch_length.start(Epoch::new(floor)),
            },
            error => ProofRefusal::Storage(error.to_string()),
        }
    }

    fn allocate(&mut self, epoch: Epoch, membership: Membership) -> Result<MessageId, ProofRefusal> {
        let limit = membership.limit;
        loop {
            match self.ledger.next(epoch, limit) {
                Step::Use(id) => {
                    self.used.send_replace(Some(QuotaUse { epoch, used: id.0 + 1 }));
                    return Ok(id);
                }
                Step::Reserve { epoch, count } => {
                    let key = membership.commitment.to_bytes();
                    let granted = self
                        .store
                        .reserve(&key, epoch.number(), count.get(), limit.get())
                        .map_err(|error| self.refusal(error, limit, epoch))?;
                    self.ledger
                        .granted(epoch, limit, granted)
                        .map_err(|error| ProofRefusal::Storage(error.to_string()))?;
                }
                Step::Exhausted => {
                    self.used.send_replace(Some(QuotaUse { epoch, used: limit.get() }));
                    return Err(ProofRefusal::QuotaExhausted {
                        limit: limit.get(),
                        epoch,
                        resets_at: self.epoch_length.end(epoch),
                    });
                }
                Step::Forgotten => {
                    return Err(ProofRefusal::Storage(format!(
                        "epoch {} ended too long ago to publish in it; check the machine's clock",
                        epoch.number()
                    )));
                }
            }
        }
    }
}
