//! zerokit's JavaScript build and we accept each other's proofs.
//!
//! `./test` brings the npm package and its key (`javascript/install`). Browsers run this build, so it is
//! the other side that most users have.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};
use weir_circuits::{Witness, witness};
use weir_core::{RateLimitProof, Timestamp};
use weir_rln::{
    EngineSettings, EpochLength, MessageId, ProofClaim, Prover, Verifier,
    test_utils::{Member, message},
};
use zerokit_rln::prelude::{CanonicalDeserialize, CanonicalSerialize, Fr};

const NOW: Timestamp = Timestamp::from_secs(1_740_000_300);
const LIMIT: u32 = 100;
const ID: u32 = 7;
const PAYLOAD: &str = "from weir";

/// What `zerokit.mjs` takes; its head has the forms.
#[derive(Serialize)]
struct Request {
    key: PathBuf,
    verify: Vec<Verify>,
    prove: Prove,
}

#[derive(Serialize)]
struct Verify {
    proof: String,
    root: String,
}

#[derive(Serialize)]
struct Prove {
    wires: Vec<String>,
    witness: String,
}

#[derive(Deserialize)]
struct Answer {
    verdicts: Vec<bool>,
    proven: String,
}

fn ask(request: &impl Serialize) -> Answer {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/javascript");
    assert!(folder.join("node_modules").is_dir(), "run rln/tests/javascript/install, as ./test does");
    let mut node = Command::new("node")
        .arg("zerokit.mjs")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    let input = serde_json::to_vec(request).expect("plain data");
    node.stdin.take().expect("piped").write_all(&input).expect("node reads");
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "zerokit.mjs failed: see above");
    serde_json::from_slice(&output.stdout).expect("an answer")
}

fn field(bytes: &[u8]) -> Fr {
    Fr::deserialize_compressed(bytes).expect("canonical")
}

fn field_bytes(value: &Fr) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.serialize_compressed(&mut bytes).expect("memory does not fail");
    bytes
}

/// Values behind their number, as zerokit writes lists.
fn list(count: usize, bytes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    (count as u64).to_le_bytes().into_iter().chain(bytes).collect()
}

fn external_nullifier(proof: &RateLimitProof) -> Vec<u8> {
    let claim = ProofClaim::parse(proof).expect("canonical");
    hex::decode(claim.external_nullifier().to_string()).expect("hex")
}

/// `proof` and what was signalled with it, as `verifyWithRoots` takes them.
fn as_zerokit_takes_it(proof: &RateLimitProof, signal: &[u8]) -> Verify {
    let external = external_nullifier(proof);
    let public =
        [&proof.merkle_root[..], &external[..], &proof.share_x[..], &proof.share_y[..], &proof.nullifier[..]];
    let proof_bytes =
        [&proof.proof[..], &public.concat(), &list(signal.len(), signal.iter().copied())].concat();
    Verify { proof: hex::encode(proof_bytes), root: hex::encode(proof.merkle_root) }
}

#[test]
fn the_javascript_build_and_we_accept_each_others_proofs() {
    let (member, message) = (Member::new(1, LIMIT), message(PAYLOAD, NOW));
    let request = member.request(&message, EpochLength::new(600).expect("not zero"), MessageId(ID));
    let prover = Prover::load(&EngineSettings::default()).expect("embedded keys");
    let ours = prover.prove(&request).expect("within the quota");
    let topic = message.content_topic.as_str().as_bytes();
    let signal = [PAYLOAD.as_bytes(), topic, &NOW.as_nanos().to_le_bytes()].concat();

    let with = |change: fn(&mut RateLimitProof)| {
        let mut changed = ours.clone();
        change(&mut changed);
        as_zerokit_takes_it(&changed, &signal)
    };
    let another_root = Verify { root: hex::encode([7; 32]), ..with(|_| ()) };
    let verify = vec![
        with(|_| ()),
        with(|proof| proof.nullifier[0] ^= 1),
        with(|proof| proof.share_y[0] ^= 1),
        with(|proof| proof.proof[127] ^= 0x80),
        another_root,
        as_zerokit_takes_it(&ours, b"another signal"),
    ];

    // The same statement once more, proven by them from the values of our wires.
    let (secret, path) = (field(&*member.identity.secret().to_bytes()), member.path.branch());
    let (external, x) = (field(&external_nullifier(&ours)), field(&ours.share_x));
    let path_bits = path.is_right.map(u8::from);
    let siblings = path.siblings.iter().flat_map(field_bytes);
    let private = [
        field_bytes(&secret),
        field_bytes(&Fr::from(LIMIT)),
        field_bytes(&Fr::from(ID)),
        list(path.siblings.len(), siblings),
        list(path_bits.len(), path_bits),
        field_bytes(&x),
        field_bytes(&external),
    ];
    let known = Witness { secret, limit: LIMIT, message_id: ID, path };
    let wires = witness::full(&known, external, x);
    let prove = Prove {
        wires: wires.iter().map(ToString::to_string).collect(),
        witness: hex::encode(private.concat()),
    };

    let key = PathBuf::from("node_modules/rln_final.zkey");
    let answer = ask(&Request { key, verify, prove });
    assert_eq!(answer.verdicts, [true, false, false, false, false, false]);

    let theirs = hex::decode(answer.proven).expect("hex");
    let (groth16, public) = theirs.split_at(128);
    let expected = [
        &ours.merkle_root[..],
        &field_bytes(&external),
        &ours.share_x[..],
        &ours.share_y[..],
        &ours.nullifier[..],
    ];
    assert_eq!(hex::encode(public), hex::encode(expected.concat()));
    let mut theirs = RateLimitProof { proof: groth16.try_into().expect("128 bytes"), ..ours.clone() };
    assert_ne!(theirs.proof, ours.proof);
    let verifier = Verifier::load().expect("embedded key");
    assert!(verifier.verify(&ProofClaim::parse(&theirs).expect("canonical")));
    theirs.share_y[0] ^= 1;
    assert!(!verifier.verify(&ProofClaim::parse(&theirs).expect("canonical")));
}
