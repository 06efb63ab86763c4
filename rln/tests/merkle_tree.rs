//! The compact tree against a naive one and against zerokit's.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_rln::{IdentityCommitment, MembershipIndex, MerkleTree, RateCommitment, UserMessageLimit};
use zerokit_rln::prelude::{Fr, Hasher, PoseidonHash};
use zerokit_utils::merkle_tree::{FullMerkleTree, ZerokitMerkleProof, ZerokitMerkleTree};

const DEPTH: usize = 20;

fn leaf(number: u64) -> RateCommitment {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let commitment = IdentityCommitment::from_bytes(&bytes).expect("small");
    RateCommitment::new(commitment, UserMessageLimit::new(100).expect("in range"))
}

fn index(number: u32) -> MembershipIndex {
    MembershipIndex::new(number).expect("in range")
}

fn fr(bytes: [u8; 32]) -> Fr {
    use ark_ff::PrimeField;
    Fr::from_le_bytes_mod_order(&bytes)
}

/// The root by the definition: hash all pairs, level by level, empty subtrees by their number.
fn naive_root(leaves: &BTreeMap<u32, RateCommitment>) -> Fr {
    let mut level: BTreeMap<u32, Fr> = leaves.iter().map(|(&i, leaf)| (i, fr(leaf.to_bytes()))).collect();
    let mut empty = Fr::from(0);
    for _ in 0..DEPTH {
        let mut above = BTreeMap::new();
        for &node in level.keys() {
            let child = |i: u32| level.get(&i).copied().unwrap_or(empty);
            let parent = Hasher::<PoseidonHash>::hash_pair(child(node & !1), child(node | 1));
            above.insert(node / 2, parent);
        }
        empty = Hasher::<PoseidonHash>::hash_pair(empty, empty);
        level = above;
    }
    level.get(&0).copied().unwrap_or(empty)
}

#[derive(Debug, Clone)]
enum Change {
    Set(u32, u64),
    Remove(u32),
    Bulk(Vec<(u32, Option<u64>)>),
}

fn arb_index() -> impl Strategy<Value = u32> {
    // Few enough to meet again, and some far out so that levels have long empty stretches.
    prop_oneof![0u32..12, 60u32..70, Just(4097u32)]
}

fn arb_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (arb_index(), 1u64..50).prop_map(|(i, leaf)| Change::Set(i, leaf)),
        2 => arb_index().prop_map(Change::Remove),
        1 => prop::collection::vec((arb_index(), prop::option::of(1u64..50)), 0..8).prop_map(Change::Bulk),
    ]
}

fn apply(tree: &mut MerkleTree, model: &mut BTreeMap<u32, RateCommitment>, change: Change) {
    match change {
        Change::Set(i, number) => {
            tree.set(index(i), leaf(number));
            model.insert(i, leaf(number));
        }
        Change::Remove(i) => assert_eq!(tree.remove(index(i)), model.remove(&i).is_some()),
        Change::Bulk(changes) => {
            tree.update(changes.iter().map(|&(i, number)| (index(i), number.map(leaf))));
            for (i, number) in changes {
                match number {
                    Some(number) => model.insert(i, leaf(number)),
                    None => model.remove(&i),
                };
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_history_of_changes_ends_in_the_naive_tree(changes in prop::collection::vec(arb_change(), 1..24)) {
        let (mut tree, mut model) = (MerkleTree::new(), BTreeMap::new());
        for change in changes {
            apply(&mut tree, &mut model, change);
            prop_assert_eq!(tree.len(), model.len());
            prop_assert_eq!(tree.is_empty(), model.is_empty());
        }
        prop_assert_eq!(fr(tree.root().to_bytes()), naive_root(&model));
        for (&i, &leaf) in &model {
            prop_assert_eq!(tree.leaf(index(i)), Some(leaf));
            let path = tree.path(index(i)).expect("a member");
            prop_assert_eq!(path.root_of(leaf), tree.root());
            prop_assert_eq!(path.index(), index(i));
        }
    }
}

#[test]
fn roots_and_paths_are_zerokits() {
    let mut ours = MerkleTree::new();
    let mut theirs = FullMerkleTree::<PoseidonHash>::default(DEPTH).expect("depth 20");
    assert_eq!(fr(ours.root().to_bytes()), theirs.root());
    for i in [0, 1, 2, 3, 9, 1000] {
        ours.set(index(i), leaf(u64::from(i) + 1));
        theirs.set(i as usize, fr(leaf(u64::from(i) + 1).to_bytes())).expect("in range");
        assert_eq!(fr(ours.root().to_bytes()), theirs.root(), "after setting {i}");
    }
    ours.remove(index(2));
    theirs.delete(2).expect("in range");
    assert_eq!(fr(ours.root().to_bytes()), theirs.root());
    let proof = theirs.proof(9).expect("in range");
    assert!(theirs.verify(&fr(leaf(10).to_bytes()), &proof).expect("right length"));
    let path = ours.path(index(9)).expect("a member");
    assert_eq!(fr(path.root_of(leaf(10)).to_bytes()), proof.compute_root_from(&fr(leaf(10).to_bytes())));
    assert_ne!(path.root_of(leaf(11)), ours.root(), "a path leads to the root for its own leaf only");
}

#[test]
fn the_last_leaf_of_the_tree_can_be_set() {
    let last = index(MembershipIndex::CAPACITY - 1);
    let mut tree = MerkleTree::new();
    let empty = tree.root();
    tree.set(last, leaf(1));
    assert_eq!(tree.path(last).expect("a member").root_of(leaf(1)), tree.root());
    assert!(tree.path(index(0)).is_none(), "an empty place has no path");
    assert!(tree.remove(last));
    assert!(!tree.remove(last));
    assert_eq!(tree.root(), empty);
}

#[test]
fn loading_in_bulk_is_setting_one_by_one() {
    let leaves: Vec<_> = (0..300).map(|i| (index(i), Some(leaf(u64::from(i) + 1)))).collect();
    let (mut bulk, mut single) = (MerkleTree::new(), MerkleTree::new());
    bulk.update(leaves.iter().copied());
    leaves.iter().for_each(|&(i, leaf)| single.set(i, leaf.expect("all set")));
    assert_eq!(bulk.root(), single.root());
    assert_eq!(bulk.len(), 300);
}
