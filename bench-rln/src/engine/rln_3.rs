//! zerokit's crate `rln` 3.0.0, as its own documentation uses it.

use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use weir_circuits::Fr;
use zerokit_rln::prelude::{
    ArkGroth16Backend, PartialProof, PoseidonHash, Proof, RLNMerkleProof, RLNPartialWitnessInput,
    RLNPartialZkProof, RLNProofValues, RLNWitnessInput, RLNZkProof, SecretFr, default_graph_single,
    default_zkey_single,
};
use zerokit_utils::merkle_tree::{OptimalMerkleTree, ZerokitMerkleTree};

use super::{Engine, EngineError, Equipment, Message, Outcome, StartSettings, Task, Timed};
use crate::{
    Proven, Workload,
    clock::timed,
    workload::{PATH_REPEATS, field, last_leaf, zerokit_tree},
};

/// Says what is true, with the same crate: what an engine made is checked by another one.
pub(crate) struct Oracle {
    backend: ArkGroth16Backend<PoseidonHash>,
}

struct Rln3 {
    equipment: Equipment,
    backend: ArkGroth16Backend<PoseidonHash>,
    partial: Option<PartialProof>,
    tree: Option<OptimalMerkleTree<PoseidonHash>>,
}

/// Expands the keys that the crate carries. It has no tables.
pub(super) fn start(_: &StartSettings) -> Result<Box<dyn Engine>, EngineError> {
    let (_, loaded) = timed(|| (default_zkey_single(), default_graph_single()));
    let (backend, prepared) = timed(backend);
    let equipment =
        Equipment { key_load: loaded.wall, verifier_load: Some(prepared.wall), ..Equipment::default() };
    Ok(Box::new(Rln3 { equipment, backend, partial: None, tree: None }))
}

impl Oracle {
    pub(crate) fn load() -> Self {
        Self { backend: backend() }
    }

    /// Whether the proof holds. Bytes that are no points are a proof that does not.
    pub(crate) fn holds(&self, proven: &Proven) -> bool {
        read(proven).is_ok_and(|proof| self.backend.verify(&proof, &values(proven)).unwrap_or(false))
    }
}

fn backend() -> ArkGroth16Backend<PoseidonHash> {
    ArkGroth16Backend::new(default_zkey_single().clone(), default_graph_single().clone())
}

impl Engine for Rln3 {
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
            Task::ProveFull => {
                let witness = witness(workload, message)?;
                Timed::one(move || {
                    let (proof, values) = self.backend.generate_proof(&witness).map_err(EngineError::peer)?;
                    message.signed(&proof, inputs(&values)?)
                })
            }
            // Its only preparation is the partial proof, for a member and for a message alike.
            Task::PrepareMember | Task::PrepareSlot => {
                let known = RLNPartialWitnessInput::from(&witness(workload, message)?);
                Timed::one(move || {
                    self.partial =
                        Some(self.backend.generate_partial_proof(&known).map_err(EngineError::peer)?);
                    Ok(Outcome::Prepared)
                })
            }
            Task::ProveCached | Task::ProveSlot => {
                let witness = witness(workload, message)?;
                if self.partial.is_none() {
                    let known = RLNPartialWitnessInput::from(&witness);
                    let partial = self.backend.generate_partial_proof(&known);
                    self.partial = Some(partial.map_err(EngineError::peer)?);
                }
                let (backend, partial) = (&self.backend, self.partial.as_ref().expect("it was just made"));
                Timed::one(move || {
                    let (proof, values) =
                        backend.finish_proof(partial, &witness).map_err(EngineError::peer)?;
                    message.signed(&proof, inputs(&values)?)
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
                    self.backend.verify(&proof, &values).map(Outcome::Verdict).map_err(EngineError::peer)
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
            Task::TreeBuild => Timed::one(|| root_of(&tree_of(workload)?)),
            Task::TreeUpdate => {
                let (place, leaf) = last_leaf(workload, message);
                let leaf = field(leaf.to_bytes());
                let tree = self.tree_mut(workload)?;
                Timed::one(move || {
                    tree.set(place, leaf).map_err(EngineError::peer)?;
                    root_of(tree)
                })
            }
            Task::TreePath => {
                let tree = &*self.tree_mut(workload)?;
                Timed::many(PATH_REPEATS, move || {
                    for place in 0..PATH_REPEATS {
                        let path = tree.proof(place as usize).map_err(EngineError::peer)?;
                        std::hint::black_box(path);
                    }
                    Ok(Outcome::Prepared)
                })
            }
        };
        Ok(Some(timed))
    }
}

impl Rln3 {
    fn verify_bytes(&self, proven: &Proven) -> Result<bool, EngineError> {
        self.backend.verify(&read(proven)?, &values(proven)).map_err(EngineError::peer)
    }

    fn tree_mut(&mut self, workload: &Workload) -> Result<&mut OptimalMerkleTree<PoseidonHash>, EngineError> {
        if self.tree.is_none() {
            self.tree = Some(tree_of(workload)?);
        }
        Ok(self.tree.as_mut().expect("it was just made"))
    }
}

fn witness(workload: &Workload, message: Message) -> Result<RLNWitnessInput, EngineError> {
    RLNWitnessInput::new_single()
        .identity_secret(SecretFr::from(&mut workload.secret()))
        .user_message_limit(Fr::from(workload.limit.get()))
        .merkle_proof(RLNMerkleProof::new(workload.siblings.clone(), workload.path_bits.clone()))
        .x(message.x())
        .external_nullifier(message.external_nullifier())
        .message_id(Fr::from(message.message_id))
        .build()
        .map_err(EngineError::peer)
}

/// The proof's points, checked as for bytes from a stranger.
fn read(proven: &Proven) -> Result<Proof, EngineError> {
    Proof::deserialize_compressed(proven.claim.proof().as_slice()).map_err(EngineError::peer)
}

fn values(proven: &Proven) -> RLNProofValues {
    let [y, root, nullifier, x, external_nullifier] = proven.inputs;
    RLNProofValues::new_single()
        .y(y)
        .root(root)
        .nullifier(nullifier)
        .x(x)
        .external_nullifier(external_nullifier)
        .build()
}

fn inputs(values: &RLNProofValues) -> Result<[Fr; 5], EngineError> {
    let missing = || EngineError::Peer("a proof of the wrong circuit".to_owned());
    Ok([
        values.y().ok_or_else(missing)?,
        values.root(),
        values.nullifier().ok_or_else(missing)?,
        values.x(),
        values.external_nullifier(),
    ])
}

fn tree_of(workload: &Workload) -> Result<OptimalMerkleTree<PoseidonHash>, EngineError> {
    let mut tree = zerokit_tree()?;
    // Conversions are a thousandth of the hashes.
    tree.set_range(0, workload.leaves.iter().map(|leaf| field(leaf.to_bytes())))
        .map_err(EngineError::peer)?;
    Ok(tree)
}

fn root_of(tree: &OptimalMerkleTree<PoseidonHash>) -> Result<Outcome, EngineError> {
    let mut bytes = [0; 32];
    tree.root().serialize_compressed(bytes.as_mut_slice()).map_err(EngineError::peer)?;
    Ok(Outcome::Root(bytes))
}
