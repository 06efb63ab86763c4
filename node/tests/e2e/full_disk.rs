//! A disk without room stops what must be written down before it is done, and nothing else.
//!
//! Instead of a disk the test fills what a file may have: from some moment on no file of the node
//! can be written beyond its first bytes, as set from outside by `prlimit`. That needs no privilege
//! and lets the same node start, lose its room and get it back.

use reqwest::StatusCode;

use crate::{
    node::{Node, run},
    wait::{SOON, until_true},
    world::{World, meshed, topic},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_on_disk_a_node_relays_and_says_why_it_does_not_publish() {
    let world = World::new();
    let a = world.node("a").ignoring_file_size_signal().start().await;
    let b = world.node("b").peer(&a).start().await;
    let c = world.node("c").peer(&a).start().await;
    meshed(&[&a, &b], topic(0)).await;
    meshed(&[&a, &c], topic(0)).await;

    limit_file_size(&a, "1");
    let quota = a.data_dir().join("keystore.json.quota");
    until_true("the node cannot reserve message ids any more", SOON, async || {
        let reply = a.rest().publish(topic(0), b"no room to write this down").await;
        // Ids that were reserved while there was room are good.
        assert!(reply.is_ok() || reply.status == StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
        reply.status == StatusCode::SERVICE_UNAVAILABLE && reply.text.contains(&quota.display().to_string())
    })
    .await;

    // What needs no disk goes on: c hears b only through a.
    assert!(b.rest().publish(topic(0), b"through the full node").await.is_ok());
    for node in [&a, &c] {
        until_true("the message is relayed", SOON, async || {
            let messages = node.rest().take_messages(topic(0)).await;
            messages.iter().any(|message| message.payload == b"through the full node")
        })
        .await;
    }
    // Not for want of trying to write it down.
    until_true("the node cannot write down what it relayed", SOON, async || {
        a.rest().metrics().await.sum("weir_journal_write_errors_total", &[]) > 0.0
    })
    .await;
    let rejected = a.rest().metrics().await.sum("weir_relay_verdicts_total", &[("verdict", "reject")]);
    assert_eq!(rejected, 0.0);

    limit_file_size(&a, "unlimited");
    until_true("the node publishes again when there is room", SOON, async || {
        a.rest().publish(topic(0), b"room again").await.is_ok()
    })
    .await;
    a.stop();
}

/// From now on the node's files can be written up to `bytes`. The hard limit stays, so that the soft
/// one can be raised again.
fn limit_file_size(node: &Node, bytes: &str) {
    run("prlimit", &["--pid", &node.pid().to_string(), &format!("--fsize={bytes}:unlimited")]);
}
