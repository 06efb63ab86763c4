//! The membership tree: 2^20 leaves, of which only the used ones cost memory.
//!
//! Registries hand out indexes from 0 upwards, so each level is a vector that ends at its last
//! used node; what lies beyond is a subtree of zeros, whose root is known in advance. An empty leaf
//! is zero, as in zerokit and in the registry contract.
//!
//! Memory is 64 bytes for each index up to the highest one set: 64 MiB at most.

use std::{array, sync::LazyLock};

use ark_ff::AdditiveGroup;
use weir_circuits::{Fr, MerkleBranch, TREE_DEPTH, poseidon};

use crate::{MembershipIndex, RateCommitment, field::field_value};

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
///
/// # Invariants
/// `levels[0]` are the leaves and ends in a non-zero one or is empty; `levels[d + 1]` has half as
/// many nodes, rounded up, each the hash of its two children; nodes beyond a level's end are
/// `EMPTY[d]`.
#[derive(Debug, Clone)]
pub struct MerkleTree {
    levels: [Vec<Fr>; TREE_DEPTH + 1],
    members: usize,
}

/// The root of an empty subtree by its height.
static EMPTY: LazyLock<[Fr; TREE_DEPTH + 1]> = LazyLock::new(|| {
    let mut node = Fr::ZERO;
    array::from_fn(|height| {
        if height > 0 {
            node = poseidon(&[node, node]);
        }
        node
    })
});

impl MerkleTree {
    /// A tree without members.
    pub fn new() -> Self {
        Self { levels: array::from_fn(|_| Vec::new()), members: 0 }
    }

    /// Puts `leaf` at `index`, replacing what is there. 20 hashes.
    pub fn set(&mut self, index: MembershipIndex, leaf: RateCommitment) {
        self.update([(index, Some(leaf))]);
    }

    /// Empties the leaf at `index`. Returns whether there was a member.
    pub fn remove(&mut self, index: MembershipIndex) -> bool {
        let before = self.members;
        self.update([(index, None)]);
        self.members < before
    }

    /// Sets (`Some`) and removes (`None`) many leaves, later ones of one index winning. Each node
    /// above them is hashed once: about one hash a leaf when the leaves are neighbours.
    pub fn update(&mut self, leaves: impl IntoIterator<Item = (MembershipIndex, Option<RateCommitment>)>) {
        let mut touched = Vec::new();
        for (index, leaf) in leaves {
            self.write_leaf(index.as_usize(), leaf.map_or(Fr::ZERO, |leaf| leaf.0));
            touched.push(index.as_usize());
        }
        self.drop_empty_tail();
        for height in 0..TREE_DEPTH {
            touched = parents(touched);
            self.rehash(height, &touched);
        }
    }

    /// The root now.
    pub fn root(&self) -> MerkleRoot {
        MerkleRoot(self.node(TREE_DEPTH, 0))
    }

    /// The path of the member at `index`, `None` when there is none.
    pub fn path(&self, index: MembershipIndex) -> Option<MerklePath> {
        self.leaf(index)?;
        let siblings = array::from_fn(|height| self.node(height, (index.as_usize() >> height) ^ 1));
        Some(MerklePath { index, siblings })
    }

    /// The leaf at `index`, `None` when there is no member.
    pub fn leaf(&self, index: MembershipIndex) -> Option<RateCommitment> {
        let leaf = self.node(0, index.as_usize());
        (leaf != Fr::ZERO).then_some(RateCommitment(leaf))
    }

    /// Members in the tree.
    pub const fn len(&self) -> usize {
        self.members
    }

    /// Whether there are no members.
    pub const fn is_empty(&self) -> bool {
        self.members == 0
    }

    fn write_leaf(&mut self, index: usize, leaf: Fr) {
        let leaves = &mut self.levels[0];
        if index >= leaves.len() {
            if leaf == Fr::ZERO {
                return;
            }
            leaves.resize(index + 1, Fr::ZERO);
        }
        let old = std::mem::replace(&mut leaves[index], leaf);
        self.members += usize::from(leaf != Fr::ZERO);
        self.members -= usize::from(old != Fr::ZERO);
    }

    /// Restores the lengths of all levels; new nodes are the caller's to hash.
    fn drop_empty_tail(&mut self) {
        let mut length = self.levels[0].iter().rposition(|&leaf| leaf != Fr::ZERO).map_or(0, |last| last + 1);
        for (level, &empty) in self.levels.iter_mut().zip(EMPTY.iter()) {
            level.resize(length, empty);
            length = length.div_ceil(2);
        }
    }

    /// Hashes the nodes at `parents`, one above `height`. Those beyond the level's end are empty.
    fn rehash(&mut self, height: usize, parents: &[usize]) {
        for &parent in parents {
            if parent < self.levels[height + 1].len() {
                let children = [self.node(height, 2 * parent), self.node(height, 2 * parent + 1)];
                self.levels[height + 1][parent] = poseidon(&children);
            }
        }
    }

    fn node(&self, height: usize, index: usize) -> Fr {
        self.levels[height].get(index).copied().unwrap_or(EMPTY[height])
    }
}

/// The distinct parents of nodes of one level, in order.
fn parents(mut nodes: Vec<usize>) -> Vec<usize> {
    nodes.iter_mut().for_each(|node| *node /= 2);
    nodes.sort_unstable();
    nodes.dedup();
    nodes
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
    pub(crate) fn branch(&self) -> MerkleBranch {
        let is_right = array::from_fn(|height| self.index.get() >> height & 1 == 1);
        MerkleBranch { siblings: self.siblings, is_right }
    }
}
