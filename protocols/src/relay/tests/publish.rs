//! The way of a local message, step by step.

use weir_core::MessageHash;

use super::*;

fn published(message: &WakuMessage, peers: usize) -> Result<Published, PublishError> {
    Ok(Published { hash: message.hash(topic()), peers })
}

fn is_broadcast(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Broadcast { .. }))
}

#[test]
fn without_a_rate_limit_a_message_goes_out_as_it_is_and_is_delivered_here() {
    let mut rig = Rig::unlimited();
    let (ticket, effects) = rig.publish(plain("m"));
    let [Effect::Broadcast { message, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(message, &plain("m"));
    let effects = rig.broadcasted(ticket, Ok(3));
    let [Effect::Deliver(accepted), Effect::Answer { result, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(accepted.origin(), &Origin::Local);
    assert_eq!(result, &published(&plain("m"), 3));
}

#[test]
fn with_a_rate_limit_the_proof_is_asked_for_the_epoch_of_the_message_and_sent_with_it() {
    let mut rig = Rig::rate_limited();
    let (ticket, effects) = rig.publish(plain("m"));
    let [Effect::Prove { epoch, timestamp, signal, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let proven = proven("m", 0);
    let claim = claim_of(&proven);
    assert_eq!((*epoch, *timestamp, *signal), (claim.epoch(), NOON, claim.share().x));
    let effects = rig.proved(ticket, &proven);
    let [Effect::RecordNullifier { .. }, Effect::Broadcast { message, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(message, &proven);
    assert_eq!(answer(&rig.broadcasted(ticket, Ok(1))), published(&proven, 1));
    let echo = rig.gossip(proven);
    assert_eq!(verdict(&echo), Verdict::Ignore(IgnoreReason::Duplicate));
}

#[test]
fn what_the_network_says_decides_the_answer_and_the_delivery() {
    let max = DEFAULT_MAX_MESSAGE_SIZE;
    let ok = |peers| published(&plain("m"), peers);
    let cases = [
        (Ok(2), ok(2), 1),
        (Err(BroadcastError::NoPeers), ok(0), 1),
        (Err(BroadcastError::Duplicate), ok(0), 0),
        (Err(BroadcastError::TooLarge), Err(PublishError::TooLarge { max }), 0),
        (Err(BroadcastError::QueuesFull), Err(PublishError::Overloaded), 0),
        (Err(BroadcastError::NotSubscribed), Err(PublishError::NotSubscribed(topic())), 0),
    ];
    for (network, expected, deliveries) in cases {
        let mut rig = Rig::unlimited();
        let (ticket, _) = rig.publish(plain("m"));
        let effects = rig.broadcasted(ticket, network);
        assert_eq!((answer(&effects), delivered(&effects).len()), (expected, deliveries), "{network:?}");
        assert!(rig.relay.is_idle());
    }
}

#[test]
fn a_publish_that_cannot_go_out_is_refused_before_a_message_id_is_spent() {
    type Publish = fn() -> Vec<Effect>;
    let max = DEFAULT_MAX_MESSAGE_SIZE;
    let cases: [(Publish, PublishError); 8] = [
        (
            || {
                let mut rig = Rig::rate_limited();
                rig.relay.unsubscribe(topic());
                rig.publish(plain("m")).1
            },
            PublishError::NotSubscribed(topic()),
        ),
        (|| Rig::unlimited().publish_of_size(plain("m"), 153_601).1, PublishError::TooLarge { max }),
        // 336 bytes are for the proof.
        (|| Rig::rate_limited().publish_of_size(plain("m"), 153_265).1, PublishError::TooLarge { max }),
        (
            || Rig::new(Config { has_membership: false, ..rln_config() }).publish(plain("m")).1,
            PublishError::NoMembership,
        ),
        (|| publish_at(-21_000), too_far(21)),
        (|| publish_at(21_000), too_far(21)),
        (
            || {
                let mut rig = Rig::new(Config { max_publishes: 1, ..rln_config() });
                rig.publish(plain("first"));
                rig.publish(plain("second")).1
            },
            PublishError::Overloaded,
        ),
        (
            || {
                let mut rig = Rig::rate_limited();
                rig.drain();
                rig.publish(plain("m")).1
            },
            PublishError::Stopping,
        ),
    ];
    for (run, expected) in cases {
        let effects = run();
        assert_eq!((answer(&effects), effects.len()), (Err(expected), 1));
    }
    for accepted in [
        Rig::rate_limited().publish_of_size(plain("m"), 153_264).1,
        Rig::unlimited().publish_of_size(plain("m"), 153_600).1,
        publish_at(-20_999),
        publish_at(20_999),
    ] {
        assert!(answers(&accepted).is_empty(), "{accepted:?}");
    }
}

#[test]
fn a_stop_does_not_wait_for_proofs_and_a_late_one_is_not_sent() {
    let mut rig = Rig::rate_limited();
    let (ticket, _) = rig.publish(plain("m"));
    assert_eq!(answers(&rig.drain()), [(ticket, Err(PublishError::Stopping))]);
    assert!(rig.relay.is_idle());
    let late = Input::Proved { ticket, result: Err(ProofRefusal::Overloaded) };
    assert!(rig.give(late).is_empty());
}

#[test]
fn a_message_of_an_epoch_whose_nullifiers_are_forgotten_costs_no_message_id() {
    let mut rig = Rig::rate_limited();
    rig.gossip_valid(proven("first", 0));
    rig.pass(2 * EPOCH_SECS * 1000);
    rig.now = NOON;
    let effects = rig.publish(plain("m")).1;
    assert!(matches!(answer(&effects), Err(PublishError::ProofFailed(_))), "{effects:?}");
    assert_eq!(effects.len(), 1);
}

fn publish_at(millis: i64) -> Vec<Effect> {
    let timestamp = Timestamp::from_nanos(NOON.as_nanos() + millis * 1_000_000);
    Rig::rate_limited().publish(WakuMessage { timestamp, ..plain("m") }).1
}

fn too_far(secs: u64) -> PublishError {
    PublishError::Invalid(format!("the message's timestamp is {secs} s away from this node's clock"))
}

#[test]
fn every_refusal_of_the_prover_has_its_answer() {
    let epoch = epoch_length().of(NOON);
    let resets_at = epoch_length().end(epoch);
    let cases = [
        (
            ProofRefusal::QuotaExhausted { limit: 10, epoch, resets_at },
            PublishError::QuotaExhausted { limit: 10, resets_at },
        ),
        (ProofRefusal::NoMembership, PublishError::NoMembership),
        (ProofRefusal::NotYetRegistered, PublishError::NotYetRegistered),
        (ProofRefusal::Overloaded, PublishError::Overloaded),
        (ProofRefusal::Storage("full".into()), PublishError::Storage("full".into())),
        (ProofRefusal::Failed("odd".into()), PublishError::ProofFailed("odd".into())),
    ];
    for (refusal, expected) in cases {
        let mut rig = Rig::rate_limited();
        let (ticket, _) = rig.publish(plain("m"));
        let effects = rig.give(Input::Proved { ticket, result: Err(refusal) });
        assert_eq!(answer(&effects), Err(expected));
        assert!(rig.relay.is_idle());
    }
}

#[test]
fn a_late_proof_is_dropped_and_the_answer_is_not_repeated() {
    let mut rig = Rig::rate_limited();
    let (ticket, _) = rig.publish(plain("m"));
    assert!(rig.pass(4999).is_empty());
    assert_eq!(answer(&rig.pass(1)), Err(PublishError::Timeout));
    assert!(rig.proved(ticket, &proven("m", 0)).is_empty());
    assert!(rig.relay.is_idle());
}

#[test]
fn a_proof_that_comes_with_its_deadline_is_late() {
    let mut rig = Rig::rate_limited();
    let (ticket, _) = rig.publish(plain("m"));
    rig.now = rig.now.saturating_add(PUBLISH_TIMEOUT);
    let effects = rig.proved(ticket, &proven("m", 0));
    assert_eq!(answer(&effects), Err(PublishError::Timeout));
    assert!(!is_broadcast(&effects));
}

#[test]
fn a_message_that_grew_too_old_while_it_was_proved_is_not_sent() {
    let mut rig = Rig::rate_limited();
    rig.now = NOON.saturating_add(std::time::Duration::from_secs(20));
    let (ticket, _) = rig.publish(plain("m"));
    rig.pass(1000);
    let effects = rig.proved(ticket, &proven("m", 0));
    assert_eq!(answer(&effects), Err(too_far(21)));
    assert!(!is_broadcast(&effects));
}

#[test]
fn a_second_signal_under_an_own_message_id_never_leaves() {
    let mut rig = Rig::rate_limited();
    let (first, _) = rig.publish(plain("first"));
    let (second, _) = rig.publish(plain("second"));
    assert!(is_broadcast(&rig.proved(first, &proven("first", 0))));
    let effects = rig.proved(second, &proven("second", 0));
    assert!(matches!(answer(&effects), Err(PublishError::ProofFailed(_))));
    assert_eq!(effects.len(), 1, "neither sent nor taken as evidence");
}

#[test]
fn a_proof_for_another_message_is_not_sent() {
    let mut rig = Rig::rate_limited();
    let (ticket, _) = rig.publish(plain("m"));
    let effects = rig.proved(ticket, &proven("another", 0));
    assert!(matches!(answer(&effects), Err(PublishError::ProofFailed(_))));
    assert!(!is_broadcast(&effects));
}

#[test]
fn a_message_with_its_own_proof_is_checked_like_gossip_and_needs_no_membership() {
    let invalid = |text: &str| Err(PublishError::Invalid(text.to_owned()));
    let cases = [
        (ProofOutcome::Invalid, invalid("the rate limit proof does not hold")),
        (ProofOutcome::Shed, Err(PublishError::Overloaded)),
        (ProofOutcome::Failed, Err(PublishError::ProofFailed("the verifier failed".to_owned()))),
    ];
    for (outcome, expected) in cases {
        let mut rig = Rig::rate_limited();
        let (id, from) = job(&rig.publish(proven("m", 0)).1);
        assert_eq!(from, Origin::Local);
        assert_eq!(answer(&rig.checked(id, outcome)), expected);
    }
    let mut rig = Rig::new(Config { has_membership: false, ..rln_config() });
    rig.give(Input::Roots(vec![member().root]));
    let (ticket, effects) = rig.publish(proven("m", 0));
    assert!(is_broadcast(&rig.checked(job(&effects).0, ProofOutcome::Valid)));
    assert_eq!(answer(&rig.broadcasted(ticket, Ok(1))), published(&proven("m", 0), 1));
    let (_, again) = rig.publish(proven("m", 0));
    assert_eq!(answer(&again), invalid("the same signal was seen before"));
}

#[test]
fn a_publish_that_timed_out_does_not_use_up_its_share() {
    let mut rig = Rig::rate_limited();
    rig.publish(proven("m", 0));
    rig.pass(4000);
    let from_peer = rig.gossip(proven("m", 0));
    assert!(from_peer.is_empty(), "it joins the verification under way");
    let effects = rig.pass(1000);
    assert_eq!(answer(&effects), Err(PublishError::Timeout));
    // The job began with the publish and ends with it.
    assert_eq!(verdict(&effects), Verdict::Ignore(IgnoreReason::ProofTimedOut));
    let (id, _) = job(&rig.gossip(proven("m", 0)));
    assert_eq!(verdict(&rig.checked(id, ProofOutcome::Valid)), Verdict::Accept);
}

#[test]
fn texts_are_those_clients_of_nwaku_look_for() {
    let texts = [
        (PublishError::NotSubscribed(topic()), "Node not subscribed to topic: /waku/2/rs/66/3"),
        (PublishError::TooLarge { max: 153_600 }, "Message size exceeded maximum of 153600 bytes"),
        (PublishError::Invalid("why".into()), "RLN validation failed: why"),
        (PublishError::Timeout, "timedout"),
        (
            PublishError::QuotaExhausted { limit: 10, resets_at: NOON },
            "error appending RLN proof to message: could not get new message id to generate an rln proof: \
             NonceLimitReached: Nonce limit reached. Please wait for the next epoch. requested nonce: 10 & \
             nonceLimit: 10",
        ),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(<&str>::from(&PublishError::NotYetRegistered), "not_yet_registered");
}

#[test]
fn the_hash_in_the_answer_is_the_one_of_the_delivered_message() {
    let mut rig = Rig::unlimited();
    let (ticket, _) = rig.publish(plain("m"));
    let effects = rig.broadcasted(ticket, Ok(1));
    let hashes: Vec<MessageHash> = delivered(&effects).iter().map(|accepted| accepted.hash()).collect();
    assert_eq!(hashes, [answer(&effects).expect("published").hash]);
}
