//! Peer exchange between whole nodes: one that knows nobody finds the network through one peer.

use std::collections::BTreeSet;

use weir_core::peer_exchange::Status;
use weir_net::{NodeRecord, Service};
use weir_wire::{PeerExchangeRequest, decode_peer_exchange_response};

use crate::{
    asker::Asker,
    node::{Node, Setup},
    wait::{SOON, until, until_true},
    world::{CLUSTER, World},
};

fn plain(world: &World, name: &str) -> Setup {
    world.plain_node(name).option("rln-relay", false).option("peer-exchange", true)
}

/// Peers of the records that the node answers with.
pub(crate) async fn peers_told_by(asker: &Asker, node: &Node) -> BTreeSet<String> {
    let body = asker.ask(node, Service::PeerExchange, &PeerExchangeRequest { count: 60 }.encode()).await;
    let answer = decode_peer_exchange_response(&body.expect("an answer")).expect("a response");
    assert_eq!(answer.status, Status::Success, "{answer:?}");
    let records = answer.records.iter().map(|encoded| NodeRecord::verify(encoded).expect("it is signed"));
    records
        .map(|record| {
            assert_eq!(record.cluster(), Some(CLUSTER));
            record.peer().to_string()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_finds_others_through_one_and_is_told_to_those_who_come_later() {
    let world = World::new();
    let first = plain(&world, "first").start().await;
    // It is asked again and again below.
    let middle = plain(&world, "middle")
        .option("peer-exchange-node", first.address())
        .option("rate-limit", "px:0/1s")
        .start()
        .await;
    let asker = Asker::new(1);
    // A record is told while its peer is known to be reachable.
    until_true("the middle one tells of the first", SOON, async || {
        peers_told_by(&asker, &middle).await.contains(first.peer_id())
    })
    .await;
    let last = plain(&world, "last").option("peer-exchange-node", middle.address()).start().await;
    until_true("the last one has found the first", SOON, async || {
        last.rest().connected().await.iter().any(|peer| peer == first.peer_id())
    })
    .await;
    let known = last.rest().get("/admin/v1/peers").await;
    let origin =
        known.as_array().expect("a list").iter().find(|peer| {
            peer["multiaddr"].as_str().is_some_and(|address| address.ends_with(first.peer_id()))
        });
    assert_eq!(origin.expect("it is connected")["origin"], "PeerExchange");
    let metrics = middle.rest().metrics().await;
    assert!(metrics.sum("waku_px_peers_sent_total", &[]) >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_shows_the_record_that_it_tells() {
    let world = World::new();
    let node = plain(&world, "node").start().await;
    let text = until("the record is signed", SOON, async || {
        let info = node.rest().get("/info").await;
        info["enrUri"].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    })
    .await;
    assert!(text.starts_with("enr:-"), "{text}");
    assert_eq!(peers_told_by(&Asker::new(1), &node).await, BTreeSet::from([node.peer_id().to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_answered_429() {
    let world = World::new();
    let node = plain(&world, "node").option("rate-limit", "px:1/1h").start().await;
    let asker = Asker::new(1);
    let mut statuses = BTreeSet::new();
    for _ in 0..4 {
        let body = asker.ask(&node, Service::PeerExchange, &PeerExchangeRequest { count: 1 }.encode()).await;
        let answer = decode_peer_exchange_response(&body.expect("an answer")).expect("a response");
        statuses.insert(answer.status.code());
    }
    assert_eq!(statuses, BTreeSet::from([200, 429]));
}
