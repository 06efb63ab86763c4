//! zerokit's crate `rln` 2.0.2, with the features that nwaku builds it with: no tree, no rayon.
//!
//! nwaku makes every proof from nothing and verifies with `verify_with_roots`; both end in the
//! functions that are measured here. The partial proofs it has are measured too, though nobody uses
//! them.

use std::time::{Duration, Instant};

use ark_serialize::CanonicalDeserialize;
use rln_2::prelude::{
    Fr, IdSecret, PartialProof, Proof, RLN, RLNPartialWitnessInput, RLNProofValues, RLNWitnessInput,
    proof_values_from_witness,
};
use weir_bench_rln::{
    Contestant, Engine, EngineError, Equipment, Message, Outcome, Proven, StartSettings, Task, Timed,
    Workload,
};

/// The version that live nodes run.
pub(crate) const RLN_2: Contestant = Contestant { name: "rln_2", label: "rln 2.0.2", start };

struct Rln2 {
    rln: RLN,
    key_load: Duration,
    partial: Option<PartialProof>,
}

/// Expands the keys that the crate carries. The verifying key is prepared anew by each check.
fn start(_: &StartSettings) -> Result<Box<dyn Engine>, EngineError> {
    let started = Instant::now();
    let rln = RLN::new().map_err(EngineError::peer)?;
    Ok(Box::new(Rln2 { rln, key_load: started.elapsed(), partial: None }))
}

impl Engine for Rln2 {
    fn equipment(&self) -> Equipment {
        Equipment { key_load: self.key_load, ..Equipment::default() }
    }

    fn prepare<'a>(
        &'a mut self,
        task: Task,
        workload: &'a Workload,
        message: Message,
    ) -> Result<Option<Timed<'a>>, EngineError> {
        let timed = match task {
            Task::ProveFull => {
                let witness = witness(workload, message)?;
                Timed::one(move || {
                    let made = self.rln.generate_rln_proof(&witness);
                    let (proof, values) = made.map_err(EngineError::peer)?;
                    message.signed(&proof, inputs(&values))
                })
            }
            Task::PrepareMember | Task::PrepareSlot => {
                let known = known(workload)?;
                Timed::one(move || {
                    let partial = self.rln.generate_partial_zk_proof(&known);
                    self.partial = Some(partial.map_err(EngineError::peer)?);
                    Ok(Outcome::Prepared)
                })
            }
            Task::ProveCached | Task::ProveSlot => {
                let witness = witness(workload, message)?;
                if self.partial.is_none() {
                    let partial = self.rln.generate_partial_zk_proof(&known(workload)?);
                    self.partial = Some(partial.map_err(EngineError::peer)?);
                }
                let (rln, partial) = (&self.rln, self.partial.as_ref().expect("it was just made"));
                Timed::one(move || {
                    let proof = rln.finish_zk_proof(partial, &witness).map_err(EngineError::peer)?;
                    message.signed(&proof, inputs(&proof_values_from_witness(&witness)))
                })
            }
            Task::VerifySingle => {
                let proof = workload.proof_of(message);
                Timed::one(move || Ok(Outcome::Verdict(self.verify_bytes(proof)?)))
            }
            Task::VerifyParsed => {
                let proven = workload.proof_of(message);
                let (proof, values) = (read(proven)?, values(proven));
                Timed::one(move || {
                    let verdict = self.rln.verify_zk_proof(&proof, &values);
                    verdict.map(Outcome::Verdict).map_err(EngineError::peer)
                })
            }
            // It has no batches: one after the other.
            Task::VerifyBatch(size) => {
                let proofs = workload.batch(size)?;
                Timed::many(size, move || {
                    let mut all_hold = true;
                    for proof in proofs {
                        all_hold &= self.verify_bytes(proof)?;
                    }
                    Ok(Outcome::Verdict(all_hold))
                })
            }
            // As nwaku builds it, it has no tree.
            Task::TreeBuild | Task::TreeUpdate | Task::TreePath => return Ok(None),
        };
        Ok(Some(timed))
    }
}

impl Rln2 {
    fn verify_bytes(&self, proven: &Proven) -> Result<bool, EngineError> {
        self.rln.verify_zk_proof(&read(proven)?, &values(proven)).map_err(EngineError::peer)
    }
}

fn witness(workload: &Workload, message: Message) -> Result<RLNWitnessInput, EngineError> {
    RLNWitnessInput::new(
        IdSecret::from(&mut workload.secret()),
        Fr::from(workload.limit.get()),
        Fr::from(message.message_id),
        workload.siblings.clone(),
        workload.path_bits.clone(),
        message.x(),
        message.external_nullifier(),
    )
    .map_err(EngineError::peer)
}

fn known(workload: &Workload) -> Result<RLNPartialWitnessInput, EngineError> {
    RLNPartialWitnessInput::new(
        IdSecret::from(&mut workload.secret()),
        Fr::from(workload.limit.get()),
        workload.siblings.clone(),
        workload.path_bits.clone(),
    )
    .map_err(EngineError::peer)
}

/// The proof's points, checked as for bytes from a stranger.
fn read(proven: &Proven) -> Result<Proof, EngineError> {
    Proof::deserialize_compressed(proven.claim.proof().as_slice()).map_err(EngineError::peer)
}

fn values(proven: &Proven) -> RLNProofValues {
    let [y, root, nullifier, x, external_nullifier] = proven.inputs;
    RLNProofValues::new(root, x, external_nullifier, y, nullifier)
}

fn inputs(values: &RLNProofValues) -> [Fr; 5] {
    [*values.y(), *values.root(), *values.nullifier(), *values.x(), *values.external_nullifier()]
}
