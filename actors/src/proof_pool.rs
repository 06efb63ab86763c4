//! Proof pool: checks Groth16 proofs on threads of its own, as many at once as there are.
//!
//! Owns      the verifier, its threads and the [`VerifySchedule`] in front of them; no state of the relay.
//! Receives  [`CheckProof`] at any time; when the schedule is full, somebody's job is shed.
//! Sends     [`ProofChecked`], exactly one for each job.
//! Bounds    [`QUEUE`] jobs wait, and one batch for each thread is being checked.
//! On fault  a panic of the verifier sends the jobs of its batch to it once more, one by one, and is the
//!           outcome `Failed` of those that panic again; the thread goes on.
//! Stops     when the last port to it is dropped; what waits is dropped with it.
//!
//! The threads decide nothing: which jobs go together, and which are shed, is the schedule's business.

use std::{
    collections::BTreeSet,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use actix::Message;
use weir_core::Timestamp;
use weir_protocols::relay::{JobId, MAX_BATCH, Origin, ProofOutcome, Shed, VerifySchedule};
use weir_rln::{ProofClaim, Verifier};

use crate::{Clock, metrics::ProofMetrics, port::Port, relay::Life};

#[cfg(test)]
mod tests;

/// Proofs that may wait. The relay lets no sender have more than half of its 1024 units in flight
/// (`relay::Config::proof_units`), so nobody fills this queue alone, and when several do the schedule
/// makes the heaviest pay. At 0.3 ms a proof a full queue is 150 ms of work for one thread.
const QUEUE: usize = 512;

/// Answers that may be under way to the relay at one time: one for each job it has in flight.
pub(crate) const ANSWERS: usize = 1024;

/// Asks for one proof to be checked.
#[derive(Debug)]
pub(crate) struct CheckProof {
    pub(crate) life: Life,
    pub(crate) id: JobId,
    pub(crate) from: Origin,
    pub(crate) claim: Box<ProofClaim>,
    /// After this moment nobody waits for the outcome.
    pub(crate) not_after: Timestamp,
}

/// Tells what a check found.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ProofChecked {
    pub(crate) life: Life,
    pub(crate) id: JobId,
    pub(crate) outcome: ProofOutcome,
}

/// What checks the proofs; a test gives one of its own.
trait Checker: Send + Sync + 'static {
    /// Whether each proof holds, in their order.
    fn check(&self, claims: &[&ProofClaim]) -> Vec<bool>;

    /// Whether the slow path, which is known to be right, says so too. False is the discovery of a bug,
    /// after which `check` must not make the same mistake again.
    fn confirms_rejection(&self, claim: &ProofClaim) -> bool;
}

/// A job in the schedule.
struct Waiting {
    life: Life,
    id: JobId,
    claim: Box<ProofClaim>,
    since: Instant,
}

/// What the threads and the port share.
struct Pool<C> {
    checker: C,
    state: Mutex<State>,
    /// Something was pushed, or the pool was closed.
    changed: Condvar,
    outcomes: Port<ProofChecked>,
    clock: Clock,
    metrics: ProofMetrics,
}

struct State {
    schedule: VerifySchedule<Waiting>,
    closed: bool,
}

/// Closes the pool when the last port is dropped.
struct Entrance<C>(Arc<Pool<C>>);

/// How the pool works.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Threads that check, at least 1.
    pub(crate) threads: usize,
    /// Proofs checked together, at most.
    pub(crate) longest_batch: usize,
}

/// Starts threads that share `verifier`.
pub(crate) fn start(
    verifier: Arc<Verifier>,
    plan: Plan,
    outcomes: Port<ProofChecked>,
    clock: Clock,
    metrics: ProofMetrics,
) -> io::Result<Port<CheckProof>> {
    start_with(verifier, plan, outcomes, clock, metrics)
}

fn start_with<C: Checker>(
    checker: C,
    plan: Plan,
    outcomes: Port<ProofChecked>,
    clock: Clock,
    metrics: ProofMetrics,
) -> io::Result<Port<CheckProof>> {
    let schedule = VerifySchedule::new(QUEUE).with_longest_batch(plan.longest_batch);
    let state = Mutex::new(State { schedule, closed: false });
    let pool = Arc::new(Pool { checker, state, changed: Condvar::new(), outcomes, clock, metrics });
    let entrance = Entrance(Arc::clone(&pool));
    for number in 0..plan.threads.max(1) {
        let pool = Arc::clone(&pool);
        thread::Builder::new().name(format!("weir-verify-{number}")).spawn(move || pool.work())?;
    }
    Ok(Port::from_fn(move |job| {
        entrance.0.push(job);
        Ok(())
    }))
}

impl Checker for Arc<Verifier> {
    fn check(&self, claims: &[&ProofClaim]) -> Vec<bool> {
        match claims {
            [claim] => vec![self.verify(claim)],
            claims => self.verify_batch(claims),
        }
    }

    fn confirms_rejection(&self, claim: &ProofClaim) -> bool {
        Verifier::confirms_rejection(self, claim)
    }
}

