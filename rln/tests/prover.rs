//! Proofs made here, checked here and by zerokit, and the circuit against the relation.

use std::sync::{Arc, LazyLock};

use strum::VariantArray;
use weir_circuits::{MerkleBranch, Violation, Witness, check, evaluate};
use weir_core::{ProofField, RateLimitProof, Timestamp, WakuMessage};
use weir_rln::{
    EngineSettings, EpochLength, FastPath, MessageId, ProofClaim, ProveError, Prover, TableOrigin, Validator,
    ValidatorConfig, Verifier,
    test_utils::{Member, message},
};
use zerokit_rln::prelude::{
    CanonicalDeserialize, Fr, Proof, RLNBuilder, RLNMerkleProof, RLNProofValues, RLNWitnessInput, SecretFr,
};

const NOW: Timestamp = Timestamp::from_secs(1_740_000_300);

static PROVER: LazyLock<Prover> =
    LazyLock::new(|| Prover::load(&EngineSettings::default()).expect("embedded keys"));
/// The same with tables.
static FAST: LazyLock<Prover> = LazyLock::new(|| {
    let prover = Prover::load(&EngineSettings::default()).expect("embedded keys");
    assert_eq!(prover.prepare_tables(), TableOrigin::Built);
    prover
});
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::load().expect("embedded key"));

fn length() -> EpochLength {
    EpochLength::new(600).expect("not zero")
}

fn proven(member: &Member, message: &WakuMessage, id: u32) -> Result<RateLimitProof, ProveError> {
    PROVER.prove(&member.request(message, length(), MessageId(id)))
}

fn holds(proof: &RateLimitProof) -> bool {
    VERIFIER.verify(&ProofClaim::parse(proof).expect("canonical"))
}

#[test]
fn prover_and_verifier_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Prover>();
    shared::<Verifier>();
}

#[test]
fn a_proof_holds_for_exactly_what_it_was_made_for() {
    let (member, mut message) = (Member::new(1, 100), message("hello", NOW));
    let proof = proven(&member, &message, 99).expect("within the quota");
    assert!(holds(&proof));

    let mut changed = Vec::new();
    let mut change = |name, apply: fn(&mut RateLimitProof)| {
        let mut proof = proof.clone();
        apply(&mut proof);
        changed.push((name, proof));
    };
    change("root", |proof| proof.merkle_root[0] ^= 1);
    change("x", |proof| proof.share_x[0] ^= 1);
    change("y", |proof| proof.share_y[0] ^= 1);
    change("nullifier", |proof| proof.nullifier[0] ^= 1);
    change("epoch", |proof| proof.epoch[0] ^= 1);
    change("identifier", |proof| proof.rln_identifier[0] ^= 1);
    change("A", |proof| proof.proof[0] ^= 1);
    change("sign of A", |proof| proof.proof[31] ^= 0x80);
    change("B", |proof| proof.proof[32] ^= 1);
    change("C", |proof| proof.proof[96] ^= 1);
    change("points at infinity", |proof| {
        proof.proof = [0; 128];
        (proof.proof[31], proof.proof[95], proof.proof[127]) = (0x40, 0x40, 0x40);
    });
    change("no points", |proof| proof.proof = [0xff; 128]);
    for (name, proof) in changed {
        assert!(!holds(&proof), "{name}");
    }

    // The whole way through the validator, as another node would.
    let mut validator = Validator::new(ValidatorConfig::new(length()));
    validator.push_root(member.root);
    message.proof = ProofField::Present(Box::new(proof));
    let claim = validator.check_early(&message, NOW).expect("well formed");
    assert!(VERIFIER.verify(&claim));
    assert!(validator.check_late(claim).is_ok());
}

