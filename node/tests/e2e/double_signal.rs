//! A member that breaks its quota is refused, found out, and shut out if it goes on.

use std::time::{Duration, Instant};

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

/// Message ids under which the offender goes on at a time. Eleven rejects are enough for the
/// graylist, unless the score is halved in the middle of them, as happens every 12 s.
const AT_A_TIME: u32 = 13;

/// How far ahead of its time a message is made: nodes take 20 s, and making proofs takes time too.
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
    let offender = Offender::register(&world.registry(), 1000, World::epoch_length());
    let peer = GossipPeer::connect(&[&a, &b], topic(0)).await;

    let [first, second] = ["first", "second"].map(|text| offender.sign(message(text, now()), 0));
    assert_eq!(peer.send(topic(0), &first).await, 2);
    for node in [&a, &b, &c] {
        assert_eq!(only_payload(node).await, b"first", "a member's message is relayed, to {}", node.name());
    }
    assert_eq!(peer.send(topic(0), &second).await, 2);
    for node in [&a, &b] {
        let what = format!("{} rejects the double signal", node.name());
        until_true(&what, SOON, async || node.rest().verdicts("reject", "double_signal").await == 1.0).await;
        let what = format!("{} keeps the evidence", node.name());
        until_true(&what, SOON, async || {
            node.rest().metrics().await.sum("weir_evidence_records_total", &[]) == 1.0
        })
        .await;
        assert_eq!(node.rest().get("/weir/v1/evidence").await["count"], 1, "{}", node.name());
    }
    // Honest members go on, and nobody has relayed the second signal.
    assert!(c.rest().publish(topic(0), b"honest").await.is_ok());
    for node in [&a, &b, &c] {
        assert_eq!(only_payload(node).await, b"honest", "at {}", node.name());
    }
    assert!(peer.sees(&a) && peer.sees(&b), "one breach is not yet enough");

    go_on_until_shut_out(&offender, &peer, &[&a, &b]).await;
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

/// Breaks the quota under one message id after the other until no node listens any more.
async fn go_on_until_shut_out(offender: &Offender, peer: &GossipPeer, nodes: &[&Node]) {
    let mut began = None;
    for first_id in (1..).step_by(AT_A_TIME as usize) {
        let time = now_plus(AHEAD);
        let sign = |text| -> Vec<WakuMessage> {
            let ids = first_id..first_id + AT_A_TIME;
            ids.map(|id| offender.sign(message(format!("{text} under {id}"), time), id)).collect()
        };
        let (firsts, seconds) = (sign("first"), sign("second"));
        let began = began.get_or_insert_with(Instant::now);
        send_all(peer, nodes, &firsts).await;
        send_all(peer, nodes, &seconds).await;
        let shut_out = nodes.iter().all(|node| !peer.sees(node));
        assert!(began.elapsed() < SHUT_OUT_WITHIN, "still connected after {first_id} double signals");
        if shut_out {
            return;
        }
    }
}

/// Sends messages to those who still listen, and waits until each has judged them all or hung up.
async fn send_all(peer: &GossipPeer, nodes: &[&Node], messages: &[WakuMessage]) {
    let judged = async |node: &Node| node.rest().metrics().await.sum("weir_relay_verdicts_total", &[]);
    let mut expected = Vec::new();
    for node in nodes {
        expected.push(judged(node).await + f64::from(AT_A_TIME));
    }
    for message in messages {
        drop(peer.send_bytes(topic(0), encode_message(message)).await);
    }
    for (&node, &expected) in nodes.iter().zip(&expected) {
        let what = format!("{} has judged or hung up", node.name());
        until_true(&what, SOON, async || !peer.sees(node) || judged(node).await >= expected).await;
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
