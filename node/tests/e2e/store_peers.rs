//! Archives asked by peers and by other nodes, over libp2p.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::join_all;
use serde_json::{Value, json};
use weir_core::{
    ContentTopic, MessageHash, Timestamp, WakuMessage,
    store::{Direction, PageSize, Query},
};
use weir_membership::{Group, Ledger, RegistryFile};
use weir_rln::{Rejection, Validator, ValidatorConfig, Verifier};
use weir_wire::StoreResponse;

use crate::{
    asker::Asker,
    node::{Node, Setup},
    wait::{SOON, until, until_true},
    world::{World, meshed, topic},
};

fn keeper(world: &World) -> Setup {
    world.plain_node("keeper").option("rln-relay", false).option("store", true)
}

async fn publish(node: &Node, numbers: std::ops::Range<u8>) {
    for number in numbers {
        node.rest().publish_patiently(topic(0), &[number]).await;
    }
}

/// Waits until the archive has so many messages.
async fn until_stored(node: &Node, messages: usize) {
    let what = format!("{} has {messages} messages", node.name());
    until_true(&what, SOON, async || local(node, "pageSize=100").await.len() == messages).await;
}

/// Hashes of the page that the node's REST gives.
async fn local(node: &Node, parameters: &str) -> Vec<String> {
    let page = node.rest().get(&format!("/store/v3/messages?{parameters}")).await;
    hashes(&page)
}

