//! Proof pool: checks Groth16 proofs on threads of its own.
//!
//! Owns      the verifier and its threads; no state of the relay.
//! Receives  [`CheckProof`] through a bounded queue; a full queue gives the job back and the relay
//!           sheds it.
//! Sends     [`ProofChecked`], exactly one for each job taken.
//! On fault  a panic of the verifier is the outcome `Failed` of that job; the thread goes on.
//! Stops     when the last port to it is dropped.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use actix::Message;
use weir_protocols::relay::{JobId, ProofOutcome};
use weir_rln::{ProofClaim, Verifier};

use crate::{metrics::ProofMetrics, port::Port, relay::Life, workers::Workers};

/// Proofs that may wait: what the relay lets be in flight (`relay::Config::proof_units`). At 1.4 ms a
/// proof the last one waits 1.4 s on one thread, well inside the 5 s the relay waits and the
/// six heartbeats in which gossipsub wants a verdict.
pub(crate) const QUEUE: usize = 1024;

/// Asks for one proof to be checked.
#[derive(Debug)]
pub(crate) struct CheckProof {
    pub(crate) life: Life,
    pub(crate) id: JobId,
    pub(crate) claim: ProofClaim,
}

/// Tells what a check found.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ProofChecked {
    pub(crate) life: Life,
    pub(crate) id: JobId,
    pub(crate) outcome: ProofOutcome,
}

/// Starts `threads` threads that share `verifier`.
pub(crate) fn start(
    verifier: &Arc<Verifier>,
    threads: usize,
    outcomes: &Port<ProofChecked>,
    metrics: &ProofMetrics,
) -> io::Result<Port<CheckProof>> {
    let worker = || {
        let (verifier, outcomes, metrics) = (Arc::clone(verifier), outcomes.clone(), metrics.clone());
        move |CheckProof { life, id, claim }: CheckProof| {
            let started = Instant::now();
            let outcome = outcome_of(|| verifier.verify(&claim));
            metrics.verification.observe(started.elapsed().as_secs_f64());
            // The relay's mailbox has a place for every job of this queue; a relay that was rebuilt
            // has forgotten the job, and tells by its life that it is not one of its own.
            drop(outcomes.tell(ProofChecked { life, id, outcome }));
        }
    };
    Ok(Workers::start("weir-verify", QUEUE, (0..threads.max(1)).map(|_| worker()).collect())?.port())
}

fn outcome_of(verify: impl FnOnce() -> bool) -> ProofOutcome {
    match catch_unwind(AssertUnwindSafe(verify)) {
        Ok(true) => ProofOutcome::Valid,
        Ok(false) => ProofOutcome::Invalid,
        Err(_) => {
            tracing::error!("the verifier panicked");
            ProofOutcome::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_that_panics_leaves_the_outcome_open() {
        assert_eq!(outcome_of(|| panic!("a bug, on purpose")), ProofOutcome::Failed);
        assert_eq!(outcome_of(|| true), ProofOutcome::Valid);
        assert_eq!(outcome_of(|| false), ProofOutcome::Invalid);
    }
}
