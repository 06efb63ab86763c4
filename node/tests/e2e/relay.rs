//! The main job: what one node publishes arrives at the others, unchanged.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use weir_core::{
    ProofField, PubsubTopic, RateLimitProof, Timestamp,
    limits::{DEFAULT_MAX_MESSAGE_SIZE, RPC_OVERHEAD},
};
use weir_testkit::{CONTENT_TOPIC, message, payload};
use weir_wire::encode_message;

use crate::world::{World, meshed, topic};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_from_one_byte_to_the_largest_reach_both_other_nodes_with_their_proofs() {
    let world = World::new();
    let a = world.node("a").start().await;
    let b = world.node("b").peer(&a).start().await;
    let c = world.node("c").peer(&a).peer(&b).start().await;
    meshed(&[&a, &b, &c], topic(0)).await;

    let largest = largest_payload(topic(0));
    assert!(largest > 150_000, "{largest}");
    for (sender, size) in [(&a, 1), (&b, 1024), (&c, largest)] {
        let sent = payload(size);
        let reply = sender.rest().publish(topic(0), &sent).await;
        assert!(reply.is_ok(), "{size} bytes: {reply:?}");
        for receiver in [&a, &b, &c] {
            let received = receiver.receive(topic(0), 1).await;
            assert_eq!(received.len(), 1, "{size} bytes at {}", receiver.name());
            // Compared by hand: a failed assert_eq would print 150,000 numbers.
            assert!(received[0].payload == sent, "{size} bytes changed on the way to {}", receiver.name());
            assert_eq!(received[0].content_topic, CONTENT_TOPIC);
            received[0].line();
        }
    }
    for node in [&a, &b, &c] {
        assert_eq!(
            node.rest().metrics().await.sum("weir_relay_verdicts_total", &[("verdict", "reject")]),
            0.0
        );
    }

    let refused = a.rest().publish(topic(0), &payload(largest + 1)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert!(refused.text.contains("exceeded maximum"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rate_limits_a_thousand_messages_arrive_and_none_is_lost() {
    const MESSAGES: usize = 1000;
    const SENDERS: usize = 8;
    let world = World::new();
    let a = world.plain_node("a").option("rln-relay", false).start().await;
    let b = world.plain_node("b").option("rln-relay", false).peer(&a).start().await;
    meshed(&[&a, &b], topic(0)).await;

    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        let rest = a.rest().clone();
        senders.spawn(async move {
            for number in (sender..MESSAGES).step_by(SENDERS) {
                rest.publish_patiently(topic(0), &numbered(number)).await;
            }
        });
    }
    senders.join_all().await;

    let received = b.receive(topic(0), MESSAGES).await;
    let numbers: BTreeSet<usize> = received.iter().map(|message| number_of(&message.payload)).collect();
    let missing: Vec<usize> = (0..MESSAGES).filter(|number| !numbers.contains(number)).collect();
    assert!(missing.is_empty(), "lost: {missing:?}");
    assert_eq!(received.len(), MESSAGES, "each once");
    assert!(received.iter().all(|message| message.proof.is_empty()), "nobody made a proof");
}

/// 1 KB that begins with `number`.
fn numbered(number: usize) -> Vec<u8> {
    let mut bytes = payload(1024);
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn number_of(bytes: &[u8]) -> usize {
    let number = bytes.first_chunk().map(|first| usize::from_le_bytes(*first)).expect("1 KB");
    assert!(bytes == numbered(number), "message {number} changed on the way");
    number
}

/// The longest payload whose message, proof included, fits the network's frame.
fn largest_payload(topic: PubsubTopic) -> usize {
    let zero = [0; 32];
    let proof = RateLimitProof {
        proof: [0; 128],
        merkle_root: zero,
        epoch: zero,
        share_x: zero,
        share_y: zero,
        nullifier: zero,
        rln_identifier: zero,
    };
    let frame = |size: usize| {
        // Timestamps of this century take nine bytes.
        let mut message = message(payload(size), Timestamp::from_secs(1_800_000_000));
        message.proof = ProofField::Present(Box::new(proof.clone()));
        frame_of(encode_message(&message).len(), topic)
    };
    let smallest = DEFAULT_MAX_MESSAGE_SIZE - 1024;
    (smallest..)
        .take_while(|&size| frame(size) <= DEFAULT_MAX_MESSAGE_SIZE)
        .last()
        .expect("1 KiB holds the rest")
}

/// Bytes of the gossipsub frame around a message of `data` bytes: `Rpc { publish: Message { data,
/// topic } }`, each length in three bytes and the topic's in one.
fn frame_of(data: usize, topic: PubsubTopic) -> usize {
    let overhead = 4 + 4 + 2 + topic.to_string().len();
    assert!(overhead <= RPC_OVERHEAD);
    data + overhead
}
