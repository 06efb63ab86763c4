//! A node without relay: it sends and receives through the services of others, and copes when they fail.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use weir_testkit::CONTENT_TOPIC;

use crate::{
    node::{Node, Setup},
    wait::{SOON, until, until_true},
    world::{World, meshed, topic},
};

/// A node that serves all that a node at the edge uses.
fn service(world: &World, name: &str) -> Setup {
    let serving = world.plain_node(name).option("rln-relay", false).option("store", true);
    serving.option("filter", true).option("lightpush", true)
}

/// A node at the edge of these.
fn edge(world: &World, name: &str, services: &[&Node]) -> Setup {
    let node = world.plain_node(name).option("mode", "edge");
    services.iter().fold(node, |node, service| node.peer(service))
}

async fn subscribe(node: &Node) {
    let reply = node.rest().post("/messaging/v1/subscriptions", &json!([CONTENT_TOPIC])).await;
    assert!(reply.is_ok(), "{reply:?}");
}

/// Sends a message; its request id.
async fn send(node: &Node, payload: &[u8]) -> String {
    let message = json!({"payload": STANDARD.encode(payload), "contentTopic": CONTENT_TOPIC});
    let reply = node.rest().post("/messaging/v1/messages", &message).await;
    assert!(reply.is_ok(), "{reply:?}");
    let answer: Value = serde_json::from_str(&reply.text).expect("JSON");
    answer["requestId"].as_str().expect("an id").to_owned()
}

/// Waits until so many messages were received; their payloads in order.
async fn received(node: &Node, count: usize) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    until_true(&format!("{} received {count} messages", node.name()), SOON, async || {
        let rows = node.rest().get("/messaging/v1/events/received").await;
        for row in rows.as_array().expect("a list") {
            let payload = row["message"]["payload"].as_str().expect("a payload");
            payloads.push(STANDARD.decode(payload).expect("base64"));
        }
        payloads.len() >= count
    })
    .await;
    payloads.sort();
    payloads
}

/// Waits until a send has come to its end; the kinds of its events.
async fn events(node: &Node, request_id: &str) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    until("the send has ended", SOON, async || {
        let path = format!("/messaging/v1/events/send/{request_id}");
        let reply = node.rest().try_get(&path).await.filter(|reply| reply.is_ok())?;
        let answer: Value = serde_json::from_str(&reply.text).expect("JSON");
        for event in answer["events"].as_array().expect("a list") {
            kinds.push(event["kind"].as_str().expect("a kind").to_owned());
        }
        kinds.iter().any(|kind| kind == "sent" || kind == "error").then_some(())
    })
    .await;
    kinds
}

/// Waits until both services have confirmed the subscription.
async fn until_subscribed(node: &Node, services: f64) {
    until_true(&format!("{} is subscribed at {services}", node.name()), SOON, async || {
        node.rest().metrics().await.sum("weir_filter_client_peers", &[]) == services
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_at_the_edge_talk_through_the_services_of_others() {
    let world = World::new();
    let one = service(&world, "one").start().await;
    let two = service(&world, "two").peer(&one).start().await;
    let three = service(&world, "three").peer(&one).peer(&two).start().await;
    meshed(&[&one, &two, &three], topic(0)).await;
    let alice = edge(&world, "alice", &[&one, &two, &three]).start().await;
    let bob = edge(&world, "bob", &[&one, &two, &three]).start().await;
    subscribe(&bob).await;
    until_subscribed(&bob, 2.0).await;

    let id = send(&alice, b"hello").await;
    assert_eq!(events(&alice, &id).await, ["propagated", "sent"]);
    assert_eq!(received(&bob, 1).await, [b"hello"]);

    // One of them dies, and everything goes on.
    let two = two.kill();
    let id = send(&alice, b"still there").await;
    assert_eq!(events(&alice, &id).await, ["propagated", "sent"]);
    assert_eq!(received(&bob, 1).await, [b"still there"]);
    drop(two);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passed_while_nobody_served_is_fetched() {
    let world = World::new();
    let one = service(&world, "one").start().await;
    let two = service(&world, "two").peer(&one).start().await;
    meshed(&[&one, &two], topic(0)).await;
    let bob = edge(&world, "bob", &[&one]).start().await;
    subscribe(&bob).await;
    until_subscribed(&bob, 1.0).await;
    // A service that starts anew has forgotten who was subscribed.
    let one = one.kill().peer(&two).start().await;
    meshed(&[&one, &two], topic(0)).await;
    let message = json!({"payload": STANDARD.encode("missed"), "contentTopic": CONTENT_TOPIC});
    until_true("a message is published", SOON, async || {
        two.rest().post("/relay/v1/auto/messages", &message).await.is_ok()
    })
    .await;
    assert_eq!(received(&bob, 1).await, [b"missed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_at_the_edge_does_not_offer_relay_and_says_what_it_lacks() {
    let world = World::new();
    let one = service(&world, "one").start().await;
    let bob = edge(&world, "bob", &[&one]).start().await;
    let protocols = until("one knows bob", SOON, async || {
        let peers = one.rest().get("/admin/v1/peers").await;
        let bob = peers
            .as_array()?
            .iter()
            .find(|peer| peer["multiaddr"].as_str().is_some_and(|at| at.contains(bob.peer_id())))?;
        let protocols = bob["protocols"].as_array()?.clone();
        (!protocols.is_empty()).then_some(protocols)
    })
    .await;
    assert!(!protocols.iter().any(|id| id.as_str().is_some_and(|id| id.contains("relay"))), "{protocols:?}");
    let reply = bob.rest().try_get("/relay/v1/messages/x").await.expect("answered");
    assert!(!reply.is_ok() && reply.text.contains("--relay"), "{reply:?}");
    let reply = one.rest().try_get("/messaging/v1/events/received").await.expect("answered");
    assert!(!reply.is_ok() && reply.text.contains("--mode=edge"), "{reply:?}");
}
