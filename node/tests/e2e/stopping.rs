//! A stop loses nothing that was answered with 200, and takes less than 5 s.

use std::{collections::BTreeSet, time::Duration};

use tokio::task::JoinSet;

use crate::{
    node::{Node, Setup},
    wait::{SOON, until},
    world::{World, meshed, topic},
};

const CLIENTS: u8 = 8;

/// What the issue allows a stop to take.
const STOP_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limited_node_that_is_terminated_under_load_delivers_what_it_confirmed() {
    let world = World::new();
    stop_under_load(world.node("a"), world.node("b"), "TERM", 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_node_that_is_interrupted_under_load_delivers_what_it_confirmed() {
    let world = World::new();
    let plain = |name| world.plain_node(name).option("rln-relay", false);
    stop_under_load(plain("a"), plain("b"), "INT", 300).await;
}

/// Stops the first node by `signal` when the second has got `enough` of its messages.
async fn stop_under_load(first: Setup, second: Setup, signal: &str, enough: usize) {
    let b = second.start().await;
    let a = first.peer(&b).start().await;
    meshed(&[&a, &b], topic(0)).await;
    let mut clients = publish_until_refused(&a);
    let mut arrived = BTreeSet::new();
    until("messages arrive before the stop", SOON, async || {
        arrived.extend(b.rest().take_messages(topic(0)).await.into_iter().map(|message| message.payload));
        (arrived.len() >= enough).then_some(())
    })
    .await;

    a.signal(signal);
    let exit = a.wait(STOP_WITHIN);
    assert_eq!(exit.code, Some(0), "after SIG{signal}: {}", exit.stderr);
    let mut confirmed = BTreeSet::new();
    while let Some(client) = clients.join_next().await {
        confirmed.extend(client.expect("a client does not panic"));
    }
    assert!(confirmed.len() >= enough, "{} messages were confirmed", confirmed.len());
    until("every confirmed message arrives", SOON, async || {
        arrived.extend(b.rest().take_messages(topic(0)).await.into_iter().map(|message| message.payload));
        confirmed.is_subset(&arrived).then_some(())
    })
    .await;
}

/// Publishes from several clients; each gives what was confirmed to it.
fn publish_until_refused(node: &Node) -> JoinSet<BTreeSet<Vec<u8>>> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let rest = node.rest().clone();
        clients.spawn(async move {
            let mut confirmed = BTreeSet::new();
            for number in 0_u32.. {
                let payload = [&[client][..], &number.to_le_bytes()].concat();
                match rest.try_publish(topic(0), &payload).await {
                    Some(reply) if reply.is_ok() => drop(confirmed.insert(payload)),
                    // Refused or out of quota; it is asked again until nobody answers.
                    Some(_) => {}
                    None => break,
                }
            }
            confirmed
        });
    }
    clients
}
