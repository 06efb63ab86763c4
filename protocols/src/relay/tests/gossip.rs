//! Every reason a gossiped message can have, and what comes with an accepted one.

use std::collections::BTreeSet;

use strum::VariantArray;
use weir_core::{ProofField, RateLimitProof};
use weir_rln::Epoch;

use super::*;
use crate::ingress::Rate;

use IgnoreReason as I;
use RejectReason as R;

const REJECTS: [(RejectReason, fn() -> Verdict); 11] = [
    (R::Undecodable, || {
        let mut rig = Rig::unlimited();
        verdict(&rig.raw_gossip(peer(1), topic(), 10, Content::Undecodable))
    }),
    (R::TooLarge, || verdict(&Rig::unlimited().gossip_of_size(1, plain("m"), 153_601))),
    (R::NoProof, || verdict(&Rig::rate_limited().gossip(plain("m")))),
    (R::MalformedProof, || {
        let message = WakuMessage { proof: ProofField::Malformed(vec![1].into()), ..plain("m") };
        verdict(&Rig::rate_limited().gossip(message))
    }),
    (R::NonCanonicalProof, || refused(|proof| proof.nullifier = [0xff; 32])),
    (R::EpochNotANumber, || refused(|proof| proof.epoch[31] = 1)),
    (R::EpochMismatch, || {
        refused(|proof| proof.epoch = Epoch::new(epoch_length().of(NOON).number() + 1).to_bytes())
    }),
    (R::SignalMismatch, || {
        let message = WakuMessage { payload: b"another".to_vec().into(), ..proven("m", 0) };
        verdict(&Rig::rate_limited().gossip(message))
    }),
    (R::UnknownRoot, || {
        let mut rig = Rig::rate_limited();
        rig.gossip(with_proof(proven("m", 0), |proof| proof.merkle_root = other_root(2).to_bytes()));
        rig.give(Input::Roots(vec![member().root]));
        verdict(&rig.pass(2000))
    }),
    (R::InvalidProof, || judged(ProofOutcome::Invalid)),
    (R::DoubleSignal, || {
        let mut rig = Rig::rate_limited();
        rig.gossip_valid(proven("first", 0));
        verdict(&rig.gossip_valid(proven("second", 0)))
    }),
];