fn hashes(page: &Value) -> Vec<String> {
    let messages = page["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["messageHash"].as_str().expect("a hash").to_owned()).collect()
}

fn payloads(response: &StoreResponse) -> Vec<u8> {
    let payload = |row: &weir_core::store::Row| row.data.as_ref().expect("data").1.payload[0];
    response.page.rows.iter().map(payload).collect()
}

fn with_data() -> Query {
    Query { include_data: true, ..Query::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_gets_pages_in_both_directions() {
    let world = World::new();
    let node = keeper(&world).start().await;
    publish(&node, 0..5).await;
    until_stored(&node, 5).await;
    let asker = Asker::new(1);
    for (direction, pages) in [
        (Direction::Forward, [vec![0, 1], vec![2, 3], vec![4]]),
        (Direction::Backward, [vec![3, 4], vec![1, 2], vec![0]]),
    ] {
        let mut cursor = None;
        for (number, expected) in pages.into_iter().enumerate() {
            let query = Query { direction, cursor, page_size: PageSize::requested(Some(2)), ..with_data() };
            let response = asker.query(&node, &query).await;
            assert_eq!((response.status, response.description.as_str()), (200, "OK"));
            assert_eq!((response.request_id.as_str(), payloads(&response)), ("id", expected));
            cursor = response.page.cursor;
            assert_eq!(cursor.is_some(), number < 2);
        }
    }
    let names = asker.query(&node, &Query::default()).await;
    assert!(names.page.rows.iter().all(|row| row.data.is_none()));

    // At once: what was answered is durable.
    let node = node.kill().start().await;
    assert_eq!(asker_again(&node).await, names.page);
}

/// A peer that holds the registry needs to trust neither the archive nor whoever relayed the messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_fetches_a_message_can_verify_its_proof() {
    let world = World::new();
    let node = world.node("keeper").option("store", true).start().await;
    publish(&node, 0..3).await;
    until_stored(&node, 3).await;
    let response = Asker::new(1).query(&node, &with_data()).await;

    let mut group = Group::new();
    let mut ledger = RegistryFile::open(&world.registry()).expect("the nodes' registry");
    group.apply_all(&ledger.poll().expect("a readable registry")).expect("a sound registry");
    let mut validator = Validator::new(ValidatorConfig::new(World::epoch_length()));
    validator.push_root(group.root());
    let verifier = Verifier::load().expect("the built-in key");
    assert_eq!(payloads(&response), [0, 1, 2]);
    for row in response.page.rows {
        let (_, message) = row.data.expect("data");
        let claim = validator.check_early(&message, message.timestamp).expect("a claim of a member");
        assert!(verifier.verify(&claim));
        let changed = WakuMessage { payload: vec![9].into(), ..message };
        let refused = validator.check_early(&changed, changed.timestamp);
        assert!(matches!(refused, Err(Rejection::SignalMismatch)), "{refused:?}");
    }
}

/// A response holds 16 MiB at most, however large the messages of a page are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_huge_messages_ends_early_and_the_next_one_goes_on() {
    const HUGE: usize = 1_500_000;
    let world = World::new();
    let node = keeper(&world).option("max-msg-size", "2048KiB").start().await;
    for number in 0..12_u8 {
        assert!(node.rest().publish(topic(0), &vec![number; HUGE]).await.is_ok());
    }
    until_stored(&node, 12).await;
    let asker = Asker::new(1);
    let first = asker.query(&node, &with_data()).await;
    assert_eq!(payloads(&first), (0..11).collect::<Vec<u8>>());
    assert!(first.page.rows.iter().all(|row| row.data.as_ref().expect("data").1.payload.len() == HUGE));
    let cursor = first.page.cursor;
    assert_eq!(cursor, first.page.rows.last().map(|row| row.hash));
    let last = asker.query(&node, &Query { cursor, ..with_data() }).await;
    assert_eq!((payloads(&last), last.page.cursor), (vec![11], None));
}

/// Another peer, since the first still has a connection to the node that is gone.
async fn asker_again(node: &Node) -> weir_core::store::Page {
    Asker::new(2).query(node, &Query::default()).await.page
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_told_what_is_wrong_with_its_query() {
    let world = World::new();
    let node = keeper(&world).start().await;
    publish(&node, 0..3).await;
    until_stored(&node, 3).await;
    let asker = Asker::new(1);
    let all = asker.query(&node, &with_data()).await.page;
    let nowhere = MessageHash::from_bytes([7; 32]);
    let content = |n: usize| ContentTopic::new(&format!("/weir/1/{n}/proto")).expect("a content topic");
    for (query, status, text) in [
        (
            Query { cursor: Some(nowhere), ..with_data() },
            300,
            "BAD_RESPONSE: archive error: cursor not found",
        ),
        (
            Query { hashes: vec![nowhere; 1000], ..with_data() },
            400,
            "BAD_REQUEST: too many message hashes: 1000; at most 100 can be asked for",
        ),
        (
            Query { content_topics: (0..1000).map(content).collect(), ..with_data() },
            400,
            "BAD_REQUEST: too many content topics: 1000; at most 100 can be asked for",
        ),
        (
            Query { cursor: Some(MessageHash::from_bytes([0; 32])), ..with_data() },
            400,
            "BAD_REQUEST: all zeroes cursor hash",
        ),
    ] {
        let response = asker.query(&node, &query).await;
        assert_eq!((response.status, response.description.as_str()), (status, text));
        assert!(response.page.rows.is_empty());
    }
    let time = |n: usize| all.rows[n].data.as_ref().expect("data").1.timestamp;
    let second = all.rows[1].hash;
    let moment = |n: i64| Timestamp::from_nanos(n);
    for (query, found) in [
        (Query { start: Some(time(2)), end: Some(time(0)), ..with_data() }, 0),
        (Query { start: Some(moment(-5)), end: Some(moment(i64::MAX)), ..with_data() }, 3),
        (Query { hashes: vec![second], end: Some(time(1)), ..with_data() }, 1),
        (Query { hashes: vec![second], end: Some(time(0)), ..with_data() }, 0),
        (Query { hashes: vec![second; 100], content_topics: vec![content(1)], ..with_data() }, 0),
    ] {
        let response = asker.query(&node, &query).await;
        assert_eq!((response.status, response.page.rows.len()), (200, found), "{query:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_peer_is_refused_and_another_is_answered() {
    let world = World::new();
    // 80 tokens for all, of which one peer gets 60.
    let node = keeper(&world).option("rate-limit", "store:40/1h").start().await;
    publish(&node, 0..3).await;
    let (flooder, other, query) = (Asker::new(1), Asker::new(2), with_data());
    let mut statuses = Vec::new();
    for _ in 0..14 {
        // Five at a time, so that none is refused for the length of its peer's line.
        let five = join_all((0..5).map(|_| flooder.query(&node, &query))).await;
        statuses.extend(five.into_iter().map(|response| (response.status, response.description)));
    }
    let refused = (429, "TOO_MANY_REQUESTS: this peer asks too often".to_owned());
    assert_eq!(statuses.iter().filter(|status| **status == (200, "OK".to_owned())).count(), 60);
    assert_eq!(statuses.iter().filter(|status| **status == refused).count(), 10);
    assert_eq!(other.query(&node, &query).await.status, 200);
    let scrape = node.rest().metrics().await;
    let rejected = [("service", "/vac/waku/store-query/3.0.0"), ("state", "rejected")];
    assert_eq!(scrape.sum("waku_service_requests_total", &rejected), 10.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_many_requests_at_once_does_not_keep_another_waiting() {
    let world = World::new();
    let node = keeper(&world).start().await;
    publish(&node, 0..3).await;
    let (flooder, other, query) = (Asker::new(1), Asker::new(2), with_data());
    // As many at a time as one connection has streams for.
    let flood = async {
        for _ in 0..10 {
            let round = join_all((0..30).map(|_| flooder.query(&node, &query))).await;
            assert!(round.iter().all(|response| matches!(response.status, 200 | 429)));
            assert!(round.iter().any(|response| response.status == 200));
        }
    };
    let others = async {
        for _ in 0..20 {
            assert_eq!(other.query(&node, &query).await.status, 200);
        }
    };
    tokio::join!(flood, others);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_asks_another_over_rest() {
    let world = World::new();
    let keeper = world.node("keeper").option("store", true).start().await;
    let asker = world.node("asker").peer(&keeper).start().await;
    meshed(&[&keeper, &asker], topic(0)).await;
    publish(&asker, 0..3).await;
    until_stored(&keeper, 3).await;
    let relayed = keeper.receive(topic(0), 3).await;

    let peer = keeper.address().replace('/', "%2F");
    let page = asker.rest().get(&format!("/store/v3/messages?peerAddr={peer}&includeData=true")).await;
    assert_eq!((&page["statusCode"], &page["statusDesc"]), (&json!(200), &json!("OK")));
    assert_eq!(hashes(&page), local(&keeper, "").await);
    for message in page["messages"].as_array().expect("a list") {
        let proof = STANDARD.decode(message["message"]["proof"].as_str().expect("a proof")).expect("base64");
        assert!(relayed.iter().any(|relayed| relayed.proof == proof), "the proof it was relayed with");
    }
    // Without an address the peer that serves is found.
    assert_eq!(local(&asker, "pageSize=2").await, hashes(&page)[..2]);

    let unknown = format!("0x{}", "07".repeat(32));
    let wrong = format!("/store/v3/messages?peerAddr={peer}&cursor={unknown}");
    let reply = asker.rest().try_get(&wrong).await.expect("answered");
    assert!(!reply.is_ok() && reply.text.contains("cursor not found"), "{reply:?}");
    let gone = keeper.stop();
    drop(gone);
    let reply = asker.rest().try_get(&format!("/store/v3/messages?peerAddr={peer}")).await.expect("answered");
    assert!(!reply.is_ok(), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_fetches_what_it_missed_before_it_is_ready() {
    let world = World::new();
    let keeper = keeper(&world).start().await;
    let away = world
        .plain_node("away")
        .option("rln-relay", false)
        .option("store", true)
        .option("store-resume", true)
        .option("storenode", keeper.address());
    let node = away.start().await;
    meshed(&[&keeper, &node], topic(0)).await;
    publish(&keeper, 0..2).await;
    until_stored(&node, 2).await;
    let away = node.kill();
    publish(&keeper, 2..150).await;
    until_stored_backwards(&keeper, 149).await;

    let node = away.start().await;
    until("the node is ready", SOON, async || {
        let health = node.rest().get("/health").await;
        (health["nodeHealth"] == "READY").then_some(())
    })
    .await;
    let all = |node: Node| async move {
        let first = local(&node, "pageSize=100").await;
        let rest = local(&node, &format!("pageSize=100&cursor={}", first[99])).await;
        first.into_iter().chain(rest).collect::<BTreeSet<_>>()
    };
    let here = all(node).await;
    assert_eq!((here.len(), here), (150, all(keeper).await));
}

/// Waits until the newest message is the one with this payload.
async fn until_stored_backwards(node: &Node, payload: u8) {
    until_true("the newest message is stored", SOON, async || {
        let page = node.rest().get("/store/v3/messages?includeData=true&pageSize=1&ascending=false").await;
        page["messages"][0]["message"]["payload"] == STANDARD.encode([payload])
    })
    .await;
}
