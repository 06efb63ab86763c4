//! The archive of a node: what is published can be fetched later, whatever happens in between.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::StatusCode;
use serde_json::{Value, json};
use weir_storage::postgres_server::{Fsync, PostgresServer};
use weir_testkit::CONTENT_TOPIC;

use crate::{
    node::{Node, Setup},
    wait::{SOON, until, until_true},
    world::{World, meshed, topic},
};

/// A node without RLN.
fn unlimited(world: &World, name: &str) -> Setup {
    world.plain_node(name).option("rln-relay", false)
}

/// The answer to a store query.
async fn query(node: &Node, parameters: &str) -> Value {
    node.rest().get(&format!("/store/v3/messages?{parameters}")).await
}

/// The same, when the archive can be read.
async fn try_query(node: &Node, parameters: &str) -> Option<Value> {
    let reply = node.rest().try_get(&format!("/store/v3/messages?{parameters}")).await?;
    if reply.is_ok() { serde_json::from_str(&reply.text).ok() } else { None }
}

/// Payloads on a page, in their order.
fn payloads(page: &Value) -> Vec<Vec<u8>> {
    let messages = page["messages"].as_array().expect("a list");
    let payload = |message: &Value| message["message"]["payload"].as_str().expect("data").to_owned();
    messages.iter().map(|message| STANDARD.decode(payload(message)).expect("base64")).collect()
}