const IGNORES: [(IgnoreReason, fn() -> Verdict); 20] = [
    (I::RateLimited, || {
        let mut rig = Rig::new(one_message_a_second(8));
        rig.gossip(plain("first"));
        verdict(&rig.gossip(plain("second")))
    }),
    (I::TooManyPeers, || {
        let mut rig = Rig::new(one_message_a_second(1));
        rig.gossip_from(1, plain("first"));
        verdict(&rig.gossip_from(2, plain("second")))
    }),
    (I::DoubleSignal, || {
        let mut rig = Rig::rate_limited();
        rig.gossip_valid(proven("first", 0));
        let (id, _) = job(&rig.gossip_from(2, proven("second", 0)));
        verdict(&rig.checked(id, ProofOutcome::Valid))
    }),
    (I::ForeignContentTopic, || {
        let mut rig = Rig::unlimited();
        verdict(&rig.raw_gossip(peer(1), topic(), 10, Content::ForeignContentTopic))
    }),
    (I::NotSubscribed, || {
        let mut rig = Rig::unlimited();
        assert!(rig.relay.unsubscribe(topic()));
        verdict(&rig.gossip(plain("m")))
    }),
    (I::Duplicate, || {
        let mut rig = Rig::rate_limited();
        rig.gossip_valid(proven("m", 0));
        verdict(&rig.gossip(proven("m", 0)))
    }),
    (I::PeerShareUsed, || {
        let mut rig = Rig::new(Config { proof_units: 2, ..rln_config() });
        rig.give(Input::Roots(vec![member().root]));
        rig.gossip(proven("first", 0));
        verdict(&rig.gossip(proven("second", 1)))
    }),
    (I::Overloaded, || {
        let mut rig = Rig::new(Config { proof_units: 1, ..rln_config() });
        rig.give(Input::Roots(vec![member().root]));
        rig.gossip(proven("first", 0));
        verdict(&rig.gossip_from(2, proven("second", 1)))
    }),
    (I::ProofShed, || judged(ProofOutcome::Shed)),
    (I::ProofFailed, || judged(ProofOutcome::Failed)),
    (I::ProofTimedOut, || {
        let mut rig = Rig::rate_limited();
        rig.gossip(proven("m", 0));
        assert!(rig.pass(4999).is_empty());
        verdict(&rig.pass(1))
    }),
    (I::LogFull, || {
        let validator = ValidatorConfig { nullifier_capacity: 1, ..ValidatorConfig::new(epoch_length()) };
        let mut rig = Rig::new(Config { rln: Some(validator), ..rln_config() });
        rig.give(Input::Roots(vec![member().root]));
        rig.gossip_valid(proven("first", 0));
        verdict(&rig.gossip_valid(proven("second", 1)))
    }),
    (I::TimestampOutOfWindow, || {
        let mut rig = Rig::rate_limited();
        rig.now = NOON.saturating_add(std::time::Duration::from_secs(21));
        verdict(&rig.gossip(proven("m", 0)))
    }),
    (I::ForeignIdentifier, || refused(|proof| proof.rln_identifier[0] ^= 1)),
    (I::BreachedNullifier, || {
        let mut rig = Rig::rate_limited();
        rig.gossip_valid(proven("first", 0));
        rig.gossip_valid(proven("second", 0));
        verdict(&rig.gossip(proven("third", 0)))
    }),
    (I::InconsistentShares, || {
        let mut rig = Rig::rate_limited();
        rig.gossip_valid(proven("first", 0));
        let elsewhere = proven("second", 1).proof.as_proof().expect("proof").share_y;
        verdict(&rig.gossip_valid(with_proof(proven("second", 0), |proof| proof.share_y = elsewhere)))
    }),
    (I::EpochForgotten, || {
        let mut rig = Rig::rate_limited();
        rig.gossip_valid(proven("first", 0));
        rig.pass(2 * EPOCH_SECS * 1000);
        rig.now = NOON;
        verdict(&rig.gossip(proven("second", 1)))
    }),
    (I::Synchronizing, || {
        let mut rig = Rig::new(rln_config());
        rig.gossip(proven("m", 0));
        verdict(&rig.pass(2000))
    }),
    (I::Stopping, || {
        let mut rig = Rig::unlimited();
        rig.drain();
        verdict(&rig.gossip(plain("m")))
    }),
    (I::Duplicate, || {
        // The same signal under another shell: meta is not part of it.
        let mut rig = Rig::rate_limited();
        rig.gossip_valid(proven("m", 0));
        verdict(&rig.gossip(WakuMessage { version: 1, ephemeral: true, ..proven("m", 0) }))
    }),
];

/// The verdict on a message whose proof was changed, with no proof checked.
fn refused(change: fn(&mut RateLimitProof)) -> Verdict {
    verdict(&Rig::rate_limited().gossip(with_proof(proven("m", 0), change)))
}

/// The verdict that an outcome of the pool leads to.
fn judged(outcome: ProofOutcome) -> Verdict {
    let mut rig = Rig::rate_limited();
    let (id, _) = job(&rig.gossip(proven("m", 0)));
    verdict(&rig.checked(id, outcome))
}

fn one_message_a_second(max_peers: usize) -> Config {
    let rate = Rate::per_second(1, 1);
    Config { ingress: ingress::Config { relay: rate, max_peers }, ..Config::new(CLUSTER) }
}

#[test]
fn every_reject_has_a_message_that_earns_it() {
    for (reason, run) in REJECTS {
        let verdict = run();
        assert_eq!(verdict, Verdict::Reject(reason));
        assert_eq!(verdict.acceptance(), Acceptance::Reject);
    }
    let covered: BTreeSet<_> = REJECTS.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(covered, R::VARIANTS.iter().copied().collect());
}

#[test]
fn every_ignore_has_a_message_that_earns_it() {
    for (reason, run) in IGNORES {
        let verdict = run();
        assert_eq!(verdict, Verdict::Ignore(reason));
        assert_eq!(verdict.acceptance(), Acceptance::Ignore);
    }
    let covered: BTreeSet<_> = IGNORES.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(covered, I::VARIANTS.iter().copied().collect());
}

#[test]
fn labels_are_snake_case_and_none_for_an_accept() {
    assert_eq!(Verdict::Accept.label(), "none");
    assert_eq!(Verdict::Reject(R::InvalidProof).label(), "invalid_proof");
    assert_eq!(Verdict::Ignore(I::PeerShareUsed).label(), "peer_share_used");
}

