//! The membership tree: 2^20 leaves, of which only the used ones cost memory and work.
//!
//! An empty leaf is zero, as in zerokit and in the registry contract. Memory is 64 bytes for each index
//! up to the highest one set: 64 MiB at most.

mod nodes;

use std::array;

use ark_ff::AdditiveGroup;
use weir_circuits::{Fr, MerkleBranch, TREE_DEPTH};

use self::nodes::Nodes;
pub use self::nodes::NodesError;
use crate::{
    MembershipIndex, PairHasher, RateCommitment,
    field::{field_from_bytes, field_to_bytes, field_value},
};

field_value! {
    /// Root of the membership tree at some moment.
    MerkleRoot
}

/// The way from a leaf to the root: what a member needs to prove that it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerklePath {
    index: MembershipIndex,
    siblings: [Fr; TREE_DEPTH],
}

/// The tree of all members' rate commitments.
#[derive(Debug, Clone)]
pub struct MerkleTree {
    nodes: Nodes,
}

impl MerkleTree {
    /// A tree without members.
    pub fn new() -> Self {
        Self::with_hasher(PairHasher::detect())
    }

    /// A tree without members that is hashed in another way than this machine's fastest.
    pub fn with_hasher(hasher: PairHasher) -> Self {
        Self { nodes: Nodes::new(TREE_DEPTH, hasher) }
    }

    /// The tree whose nodes another gave with [`MerkleTree::nodes`], with so many used leaves.
    ///
    /// Hashes next to nothing, so it is the caller's to know that the nodes are as they were given.
    pub fn from_nodes(used_leaves: u32, nodes: impl Iterator<Item = [u8; 32]>) -> Result<Self, NodesError> {
        let nodes = nodes.map(|node| field_from_bytes(&node));
        let nodes = Nodes::from_levels(TREE_DEPTH, PairHasher::detect(), used_leaves as usize, nodes)?;
        Ok(Self { nodes })
    }

    /// Every node that is kept, 32 bytes little-endian, level by level from the leaves up.
    pub fn nodes(&self) -> impl Iterator<Item = [u8; 32]> {
        self.nodes.iter().map(field_to_bytes)
    }

    /// Leaves up to the last one in use.
    pub fn used_leaves(&self) -> u32 {
        u32::try_from(self.nodes.used_leaves()).expect("a tree has 2^20 leaves at most")
    }

    /// Puts `leaf` at `index`, replacing what is there. 20 hashes.
    pub fn set(&mut self, index: MembershipIndex, leaf: RateCommitment) {
        self.update([(index, Some(leaf))]);
    }

    /// Empties the leaf at `index`. Returns whether there was a member.
    pub fn remove(&mut self, index: MembershipIndex) -> bool {
        let before = self.len();
        self.update([(index, None)]);
        self.len() < before
    }

    /// Sets (`Some`) and removes (`None`) many leaves, later ones of one index winning. Each node
    /// above them is hashed once: about one hash a leaf when the leaves are neighbours, in lanes and,
    /// when there are hundreds, on several threads.
    pub fn update(&mut self, leaves: impl IntoIterator<Item = (MembershipIndex, Option<RateCommitment>)>) {
        let leaves = leaves.into_iter();
        self.nodes.update(leaves.map(|(index, leaf)| (index.get(), leaf.map_or(Fr::ZERO, |leaf| leaf.0))));
    }

    /// The root now.
    pub fn root(&self) -> MerkleRoot {
        MerkleRoot(self.nodes.root())
    }

    /// The path of the member at `index`, `None` when there is none.
    pub fn path(&self, index: MembershipIndex) -> Option<MerklePath> {
        self.leaf(index)?;
        let siblings = array::from_fn(|height| self.nodes.node(height, (index.as_usize() >> height) ^ 1));
        Some(MerklePath { index, siblings })
    }

    /// The leaf at `index`, `None` when there is no member.
    pub fn leaf(&self, index: MembershipIndex) -> Option<RateCommitment> {
        let leaf = self.nodes.node(0, index.as_usize());
        (leaf != Fr::ZERO).then_some(RateCommitment(leaf))
    }

    /// Members in the tree.
    pub const fn len(&self) -> usize {
        self.nodes.occupied()
    }

    /// Whether there are no members.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for MerkleTree {
    fn default() -> Self {
        Self::new()
    }
}

impl MerklePath {
    /// Where the leaf stands.
    pub const fn index(&self) -> MembershipIndex {
        self.index
    }

    /// The root of the tree in which `leaf` stands at the end of this path.
    pub fn root_of(&self, leaf: RateCommitment) -> MerkleRoot {
        MerkleRoot(self.branch().root_of(leaf.0))
    }

    /// As the circuit takes it: the index as bits, lowest first.
    pub fn branch(&self) -> MerkleBranch {
        let is_right = array::from_fn(|height| self.index.get() >> height & 1 == 1);
        MerkleBranch { siblings: self.siblings, is_right }
    }
}
