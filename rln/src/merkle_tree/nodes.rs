//! The nodes of a tree of any depth, as field elements without a meaning.
//!
//! Indexes are handed out from 0 upwards, so each level is a vector that ends at its last used node;
//! what lies beyond is a subtree of zeros, whose root is known in advance and never stored or hashed.

use ark_ff::AdditiveGroup;
use weir_circuits::{Fr, poseidon};

use crate::{NotCanonical, PairHasher};

/// Parents whose children are brought together for hashing at once: 192 KiB of them, so that a bulk
/// load needs no memory to speak of beside the tree's, and 17 ms of work for one thread.
const PARENTS_AT_ONCE: usize = 2048;

/// Nodes of all levels, the leaves first.
///
/// # Invariants
/// `levels[0]` ends in a leaf that is not zero or is empty; `levels[h + 1]` has half as many nodes as
/// `levels[h]`, rounded up, each the hash of its two children; nodes beyond a level's end are `empty[h]`.
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    levels: Vec<Vec<Fr>>,
    /// Leaves that are not zero.
    occupied: usize,
    /// The root of an empty subtree by its height.
    empty: Vec<Fr>,
    hasher: PairHasher,
}

/// Why nodes are not those of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NodesError {
    /// More leaves than the depth allows.
    #[error("there are more leaves than the tree has room for")]
    TooManyLeaves,
    /// A level ends too early.
    #[error("there are fewer nodes than the leaves need")]
    CutShort,
    /// The last leaf is an empty one, which a tree does not keep.
    #[error("the last leaf is empty")]
    EmptyEnd,
    /// A node is not the hash of its children.
    #[error("a node is not the hash of those below it")]
    NotHashes,
    /// A node is no field element.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

impl Nodes {
    /// The deepest tree whose indexes [`Nodes::update`] can keep.
    const MAX_DEPTH: usize = 32;

    /// A tree of zeros with 2^`depth` leaves.
    pub(super) fn new(depth: usize, hasher: PairHasher) -> Self {
        assert!(depth <= Self::MAX_DEPTH, "an index has 32 bits");
        let next = |node: &Fr| Some(poseidon(&[*node, *node]));
        let empty = std::iter::successors(Some(Fr::ZERO), next).take(depth + 1).collect();
        Self { levels: vec![Vec::new(); depth + 1], occupied: 0, empty, hasher }
    }

    /// The tree of which `nodes` gives every level, the leaves first, `used` of them.
    ///
    /// That each node is the hash of its children is checked for those above the last leaf alone: enough
    /// to notice nodes of another hash or in another order, not a change of a few of them.
    pub(super) fn from_levels(
        depth: usize,
        hasher: PairHasher,
        used: usize,
        mut nodes: impl Iterator<Item = Result<Fr, NotCanonical>>,
    ) -> Result<Self, NodesError> {
        let mut tree = Self::new(depth, hasher);
        if used > 1 << depth {
            return Err(NodesError::TooManyLeaves);
        }
        let mut length = used;
        for level in &mut tree.levels {
            level.reserve_exact(length);
            for _ in 0..length {
                level.push(nodes.next().ok_or(NodesError::CutShort)??);
            }
            length = length.div_ceil(2);
        }
        if tree.levels[0].last() == Some(&Fr::ZERO) {
            return Err(NodesError::EmptyEnd);
        }
        tree.occupied = tree.levels[0].iter().filter(|leaf| **leaf != Fr::ZERO).count();
        if tree.hashes_up_from(used.saturating_sub(1)) { Ok(tree) } else { Err(NodesError::NotHashes) }
    }

