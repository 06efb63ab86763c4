//! What every engine works on: one member of a tree, its messages, and proofs of them.

use ark_ff::PrimeField;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use weir_circuits::{Fr, TREE_DEPTH};
use weir_core::RateLimitProof;
use weir_rln::{
    Identity, MembershipIndex, MerklePath, MerkleTree, ProofClaim, RateCommitment, UserMessageLimit,
};
use zerokit_rln::prelude::PoseidonHash;
use zerokit_utils::merkle_tree::{OptimalMerkleTree, ZerokitMerkleProof, ZerokitMerkleTree};

use crate::{EngineError, Message};

/// Members of the tree in which the prover is one.
const MEMBERS: u32 = 512;
/// The prover's place, whose lowest bits alternate.
const PLACE: u32 = 341;
/// Leaves that tree operations work on; other trees of this size have been measured with zerokit.
const LEAVES: usize = 1 << 12;
/// Paths that are found in one measurement, since one takes less than a clock can tell.
pub(crate) const PATH_REPEATS: u32 = 256;

/// The same work for everyone, from a seed.
pub struct Workload {
    /// Who proves.
    pub identity: Identity,
    /// The largest quota, so that message ids do not run out.
    pub limit: UserMessageLimit,
    /// The prover's way to the root, as weir has it.
    pub path: MerklePath,
    /// The same as field elements, from the leaf up.
    pub siblings: Vec<Fr>,
    /// 1 where the node on the path is a right child, from the leaf up.
    pub path_bits: Vec<u8>,
    /// What tree operations insert.
    pub leaves: Vec<RateCommitment>,
    /// Proofs to check, each of another message, all of one epoch and root as traffic is.
    pub proofs: Vec<Proven>,
}

/// A proof that holds, in the forms that engines take.
#[derive(Debug, Clone)]
pub struct Proven {
    /// As weir takes it: public values parsed, the proof still bytes.
    pub claim: ProofClaim,
    /// The public inputs in the order of the circuit: y, root, nullifier, x, external nullifier.
    pub inputs: [Fr; 5],
}

impl Workload {
    /// A member and leaves; proofs are added once there is somebody to make them.
    pub fn new() -> Result<Self, EngineError> {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let limit = UserMessageLimit::new(u32::from(u16::MAX)).expect("65535 is the largest limit");
        let identity = Identity::generate(&mut random);
        let mut leaf = || RateCommitment::new(Identity::generate(&mut random).commitment(), limit);
        let leaves: Vec<RateCommitment> = (0..LEAVES).map(|_| leaf()).collect();
        let mut members = leaves[..MEMBERS as usize].to_vec();
        members[PLACE as usize] = RateCommitment::new(identity.commitment(), limit);

        let mut tree = MerkleTree::new();
        tree.update(members.iter().enumerate().map(|(place, leaf)| (index(place), Some(*leaf))));
        let path = tree.path(index(PLACE as usize)).expect("the prover's leaf was just set");
        let mut theirs = zerokit_tree()?;
        theirs.set_range(0, members.iter().map(|leaf| field(leaf.to_bytes()))).map_err(EngineError::peer)?;
        let their_path = theirs.proof(PLACE as usize).map_err(EngineError::peer)?;
        if theirs.root() != field(tree.root().to_bytes()) {
            return Err(EngineError::TreesDiffer);
        }
        Ok(Self {
            identity,
            limit,
            path,
            siblings: their_path.get_path_elements(),
            path_bits: their_path.get_path_index(),
            leaves,
            proofs: Vec::new(),
        })
    }

    /// Some proof, another one for each message as far as there are.
    ///
    /// # Panics
    /// When there are no proofs.
    pub fn proof_of(&self, message: Message) -> &Proven {
        &self.proofs[message.message_id as usize % self.proofs.len()]
    }

    /// The first `size` proofs.
    pub fn batch(&self, size: u32) -> Result<&[Proven], EngineError> {
        self.proofs.get(..size as usize).ok_or(EngineError::TooFewProofs { asked: size })
    }

    /// The prover's secret. Of a seed that anybody can read here, so nothing to protect.
    pub fn secret(&self) -> Fr {
        field(*self.identity.secret().to_bytes())
    }
}

impl Proven {
    /// Parses a proof.
    pub fn parse(proof: &RateLimitProof) -> Result<Self, EngineError> {
        let claim = ProofClaim::parse(proof)?;
        let inputs = [
            field(proof.share_y),
            field(proof.merkle_root),
            field(proof.nullifier),
            field(proof.share_x),
            field(claim.external_nullifier().to_bytes()),
        ];
        Ok(Self { claim, inputs })
    }
}

/// A tree of zerokit without members, of the kind it recommends for memory.
pub(crate) fn zerokit_tree() -> Result<OptimalMerkleTree<PoseidonHash>, EngineError> {
    OptimalMerkleTree::default(TREE_DEPTH).map_err(EngineError::peer)
}

/// Another leaf for the last place, so that an update always changes the tree.
pub(crate) fn last_leaf(workload: &Workload, message: Message) -> (usize, RateCommitment) {
    let leaves = &workload.leaves;
    (leaves.len() - 1, leaves[message.message_id as usize % leaves.len()])
}

/// The field element of canonical little-endian bytes.
pub(crate) fn field(bytes: [u8; 32]) -> Fr {
    Fr::from_le_bytes_mod_order(&bytes)
}

pub(crate) fn index(place: usize) -> MembershipIndex {
    u32::try_from(place).ok().and_then(|place| MembershipIndex::new(place).ok()).expect("below 2^20")
}

impl std::fmt::Debug for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workload").field("proofs", &self.proofs.len()).finish_non_exhaustive()
    }
}
