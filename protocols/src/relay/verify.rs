//! From a well-formed message to an accepted one: the rate limit, and what follows from it.

use std::time::Duration;

use weir_core::{PeerId, Timestamp};
use weir_rln::{MerkleRoot, Rejection, Validator, ValidatorConfig};

use super::{
    Accepted, Effect, IgnoreReason, InFlight, JobId, Limits, ProofOutcome, PublishError, RejectReason, Relay,
    Verdict,
    first_senders::FirstSenders,
    jobs::{Jobs, Submitted},
    parked::Parked,
    stage::{Claimant, Clearance, Pending},
};
use crate::fair_share::NoRoom;

/// The state of a relay whose messages need proofs.
#[derive(Debug)]
pub(super) struct RateLimit {
    pub(super) config: ValidatorConfig,
    pub(super) validator: Validator,
    first_senders: FirstSenders,
    jobs: Jobs,
    parked: Parked,
}

/// What becomes of a message whose root is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnUnknownRoot {
    /// It waits for its root.
    Wait,
    /// It has waited. Its root came and left the window again, so it is declined.
    Decline,
}

/// Why a message is not accepted.
#[derive(Debug)]
pub(super) enum Decline {
    /// It breaks a rule of the rate limit.
    Rule(Rejection),
    /// There is no room to check it.
    NoRoom(NoRoom),
    /// The proof pool did not take it.
    Shed,
    /// The verifier gave no answer.
    VerifierFailed,
    /// The verifier's answer did not come in time.
    TimedOut,
    /// No root is known, or the ledger was not read since the message came, so its root may well be there.
    Synchronizing,
}

impl RateLimit {
    pub(super) fn new(config: ValidatorConfig, proof_units: usize, parked_units: usize) -> Self {
        Self {
            config,
            validator: Validator::new(config),
            first_senders: FirstSenders::default(),
            jobs: Jobs::new(proof_units),
            parked: Parked::new(parked_units),
        }
    }

    pub(super) const fn validator_mut(&mut self) -> &mut Validator {
        &mut self.validator
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.jobs.next_deadline().into_iter().chain(self.parked.next_deadline()).min()
    }

    pub(super) fn in_flight(&self) -> InFlight {
        InFlight {
            proofs: self.jobs.len(),
            proof_units: self.jobs.units(),
            parked: self.parked.len(),
            parked_units: self.parked.units(),
            publishes: 0,
        }
    }

    pub(super) fn nullifiers_remembered(&self) -> usize {
        self.validator.nullifiers_remembered()
    }

    /// The clock was set back by `step`.
    pub(super) fn set_back(&mut self, step: Duration) {
        self.jobs.set_back(step);
        self.parked.set_back(step);
    }

    /// What a root that did not turn up says about the message: nothing, unless the ledger was read.
    fn unknown(&self, root: MerkleRoot, was_read: bool) -> Decline {
        match self.validator.current_root() {
            Some(_) if was_read => Decline::Rule(Rejection::UnknownRoot(root)),
            _ => Decline::Synchronizing,
        }
    }
}

impl Relay {
    /// Checks what is cheap and hands the proof to the pool.
    pub(super) fn screen(
        &mut self,
        pending: Pending,
        on_unknown_root: OnUnknownRoot,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let rln = match &mut self.limits {
            Limits::Unlimited(unlimited) => {
                let clearance = Clearance::Unlimited(*unlimited);
                return self.accept(pending, clearance, effects);
            }
            Limits::Rln(rln) => rln,
        };
        rln.first_senders.prune_before(rln.validator.oldest_acceptable_epoch(now));
        match rln.validator.check_early(pending.message.message(), now) {
            Err(Rejection::UnknownRoot(root)) if on_unknown_root == OnUnknownRoot::Wait => {
                if let Err((claimant, no_room)) = rln.parked.park(pending, root, now) {
                    self.decline(claimant, Decline::NoRoom(no_room), effects);
                }
            }
            Err(rejection) => self.decline(pending.claimant, Decline::Rule(rejection), effects),
            Ok(claim) => {
                let from = pending.claimant.origin();
                match rln.jobs.submit(pending, &claim, now) {
                    Submitted::New(id) => effects.push(Effect::VerifyProof { id, from, claim }),
                    Submitted::Joined => {}
                    Submitted::Refused(claimant, no_room) => {
                        self.decline(claimant, Decline::NoRoom(no_room), effects);
                    }
                }
            }
        }
    }

    /// The pool's answer, for every message that waits for it. The answer to a job that timed out
    /// finds nobody.
    pub(super) fn proof_checked(&mut self, id: JobId, outcome: ProofOutcome, effects: &mut Vec<Effect>) {
        let Limits::Rln(rln) = &mut self.limits else { return };
        let Some(job) = rln.jobs.finish(id) else { return };
        for pending in job.waiting {
            if !self.is_awaited(&pending.claimant) {
                continue;
            }
            let Limits::Rln(rln) = &mut self.limits else { return };
            let judged = match outcome {
                ProofOutcome::Valid => rln.validator.check_late(job.claim.clone()).map_err(Decline::Rule),
                ProofOutcome::Invalid => Err(Decline::Rule(Rejection::InvalidProof)),
                ProofOutcome::Failed => Err(Decline::VerifierFailed),
                ProofOutcome::Shed => Err(Decline::Shed),
            };
            match judged {
                Ok(verified) => self.accept(pending, Clearance::Verified(verified), effects),
                Err(decline) => self.decline(pending.claimant, decline, effects),
            }
        }
    }

