//! The rules of the validator, one by one and in order, without proving anything: a claim's Groth16
//! part is "verified" here by saying so.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use weir_core::{ContentTopic, Meta, ProofField, RateLimitProof, Timestamp, WakuMessage};
use weir_rln::{
    Epoch, EpochLength, Evidence, EvidenceError, MessageId, Nullifier, ProofClaim, RecoverError, Rejection,
    Validator, ValidatorConfig, Verified,
    test_utils::{Member, message},
};

const NOW: Timestamp = Timestamp::from_secs(1_740_000_300);

fn ten_minutes() -> EpochLength {
    EpochLength::new(600).expect("not zero")
}

/// A member and a validator that knows its root.
struct World {
    member: Member,
    validator: Validator,
    config: ValidatorConfig,
}

impl World {
    fn new() -> Self {
        Self::with(ValidatorConfig::new(ten_minutes()))
    }

    fn with(config: ValidatorConfig) -> Self {
        let member = Member::new(1, 100);
        let mut validator = Validator::new(config);
        validator.push_root(member.root);
        Self { member, validator, config }
    }

    fn message_at(&self, payload: &str, id: u32, timestamp: Timestamp) -> WakuMessage {
        self.member.unproven(message(payload, timestamp), self.config.epoch_length, MessageId(id))
    }

    fn message(&self, payload: &str, id: u32) -> WakuMessage {
        self.message_at(payload, id, NOW)
    }

    fn early(&mut self, message: &WakuMessage) -> Result<ProofClaim, Rejection> {
        self.validator.check_early(message, NOW)
    }

    /// A message whose proof holds, all the way.
    fn receive(&mut self, message: &WakuMessage) -> Result<Verified, Rejection> {
        let claim = self.early(message)?;
        self.validator.check_late(claim)
    }
}

fn proof_of(message: &mut WakuMessage) -> &mut RateLimitProof {
    match &mut message.proof {
        ProofField::Present(proof) => proof,
        other => panic!("no proof but {other:?}"),
    }
}

fn tampered(message: &WakuMessage, change: impl FnOnce(&mut RateLimitProof)) -> WakuMessage {
    let mut message = message.clone();
    change(proof_of(&mut message));
    message
}

#[test]
fn a_message_within_the_quota_is_verified_and_says_what_it_proved() {
    let mut world = World::new();
    let message = world.message("hello", 0);
    let claim = world.early(&message).expect("well formed");
    let verified = world.validator.check_late(claim.clone()).expect("first on its line");
    assert_eq!(verified.epoch(), ten_minutes().of(NOW));
    assert_eq!(verified.root(), world.member.root);
    assert_eq!((verified.nullifier(), verified.share()), (claim.nullifier(), claim.share()));
    assert_eq!(world.validator.nullifiers_remembered(), 1);
}

#[test]
fn a_message_without_a_proof_or_with_rubbish_is_refused() {
    let mut world = World::new();
    let mut message = message("hello", NOW);
    assert_eq!(world.early(&message), Err(Rejection::NoProof));
    message.proof = ProofField::Malformed(Bytes::from_static(b"x"));
    assert_eq!(world.early(&message), Err(Rejection::MalformedProof));
}

#[test]
fn the_clock_skew_is_cut_to_whole_seconds_and_may_be_twenty() {
    let mut world = World::new();
    let just_inside = Duration::from_secs(21) - Duration::from_nanos(1);
    for timestamp in [NOW.saturating_sub(just_inside), NOW.saturating_add(just_inside)] {
        let message = world.message_at("hello", 0, timestamp);
        assert!(world.early(&message).is_ok(), "{timestamp}");
    }
    let skew = Duration::from_secs(21);
    for timestamp in [NOW.saturating_sub(skew), NOW.saturating_add(skew)] {
        let message = world.message_at("hello", 0, timestamp);
        assert_eq!(world.early(&message), Err(Rejection::TimestampOutOfWindow { skew }), "{timestamp}");
    }
}

#[test]
fn extreme_timestamps_are_refused_and_nothing_overflows() {
    let mut world = World::new();
    for nanos in [i64::MIN, -1, 0, i64::MAX] {
        let message = world.message_at("hello", 0, Timestamp::from_nanos(nanos));
        assert!(matches!(world.early(&message), Err(Rejection::TimestampOutOfWindow { .. })), "{nanos}");
    }
}

