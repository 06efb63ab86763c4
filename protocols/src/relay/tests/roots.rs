//! Messages that are ahead of the membership ledger.

use super::*;

fn refreshes(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::RefreshRoots)).count()
}

/// A rate-limited relay that knows a root, but not the one of [`member`].
fn behind() -> Rig {
    let mut rig = Rig::new(rln_config());
    rig.give(Input::Roots(vec![other_root(99)]));
    rig
}

#[test]
fn a_new_members_message_waits_for_its_root_and_is_then_checked() {
    let mut rig = behind();
    let effects = rig.gossip(proven("m", 0));
    assert!(matches!(effects.as_slice(), [Effect::RefreshRoots]), "{effects:?}");
    assert!(rig.give(Input::Roots(vec![other_root(98)])).is_empty(), "not its root");
    let (id, _) = job(&rig.give(Input::Roots(vec![member().root])));
    assert_eq!(verdict(&rig.checked(id, ProofOutcome::Valid)), Verdict::Accept);
}

#[test]
fn a_root_that_never_comes_is_rejected_after_two_seconds() {
    let mut rig = behind();
    rig.gossip(proven("m", 0));
    rig.give(Input::Roots(vec![other_root(99)]));
    assert!(verdicts(&rig.pass(1999)).is_empty());
    assert_eq!(verdict(&rig.pass(1)), Verdict::Reject(RejectReason::UnknownRoot));
    assert!(rig.relay.is_idle());
    assert!(rig.give(Input::Roots(vec![member().root])).is_empty());
}

#[test]
fn a_root_is_held_against_nobody_while_the_ledger_cannot_be_read() {
    let mut rig = behind();
    rig.gossip(proven("before", 0));
    rig.give(Input::Roots(vec![other_root(99)]));
    rig.gossip(proven("after", 1));
    let verdicts: Vec<_> = verdicts(&rig.pass(2000)).into_iter().map(|(_, verdict)| verdict).collect();
    let unread = Verdict::Ignore(IgnoreReason::Synchronizing);
    assert_eq!(verdicts, [Verdict::Reject(RejectReason::UnknownRoot), unread]);
}

#[test]
fn the_ledger_is_read_at_most_once_a_second_and_again_for_later_messages() {
    let mut rig = behind();
    assert_eq!(refreshes(&rig.gossip(proven("a", 0))), 1);
    assert_eq!(refreshes(&rig.gossip(proven("b", 1))), 0);
    assert_eq!(rig.relay.next_deadline(), Some(NOON.saturating_add(std::time::Duration::from_secs(1))));
    assert_eq!(refreshes(&rig.pass(999)), 0);
    assert_eq!(refreshes(&rig.pass(1)), 1, "the second message came after the first reading began");
    assert_eq!(refreshes(&rig.pass(900)), 0, "nobody came since");
}

#[test]
fn a_message_that_grew_too_old_while_it_waited_is_not_checked() {
    let mut rig = behind();
    rig.now = NOON.saturating_add(std::time::Duration::from_millis(20_500));
    rig.gossip(proven("m", 0));
    rig.pass(600);
    let effects = rig.give(Input::Roots(vec![member().root]));
    assert_eq!(verdict(&effects), Verdict::Ignore(IgnoreReason::TimestampOutOfWindow));
}

#[test]
fn parked_messages_are_bounded_and_shared() {
    let mut rig = Rig::new(Config { parked_units: 4, ..rln_config() });
    for (from, id, parked) in [(1, 0, true), (1, 1, true), (1, 2, false), (2, 3, true), (2, 4, false)] {
        let effects = rig.gossip_from(from, proven("m", id));
        assert_eq!(verdicts(&effects).is_empty(), parked, "message {id}");
    }
    assert_eq!(rig.relay.in_flight().parked, 3);
}

#[test]
fn a_publish_with_its_own_proof_waits_for_its_root_too() {
    let mut rig = behind();
    let (ticket, effects) = rig.publish(proven("m", 0));
    assert_eq!(refreshes(&effects), 1);
    let (id, from) = job(&rig.give(Input::Roots(vec![member().root])));
    assert_eq!(from, Origin::Local);
    rig.checked(id, ProofOutcome::Valid);
    assert!(answer(&rig.broadcasted(ticket, Ok(1))).is_ok());
}

#[test]
fn a_root_that_left_the_window_again_is_not_waited_for_twice() {
    let mut rig = behind();
    rig.gossip(proven("m", 0));
    let later = (0..50).map(|seed| other_root(100 + seed));
    let effects = rig.give(Input::Roots([member().root].into_iter().chain(later).collect()));
    assert_eq!(verdict(&effects), Verdict::Reject(RejectReason::UnknownRoot));
}

#[test]
fn a_publish_answered_while_its_proof_was_checked_leaves_its_share_unused() {
    let mut rig = behind();
    let (ticket, _) = rig.publish(proven("m", 0));
    rig.pass(1500);
    let (id, _) = job(&rig.give(Input::Roots(vec![member().root])));
    assert_eq!(answers(&rig.pass(3500)), [(ticket, Err(PublishError::Timeout))]);
    assert!(rig.checked(id, ProofOutcome::Valid).is_empty());
    assert_eq!(rig.relay.nullifiers_remembered(), 0);
    assert!(answers(&rig.publish(proven("m", 0)).1).is_empty(), "the client may try again");
}