    /// Takes new roots and looks again at the messages that waited for them.
    pub(super) fn roots(&mut self, roots: &[MerkleRoot], now: Timestamp, effects: &mut Vec<Effect>) {
        let Limits::Rln(rln) = &mut self.limits else { return };
        roots.iter().for_each(|root| rln.validator.push_root(*root));
        let released: Vec<_> = roots.iter().flat_map(|root| rln.parked.release(*root)).collect();
        rln.parked.ledger_was_read();
        for pending in released {
            self.screen(pending, OnUnknownRoot::Decline, now, effects);
        }
    }

    /// Gives up whatever has waited too long.
    pub(super) fn expire(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.expire_publishes(now, effects);
        while let Limits::Rln(rln) = &mut self.limits
            && let Some(job) = rln.jobs.pop_due(now)
        {
            for pending in job.waiting {
                self.decline(pending.claimant, Decline::TimedOut, effects);
            }
        }
        while let Limits::Rln(rln) = &mut self.limits
            && let Some((root, pending, was_read)) = rln.parked.pop_due(now)
        {
            let decline = rln.unknown(root, was_read);
            self.decline(pending.claimant, decline, effects);
        }
    }

    pub(super) fn refresh_roots(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Limits::Rln(rln) = &mut self.limits
            && rln.parked.take_refresh(now)
        {
            effects.push(Effect::RefreshRoots);
        }
    }

    pub(super) fn forget_old_epochs(&mut self, now: Timestamp) {
        if let Limits::Rln(rln) = &mut self.limits {
            rln.validator.prune(now);
            rln.first_senders.prune_before(rln.validator.oldest_acceptable_epoch(now));
        }
    }

    /// The one place where messages become accepted.
    pub(super) fn accept(&mut self, pending: Pending, clearance: Clearance, effects: &mut Vec<Effect>) {
        if let Clearance::Verified(verified) = &clearance {
            effects.push(Effect::RecordNullifier {
                epoch: verified.epoch(),
                nullifier: verified.nullifier(),
                share: verified.share(),
            });
            if let (Limits::Rln(rln), Claimant::Gossip { from, .. }) = (&mut self.limits, &pending.claimant) {
                rln.first_senders.remember(verified.epoch(), verified.nullifier(), from);
            }
        }
        let accepted = Accepted::new(pending.message, pending.claimant.origin(), clearance);
        match pending.claimant {
            Claimant::Gossip { id, .. } => {
                effects.push(Effect::Verdict { id, verdict: Verdict::Accept });
                effects.push(Effect::Deliver(accepted));
            }
            Claimant::Publish(ticket) => self.broadcast(ticket, accepted, effects),
        }
    }

    /// Tells whoever waits that the message is not accepted. Evidence is kept whoever sent it.
    pub(super) fn decline(&mut self, claimant: Claimant, decline: Decline, effects: &mut Vec<Effect>) {
        match claimant {
            Claimant::Gossip { id, from } => {
                effects.push(Effect::Verdict { id, verdict: self.verdict_on(&from, &decline) });
            }
            Claimant::Publish(ticket) => self.answer_error(ticket, PublishError::from(&decline), effects),
        }
        if let Decline::Rule(Rejection::DoubleSignal(evidence)) = decline {
            effects.push(Effect::RecordEvidence(evidence));
        }
    }

    /// A second signal is held against the peer that sent the first one too, and against nobody else.
    fn verdict_on(&self, from: &PeerId, decline: &Decline) -> Verdict {
        match (decline, &self.limits) {
            (Decline::Rule(Rejection::DoubleSignal(evidence)), Limits::Rln(rln))
                if rln.first_senders.is(from, evidence.epoch, evidence.nullifier) =>
            {
                Verdict::Reject(RejectReason::DoubleSignal)
            }
            _ => Verdict::from(decline),
        }
    }

    /// Gossip always waits for its verdict; a publish may have had its answer already.
    fn is_awaited(&self, claimant: &Claimant) -> bool {
        match claimant {
            Claimant::Gossip { .. } => true,
            Claimant::Publish(ticket) => self.tickets.is_open(*ticket),
        }
    }
}

impl From<&Decline> for Verdict {
    fn from(decline: &Decline) -> Self {
        match decline {
            Decline::Rule(rejection) => Self::from(rejection),
            Decline::NoRoom(NoRoom::ShareUsed) => Self::Ignore(IgnoreReason::PeerShareUsed),
            Decline::NoRoom(NoRoom::Full) => Self::Ignore(IgnoreReason::Overloaded),
            Decline::Shed => Self::Ignore(IgnoreReason::ProofShed),
            Decline::VerifierFailed => Self::Ignore(IgnoreReason::ProofFailed),
            Decline::TimedOut => Self::Ignore(IgnoreReason::ProofTimedOut),
            Decline::Synchronizing => Self::Ignore(IgnoreReason::Synchronizing),
        }
    }
}

impl From<&Decline> for PublishError {
    fn from(decline: &Decline) -> Self {
        match decline {
            Decline::Rule(rejection) => Self::Invalid(rejection.to_string()),
            Decline::NoRoom(_) | Decline::Shed => Self::Overloaded,
            Decline::VerifierFailed => Self::ProofFailed("the verifier failed".to_owned()),
            Decline::TimedOut => Self::Timeout,
            Decline::Synchronizing => Self::Synchronizing,
        }
    }
}
