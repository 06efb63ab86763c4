//! A member's own quota: told when it is used up, and never handed out again.

use std::collections::BTreeSet;

use reqwest::StatusCode;

use crate::{
    node::Node,
    rest::Reply,
    rogue::now,
    world::{World, meshed, topic},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_over_its_quota_is_told_when_the_next_epoch_starts() {
    let world = World::new();
    let a = world.node("a").option("rln-relay-user-message-limit", 2).start().await;
    let b = world.node("b").peer(&a).start().await;
    meshed(&[&a, &b], topic(0)).await;

    for text in ["first", "second"] {
        let reply = a.rest().publish(topic(0), text.as_bytes()).await;
        assert!(reply.is_ok(), "{text}: {reply:?}");
    }
    assert_tells_the_reset(&a.rest().publish(topic(0), b"third").await);

    // The quota is a's alone, and what is inside a quota arrives.
    assert!(b.rest().publish(topic(0), b"of another member").await.is_ok());
    let sent = BTreeSet::from(["first", "second", "of another member"].map(|text| text.as_bytes().to_vec()));
    for node in [&a, &b] {
        assert_eq!(payloads(node, 3).await, sent, "{}", node.name());
    }

    // Neither a clean stop nor a kill gives the quota back.
    let a = a.stop().start().await;
    assert_tells_the_reset(&a.rest().publish(topic(0), b"after a stop").await);
    let a = a.kill().start().await;
    assert_tells_the_reset(&a.rest().publish(topic(0), b"after a kill").await);
    assert_eq!(b.rest().take_messages(topic(0)).await, [], "nothing over the quota was sent");
}

fn assert_tells_the_reset(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{reply:?}");
    let length = World::epoch_length();
    let now = now();
    let reset = length.end(length.of(now));
    assert!(reply.text.contains("All 2 messages of this epoch are used"), "{reply:?}");
    assert!(reply.text.ends_with(&format!("at unix time {}", reset.as_secs())), "{reply:?}");
    let wait = reply.retry_after.expect("Retry-After says how long");
    // The reply was made at most some seconds ago.
    let left = reset.saturating_since(now).as_secs();
    assert!((left..left + 60).contains(&wait), "{wait} s, and {left} s are left");
}

async fn payloads(node: &Node, count: usize) -> BTreeSet<Vec<u8>> {
    node.receive(topic(0), count).await.into_iter().map(|message| message.payload).collect()
}
