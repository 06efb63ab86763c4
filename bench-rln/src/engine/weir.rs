//! Our engine.

use strum::VariantArray;
use weir_core::RateLimitProof;
use weir_rln::{
    EngineSettings, Epoch, FastPath, MemberProver, MerkleTree, MessageId, ProofClaim, ProveRequest, Prover,
    RlnIdentifier, ShareX, Slot, TableOrigin, Verifier,
};

use super::{Engine, EngineError, Equipment, Message, Outcome, StartSettings, Task, Timed};
use crate::{
    Workload,
    clock::timed,
    workload::{PATH_REPEATS, index, last_leaf},
};

struct Weir {
    equipment: Equipment,
    prover: Prover,
    verifier: Verifier,
    /// The prepared member, made at its first use.
    member: Option<MemberProver>,
    /// The slot that was prepared last.
    slot: Option<Slot>,
    /// A tree of all leaves but the last, made at its first use.
    tree: Option<MerkleTree>,
}

/// Loads keys and tables.
pub(super) fn start(settings: &StartSettings) -> Result<Box<dyn Engine>, EngineError> {
    let (verifier, verifier_loaded) = timed(Verifier::load);
    let settings = EngineSettings {
        table_cache: settings.table_cache.clone(),
        threads: settings.threads,
        ..EngineSettings::default()
    };
    let (prover, key_loaded) = timed(|| Prover::load(&settings));
    let prover = prover?;
    let (origin, prepared) = timed(|| prover.prepare_tables());
    let equipment = Equipment {
        key_load: key_loaded.wall,
        verifier_load: Some(verifier_loaded.wall),
        table_build: (origin == TableOrigin::Built).then_some(prepared.wall),
        table_load: (origin == TableOrigin::Cache).then_some(prepared.wall),
    };
    Ok(Box::new(Weir { equipment, prover, verifier: verifier?, member: None, slot: None, tree: None }))
}

impl Engine for Weir {
    fn equipment(&self) -> Equipment {
        self.equipment
    }

    fn prepare<'a>(
        &'a mut self,
        task: Task,
        workload: &'a Workload,
        message: Message,
    ) -> Result<Option<Timed<'a>>, EngineError> {
        let timed = match task {
            Task::ProveFull => Timed::one(move || proof(self.prove_full(workload, message)?)),
            Task::PrepareMember => Timed::one(|| {
                let member = self.new_member(workload);
                member.prepare();
                self.member = Some(member);
                Ok(Outcome::Prepared)
            }),
            Task::ProveCached => {
                let member = self.member(workload);
                Timed::one(move || proof(prove_cached(member, message)?))
            }
            Task::PrepareSlot => {
                self.member(workload);
                Timed::one(move || {
                    self.slot = Some(self.new_slot(workload, message)?);
                    Ok(Outcome::Prepared)
                })
            }
            Task::ProveSlot => {
                let slot = match self.slot.take() {
                    Some(slot) => slot,
                    None => self.new_slot(workload, message)?,
                };
                Timed::one(move || proof(slot.prove(signal(message))?))
            }
            Task::VerifySingle => {
                let claim = workload.proof_of(message);
                Timed::one(|| Ok(Outcome::Verdict(self.verifier.verify(&claim.claim))))
            }
            // Reading the points is part of our check and cannot be had apart.
            Task::VerifyParsed => return Ok(None),
            Task::VerifyBatch(size) => {
                let claims: Vec<&ProofClaim> =
                    workload.batch(size)?.iter().map(|proof| &proof.claim).collect();
                let verify = move || self.verifier.verify_batch(&claims).iter().all(|holds| *holds);
                Timed::many(size, move || Ok(Outcome::Verdict(verify())))
            }
            Task::TreeBuild => Timed::one(|| Ok(Outcome::Root(tree_of(workload).root().to_bytes()))),
            Task::TreeUpdate => {
                let (place, leaf) = last_leaf(workload, message);
                let tree = self.tree.get_or_insert_with(|| tree_of(workload));
                Timed::one(move || {
                    tree.set(index(place), leaf);
                    Ok(Outcome::Root(tree.root().to_bytes()))
                })
            }
            Task::TreePath => {
                let tree = &*self.tree.get_or_insert_with(|| tree_of(workload));
                Timed::many(PATH_REPEATS, move || {
                    for place in 0..PATH_REPEATS {
                        std::hint::black_box(tree.path(index(place as usize)));
                    }
                    Ok(Outcome::Prepared)
                })
            }
        };
        Ok(Some(timed))
    }

    fn fallbacks(&self) -> u64 {
        let paths = FastPath::VARIANTS.iter();
        paths
            .map(|path| self.prover.health().fallbacks(*path) + self.verifier.health().fallbacks(*path))
            .sum()
    }
}

impl Weir {
    fn prove_full(&self, workload: &Workload, message: Message) -> Result<RateLimitProof, EngineError> {
        let request = ProveRequest {
            identity: workload.identity.secret(),
            limit: workload.limit,
            message_id: MessageId(message.message_id),
            path: &workload.path,
            epoch: Epoch::new(message.epoch),
            rln_identifier: RlnIdentifier::WAKU,
            signal: signal(message),
        };
        Ok(self.prover.prove(&request)?)
    }

    fn new_member(&self, workload: &Workload) -> MemberProver {
        self.prover.member(workload.identity.secret(), workload.limit, &workload.path)
    }

    fn member(&mut self, workload: &Workload) -> &MemberProver {
        if self.member.is_none() {
            let member = self.new_member(workload);
            member.prepare();
            self.member = Some(member);
        }
        self.member.as_ref().expect("it was just made")
    }

    fn new_slot(&mut self, workload: &Workload, message: Message) -> Result<Slot, EngineError> {
        let id = MessageId(message.message_id);
        Ok(self.member(workload).slot(Epoch::new(message.epoch), RlnIdentifier::WAKU, id)?)
    }
}

fn prove_cached(member: &MemberProver, message: Message) -> Result<RateLimitProof, EngineError> {
    let (epoch, id) = (Epoch::new(message.epoch), MessageId(message.message_id));
    Ok(member.prove(epoch, RlnIdentifier::WAKU, id, signal(message))?)
}

fn signal(message: Message) -> ShareX {
    ShareX::from_bytes(&message.signal).expect("a message's signal is canonical")
}

fn proof(proof: RateLimitProof) -> Result<Outcome, EngineError> {
    Ok(Outcome::Proof(Box::new(proof)))
}

fn tree_of(workload: &Workload) -> MerkleTree {
    let mut tree = MerkleTree::new();
    tree.update(workload.leaves.iter().enumerate().map(|(place, leaf)| (index(place), Some(*leaf))));
    tree
}