#[test]
fn the_epoch_must_be_exactly_that_of_the_timestamp() {
    let mut world = World::new();
    let message = world.message("hello", 0);
    let expected = ten_minutes().of(NOW);
    for claimed in [expected.number() - 1, expected.number() + 1, 0, u64::MAX].map(Epoch::new) {
        let message = tampered(&message, |proof| proof.epoch = claimed.to_bytes());
        assert_eq!(world.early(&message), Err(Rejection::EpochMismatch { claimed, expected }));
    }
    let no_number = tampered(&message, |proof| proof.epoch[31] = 1);
    assert_eq!(world.early(&no_number), Err(Rejection::EpochNotANumber));
}

#[test]
fn each_field_element_must_be_canonical() {
    let mut world = World::new();
    let message = world.message("hello", 0);
    type Change = fn(&mut RateLimitProof);
    let changes: [(&str, Change); 4] = [
        ("merkle_root", |proof| proof.merkle_root = [0xff; 32]),
        ("share_x", |proof| proof.share_x = [0xff; 32]),
        ("share_y", |proof| proof.share_y = [0xff; 32]),
        ("nullifier", |proof| proof.nullifier = [0xff; 32]),
    ];
    for (name, change) in changes {
        match world.early(&tampered(&message, change)) {
            Err(Rejection::NonCanonical { field }) => assert_eq!(field.to_string(), name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Adding the group order to a nullifier names the same number again. It must not pass as another.
#[test]
fn a_nullifier_has_one_spelling() {
    let mut world = World::new();
    let message = world.message("hello", 0);
    let respelled = tampered(&message, |proof| proof.nullifier = plus_order(proof.nullifier));
    assert!(matches!(world.early(&respelled), Err(Rejection::NonCanonical { .. })));
}

/// `value + r` as 32 little-endian bytes; r is below 2^254, so it fits.
fn plus_order(value: [u8; 32]) -> [u8; 32] {
    use ark_ff::{BigInteger, PrimeField};
    let order = ark_bn254::Fr::MODULUS.to_bytes_le();
    let mut carry = 0;
    std::array::from_fn(|i| {
        let sum = u16::from(value[i]) + u16::from(order[i]) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    })
}

#[test]
fn another_application_is_refused() {
    let mut world = World::new();
    let message = tampered(&world.message("hello", 0), |proof| proof.rln_identifier[0] = b'x');
    assert_eq!(world.early(&message), Err(Rejection::ForeignIdentifier));
}

#[test]
fn a_root_counts_while_it_is_in_the_window() {
    let mut world = World::with(ValidatorConfig { root_window: 2, ..ValidatorConfig::new(ten_minutes()) });
    let (known, message) = (world.member.root, world.message("hello", 0));
    world.validator.push_root(Member::new(2, 1).root);
    assert!(world.early(&message).is_ok(), "still in the window");
    world.validator.push_root(Member::new(3, 1).root);
    assert_eq!(world.early(&message), Err(Rejection::UnknownRoot(known)));
    world.validator.push_root(known);
    assert_eq!(world.validator.current_root(), Some(known));
    assert!(world.early(&message).is_ok());
}

#[test]
fn a_proof_belongs_to_one_payload_topic_and_timestamp() {
    let mut world = World::new();
    let message = world.message("hello", 0);
    let other_payload = WakuMessage { payload: Bytes::from_static(b"hellO"), ..message.clone() };
    let topic = ContentTopic::new("/weir/1/other/proto").expect("well formed");
    let other_topic = WakuMessage { content_topic: topic, ..message.clone() };
    let later = Timestamp::from_nanos(NOW.as_nanos() + 1);
    let other_time = WakuMessage { timestamp: later, ..message.clone() };
    for changed in [other_payload, other_topic, other_time] {
        assert_eq!(world.early(&changed), Err(Rejection::SignalMismatch));
    }
    let meta = Meta::new(Bytes::from_static(b"x")).expect("short");
    let same_signal = WakuMessage { meta, version: 1, ephemeral: true, ..message };
    assert!(world.early(&same_signal).is_ok());
}

#[test]
fn the_cheaper_rule_speaks_first() {
    let mut world = World::new();
    let late = world.message_at("hello", 0, NOW.saturating_sub(Duration::from_secs(60)));
    let all_wrong = tampered(&late, |proof| {
        proof.epoch = [0xff; 32];
        proof.merkle_root = [0xff; 32];
        proof.rln_identifier = [0; 32];
    });
    assert!(matches!(world.early(&all_wrong), Err(Rejection::TimestampOutOfWindow { .. })));
    let in_time = tampered(&world.message("hello", 0), |proof| {
        proof.epoch = Epoch::new(1).to_bytes();
        proof.merkle_root = [0; 32];
    });
    assert!(matches!(world.early(&in_time), Err(Rejection::EpochMismatch { .. })));
}

#[test]
fn the_same_signal_again_is_a_duplicate_whatever_its_proof_and_meta() {
    let mut world = World::new();
    let message = world.message("hello", 0);
    world.receive(&message).expect("the first");
    let meta = Meta::new(Bytes::from_static(b"amplify")).expect("short");
    let again = WakuMessage { meta, ..tampered(&message, |proof| proof.proof = [7; 128]) };
    assert_eq!(world.early(&message), Err(Rejection::DuplicateSignal));
    assert_eq!(world.early(&again), Err(Rejection::DuplicateSignal));
    assert_eq!(world.validator.nullifiers_remembered(), 1);
}

#[test]
fn of_two_equal_copies_in_the_proof_pool_one_is_verified() {
    let mut world = World::new();
    let message = world.message("hello", 0);
    let first = world.early(&message).expect("not seen yet");
    let second = world.early(&message).expect("not seen yet either");
    assert!(world.validator.check_late(second).is_ok());
    assert_eq!(world.validator.check_late(first), Err(Rejection::DuplicateSignal));
}

fn evidence(result: Result<Verified, Rejection>) -> Evidence {
    match result {
        Err(Rejection::DoubleSignal(evidence)) => *evidence,
        other => panic!("no evidence but {other:?}"),
    }
}

fn assert_convicts(evidence: &Evidence, member: &Member) {
    assert_eq!(&evidence.secret, member.identity.secret());
    assert_eq!(evidence.commitment, member.identity.commitment());
    assert_eq!(evidence.root, member.root);
    assert_eq!(evidence.epoch, ten_minutes().of(NOW));
    assert!(format!("{evidence:?}").contains("[REDACTED]"));
}

#[test]
fn a_second_signal_under_one_message_id_reveals_the_secret() {
    let mut world = World::new();
    let (first, second) = (world.message("one", 5), world.message("two", 5));
    let accepted = world.receive(&first).expect("the first");
    let evidence = evidence(world.receive(&second));
    assert_convicts(&evidence, &world.member);
    assert_eq!(evidence.first, accepted.share());
    assert_eq!(evidence.nullifier, accepted.nullifier());
}

#[test]
fn a_second_signal_that_overtakes_in_the_proof_pool_reveals_it_too() {
    let mut world = World::new();
    let messages = [world.message("one", 5), world.message("two", 5)];
    let [one, two] = messages.map(|message| world.early(&message).expect("nothing seen yet"));
    assert!(world.validator.check_late(two).is_ok());
    assert_convicts(&evidence(world.validator.check_late(one)), &world.member);
}

#[test]
fn a_broken_line_takes_no_more_verifications_and_gives_no_more_evidence() {
    let mut world = World::new();
    let messages = ["one", "two", "three"].map(|payload| world.message(payload, 5));
    let third = world.early(&messages[2]).expect("nothing seen yet");
    world.receive(&messages[0]).expect("the first");
    evidence(world.receive(&messages[1]));
    assert_eq!(world.validator.check_late(third), Err(Rejection::BreachedNullifier));
    assert_eq!(world.early(&messages[1]), Err(Rejection::BreachedNullifier));
    assert_eq!(world.early(&messages[2]), Err(Rejection::BreachedNullifier));
    assert_eq!(world.early(&messages[0]), Err(Rejection::DuplicateSignal));
    let other_id = world.message("four", 6);
    assert!(world.receive(&other_id).is_ok(), "only the line is closed, not the member");
}

/// Whoever saw a nullifier can write a share beside it. Until Groth16 says it holds, it must change
/// nothing: not the log, and not what becomes of the honest member.
#[test]
fn a_forged_share_for_a_known_nullifier_frames_nobody() {
    let mut world = World::new();
    let honest = world.message("hello", 0);
    world.receive(&honest).expect("honest");
    let mut forged = Member::new(666, 100).unproven(message("forged", NOW), ten_minutes(), MessageId(0));
    let stolen = proof_of(&mut honest.clone()).clone();
    forged = tampered(&forged, |proof| {
        proof.nullifier = stolen.nullifier;
        proof.merkle_root = stolen.merkle_root;
    });
    for _ in 0..3 {
        // It asks for verification each time, where it fails, and is not remembered.
        assert!(world.early(&forged).is_ok());
    }
    assert_eq!(world.validator.nullifiers_remembered(), 1);
    assert_eq!(world.early(&honest), Err(Rejection::DuplicateSignal), "the honest share is still the first");
}

/// The same, before the honest message arrives: a forged copy must not take its place.
#[test]
fn a_forged_share_does_not_take_the_place_of_the_honest_one() {
    let mut world = World::new();
    let honest = world.message("hello", 0);
    let forged = tampered(&honest, |proof| proof.share_y = [0; 32]);
    world.early(&forged).expect("to be verified, where it fails");
    assert!(world.receive(&honest).is_ok());
}

/// Should a share that is not of the line ever be called verified, no innocent secret comes of it.
#[test]
fn shares_that_contradict_each_other_are_no_evidence() {
    let mut world = World::new();
    let honest = world.message("hello", 0);
    world.receive(&honest).expect("honest");
    let other_y = tampered(&honest, |proof| proof.share_y = [0; 32]);
    let same_signal = EvidenceError::Recover(RecoverError::SameSignal);
    assert_eq!(world.receive(&other_y), Err(Rejection::InconsistentShares(same_signal)));

    let mut world = World::new();
    world.receive(&honest).expect("honest");
    let off_line = tampered(&world.message("two", 0), |proof| proof.share_y = [0; 32]);
    let other_line = Rejection::InconsistentShares(EvidenceError::OtherLine);
    assert_eq!(world.receive(&off_line), Err(other_line));
}

#[test]
fn a_restarted_node_knows_the_messages_it_restored() {
    let mut world = World::new();
    let (first, second) = (world.message("one", 5), world.message("two", 5));
    let seen = world.receive(&first).expect("the first");
    let mut restarted = World::new();
    let record = (seen.epoch(), seen.nullifier(), seen.share());
    assert_eq!(restarted.validator.restore_nullifiers([record, record]), 1);
    assert_eq!(restarted.early(&first), Err(Rejection::DuplicateSignal));
    assert_convicts(&evidence(restarted.receive(&second)), &world.member);
}

#[test]
fn an_own_message_comes_back_as_a_duplicate_and_an_own_second_signal_is_held_back() {
    let mut world = World::new();
    let (first, second) = (world.message("one", 5), world.message("two", 5));
    let claim = world.early(&first).expect("well formed");
    assert!(world.validator.register_own(claim.clone()).is_ok());
    assert_eq!(world.early(&first), Err(Rejection::DuplicateSignal));
    assert_eq!(world.validator.register_own(claim), Err(Rejection::DuplicateSignal));
    let claim = world.early(&second).expect("to be published by mistake");
    let epoch = claim.epoch();
    assert_eq!(world.validator.register_own(claim.clone()), Err(Rejection::OwnMessageIdReused(epoch)));
    // It was not remembered as a breach either.
    assert_eq!(world.validator.register_own(claim), Err(Rejection::OwnMessageIdReused(epoch)));
}

#[test]
fn a_full_log_accepts_nothing_new_in_its_epoch() {
    let config = ValidatorConfig { nullifier_capacity: 2, ..ValidatorConfig::new(ten_minutes()) };
    let mut world = World::with(config);
    let messages = [0, 1, 2].map(|id| world.message("hello", id));
    assert!(world.receive(&messages[0]).is_ok());
    assert!(world.receive(&messages[1]).is_ok());
    assert_eq!(world.receive(&messages[2]), Err(Rejection::LogFull(ten_minutes().of(NOW))));
    assert_eq!(world.receive(&messages[0]), Err(Rejection::DuplicateSignal));
}

#[test]
fn epochs_are_forgotten_when_none_of_their_messages_can_be_accepted() {
    let mut world = World::new();
    let message = world.message("hello", 0);
    let claim = world.early(&message).expect("well formed");
    world.receive(&message).expect("the first");
    let end = ten_minutes().end(ten_minutes().of(NOW));
    assert_eq!(world.validator.prune(end.saturating_add(Duration::from_nanos(20_999_999_999))), 0);
    assert_eq!(world.validator.prune(end.saturating_add(Duration::from_secs(21))), 1);
    // A proof that took all that time to verify, or a clock set back, finds the epoch closed.
    let forgotten = Err(Rejection::EpochForgotten(claim.epoch()));
    assert_eq!(world.validator.check_late(claim), forgotten);
    assert_eq!(world.early(&message).map(|_| ()), Err(Rejection::EpochForgotten(ten_minutes().of(NOW))));
}

#[test]
fn a_clock_that_jumps_ahead_and_back_closes_only_the_epoch_it_forgot() {
    let mut world = World::new();
    let message = world.message("hello", 0);
    world.receive(&message).expect("the first");
    let year = Duration::from_secs(365 * 86_400);
    world.validator.prune(NOW.saturating_add(year));
    let next = ten_minutes().end(ten_minutes().of(NOW));
    let later = world.message_at("next", 0, next);
    let claim = world.validator.check_early(&later, next).expect("the next epoch is open");
    assert!(world.validator.check_late(claim).is_ok());
}

/// The bound that the validator states: with a steady clock, the log never runs out of epochs.
#[test]
fn one_second_epochs_never_fill_the_log_with_epochs() {
    let second = EpochLength::new(1).expect("not zero");
    let mut world = World::with(ValidatorConfig::new(second));
    let mut most = 0;
    for step in 0..100 {
        let now = NOW.saturating_add(Duration::from_millis(step * 700));
        for offset in [-20_999_i64, -10_000, 0, 10_000, 20_999] {
            let timestamp = Timestamp::from_nanos(now.as_nanos() + offset * 1_000_000);
            let message = world.message_at(&step.to_string(), 0, timestamp);
            let claim = world.validator.check_early(&message, now);
            match claim.and_then(|claim| world.validator.check_late(claim)) {
                Err(rejection @ (Rejection::LogFull(_) | Rejection::EpochForgotten(_))) => {
                    panic!("step {step}: {rejection}")
                }
                _ => most = most.max(world.validator.nullifiers_remembered()),
            }
        }
    }
    assert!(most <= 43, "{most} lines of one a second in a window of 42 s");
}

#[test]
fn labels_are_snake_case_names() {
    let nullifier: [u8; 32] = [1; 32];
    assert!(Nullifier::from_bytes(&nullifier).is_ok());
    let labels: [(Rejection, &str); 4] = [
        (Rejection::NoProof, "no_proof"),
        (Rejection::TimestampOutOfWindow { skew: Duration::ZERO }, "timestamp_out_of_window"),
        (Rejection::UnknownRoot(Member::new(1, 1).root), "unknown_root"),
        (Rejection::BreachedNullifier, "breached_nullifier"),
    ];
    for (rejection, label) in labels {
        assert_eq!(rejection.as_ref(), label);
        assert_eq!(<&'static str>::from(&rejection), label);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever the order of arrival and of verification, each line accepts one share, and every
    /// breach of a member yields that member's secret.
    #[test]
    fn each_line_accepts_one_signal_in_any_order(order in prop::collection::vec((0u32..3, 0u8..3, any::<bool>()), 1..24)) {
        let mut world = World::new();
        let mut in_pool = Vec::new();
        let mut accepted = std::collections::BTreeMap::new();
        for (id, payload, verify_now) in order {
            let message = world.message(&payload.to_string(), id);
            if let Ok(claim) = world.early(&message) {
                in_pool.push((id, claim));
            }
            if verify_now && let Some((id, claim)) = in_pool.pop() {
                let share = claim.share();
                match world.validator.check_late(claim) {
                    Ok(_) => prop_assert!(accepted.insert(id, share).is_none(), "two shares on line {}", id),
                    Err(Rejection::DuplicateSignal) => prop_assert_eq!(accepted.get(&id), Some(&share)),
                    Err(Rejection::DoubleSignal(evidence)) => {
                        prop_assert_ne!(accepted.get(&id), Some(&share));
                        assert_convicts(&evidence, &world.member);
                    }
                    Err(Rejection::BreachedNullifier) => prop_assert!(accepted.contains_key(&id)),
                    Err(other) => prop_assert!(false, "{}", other),
                }
            }
        }
    }
}