impl<C: Checker> Pool<C> {
    fn push(&self, job: CheckProof) {
        let CheckProof { life, id, from, claim, not_after } = job;
        let job = Waiting { life, id, claim, since: Instant::now() };
        let mut state = self.state();
        let shed = state.schedule.push(from, job, not_after, self.clock.now());
        self.show_depth(&state);
        drop(state);
        self.changed.notify_one();
        self.tell_shed(shed);
    }

    /// What one thread does, until the pool is closed.
    fn work(&self) {
        while let Some(batch) = self.next_batch() {
            let (senders, jobs): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let outcomes = self.check(&senders, &jobs);
            let mut shed = Vec::new();
            let (mut state, now) = (self.state(), self.clock.now());
            for (from, outcome) in senders.iter().zip(&outcomes) {
                match outcome {
                    ProofOutcome::Valid => state.schedule.learn(from, true, now, &mut shed),
                    ProofOutcome::Invalid => state.schedule.learn(from, false, now, &mut shed),
                    // Says nothing of the sender.
                    ProofOutcome::Failed | ProofOutcome::Shed => {}
                }
            }
            drop(state);
            for (job, outcome) in jobs.iter().zip(outcomes) {
                self.tell(job, outcome);
            }
            self.tell_shed(shed);
        }
    }

    /// Waits for work. `None` when the pool is closed.
    fn next_batch(&self) -> Option<Vec<(Origin, Waiting)>> {
        loop {
            let mut state = self.state();
            while !state.closed && state.schedule.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return None;
            }
            let mut shed = Vec::new();
            let batch = state.schedule.take(self.clock.now(), &mut shed);
            self.show_depth(&state);
            drop(state);
            self.tell_shed(shed);
            if !batch.is_empty() {
                return Some(batch);
            }
        }
    }

    fn check(&self, senders: &[Origin], jobs: &[Waiting]) -> Vec<ProofOutcome> {
        let claims: Vec<_> = jobs.iter().map(|job| &*job.claim).collect();
        let started = Instant::now();
        let mut outcomes = outcomes_of(&self.checker, &claims);
        if self.rejects_wrongly(senders, &claims, &outcomes) {
            outcomes = outcomes_of(&self.checker, &claims);
        }
        self.metrics.verification.observe(started.elapsed().as_secs_f64());
        self.metrics.batch_size.observe(claims.len() as f64);
        outcomes
    }

    /// Whether the slow path accepts what was rejected. Asked once for each sender that is not suspect
    /// yet, so a liar buys one slow check and no more, and an honest peer is not cut off for our bug.
    fn rejects_wrongly(&self, senders: &[Origin], claims: &[&ProofClaim], outcomes: &[ProofOutcome]) -> bool {
        let mut asked = BTreeSet::new();
        for ((from, claim), outcome) in senders.iter().zip(claims).zip(outcomes) {
            if *outcome != ProofOutcome::Invalid || !asked.insert(from) {
                continue;
            }
            let is_suspect = self.state().schedule.is_suspect(from, self.clock.now());
            let confirms = || self.checker.confirms_rejection(claim);
            // A slow path that panics confirms nothing and refutes nothing.
            if !is_suspect && !catch_unwind(AssertUnwindSafe(confirms)).unwrap_or(true) {
                return true;
            }
        }
        false
    }

    fn tell(&self, job: &Waiting, outcome: ProofOutcome) {
        self.metrics.delay.observe(job.since.elapsed().as_secs_f64());
        // The relay's mailbox has a place for every job in flight; a relay that was rebuilt has
        // forgotten the job, and tells by its life that it is not one of its own.
        drop(self.outcomes.tell(ProofChecked { life: job.life, id: job.id, outcome }));
    }

    fn tell_shed(&self, shed: impl IntoIterator<Item = Shed<Waiting>>) {
        for Shed { job, reason } in shed {
            self.metrics.shed(reason.into());
            drop(self.outcomes.tell(ProofChecked {
                life: job.life,
                id: job.id,
                outcome: ProofOutcome::Shed,
            }));
        }
    }

    fn show_depth(&self, state: &State) {
        self.metrics.queue_depth.set(i64::try_from(state.schedule.len()).unwrap_or(i64::MAX));
    }
}

impl<C> Pool<C> {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Drop for Entrance<C> {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

/// Checks `claims` together, and one by one if that panics.
fn outcomes_of(checker: &impl Checker, claims: &[&ProofClaim]) -> Vec<ProofOutcome> {
    debug_assert!(claims.len() <= MAX_BATCH, "a batch is longer than the schedule makes them");
    match catch_unwind(AssertUnwindSafe(|| checker.check(claims))) {
        Ok(answers) if answers.len() == claims.len() => {
            let outcome = |holds| if holds { ProofOutcome::Valid } else { ProofOutcome::Invalid };
            answers.into_iter().map(outcome).collect()
        }
        _ if claims.len() > 1 => claims.chunks(1).flat_map(|claim| outcomes_of(checker, claim)).collect(),
        _ => {
            tracing::error!("the verifier panicked");
            vec![ProofOutcome::Failed; claims.len()]
        }
    }
}
