//! From the secret to the root: the wires that say that the prover is a member of the tree.

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use super::poseidon::{Sparse, wire_count};
use crate::{MerkleBranch, TREE_DEPTH};

/// Hashes one value.
pub(super) static POSEIDON_2: LazyLock<Sparse<2>> = LazyLock::new(Sparse::circomlib);
/// Hashes a pair.
static POSEIDON_3: LazyLock<Sparse<3>> = LazyLock::new(Sparse::circomlib);

/// The first wire of each part.
pub(super) struct MembershipLayout {
    /// Private input: the identity secret.
    pub(super) secret: usize,
    /// Private input: messages an epoch.
    pub(super) limit: usize,
    /// Private inputs: the sibling of the node at each level.
    pub(super) siblings: usize,
    /// Private inputs: one where the node is a right child.
    pub(super) is_right: usize,
    /// The identity commitment.
    pub(super) commitment: usize,
    /// The leaf, the hash of commitment and limit.
    pub(super) leaf: usize,
    /// Left and right child, level by level.
    pub(super) children: usize,
    /// The parents of all levels but the last, whose parent is the root.
    pub(super) nodes: usize,
    /// Public output.
    pub(super) root: usize,
    /// The hashes that make the parents, level by level.
    pub(super) level_hashes: usize,
    /// The hash that makes the commitment.
    pub(super) commitment_hash: usize,
    /// The hash that makes the leaf.
    pub(super) leaf_hash: usize,
}

impl MembershipLayout {
    pub(super) fn write(&self, secret: Fr, limit: Fr, path: &MerkleBranch, wires: &mut [Fr]) {
        let hash = &mut wires[self.commitment_hash..][..wire_count(2)];
        let commitment = POSEIDON_2.trace([Fr::ZERO, secret], hash);
        let hash = &mut wires[self.leaf_hash..][..wire_count(3)];
        let leaf = POSEIDON_3.trace([Fr::ZERO, commitment, limit], hash);
        wires[self.secret] = secret;
        wires[self.limit] = limit;
        wires[self.siblings..][..TREE_DEPTH].copy_from_slice(&path.siblings);
        wires[self.commitment] = commitment;
        wires[self.leaf] = leaf;
        wires[self.root] = self.write_levels(leaf, path, wires);
    }

    /// Climbs the tree and returns its root.
    fn write_levels(&self, leaf: Fr, path: &MerkleBranch, wires: &mut [Fr]) -> Fr {
        let mut node = leaf;
        for (level, (&sibling, &is_right)) in path.siblings.iter().zip(&path.is_right).enumerate() {
            let (left, right) = if is_right { (sibling, node) } else { (node, sibling) };
            wires[self.is_right + level] = Fr::from(is_right);
            wires[self.children + 2 * level..][..2].copy_from_slice(&[left, right]);
            let hash = &mut wires[self.level_hashes + level * wire_count(3)..][..wire_count(3)];
            node = POSEIDON_3.trace([Fr::ZERO, left, right], hash);
            if level + 1 < TREE_DEPTH {
                wires[self.nodes + level] = node;
            }
        }
        node
    }
}