    /// Every stored node, level by level, the leaves first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Fr> {
        self.levels.iter().flatten()
    }

    /// Whether each node above a leaf is the hash of its children.
    fn hashes_up_from(&self, leaf: usize) -> bool {
        (0..self.depth()).all(|height| {
            let parent = leaf >> (height + 1);
            let children = [self.node(height, 2 * parent), self.node(height, 2 * parent + 1)];
            self.node(height + 1, parent) == poseidon(&children)
        })
    }

    /// Levels between a leaf and the root.
    pub(super) fn depth(&self) -> usize {
        self.levels.len() - 1
    }

    /// Leaves up to the last one that is not zero.
    pub(super) fn used_leaves(&self) -> usize {
        self.levels[0].len()
    }

    /// Leaves that are not zero.
    pub(super) const fn occupied(&self) -> usize {
        self.occupied
    }

    pub(super) fn root(&self) -> Fr {
        self.node(self.depth(), 0)
    }

    /// The node `index` from the left, `height` above the leaves.
    pub(super) fn node(&self, height: usize, index: usize) -> Fr {
        self.levels[height].get(index).copied().unwrap_or(self.empty[height])
    }

    /// Sets leaves, of which later ones of one index win, and hashes each node above them once.
    pub(super) fn update(&mut self, leaves: impl IntoIterator<Item = (u32, Fr)>) {
        let mut touched = Vec::new();
        for (index, leaf) in leaves {
            self.write_leaf(index as usize, leaf);
            touched.push(index);
        }
        self.drop_empty_tail();
        for height in 0..self.depth() {
            touched = parents(touched);
            // Beyond the level's end nodes are empty and need no hash. They stay on the list, as those
            // above them may be within.
            let end = self.levels[height + 1].len();
            let kept = touched.partition_point(|&parent| (parent as usize) < end);
            self.rehash(height, &touched[..kept]);
        }
    }

    fn write_leaf(&mut self, index: usize, leaf: Fr) {
        debug_assert!(index >> self.depth() == 0, "the caller checks indexes");
        let leaves = &mut self.levels[0];
        if index >= leaves.len() {
            if leaf == Fr::ZERO {
                return;
            }
            leaves.resize(index + 1, Fr::ZERO);
        }
        let old = std::mem::replace(&mut leaves[index], leaf);
        self.occupied += usize::from(leaf != Fr::ZERO);
        self.occupied -= usize::from(old != Fr::ZERO);
    }

    /// Restores the lengths of all levels; new nodes are the caller's to hash.
    fn drop_empty_tail(&mut self) {
        let mut length = self.levels[0].iter().rposition(|&leaf| leaf != Fr::ZERO).map_or(0, |last| last + 1);
        for (level, &empty) in self.levels.iter_mut().zip(&self.empty) {
            level.resize(length, empty);
            length = length.div_ceil(2);
        }
    }

    /// Hashes the nodes at `parents`, one above `height`.
    fn rehash(&mut self, height: usize, parents: &[u32]) {
        for parents in parents.chunks(PARENTS_AT_ONCE) {
            let children = |&parent: &u32| {
                let left = 2 * parent as usize;
                [self.node(height, left), self.node(height, left + 1)]
            };
            let pairs: Vec<_> = parents.iter().map(children).collect();
            let hashes = self.hasher.hash_all(&pairs);
            for (&parent, hash) in parents.iter().zip(hashes) {
                self.levels[height + 1][parent as usize] = hash;
            }
        }
    }
}