fn hashes(page: &Value) -> Vec<String> {
    let messages = page["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["messageHash"].as_str().expect("a hash").to_owned()).collect()
}

/// Waits until the archive has so many messages.
async fn until_stored(node: &Node, messages: usize) {
    let what = format!("{} has {messages} messages", node.name());
    until_true(&what, SOON, async || {
        let page = try_query(node, "pageSize=100").await;
        page.is_some_and(|page| hashes(&page).len() == messages)
    })
    .await;
}

/// State of the store in `/health`, and why.
async fn store_health(node: &Node) -> (String, Option<String>) {
    let health = node.rest().get("/health").await;
    let protocols = health["protocolsHealth"].as_array().expect("a list");
    let store = protocols.iter().find(|protocol| protocol["Store"].is_string()).expect("a row");
    (store["Store"].as_str().expect("a word").to_owned(), store["desc"].as_str().map(str::to_owned))
}

async fn publish(node: &Node, numbers: std::ops::Range<u8>) {
    for number in numbers {
        node.rest().publish_patiently(topic(0), &[number]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_publishes_another_keeps_with_its_proof_over_a_kill() {
    let world = World::new();
    let keeper = world.node("keeper").option("store", true).start().await;
    let sender = world.node("sender").peer(&keeper).start().await;
    meshed(&[&keeper, &sender], topic(0)).await;
    publish(&sender, 0..2).await;
    let ephemeral = json!({"payload": "AA==", "contentTopic": CONTENT_TOPIC, "ephemeral": true});
    let reply = sender.rest().try_publish_json(topic(0), &ephemeral).await.expect("answered");
    assert!(reply.is_ok(), "{reply:?}");
    publish(&sender, 2..3).await;
    until_stored(&keeper, 3).await;

    let page = query(&keeper, "includeData=true").await;
    assert_eq!(payloads(&page), [[0], [1], [2]]);
    assert_eq!((&page["statusCode"], &page["paginationCursor"]), (&json!(200), &Value::Null));
    let relayed = keeper.receive(topic(0), 4).await;
    assert_eq!(relayed.len(), 4, "the ephemeral message was relayed");
    for message in page["messages"].as_array().expect("a list") {
        let proof = STANDARD.decode(message["message"]["proof"].as_str().expect("a proof")).expect("base64");
        assert!(relayed.iter().any(|relayed| relayed.proof == proof), "the proof it was relayed with");
        assert_eq!(message["pubsubTopic"], topic(0).to_string());
    }

    // At once: what was answered is durable.
    let keeper = keeper.kill().start().await;
    assert_eq!(query(&keeper, "includeData=true").await["messages"], page["messages"]);
    assert_eq!(store_health(&keeper).await, ("READY".to_owned(), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_order_writes_what_still_waits() {
    let world = World::new();
    let node = unlimited(&world, "node").option("store", true).start().await;
    publish(&node, 0..30).await;
    let node = node.stop().start().await;
    let page = query(&node, "includeData=true&pageSize=100").await;
    assert_eq!(payloads(&page).into_iter().collect::<BTreeSet<_>>(), (0..30).map(|n| vec![n]).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_select_page_and_say_what_is_wrong_with_them() {
    let world = World::new();
    let node = unlimited(&world, "node").option("store", true).start().await;
    publish(&node, 0..9).await;
    until_stored(&node, 9).await;
    let all = query(&node, "includeData=true").await;
    let names = hashes(&all);
    let times: Vec<i64> = all["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| message["message"]["timestamp"].as_i64().expect("a time"))
        .collect();

    let topic_in_query = topic(0).to_string().replace('/', "%2F");
    let content = CONTENT_TOPIC.replace('/', "%2F");
    for (parameters, found) in [
        (format!("pubsubTopic={topic_in_query}"), &names[..]),
        (format!("contentTopics={content}"), &names),
        (format!("startTime={}&endTime={}", times[2], times[4]), &names[2..=4]),
        (format!("hashes={},{}", names[7], names[3]), &[names[3].clone(), names[7].clone()]),
        ("pageSize=2".to_owned(), &names[..2]),
        ("pageSize=2&ascending=false".to_owned(), &names[7..]),
        (format!("pageSize=2&cursor={}", names[1]), &names[2..4]),
        (format!("pageSize=2&ascending=false&cursor={}", names[7]), &names[5..7]),
        ("pubsubTopic=%2Fwaku%2F2%2Frs%2F66%2F1".to_owned(), &[]),
        ("contentTopics=%2Fother%2F1%2Ftopic%2Fproto".to_owned(), &[]),
        ("pubsubTopic=nowhere".to_owned(), &[]),
        (format!("startTime={}&endTime={}", times[4], times[2]), &[]),
    ] {
        assert_eq!(hashes(&query(&node, &parameters).await), found, "{parameters}");
    }
    let page = query(&node, "pageSize=2").await;
    assert_eq!(page["paginationCursor"], names[1].as_str());
    assert!(page["messages"][0]["message"].is_null(), "no data unless it is asked for");

    let many = vec![names[0].as_str(); 101].join(",");
    let unknown = format!("0x{}", "ab".repeat(32));
    for (parameters, status, text) in [
        ("pageSize=x".to_owned(), 400, "page size parsing error"),
        ("hashes=0xab".to_owned(), 400, "waku message hash parsing error: invalid hash length: 1"),
        (format!("hashes={many}"), 400, "too many message hashes: 101"),
        (format!("cursor={unknown}"), 500, "cursor not found"),
        ("peerAddr=nobody".to_owned(), 400, "Failed parsing remote peer info: "),
    ] {
        let reply = node.rest().try_get(&format!("/store/v3/messages?{parameters}")).await.expect("answered");
        assert_eq!(reply.status.as_u16(), status, "{parameters}: {reply:?}");
        assert!(reply.text.contains(text), "{parameters}: {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_keeps_nothing_says_so() {
    let world = World::new();
    let node = unlimited(&world, "node").start().await;
    let reply = node.rest().try_get("/store/v3/messages").await.expect("answered");
    assert_eq!(reply.status, StatusCode::PRECONDITION_FAILED, "{reply:?}");
    assert_eq!(node.rest().try_get("/weir/v1/store").await.map(|reply| reply.status.as_u16()), Some(404));
    assert_eq!(store_health(&node).await, ("NOT_MOUNTED".to_owned(), None));
    assert!(!node.data_dir().join("archive").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_drops_the_oldest_messages_and_the_counts_follow() {
    let world = World::new();
    let node = unlimited(&world, "node")
        .option("store", true)
        .option("store-message-retention-policy", "capacity:5")
        .start()
        .await;
    publish(&node, 0..20).await;
    until_true("only the newest messages are left", SOON, async || {
        payloads(&query(&node, "includeData=true").await) == [[15], [16], [17], [18], [19]]
    })
    .await;
    let state = until("the counts follow", SOON, async || {
        let state = node.rest().get("/weir/v1/store").await;
        (state["messages"] == 5 && state["stored"] == 20).then_some(state)
    })
    .await;
    assert_eq!((&state["byShard"], &state["dropped"]), (&json!({"0": 5}), &json!(0)));
    let metrics = node.rest().metrics().await;
    assert_eq!(metrics.sum("waku_archive_messages", &[("type", "stored")]), 5.0);
    assert_eq!(metrics.sum("weir_archive_messages_trimmed_total", &[]), 15.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_reached_is_waited_for_and_nothing_is_lost() {
    let server = PostgresServer::start(Fsync::Off);
    let url = server.database();
    server.stop();
    let world = World::new();
    let setup = unlimited(&world, "node").option("store", true).option("store-message-db-url", &url);
    let node = setup.start().await;
    publish(&node, 0..5).await;
    until_true("the state of the store is told", SOON, async || store_health(&node).await.0 == "NOT_READY")
        .await;
    let state = node.rest().get("/weir/v1/store").await;
    assert_eq!((&state["waitingMessages"], &state["dropped"]), (&json!(5), &json!(0)), "{state}");
    let reply = node.rest().try_get("/store/v3/messages").await.expect("answered");
    assert!(reply.text.contains("the archive is unavailable"), "{reply:?}");

    server.start_again();
    until_true("the store is ready", SOON, async || store_health(&node).await.0 == "READY").await;
    until_stored(&node, 5).await;

    server.crash();
    publish(&node, 5..8).await;
    until_true("the state of the store is told again", SOON, async || {
        store_health(&node).await.0 == "NOT_READY"
    })
    .await;
    server.start_again();
    until_stored(&node, 8).await;
    let log = node.stderr();
    assert_eq!(log.matches("the archive cannot be written; messages wait").count(), 2, "a line a change");
    assert_eq!(log.matches("the archive takes messages again").count(), 2);
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_a_database_and_each_message_is_there_once() {
    let server = PostgresServer::start(Fsync::Off);
    let url = server.database();
    let world = World::new();
    let store = |setup: Setup| setup.option("store", true).option("store-message-db-url", &url);
    let first = store(unlimited(&world, "first")).start().await;
    let second = store(unlimited(&world, "second")).peer(&first).start().await;
    meshed(&[&first, &second], topic(0)).await;
    publish(&first, 0..5).await;
    publish(&second, 5..10).await;
    for node in [&first, &second] {
        until_stored(node, 10).await;
    }
    assert_eq!(query(&first, "").await["messages"], query(&second, "").await["messages"]);
    // What both have written stays one.
    let messages =
        server.sql(url.split(['/', '?']).nth(3).expect("a database"), "SELECT count(*) FROM weir.message");
    assert_eq!(messages, "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_cannot_be_is_refused_at_the_start() {
    let server = PostgresServer::start(Fsync::Off);
    let world = World::new();
    for (url, text) in [
        ("sqlite:///var/lib/store.sqlite3".to_owned(), "weir store migrate"),
        (server.url("missing"), "--store: PostgreSQL refused"),
    ] {
        let setup = unlimited(&world, "node").option("store", true).option("store-message-db-url", url);
        let exit = setup.run_to_end();
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(exit.stderr.contains(text), "{exit:?}");
    }
}
