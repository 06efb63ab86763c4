//! Nodes of different clusters have nothing to say to each other.

use crate::{
    wait::{SOON, until_true},
    world::{World, meshed, topic},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_different_clusters_do_not_stay_connected() {
    let world = World::new();
    let plain = |name| world.plain_node(name).option("rln-relay", false);
    let a = plain("a").start().await;
    let stranger = plain("stranger").option("cluster-id", 67).peer(&a).start().await;
    // Both ask; whoever reads the other's cluster first hangs up and says why.
    until_true("one of the two hangs up for the cluster", SOON, async || {
        [&a, &stranger].iter().any(|node| node.stderr().contains("is in cluster"))
    })
    .await;
    until_true("the connection is closed on both sides", SOON, async || {
        a.rest().connected().await.is_empty() && stranger.rest().connected().await.is_empty()
    })
    .await;

    let fellow = plain("fellow").peer(&a).start().await;
    meshed(&[&a, &fellow], topic(0)).await;
    assert!(fellow.rest().publish(topic(0), b"for the cluster").await.is_ok());
    assert_eq!(a.receive(topic(0), 1).await[0].payload, b"for the cluster");
}