#[test]
fn our_proof_holds_for_zerokit() {
    let (member, message) = (Member::new(2, 65_535), message("", NOW));
    let ours = proven(&member, &message, 65_534).expect("the last message of the widest limit");
    let claim = ProofClaim::parse(&ours).expect("canonical");
    let field = |bytes: [u8; 32]| Fr::deserialize_compressed(bytes.as_slice()).expect("canonical");
    let values = RLNProofValues::new_single()
        .y(field(ours.share_y))
        .root(field(ours.merkle_root))
        .nullifier(field(ours.nullifier))
        .x(field(ours.share_x))
        .external_nullifier(field(claim.external_nullifier().to_bytes()))
        .build();
    let proof = Proof::deserialize_compressed(ours.proof.as_slice()).expect("points");
    assert!(RLNBuilder::stateless().build().verify(&proof, &values).expect("right number of inputs"));
}

#[test]
fn two_proofs_of_one_statement_differ_so_that_nobody_can_link_them_by_bytes() {
    let (member, message) = (Member::new(3, 1), message("hello", NOW));
    let [a, b] = [(); 2].map(|()| proven(&member, &message, 0).expect("within the quota"));
    assert_ne!(a.proof, b.proof);
    assert_eq!(RateLimitProof { proof: b.proof, ..a }, b);
}

#[test]
fn a_message_beyond_the_quota_cannot_be_proven() {
    let (member, message) = (Member::new(4, 3), message("hello", NOW));
    match proven(&member, &message, 3) {
        Err(ProveError::Relation(Violation::MessageIdAtLimit { message_id: 3, limit: 3 })) => {}
        other => panic!("{other:?}"),
    }
}

/// The widest distance of limit and message id is where the circuit's comparison ends. The relation
/// puts the border where the compiled circuit has it.
#[test]
fn the_relation_ends_where_the_circuit_does() {
    let zerokit = RLNBuilder::stateless().build();
    for (limit, message_id, expected) in
        [(65_536, 0, Ok(())), (65_537, 0, Err(Violation::LimitTooWide(65_537))), (65_537, 1, Ok(()))]
    {
        let path = MerkleBranch::default();
        let witness = Witness { secret: Fr::from(7), limit, message_id, path };
        let (scope, x) = (Fr::from(11), Fr::from(13));
        let statement = evaluate(&witness, scope, x);
        assert_eq!(check(&statement, &witness), expected);

        let input = RLNWitnessInput::new_single()
            .identity_secret(SecretFr::from(&mut Fr::from(7)))
            .user_message_limit(Fr::from(limit))
            .merkle_proof(RLNMerkleProof::new(vec![Fr::from(0); 20], vec![0; 20]))
            .x(x)
            .external_nullifier(scope)
            .message_id(Fr::from(message_id))
            .build()
            .expect("zerokit checks only that the id is below the limit");
        let holds = zerokit
            .generate_proof(&input)
            .is_ok_and(|(proof, values)| zerokit.verify(&proof, &values).unwrap_or(false));
        assert_eq!(holds, expected.is_ok(), "limit {limit}, id {message_id}");
    }
}

#[test]
fn many_threads_prove_and_verify_at_once() {
    let (member, message) = (Arc::new(Member::new(5, 100)), message("hello", NOW));
    let proofs: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|id| {
                let (member, message) = (&member, &message);
                scope.spawn(move || proven(member, message, id).expect("within the quota"))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
    });
    assert!(proofs.iter().all(holds));
}

#[test]
fn every_tier_says_the_same_of_the_same_message_with_tables_and_without() {
    let (member, message) = (Member::new(1, 100), message("hello", NOW));
    let request = member.request(&message, length(), MessageId(7));
    let (epoch, application, id) = (request.epoch, request.rln_identifier, request.message_id);
    let mut proofs = Vec::new();
    for whole in [&*PROVER, &*FAST] {
        let prepared = whole.member(request.identity, request.limit, request.path);
        assert_eq!(prepared.root(), member.root);
        let slot = prepared.slot(epoch, application, id).expect("within the quota");
        assert_eq!((slot.epoch(), slot.message_id(), slot.root()), (epoch, id, member.root));
        proofs.push(whole.prove(&request).expect("within the quota"));
        proofs.push(prepared.prove(epoch, application, id, request.signal).expect("within the quota"));
        proofs.push(slot.prove(request.signal).expect("as much"));
    }
    let claims: Vec<_> = proofs.iter().map(|proof| ProofClaim::parse(proof).expect("canonical")).collect();
    assert_eq!(VERIFIER.verify_batch(&claims.iter().collect::<Vec<_>>()), [true; 6]);
    let mut statements: Vec<_> =
        proofs.iter().map(|proof| RateLimitProof { proof: [0; 128], ..proof.clone() }).collect();
    statements.dedup();
    assert_eq!(statements.len(), 1);
    for path in FastPath::VARIANTS {
        assert_eq!(FAST.health().fallbacks(*path), 0, "{path}");
    }
}

