use proptest::prelude::*;
use weir_core::Timestamp;
use weir_rln::UserMessageLimit;

use super::*;
use crate::{InMemoryLedger, Ledger, Rules};

fn commitment(number: u8) -> IdentityCommitment {
    let mut bytes = [0; 32];
    bytes[0] = number;
    IdentityCommitment::from_bytes(&bytes).expect("a small number is canonical")
}

fn limit() -> UserMessageLimit {
    UserMessageLimit::new(100).expect("within 16 bits")
}

fn index(number: u32) -> MembershipIndex {
    MembershipIndex::new(number).expect("within the tree")
}

fn registered(number: u8, at: u32) -> LedgerEvent {
    LedgerEvent::MembershipRegistered { commitment: commitment(number), limit: limit(), index: index(at) }
}

fn erased(number: u8, at: u32) -> LedgerEvent {
    LedgerEvent::MembershipErased { commitment: commitment(number), limit: limit(), index: index(at) }
}

fn expired(number: u8, at: u32) -> LedgerEvent {
    LedgerEvent::MembershipExpired { commitment: commitment(number), limit: limit(), index: index(at) }
}

fn group_of(events: &[LedgerEvent]) -> Group {
    let mut group = Group::new();
    for event in events {
        group.apply(event).expect("lawful events");
    }
    group
}

#[test]
fn a_members_path_leads_from_its_rate_commitment_to_the_root() {
    let group = group_of(&[registered(1, 0), registered(2, 1)]);
    let (membership, path) = group.path_of(&commitment(2)).expect("a member");
    assert_eq!(membership.index, index(1));
    assert_eq!(path.root_of(RateCommitment::new(commitment(2), limit())), group.root());
    assert_ne!(path.root_of(RateCommitment::new(commitment(1), limit())), group.root());
    assert_eq!(group.path_of(&commitment(3)), None);
}

#[test]
fn an_erased_member_leaves_nothing_in_the_tree() {
    let before = group_of(&[registered(1, 0)]).root();
    let group = group_of(&[registered(1, 0), registered(2, 1), erased(2, 1)]);
    assert_eq!(group.root(), before);
    assert_eq!(group.len(), 1);
    assert_eq!(group.path_of(&commitment(2)), None);
}

#[test]
fn expiry_and_extension_change_the_state_and_not_the_tree() {
    let mut group = group_of(&[registered(1, 0)]);
    let root = group.root();
    let state = |group: &Group| group.path_of(&commitment(1)).map(|(membership, _)| membership.state);
    assert_eq!(group.apply(&expired(1, 0)), Ok(None));
    assert_eq!(state(&group), Some(MembershipState::Expired));
    let extended = LedgerEvent::MembershipExtended {
        commitment: commitment(1),
        limit: limit(),
        index: index(0),
        grace_period_start: Timestamp::from_secs(1),
    };
    assert_eq!(group.apply(&extended), Ok(None));
    assert_eq!(state(&group), Some(MembershipState::Active));
    assert_eq!(group.root(), root);
}

#[test]
fn events_that_cannot_follow_are_named_and_change_nothing() {
    let mut group = group_of(&[registered(1, 0)]);
    let root = group.root();
    let moved = GroupError::OtherIndex { commitment: commitment(1), known: index(0), found: index(7) };
    let cases = [
        (registered(1, 5), GroupError::AlreadyMember(commitment(1))),
        (registered(2, 0), GroupError::IndexTaken(index(0))),
        (erased(2, 0), GroupError::NotMember(commitment(2))),
        (expired(2, 0), GroupError::NotMember(commitment(2))),
        (erased(1, 7), moved),
        (expired(1, 7), moved),
    ];
    for (event, error) in cases {
        assert_eq!(group.apply(&event), Err(error));
        assert_eq!(group.apply_all(&[event]), Err(error));
        assert_eq!((group.root(), group.len()), (root, 1));
    }
}

#[test]
fn a_ledgers_own_root_is_compared() {
    let mut group = group_of(&[registered(1, 0)]);
    let computed = group.root();
    assert_eq!(group.apply(&LedgerEvent::RootStored(computed)), Ok(None));
    let announced = Group::new().root();
    let expected = Err(GroupError::RootDiverged { announced, computed });
    assert_eq!(group.apply(&LedgerEvent::RootStored(announced)), expected);
}

