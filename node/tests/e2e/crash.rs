//! A node that is killed in the middle of publishing never uses a message id twice.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;

use crate::{
    node::Node,
    rest::Received,
    wait::{SOON, until},
    world::{World, meshed, topic},
};

/// Clients that publish at the same time, so that a kill finds proofs, writes and sends under way.
const CLIENTS: usize = 4;

/// Kills, each at another point of the publishing.
const KILLS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_in_the_middle_of_publishing_no_message_id_is_used_again() {
    let world = World::new();
    let b = world.node("b").start().await;
    let mut setup = world.node("a").peer(&b);
    let mut received: Vec<Received> = Vec::new();

    for round in 0..=KILLS {
        let a = setup.start().await;
        meshed(&[&a, &b], topic(0)).await;
        let clients = publish_on_and_on(&a, round);
        // One message more in each round, so that the kills hit different places in the runs of
        // message ids that are reserved together.
        let enough = received.len() + 3 + round;
        until("messages arrive while the node publishes", SOON, async || {
            received.extend(b.rest().take_messages(topic(0)).await);
            (received.len() >= enough).then_some(())
        })
        .await;
        setup = if round < KILLS { a.kill() } else { a.stop() };
        drop(clients);
    }
    received.extend(b.rest().take_messages(topic(0)).await);

    let mut senders_of: BTreeMap<_, BTreeSet<&[u8]>> = BTreeMap::new();
    for message in &received {
        let (epoch, nullifier) = message.line();
        senders_of.entry((epoch, nullifier.to_bytes())).or_default().insert(&message.payload);
    }
    let reused: Vec<_> = senders_of.iter().filter(|(_, payloads)| payloads.len() > 1).collect();
    assert!(reused.is_empty(), "message ids used for several messages: {reused:?}");
    assert_eq!(senders_of.len(), received.len(), "each message arrived once");
    let metrics = b.rest().metrics().await;
    assert_eq!(metrics.sum("weir_relay_verdicts_total", &[("verdict", "reject")]), 0.0, "every proof held");
    assert_eq!(metrics.sum("weir_evidence_records_total", &[]), 0.0);
    // No kill made two rounds look like one.
    let rounds: BTreeSet<u8> = received.iter().map(|message| message.payload[0]).collect();
    assert_eq!(rounds.len(), KILLS + 1);
}

/// Publishes from several clients until the node is gone.
fn publish_on_and_on(node: &Node, round: usize) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let rest = node.rest().clone();
        clients.spawn(async move {
            for number in 0.. {
                let payload = [round, client, number].map(|part: usize| part.to_le_bytes()[0]);
                match rest.try_publish(topic(0), &payload).await {
                    Some(reply) if reply.is_ok() => {}
                    // The node is gone, or stops, or the quota is used up.
                    _ => return,
                }
            }
        });
    }
    clients
}
