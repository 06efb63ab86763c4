//! What peers may send and nodes must survive: each gets the verdict that its rule says, costs the
//! sender its score only where the sender is at fault, and keeps no good message from getting through.

use std::collections::BTreeMap;

use bytes::Bytes;
use weir_core::{ClusterId, Meta, ProofField, PubsubTopic, RateLimitProof, ShardId, Timestamp, WakuMessage};
use weir_membership::{Group, InMemoryLedger, Ledger};
use weir_net::PublishError;
use weir_rln::Epoch;
use weir_testkit::{Member, message};
use weir_wire::{encode_message, encode_rate_limit_proof};

use crate::{
    node::Node,
    rogue::{GossipPeer, Offender, now},
    wait::{SOON, until_true},
    world::{World, meshed, topic},
};

/// One kind of bad message, and what becomes of it.
struct Case {
    name: &'static str,
    verdict: &'static str,
    reason: &'static str,
    /// Messages to send; all but the last are accepted, the last is the bad one.
    send: Vec<Bytes>,
}

/// Makes the messages of the cases.
struct Forger {
    offender: Offender,
    next_id: u32,
    /// The last of two messages under one id.
    double_signal: WakuMessage,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_messages_get_the_verdict_of_the_rule_they_break_and_good_ones_still_arrive() {
    let world = World::new();
    let node = world.node("a").start().await;
    let honest = world.node("b").peer(&node).start().await;
    meshed(&[&node, &honest], topic(0)).await;
    let mut forger = Forger::register(&world);
    let mut peers = Vec::new();
    let mut scores = LowestScores::default();

    for make in CASES {
        // Most bad messages are this good one, changed; the good one comes after it.
        let good = forger.sign("good");
        let Case { name, verdict, reason, send } = make(&mut forger, good.clone());
        // A peer for each case, so that no score adds up over cases.
        let peer = GossipPeer::connect(&[&node], topic(0)).await;
        let count = async |verdict, reason| node.rest().verdicts(verdict, reason).await;
        let (bad, accepted) = send.split_last().expect("every case has a bad message");
        for bytes in accepted {
            let before = count("accept", "none").await;
            assert_eq!(peer.send_bytes(topic(0), bytes.clone()).await, Ok(1), "{name}");
            let what = format!("what goes before {name} is accepted");
            until_true(&what, SOON, async || count("accept", "none").await > before).await;
        }
        let before = count(verdict, reason).await;
        assert_eq!(peer.send_bytes(topic(0), bad.clone()).await, Ok(1), "{name}");
        let what = format!("{name} counts as {verdict}/{reason}");
        until_true(&what, SOON, async || count(verdict, reason).await == before + 1.0).await;
        node.rest().take_messages(topic(0)).await;
        assert_eq!(peer.send(topic(0), &good).await, 1, "{name}");
        until_true(&format!("a good message arrives after {name}"), SOON, async || {
            node.rest().take_messages(topic(0)).await.iter().any(|message| message.payload == good.payload)
        })
        .await;
        scores.look(&node).await;
        peers.push((name, verdict, peer));
    }

    // The node looks at the scores every 5 s. The last case is a reject, so when everybody at fault has
    // paid, the node has looked after all cases.
    let lowest = async |scores: &mut LowestScores, expected| {
        scores.look(&node).await;
        let of_verdict = peers.iter().filter(move |(_, verdict, _)| *verdict == expected);
        of_verdict.map(|(name, _, peer)| (*name, scores.of(peer))).collect::<Vec<_>>()
    };
    until_true("whoever sent what is rejected has paid", SOON, async || {
        lowest(&mut scores, "reject").await.iter().all(|(_, score)| *score < 0.0)
    })
    .await;
    for (name, score) in lowest(&mut scores, "ignore").await {
        assert!(score >= 0.0, "{name} is nobody's fault, and cost {score}");
    }

    // What was refused went no further.
    let metrics = honest.rest().metrics().await;
    let judged = |verdict| metrics.sum("weir_relay_verdicts_total", &[("verdict", verdict)]);
    assert_eq!(judged("reject") + judged("ignore"), 0.0);
    assert!(judged("accept") >= f64::from(u32::try_from(CASES.len()).expect("a few")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_topics_reach_nobody_and_harm_nothing() {
    let world = World::new();
    let node = world.node("a").option("shard", 0).start().await;
    let mut forger = Forger::register(&world);
    let peer = GossipPeer::connect(&[&node], topic(0)).await;

    let other_shard = topic(5);
    let other_cluster = PubsubTopic::new(ClusterId(67), ShardId(0)).expect("a topic");
    assert!(peer.subscribe(other_shard).await);
    let good = forger.sign("on a shard the node serves");
    let stray = peer.send_bytes(other_shard, encode_message(&good)).await;
    assert_eq!(stray, Err(PublishError::NoPeers(other_shard)));
    for foreign in [other_shard, other_cluster] {
        let refused = node.rest().publish(foreign, b"by REST").await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.text.ends_with(&format!("Node not subscribed to topic: {foreign}")), "{refused:?}");
        let path = format!("/relay/v1/messages/{}", foreign.to_string().replace('/', "%2F"));
        assert_eq!(node.rest().try_get(&path).await.map(|reply| reply.status.as_u16()), Some(404));
    }
    assert_eq!(peer.send(topic(0), &good).await, 1);
    assert_eq!(node.receive(topic(0), 1).await[0].payload, good.payload);
}

/// The list and its neighbours.
const CASES: [fn(&mut Forger, WakuMessage) -> Case; 16] = [
    |_, _| Case {
        name: "garbage",
        verdict: "reject",
        reason: "undecodable",
        send: vec![Bytes::from_static(b"\x08\xff\xff not protobuf")],
    },
    |_, good| Case {
        name: "a message cut short",
        verdict: "reject",
        reason: "undecodable",
        send: vec![encode_message(&good).split_to(100)],
    },
    |_, good| Case {
        name: "a message without a proof",
        verdict: "reject",
        reason: "no_proof",
        send: vec![encode_message(&WakuMessage { proof: ProofField::Absent, ..good })],
    },
    |_, good| {
        let proof = ProofField::Malformed(short_proof(proof_of(&good)));
        Case {
            name: "a proof of the wrong length",
            verdict: "reject",
            reason: "malformed_proof",
            send: vec![encode_message(&WakuMessage { proof, ..good })],
        }
    },
    |_, good| Case {
        name: "a share that is no field element",
        verdict: "reject",
        reason: "non_canonical_proof",
        send: vec![altered(good, |proof| proof.share_y = [0xff; 32])],
    },
    |_, good| Case {
        name: "an epoch that is no number",
        verdict: "reject",
        reason: "epoch_not_a_number",
        send: vec![altered(good, |proof| proof.epoch[31] = 1)],
    },
    |_, good| Case {
        name: "a proof for another application",
        verdict: "ignore",
        reason: "foreign_identifier",
        send: vec![altered(good, |proof| proof.rln_identifier[0] ^= 1)],
    },
    |forger, _| Case {
        name: "an epoch too old",
        verdict: "ignore",
        reason: "timestamp_out_of_window",
        send: vec![forger.sign_at(now().saturating_sub(World::epoch()))],
    },
    |forger, _| Case {
        name: "an epoch too new",
        verdict: "ignore",
        reason: "timestamp_out_of_window",
        send: vec![forger.sign_at(now().saturating_add(World::epoch()))],
    },
    |forger, _| Case {
        name: "a timestamp of another epoch than the proof's",
        verdict: "reject",
        reason: "epoch_mismatch",
        send: vec![forger.sign_for_epoch_before()],
    },
    |_, _| Case {
        name: "a root outside the window",
        verdict: "reject",
        reason: "unknown_root",
        send: vec![signed_by_a_stranger()],
    },
    |_, good| Case {
        name: "the proof of another message",
        verdict: "reject",
        reason: "signal_mismatch",
        send: vec![encode_message(&WakuMessage { payload: Bytes::from_static(b"another"), ..good })],
    },
    |forger, _| {
        let signed = forger.sign("the same signal");
        let again = changed_but_for_the_signal(signed.clone());
        Case {
            name: "the same signal again",
            verdict: "ignore",
            reason: "duplicate",
            send: vec![encode_message(&signed), again],
        }
    },
    |forger, _| Case {
        name: "a double signal",
        verdict: "reject",
        reason: "double_signal",
        send: forger.sign_two_under_one_id().to_vec(),
    },
    |forger, _| Case {
        name: "more on a line that is known as broken",
        verdict: "ignore",
        reason: "breached_nullifier",
        send: vec![changed_but_for_the_signal(forger.double_signal.clone())],
    },
    |forger, good| {
        let proof_of_another = proof_of(&forger.sign("another")).proof;
        Case {
            name: "a proof that does not hold",
            verdict: "reject",
            reason: "invalid_proof",
            send: vec![altered(good, |proof| proof.proof = proof_of_another)],
        }
    },
];

impl Forger {
    fn register(world: &World) -> Self {
        let offender = Offender::register(&world.registry(), 100, World::epoch_length());
        Self { offender, next_id: 0, double_signal: message("none yet", now()) }
    }

    fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// A good message, different from all others.
    fn sign(&mut self, text: &str) -> WakuMessage {
        let id = self.new_id();
        self.offender.sign(message(format!("{text} {id}"), now()), id)
    }

    /// A message that is right in all but its time.
    fn sign_at(&mut self, time: Timestamp) -> Bytes {
        let id = self.new_id();
        encode_message(&self.offender.sign(message("out of time", time), id))
    }

    /// A message of now with a proof for the epoch before.
    fn sign_for_epoch_before(&mut self) -> Bytes {
        let id = self.new_id();
        let mut message = message("of now", now());
        let epoch = Epoch::new(World::epoch_length().of(message.timestamp).number() - 1);
        let proof = self.offender.member().prove(self.offender.group(), &message, epoch, id);
        message.proof = ProofField::Present(Box::new(proof));
        encode_message(&message)
    }

    /// What no member may do.
    fn sign_two_under_one_id(&mut self) -> [Bytes; 2] {
        let id = self.new_id();
        let [first, second] = ["first", "second"].map(|text| self.offender.sign(message(text, now()), id));
        self.double_signal = second.clone();
        [first, second].map(|message| encode_message(&message))
    }
}

/// `message` with a proof that was changed after it was made.
fn altered(mut message: WakuMessage, change: impl FnOnce(&mut RateLimitProof)) -> Bytes {
    let ProofField::Present(proof) = &mut message.proof else { unreachable!("it was signed") };
    change(proof);
    encode_message(&message)
}

/// Other bytes, so another message to gossip, and the same to RLN.
fn changed_but_for_the_signal(message: WakuMessage) -> Bytes {
    let meta = Meta::new(Bytes::from_static(b"again")).expect("short");
    encode_message(&WakuMessage { meta, ..message })
}

/// A message of a member of another registry.
fn signed_by_a_stranger() -> Bytes {
    let mut ledger = InMemoryLedger::default();
    let stranger = Member::register(&mut ledger, 2, 1);
    let mut group = Group::new();
    group.apply_all(&ledger.poll().expect("memory does not fail")).expect("one member");
    encode_message(&stranger.sign(&group, message("of a stranger", now()), World::epoch_length(), 0))
}

fn proof_of(message: &WakuMessage) -> &RateLimitProof {
    message.proof.as_proof().expect("a signed message")
}

/// The proof's encoding with 127 bytes in place of the 128 of the Groth16 proof, which comes first.
fn short_proof(proof: &RateLimitProof) -> Bytes {
    let encoded = encode_rate_limit_proof(proof);
    assert_eq!(encoded[..3], [0x0a, 0x80, 0x01], "field 1, 128 bytes");
    [&[0x0a, 0x7f], &encoded[3..130], &encoded[131..]].concat().into()
}

/// The lowest score that each peer was seen to have; scores recover with time.
#[derive(Debug, Default)]
struct LowestScores(BTreeMap<String, f64>);

impl LowestScores {
    /// Takes in what the node shows now.
    async fn look(&mut self, node: &Node) {
        let shard = node.rest().get("/admin/v1/peers/relay/on/0").await;
        for peer in shard["peers"].as_array().expect("an array of peers") {
            let address = peer["multiaddr"].as_str().expect("a peer has an address");
            if let Some(score) = peer["score"].as_f64() {
                let id = address.rsplit('/').next().expect("split gives at least one part");
                let lowest = self.0.entry(id.to_owned()).or_insert(score);
                *lowest = lowest.min(score);
            }
        }
    }

    /// Zero for a peer that was not seen.
    fn of(&self, peer: &GossipPeer) -> f64 {
        self.0.get(&peer.id()).copied().unwrap_or_default()
    }
}