#[test]
fn an_unlawful_event_among_many_leaves_the_events_before_it_applied() {
    let events: Vec<_> = (0..100).map(|n| registered(n as u8 + 1, n)).collect();
    let mut broken = events.clone();
    broken[40] = registered(1, 99);
    let mut group = Group::new();
    assert_eq!(group.apply_all(&broken), Err(GroupError::AlreadyMember(commitment(1))));
    assert_eq!(group.root(), group_of(&events[..40]).root());
}

#[test]
fn the_history_keeps_the_newest_roots() {
    let events: Vec<_> = (0..60).map(|n| registered(n as u8 + 1, n)).collect();
    let group = group_of(&events);
    assert_eq!(group.roots().len(), ROOT_HISTORY);
    assert_eq!(group.roots().last(), Some(group.root()));
    assert_eq!(group.roots().next(), Some(group_of(&events[..11]).root()));
}

#[test]
fn a_saved_tree_of_another_ledger_is_left_aside_and_named() {
    let events: Vec<_> = (0..70).map(|n| registered(n as u8 + 1, n)).collect();
    let saved = group_of(&events).to_saved();
    let resumed = |saved: &SavedGroup, events: &[LedgerEvent]| {
        let (group, fit) = Group::resume(saved.clone(), events).expect("lawful");
        assert_eq!(group.root(), group_of(events).root());
        fit
    };
    assert_eq!(resumed(&saved, &events), Ok(()));
    assert_eq!(resumed(&saved, &events[..69]), Err(UnfitTree::AheadOfLedger { saved: 70, found: 69 }));
    let mut other = events.clone();
    other[3] = registered(200, 3);
    assert_eq!(resumed(&saved, &other), Err(UnfitTree::OtherSource));
    let foreign = SavedGroup { tree: group_of(&other).to_saved().tree, ..saved.clone() };
    assert_eq!(resumed(&foreign, &events), Err(UnfitTree::OtherRoots));
    let unlawful = [registered(1, 0), registered(1, 0)];
    assert_eq!(Group::resume(saved, &unlawful).map(drop), Err(GroupError::AlreadyMember(commitment(1))));
}

#[test]
fn a_tree_that_is_being_saved_is_not_changed_by_what_comes_next() {
    let mut group = group_of(&[registered(1, 0)]);
    let saved = group.to_saved();
    group.apply(&registered(2, 1)).expect("lawful");
    assert_eq!(saved.roots.last(), Some(&saved.tree.root()));
    assert_ne!(saved.tree.root(), group.root());
    assert_eq!((saved.changes, group.changes()), (1, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Any history a ledger can have: applied one by one, at once, or cut anywhere.
    #[test]
    fn applying_at_once_is_applying_one_by_one(
        steps in prop::collection::vec((1u8..80, any::<bool>()), 0..160),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut ledger = InMemoryLedger::new(Rules::default());
        for (number, register) in steps {
            // Refusals are part of any history.
            let _ = if register {
                ledger.register(commitment(number), limit())
            } else {
                ledger.erase(&commitment(number))
            };
        }
        let events = ledger.poll().expect("memory does not fail");
        let one_by_one = group_of(&events);
        let (first, second) = events.split_at(cut.index(events.len() + 1));
        let mut at_once = Group::new();
        at_once.apply_all(first).expect("lawful");
        at_once.apply_all(second).expect("lawful");
        prop_assert_eq!(at_once.root(), one_by_one.root());
        prop_assert_eq!(&at_once.members, &one_by_one.members);
        prop_assert_eq!(&at_once.occupied, &one_by_one.occupied);
        prop_assert_eq!(at_once.history.digest(), one_by_one.history.digest());
        let newest = |roots: &VecDeque<MerkleRoot>| {
            roots.iter().rev().take(ROOT_HISTORY.min(second.len())).copied().collect::<Vec<_>>()
        };
        prop_assert_eq!(newest(&at_once.roots), newest(&one_by_one.roots));

        // And a tree saved after the first part, taken up again with all events.
        let (resumed, fit) = Group::resume(group_of(first).to_saved(), &events).expect("lawful");
        prop_assert_eq!(fit, Ok(()));
        prop_assert_eq!(resumed.root(), one_by_one.root());
        prop_assert_eq!(&resumed.members, &one_by_one.members);
        prop_assert_eq!(&resumed.occupied, &one_by_one.occupied);
        prop_assert_eq!(resumed.to_saved().source, one_by_one.to_saved().source);
        prop_assert_eq!(newest(&resumed.roots), newest(&one_by_one.roots));
    }
}