/// The distinct parents of nodes of one level, in order.
fn parents(mut nodes: Vec<u32>) -> Vec<u32> {
    nodes.iter_mut().for_each(|node| *node /= 2);
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, num::NonZeroUsize};

    use proptest::prelude::*;
    use weir_groth16::lanes::BackendKind;

    use super::*;

    /// The root by the definition, over every leaf of the tree.
    fn naive_root(depth: usize, leaves: &BTreeMap<u32, Fr>) -> Fr {
        let mut level: Vec<Fr> =
            (0..1 << depth).map(|index| leaves.get(&index).copied().unwrap_or(Fr::ZERO)).collect();
        while level.len() > 1 {
            level = level.as_chunks::<2>().0.iter().map(poseidon).collect();
        }
        level[0]
    }

    fn hasher(backend: BackendKind) -> PairHasher {
        PairHasher::new(backend, NonZeroUsize::MIN)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_tree_of_any_depth_is_the_naive_tree_after_every_update(
            depth in 0usize..7,
            updates in prop::collection::vec(prop::collection::vec((any::<u32>(), 0u64..4), 0..12), 1..6),
        ) {
            let mut model = BTreeMap::new();
            let mut trees = [BackendKind::Portable, BackendKind::Emulated].map(|b| Nodes::new(depth, hasher(b)));
            for update in updates {
                let within = |(index, leaf)| (index & ((1 << depth) - 1), Fr::from(leaf));
                let update: Vec<(u32, Fr)> = update.into_iter().map(within).collect();
                model.extend(update.iter().copied());
                let used = model.iter().rev().find(|(_, leaf)| **leaf != Fr::ZERO).map_or(0, |(i, _)| i + 1);
                for tree in &mut trees {
                    tree.update(update.iter().copied());
                    prop_assert_eq!(tree.root(), naive_root(depth, &model));
                    prop_assert_eq!(tree.used_leaves(), used as usize);
                    prop_assert_eq!(tree.occupied(), model.values().filter(|leaf| **leaf != Fr::ZERO).count());
                }
            }
        }
    }

    #[test]
    fn a_tree_is_made_again_of_its_nodes_and_of_no_others() {
        let mut tree = Nodes::new(4, hasher(BackendKind::Portable));
        tree.update([(0, Fr::from(1)), (4, Fr::from(2))]);
        let nodes: Vec<Fr> = tree.iter().copied().collect();
        let made_of = |used, nodes: &[Fr]| {
            Nodes::from_levels(4, hasher(BackendKind::Portable), used, nodes.iter().copied().map(Ok))
        };
        let again = made_of(5, &nodes).expect("its own nodes");
        assert_eq!((again.levels, again.occupied), (tree.levels, 2));
        assert_eq!(
            made_of(0, &[]).expect("an empty tree").root(),
            Nodes::new(4, hasher(BackendKind::Portable)).root()
        );

        let changed = |at: usize, node| {
            let mut nodes = nodes.clone();
            nodes[at] = node;
            made_of(5, &nodes).expect_err("not a tree")
        };
        assert_eq!(changed(4, Fr::from(3)), NodesError::NotHashes);
        assert_eq!(changed(nodes.len() - 1, Fr::from(3)), NodesError::NotHashes);
        assert_eq!(changed(4, Fr::ZERO), NodesError::EmptyEnd);
        assert_eq!(made_of(5, &nodes[1..]).expect_err("one short"), NodesError::CutShort);
        assert_eq!(made_of(17, &nodes).expect_err("too many"), NodesError::TooManyLeaves);
    }

    #[test]
    fn nodes_above_a_removed_tail_are_hashed_again() {
        let mut tree = Nodes::new(14, hasher(BackendKind::Portable));
        tree.update([(0, Fr::from(1))]);
        let root = tree.root();
        tree.update([(4097, Fr::from(2))]);
        assert_ne!(tree.root(), root);
        tree.update([(4097, Fr::ZERO)]);
        assert_eq!(tree.root(), root);
    }

    #[test]
    fn a_leaf_at_the_far_end_of_a_deep_tree_costs_one_hash_a_level() {
        let mut tree = Nodes::new(20, hasher(BackendKind::Portable));
        tree.update([((1 << 20) - 1, Fr::from(1))]);
        let mut node = Fr::from(1);
        for empty in &tree.empty[..20] {
            node = poseidon(&[*empty, node]);
        }
        assert_eq!(tree.root(), node);
        tree.update([((1 << 20) - 1, Fr::ZERO)]);
        assert_eq!((tree.root(), tree.used_leaves()), (tree.empty[20], 0));
    }
}
