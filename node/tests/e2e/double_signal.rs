//! A member that breaks its quota is refused, found out, and shut out if it goes on.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use weir_core::WakuMessage;
use weir_testkit::message;
use weir_wire::{encode_message, encode_rate_limit_proof};

use crate::{
    node::{Node, weir},
    rogue::{GossipPeer, Offender, now, now_plus},
    wait::{SOON, until_true},
    world::{World, meshed, topic},
};

/// Message ids under which the offender goes on. Eleven rejects are enough for the graylist; with five
/// more it makes no difference that the score's memory of them is halved once in 12 s.
const FURTHER: u32 = 16;

/// How far ahead of its time a message is made: nodes take 20 s, and making many proofs takes time.
const AHEAD: Duration = Duration::from_secs(18);

/// What the issue allows honest nodes.
const SHUT_OUT_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_double_signal_is_rejected_reveals_its_sender_and_leads_to_disconnection() {
    let world = World::new();
    let a = world.node("a").start().await;
    let b = world.node("b").peer(&a).start().await;
    let c = world.node("c").peer(&a).peer(&b).start().await;
    meshed(&[&a, &b, &c], topic(0)).await;
    let offender = Offender::register(&world.registry(), FURTHER + 1, World::epoch_length());
    let peer = GossipPeer::connect(&[&a, &b], topic(0)).await;

    let first = offender.sign(message("first", now()), 0);
    assert_eq!(peer.send(topic(0), &first).await, 2);
    for node in [&a, &b, &c] {
        assert_eq!(only_payload(node).await, b"first", "a member's message is relayed, to {}", node.name());
    }
    let second = offender.sign(message("second", now()), 0);
    assert_eq!(peer.send(topic(0), &second).await, 2);
    for node in [&a, &b] {
        let what = format!("{} rejects the double signal", node.name());
        until_true(&what, SOON, async || node.rest().verdicts("reject", "double_signal").await == 1.0).await;
        let what = format!("{} keeps the evidence", node.name());
        until_true(&what, SOON, async || {
            node.rest().metrics().await.sum("weir_evidence_records_total", &[]) == 1.0
        })
        .await;
        let evidence = node.rest().get("/weir/v1/evidence").await;
        assert_eq!(evidence["count"], 1, "{}", node.name());
        let commitment = offender.member().identity().commitment().to_string();
        assert_eq!(evidence["records"][0]["commitment"], commitment.as_str(), "{}: {evidence}", node.name());
    }
    // Honest members go on, and nobody has relayed the second signal.
    assert!(c.rest().publish(topic(0), b"honest").await.is_ok());
    for node in [&a, &b, &c] {
        assert_eq!(only_payload(node).await, b"honest", "at {}", node.name());
    }
    assert!(peer.sees(&a) && peer.sees(&b), "one breach is not yet enough");

    go_on(&offender, &peer, &[&a, &b]).await;
    until_true("the offender is shut out", SHUT_OUT_WITHIN, async || !peer.sees(&a) && !peer.sees(&b)).await;
    assert!(!a.rest().connected().await.contains(&peer.id()));
    assert_eq!(c.rest().verdicts("reject", "double_signal").await, 0.0, "c only saw what honest nodes relay");

    let secret = hex::encode(*offender.member().identity().secret().to_bytes());
    for node in [a, b] {
        let setup = node.stop();
        let evidence = recovered(&["--data-dir", &setup.data_dir().display().to_string(), "--show-secrets"]);
        assert_eq!(evidence.as_array().map(Vec::len), Some(1), "one record a member: {evidence}");
        assert_eq!(evidence[0]["secret"], secret.as_str(), "{evidence}");
        assert_eq!(evidence[0]["commitment"], offender.member().identity().commitment().to_string());
    }
    let [first, second] = [first, second].map(|message| proof_text(&message));
    assert_eq!(recovered(&[&first, &second])["secret"], secret.as_str(), "anyone can recover it");
}

/// Uses up the quota, and then breaks it under [`FURTHER`] message ids at once.
async fn go_on(offender: &Offender, peer: &GossipPeer, nodes: &[&Node]) {
    let sign = |text: &str, id| offender.sign(message(format!("{text} {id}"), now_plus(AHEAD)), id);
    let accepted = async |node: &Node| node.rest().verdicts("accept", "none").await;
    let mut expected = Vec::new();
    for node in nodes {
        expected.push(accepted(node).await + f64::from(FURTHER));
    }
    for id in 1..=FURTHER {
        peer.send(topic(0), &sign("first", id)).await;
    }
    for (&node, &expected) in nodes.iter().zip(&expected) {
        let what = format!("{} accepts what is inside the quota", node.name());
        until_true(&what, SOON, async || accepted(node).await >= expected).await;
    }
    let seconds: Vec<WakuMessage> = (1..=FURTHER).map(|id| sign("second", id)).collect();
    for message in &seconds {
        // Fails from the moment on when nobody listens any more.
        drop(peer.send_bytes(topic(0), encode_message(message)).await);
    }
}

async fn only_payload(node: &Node) -> Vec<u8> {
    let mut received = node.receive(topic(0), 1).await;
    assert_eq!(received.len(), 1, "{}: {received:?}", node.name());
    received.remove(0).payload
}

/// The answer of `weir rln recover`.
fn recovered(arguments: &[&str]) -> Value {
    let exit = weir(&[&["rln", "recover", "--format=json"], arguments].concat());
    assert_eq!(exit.code, Some(0), "{exit:?}");
    serde_json::from_str(&exit.stdout).expect("JSON")
}

fn proof_text(message: &WakuMessage) -> String {
    STANDARD.encode(encode_rate_limit_proof(message.proof.as_proof().expect("a signed message")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offender_that_plays_nodes_against_each_other_does_not_part_them() {
    let world = World::new();
    let a = world.node("a").start().await;
    let b = world.node("b").peer(&a).start().await;
    meshed(&[&a, &b], topic(0)).await;
    let offender = Offender::register(&world.registry(), 12, World::epoch_length());
    let to_a = GossipPeer::connect(&[&a], topic(0)).await;
    let to_b = GossipPeer::connect(&[&b], topic(0)).await;
    let sign = |text: &str, id| offender.sign(message(format!("{text} {id}"), now_plus(AHEAD)), id);
    // Each pair is signed when it is sent: on a busy machine all the proofs take longer than a timestamp is good for.
    for id in 0..12 {
        let (first, second) = (sign("first", id), sign("second", id));
        tokio::join!(to_a.send(topic(0), &first), to_b.send(topic(0), &second));
    }
    // Halves that cross are seen by both nodes. Where one was quicker the other half goes no further, so that the
    // quicker node never sees it.
    until_true("all double signals are seen", SOON, async || {
        let mut seen = 0.0;
        for node in [&a, &b] {
            let metrics = node.rest().metrics().await;
            seen += metrics.sum("weir_relay_verdicts_total", &[("reason", "double_signal")]);
        }
        seen >= 12.0
    })
    .await;
    assert!(a.rest().publish(topic(0), b"still together").await.is_ok());
    until_true("the honest nodes still talk", SOON, async || {
        b.rest().take_messages(topic(0)).await.iter().any(|message| message.payload == b"still together")
    })
    .await;
    meshed(&[&a, &b], topic(0)).await;
}
