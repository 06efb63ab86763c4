//! Verifications under way, and the messages that wait for them.
//!
//! Copies of one proof share one job: whoever varies the bytes around a proof (meta, version,
//! another shard) buys no second verification with it.

use std::{collections::HashMap, time::Duration};

use weir_core::Timestamp;
use weir_rln::ProofClaim;

use super::{
    JobId, Origin,
    stage::{Claimant, Pending},
};
use crate::{
    deadlines::Deadlines,
    fair_share::{FairShare, NoRoom},
};

/// A verdict later than this forwards nothing: gossipsub drops a message from its history after six
/// heartbeats of a second (waku-wire 4.2).
pub const PROOF_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Jobs {
    jobs: Deadlines<JobId, Job>,
    /// The job of a proof. A claim that differs in another field gets its own job without an entry
    /// here, so squatting on someone's proof bytes only costs one more verification.
    by_proof: HashMap<[u8; 128], JobId>,
    room: FairShare<Origin>,
    next_id: u64,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) claim: ProofClaim,
    /// In order of arrival; the first is the one to be accepted.
    pub(super) waiting: Vec<Pending>,
}

#[derive(Debug)]
pub(super) enum Submitted {
    /// Verify it.
    New(JobId),
    /// It is being verified.
    Joined,
    /// There is no room.
    Refused(Claimant, NoRoom),
}

impl Jobs {
    pub(super) fn new(capacity: usize) -> Self {
        Self { jobs: Deadlines::new(), by_proof: HashMap::new(), room: FairShare::new(capacity), next_id: 0 }
    }

    pub(super) fn submit(&mut self, pending: Pending, claim: &ProofClaim, now: Timestamp) -> Submitted {
        if let Err(no_room) = self.room.take(&pending.claimant.origin(), pending.message.units()) {
            return Submitted::Refused(pending.claimant, no_room);
        }
        let running = self.by_proof.get(claim.proof()).copied();
        if let Some(job) = running.and_then(|id| self.jobs.get_mut(id))
            && job.claim == *claim
        {
            job.waiting.push(pending);
            return Submitted::Joined;
        }
        let id = JobId(self.next_id);
        self.next_id += 1;
        self.by_proof.entry(*claim.proof()).or_insert(id);
        let job = Job { claim: claim.clone(), waiting: vec![pending] };
        self.jobs.insert(id, now.saturating_add(PROOF_TIMEOUT), job);
        Submitted::New(id)
    }

    /// Takes the job out; `None` when it is done or has timed out.
    pub(super) fn finish(&mut self, id: JobId) -> Option<Job> {
        let job = self.jobs.remove(id)?;
        self.release(id, &job);
        Some(job)
    }

    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Job> {
        let (id, job) = self.jobs.pop_due(now)?;
        self.release(id, &job);
        Some(job)
    }

    /// The clock was set back by `step`.
    pub(super) fn set_back(&mut self, step: Duration) {
        self.jobs.set_back(step);
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.jobs.next()
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Units in use; see [`super::stage::WellFormed::units`].
    pub(super) const fn units(&self) -> usize {
        self.room.used()
    }

    fn release(&mut self, id: JobId, job: &Job) {
        if self.by_proof.get(job.claim.proof()) == Some(&id) {
            self.by_proof.remove(job.claim.proof());
        }
        for pending in &job.waiting {
            self.room.give_back(&pending.claimant.origin(), pending.message.units());
        }
    }
}
