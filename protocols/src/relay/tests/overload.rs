//! Copies of one proof, and the bounds of the proof queue.

use super::*;

#[test]
fn a_clock_that_is_set_back_delays_no_verdict_and_no_answer() {
    let set_back = NOON.saturating_sub(std::time::Duration::from_secs(3600));
    let mut rig = Rig::rate_limited();
    rig.gossip(proven("checked", 0));
    rig.gossip(Member::new(7, 10).unproven(plain("parked"), epoch_length(), MessageId(0)));
    let (ticket, _) = rig.publish(plain("published"));
    rig.now = set_back;
    assert!(rig.give(Input::Tick).iter().all(|effect| matches!(effect, Effect::RefreshRoots)));
    assert!(verdicts(&rig.pass(1999)).is_empty());
    assert_eq!(verdict(&rig.pass(1)), Verdict::Ignore(IgnoreReason::Synchronizing));
    assert!(verdicts(&rig.pass(2999)).is_empty());
    let effects = rig.pass(1);
    assert_eq!(verdict(&effects), Verdict::Ignore(IgnoreReason::ProofTimedOut));
    assert_eq!(answers(&effects), [(ticket, Err(PublishError::Timeout))]);
}

#[test]
fn copies_of_a_message_under_way_share_its_verification_and_one_is_accepted() {
    let mut rig = Rig::rate_limited();
    let (id, _) = job(&rig.gossip_from(1, proven("m", 0)));
    assert!(rig.gossip_from(2, proven("m", 0)).is_empty());
    assert!(rig.gossip_from(3, WakuMessage { version: 9, ..proven("m", 0) }).is_empty());
    let effects = rig.checked(id, ProofOutcome::Valid);
    let duplicate = Verdict::Ignore(IgnoreReason::Duplicate);
    let expected = [(GossipId(0), Verdict::Accept), (GossipId(1), duplicate), (GossipId(2), duplicate)];
    assert_eq!(verdicts(&effects), expected);
    assert_eq!(delivered(&effects).len(), 1);
    assert!(rig.relay.is_idle());
}

#[test]
fn copies_of_an_invalid_proof_are_all_rejected() {
    let mut rig = Rig::rate_limited();
    let (id, _) = job(&rig.gossip_from(1, proven("m", 0)));
    rig.gossip_from(2, proven("m", 0));
    let effects = rig.checked(id, ProofOutcome::Invalid);
    assert!(verdicts(&effects).iter().all(|(_, v)| *v == Verdict::Reject(RejectReason::InvalidProof)));
    assert_eq!(verdicts(&effects).len(), 2);
}

#[test]
fn another_proof_for_the_same_share_is_checked_by_itself() {
    let mut rig = Rig::rate_limited();
    let (junk, _) = job(&rig.gossip_from(1, with_proof(proven("m", 0), |proof| proof.proof = [7; 128])));
    let (true_one, _) = job(&rig.gossip_from(2, proven("m", 0)));
    assert_eq!(
        verdict(&rig.checked(junk, ProofOutcome::Invalid)),
        Verdict::Reject(RejectReason::InvalidProof)
    );
    assert_eq!(verdict(&rig.checked(true_one, ProofOutcome::Valid)), Verdict::Accept);
}

#[test]
fn squatting_on_proof_bytes_keeps_nobody_from_being_checked() {
    let mut rig = Rig::rate_limited();
    // The proof bytes of the test members are all equal, so this is a claim about another line.
    let (squatter, _) = job(&rig.gossip_from(1, proven("other", 1)));
    let (id, _) = job(&rig.gossip_from(2, proven("m", 0)));
    assert_eq!(verdict(&rig.checked(id, ProofOutcome::Valid)), Verdict::Accept);
    assert_eq!(
        verdict(&rig.checked(squatter, ProofOutcome::Invalid)),
        Verdict::Reject(RejectReason::InvalidProof)
    );
}

#[test]
fn a_flooding_peer_leaves_room_for_every_other() {
    let mut rig = Rig::new(Config { proof_units: 8, ..rln_config() });
    rig.give(Input::Roots(vec![member().root]));
    let flood: Vec<_> = (0..8).map(|id| rig.gossip_from(1, proven("flood", id))).collect();
    let refused = flood.iter().filter(|effects| !verdicts(effects).is_empty()).count();
    assert_eq!(refused, 4, "half of the queue is one peer's share");
    let (_, from) = job(&rig.gossip_from(2, proven("honest", 8)));
    assert_eq!(from, Origin::Peer(peer(2)));
}

#[test]
fn large_messages_take_more_of_the_queue() {
    let mut rig = Rig::new(Config { proof_units: 12, ..rln_config() });
    rig.give(Input::Roots(vec![member().root]));
    rig.gossip_of_size(1, proven("large", 0), 150 * 1024);
    let InFlight { proofs, proof_units, .. } = rig.relay.in_flight();
    assert_eq!((proofs, proof_units), (1, 5));
    assert_eq!(
        verdict(&rig.gossip_of_size(1, proven("large", 1), 150 * 1024)),
        Verdict::Ignore(IgnoreReason::PeerShareUsed)
    );
}

#[test]
fn a_timed_out_job_gives_its_room_back_and_its_late_answer_changes_nothing() {
    let mut rig = Rig::rate_limited();
    let (id, _) = job(&rig.gossip(proven("m", 0)));
    assert_eq!(rig.relay.next_deadline(), Some(NOON.saturating_add(std::time::Duration::from_secs(5))));
    assert_eq!(verdict(&rig.pass(5000)), Verdict::Ignore(IgnoreReason::ProofTimedOut));
    assert_eq!(rig.relay.in_flight(), InFlight::default());
    assert!(rig.checked(id, ProofOutcome::Valid).is_empty());
    assert_eq!(rig.relay.nullifiers_remembered(), 0);
}