#[test]
fn what_is_prepared_for_a_member_serves_every_message_of_every_epoch() {
    let member = Member::new(1, 100);
    let path = &member.path;
    let prepared = FAST.member(member.identity.secret(), member.limit, path);
    for (number, secs) in [(0, 0), (99, 0), (0, 600)] {
        let message = message("hello", NOW.saturating_add(std::time::Duration::from_secs(secs)));
        let request = member.request(&message, length(), MessageId(number));
        let proof = prepared
            .prove(request.epoch, request.rln_identifier, request.message_id, request.signal)
            .expect("within the quota");
        assert!(holds(&proof));
    }
}

#[test]
fn tables_are_kept_on_disk_and_a_damaged_file_is_made_anew() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let settings = EngineSettings::cached_in(folder.path());
    let origin = || Prover::load(&settings).expect("embedded keys").prepare_tables();
    assert_eq!([origin(), origin()], [TableOrigin::Built, TableOrigin::Cache]);
    let file = settings.table_cache.as_ref().expect("named");
    let mut bytes = std::fs::read(file).expect("written");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).expect("the folder is ours");
    assert_eq!([origin(), origin()], [TableOrigin::Built, TableOrigin::Cache]);
}

#[test]
fn tables_are_made_once_however_often_they_are_asked_for() {
    assert_eq!([FAST.prepare_tables(), FAST.clone().prepare_tables()], [TableOrigin::Built; 2]);
}

#[test]
fn a_message_id_beyond_the_limit_gets_neither_proof_nor_slot() {
    let (member, message) = (Member::new(1, 100), message("hello", NOW));
    let request = member.request(&message, length(), MessageId(100));
    let prover = PROVER.member(request.identity, request.limit, request.path);
    let expected = Violation::MessageIdAtLimit { message_id: 100, limit: 100 };
    let proof = prover.prove(request.epoch, request.rln_identifier, request.message_id, request.signal);
    assert!(matches!(proof, Err(ProveError::Relation(violation)) if violation == expected), "{proof:?}");
    let slot = prover.slot(request.epoch, request.rln_identifier, request.message_id);
    assert!(matches!(slot, Err(ProveError::Relation(violation)) if violation == expected), "{slot:?}");
}

#[test]
fn no_debug_output_of_a_prepared_proof_holds_a_secret() {
    let (member, message) = (Member::new(1, 100), message("hello", NOW));
    let request = member.request(&message, length(), MessageId(7));
    let prover = PROVER.member(request.identity, request.limit, request.path);
    let slot =
        prover.slot(request.epoch, request.rln_identifier, request.message_id).expect("within the quota");
    let secret: String = request.identity.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{prover:?} {slot:?} {:?}", PROVER.clone());
    assert!(!text.contains(&secret), "{text}");
}

#[test]
fn a_batch_names_each_proof_that_does_not_hold() {
    let (member, message) = (Member::new(1, 100), message("hello", NOW));
    let proof = proven(&member, &message, 7).expect("within the quota");
    let good = ProofClaim::parse(&proof).expect("canonical");
    let bad = ProofClaim::parse(&RateLimitProof { proof: [0; 128], ..proof }).expect("canonical");
    assert!(VERIFIER.verify_batch(&[]).is_empty());
    assert_eq!(VERIFIER.verify_batch(&[&bad]), [false]);
    assert_eq!(VERIFIER.verify_batch(&[&good, &bad, &good, &bad]), [true, false, true, false]);
}
