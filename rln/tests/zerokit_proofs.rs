//! Proofs that another implementation made (see `fixtures/README.md`) hold here, and mean the same.

use bytes::Bytes;
use serde::Deserialize;
use weir_core::{ContentTopic, HexError, Meta, ProofField, RateLimitProof, Timestamp, WakuMessage};
use weir_rln::{
    EpochLength, Identity, MembershipIndex, MerkleTree, MessageId, ProofClaim, ProveRequest, RateCommitment,
    Rejection, RlnIdentifier, UserMessageLimit, Validator, ValidatorConfig, Verifier, signal_hash,
};

#[derive(Deserialize)]
struct Fixtures {
    members: Vec<Member>,
    signals: Vec<Signal>,
}

#[derive(Deserialize)]
struct Member {
    index: u32,
    limit: u32,
    trapdoor: String,
    nullifier: String,
    secret: String,
    commitment: String,
}

#[derive(Deserialize)]
struct Signal {
    member: usize,
    message_id: u32,
    payload: String,
    content_topic: String,
    timestamp_nanos: i64,
    epoch_length_secs: u64,
    external_nullifier: String,
    proof: Proof,
}

#[derive(Deserialize)]
struct Proof {
    proof: String,
    merkle_root: String,
    epoch: String,
    share_x: String,
    share_y: String,
    nullifier: String,
    rln_identifier: String,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/zerokit-2.0.2.json")).expect("well formed fixtures")
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let bytes = hex::decode(text).map_err(HexError::from).expect("hex");
    bytes.try_into().expect("the right length")
}

impl Member {
    fn identity(&self) -> Identity {
        Identity::from_parts(&bytes(&self.trapdoor), &bytes(&self.nullifier)).expect("canonical")
    }

    fn limit(&self) -> UserMessageLimit {
        UserMessageLimit::new(self.limit).expect("in range")
    }

    fn index(&self) -> MembershipIndex {
        MembershipIndex::new(self.index).expect("in range")
    }
}

impl Signal {
    fn length(&self) -> EpochLength {
        EpochLength::new(self.epoch_length_secs).expect("not zero")
    }

    fn proof(&self) -> RateLimitProof {
        RateLimitProof {
            proof: bytes(&self.proof.proof),
            merkle_root: bytes(&self.proof.merkle_root),
            epoch: bytes(&self.proof.epoch),
            share_x: bytes(&self.proof.share_x),
            share_y: bytes(&self.proof.share_y),
            nullifier: bytes(&self.proof.nullifier),
            rln_identifier: bytes(&self.proof.rln_identifier),
        }
    }

    fn message(&self) -> WakuMessage {
        WakuMessage {
            payload: Bytes::from(hex::decode(&self.payload).expect("hex")),
            content_topic: ContentTopic::new(&self.content_topic).expect("well formed"),
            version: 0,
            timestamp: Timestamp::from_nanos(self.timestamp_nanos),
            meta: Meta::default(),
            ephemeral: false,
            proof: ProofField::Present(Box::new(self.proof())),
        }
    }
}

fn tree(members: &[Member]) -> MerkleTree {
    let mut tree = MerkleTree::new();
    for member in members {
        tree.set(member.index(), RateCommitment::new(member.identity().commitment(), member.limit()));
    }
    tree
}

#[test]
fn identities_are_derived_alike() {
    for member in fixtures().members {
        let identity = member.identity();
        assert_eq!(*identity.secret().to_bytes(), bytes(&member.secret));
        assert_eq!(identity.commitment().to_string(), member.commitment);
    }
}

#[test]
fn proofs_hold_and_every_public_value_is_the_one_we_compute() {
    let Fixtures { members, signals } = fixtures();
    let (tree, verifier) = (tree(&members), Verifier::load().expect("embedded key"));
    let prover = weir_rln::Prover::load(&weir_rln::EngineSettings::default()).expect("embedded keys");
    for signal in &signals {
        let (theirs, message) = (signal.proof(), signal.message());
        let claim = ProofClaim::parse(&theirs).expect("canonical");
        assert!(verifier.verify(&claim));
        assert_eq!(claim.external_nullifier().to_string(), signal.external_nullifier);

        let member = &members[signal.member];
        let ours = prover
            .prove(&ProveRequest {
                identity: member.identity().secret(),
                limit: member.limit(),
                message_id: MessageId(signal.message_id),
                path: &tree.path(member.index()).expect("a member"),
                epoch: signal.length().of(message.timestamp),
                rln_identifier: RlnIdentifier::WAKU,
                signal: signal_hash(&message.payload, &message.content_topic, message.timestamp),
            })
            .expect("within the quota");
        // All but the randomised Groth16 part: root, epoch, shares, nullifier, identifier.
        assert_eq!(RateLimitProof { proof: theirs.proof, ..ours }, theirs);
    }
}

#[test]
fn a_tampered_proof_of_theirs_does_not_hold() {
    let verifier = Verifier::load().expect("embedded key");
    for signal in fixtures().signals {
        type Change = fn(&mut RateLimitProof);
        let changes: [Change; 6] = [
            |proof| proof.share_x[0] ^= 1,
            |proof| proof.share_y[0] ^= 1,
            |proof| proof.nullifier[0] ^= 1,
            |proof| proof.merkle_root[0] ^= 1,
            |proof| proof.epoch[0] ^= 1,
            |proof| proof.proof[127] ^= 0x80,
        ];
        for change in changes {
            let mut proof = signal.proof();
            change(&mut proof);
            assert!(!verifier.verify(&ProofClaim::parse(&proof).expect("still canonical")));
        }
    }
}

#[test]
fn their_messages_pass_our_rules_and_their_double_signal_gives_the_secret_away() {
    let Fixtures { members, signals } = fixtures();
    let verifier = Verifier::load().expect("embedded key");
    let mut results = Vec::new();
    let mut validator = None;
    for signal in &signals {
        let message = signal.message();
        // The last signal is of a cluster with other epochs.
        let validator = match &mut validator {
            Some((length, validator)) if *length == signal.length() => validator,
            slot => &mut slot.insert((signal.length(), node(&members, signal.length()))).1,
        };
        let claim = validator.check_early(&message, message.timestamp).expect("well formed");
        assert!(verifier.verify(&claim));
        results.push(validator.check_late(claim));
    }
    let [first, second, Err(Rejection::DoubleSignal(evidence)), other] = results.as_slice() else {
        panic!("{results:?}")
    };
    assert!(first.is_ok() && second.is_ok() && other.is_ok());
    assert_eq!(*evidence.secret.to_bytes(), bytes(&members[1].secret));
    assert_eq!(evidence.commitment.to_string(), members[1].commitment);
}

fn node(members: &[Member], length: EpochLength) -> Validator {
    let mut validator = Validator::new(ValidatorConfig::new(length));
    validator.push_root(tree(members).root());
    validator
}