#[test]
fn without_a_rate_limit_a_message_of_any_time_is_accepted_at_once() {
    let mut rig = Rig::unlimited();
    let ancient = WakuMessage { timestamp: Timestamp::ZERO, ..plain("m") };
    let effects = rig.gossip_of_size(1, ancient.clone(), 153_600);
    let [Effect::Verdict { verdict: Verdict::Accept, .. }, Effect::Deliver(accepted)] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(accepted.hash(), ancient.hash(topic()));
    assert_eq!((accepted.topic(), accepted.message()), (topic(), &ancient));
    assert_eq!(accepted.origin(), &Origin::Peer(peer(1)));
}

#[test]
fn an_accepted_message_is_recorded_then_forwarded_then_delivered() {
    let mut rig = Rig::rate_limited();
    let message = proven("m", 0);
    let effects = rig.gossip_valid(message.clone());
    let claim = claim_of(&message);
    let [
        Effect::RecordNullifier { epoch, nullifier, share },
        Effect::Verdict { verdict: Verdict::Accept, .. },
        Effect::Deliver(accepted),
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!((*epoch, *nullifier, *share), (claim.epoch(), claim.nullifier(), claim.share()));
    assert_eq!(accepted.hash(), message.hash(topic()));
}

#[test]
fn a_double_signal_is_evidence_with_the_members_secret_once() {
    let mut rig = Rig::rate_limited();
    rig.gossip_valid(proven("first", 0));
    let (id, _) = job(&rig.gossip(proven("second", 0)));
    let (other, _) = job(&rig.gossip(proven("third", 0)));
    let effects = rig.checked(id, ProofOutcome::Valid);
    let [Effect::Verdict { .. }, Effect::RecordEvidence(evidence)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(&evidence.secret, member().identity.secret());
    assert_eq!(evidence.commitment, member().identity.commitment());
    let effects = rig.checked(other, ProofOutcome::Valid);
    assert!(matches!(
        effects.as_slice(),
        [Effect::Verdict { verdict: Verdict::Ignore(I::BreachedNullifier), .. }]
    ));
}

#[test]
fn a_forged_share_on_a_known_line_is_no_double_signal() {
    let mut rig = Rig::rate_limited();
    rig.gossip_valid(proven("first", 0));
    let (id, _) = job(&rig.gossip(proven("forged", 0)));
    let effects = rig.checked(id, ProofOutcome::Invalid);
    assert!(matches!(
        effects.as_slice(),
        [Effect::Verdict { verdict: Verdict::Reject(R::InvalidProof), .. }]
    ));
    assert_eq!(verdict(&rig.gossip_valid(proven("other", 1))), Verdict::Accept);
}

#[test]
fn nullifiers_of_an_earlier_run_make_the_same_message_a_duplicate() {
    let mut rig = Rig::rate_limited();
    let claim = claim_of(&proven("m", 0));
    let restored = rig.relay.restore_nullifiers([(claim.epoch(), claim.nullifier(), claim.share())]);
    assert_eq!((restored, rig.relay.nullifiers_remembered()), (1, 1));
    assert_eq!(verdict(&rig.gossip(proven("m", 0))), Verdict::Ignore(I::Duplicate));
    rig.pass(2 * EPOCH_SECS * 1000);
    assert_eq!(rig.relay.nullifiers_remembered(), 0, "a tick forgets old epochs");
}

#[test]
fn a_member_that_splits_a_pair_between_peers_harms_neither_and_is_found_out() {
    let mut rig = Rig::rate_limited();
    rig.gossip_valid(proven("first", 0));
    let (id, _) = job(&rig.gossip_from(2, proven("second", 0)));
    let effects = rig.checked(id, ProofOutcome::Valid);
    assert_eq!(verdict(&effects), Verdict::Ignore(I::DoubleSignal));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::RecordEvidence(_))));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Deliver(_))));
}

#[test]
fn draining_finishes_what_is_under_way() {
    let mut rig = Rig::rate_limited();
    let (id, _) = job(&rig.gossip(proven("m", 0)));
    rig.drain();
    assert!(!rig.relay.is_idle());
    assert_eq!(verdict(&rig.checked(id, ProofOutcome::Valid)), Verdict::Accept);
    assert!(rig.relay.is_idle());
}
