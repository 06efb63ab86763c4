//! js-waku as it comes from npm, served by a node over WebSockets.

use std::{
    collections::BTreeSet,
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    asker::Asker,
    javascript::{address_with, javascript},
    node::{Node, Setup},
    peer_exchange::peers_told_by,
    ports::free_port,
    wait::{SOON, until_true},
    world::{CLUSTER, World, meshed, topic},
};

/// Two content topics of shard 3 (of 8), and one that nobody uses.
const TOPICS: [&str; 2] = ["/toychat/2/huilong/proto", "/toychat/2/dongting/proto"];
const ABSENT: &str = "/toychat/2/nobody/proto";
const SHARD: u16 = 3;

/// A minute and a wide margin.
const QUIET_LIMIT: Duration = Duration::from_secs(150);

/// A node that browsers can dial.
fn for_browsers(world: &World) -> Setup {
    for_browsers_named(world, "node")
}

fn for_browsers_named(world: &World, name: &str) -> Setup {
    world
        .plain_node(name)
        .option("rln-relay", false)
        .option("websocket-support", true)
        .option("websocket-port", free_port())
}

/// Runs `scenarios/<scenario>.mjs` at the node's plain WebSocket.
async fn visit<T: DeserializeOwned + Send + 'static>(node: &Node, scenario: &str, arguments: &Value) -> T {
    let address = address_with(node, "/ws/p2p/").await;
    javascript("waku.mjs", vec![scenario.to_owned(), address, arguments.to_string()], None).await
}

/// What `scenarios/store.mjs` saw: payloads by page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    cluster: u16,
    shards: Vec<u16>,
    hashes: Vec<String>,
    forward: Vec<Vec<u8>>,
    backward: Vec<Vec<u8>>,
    whole_pages: Vec<Vec<u8>>,
    by_time: Vec<Vec<u8>>,
    by_hash: Vec<Vec<u8>>,
    after_cursor: Vec<Vec<u8>>,
    two_topics: Vec<Vec<u8>>,
    absent: Vec<Vec<u8>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn js_waku_reads_the_metadata_and_asks_the_archive_in_all_its_ways() {
    const MESSAGES: u8 = 25;
    let world = World::new();
    let node = for_browsers(&world).option("store", true).start().await;
    // js-waku's times are in ms, so messages are that far apart at least; all within the window of relay.
    let start = SystemTime::now() - Duration::from_secs(5);
    let time = |number: u8| {
        let since = (start + Duration::from_millis(10) * u32::from(number)).duration_since(UNIX_EPOCH);
        u64::try_from(since.expect("after 1970").as_millis()).expect("in range") * 1_000_000
    };
    // The last two are of the other topic.
    for number in 0..MESSAGES + 2 {
        let message = json!({
            "payload": STANDARD.encode([number]),
            "contentTopic": TOPICS[usize::from(number >= MESSAGES)],
            "timestamp": time(number),
        });
        let reply = node.rest().try_publish_json(topic(SHARD), &message).await.expect("answered");
        assert!(reply.is_ok(), "{reply:?}");
    }
    let stored = async || {
        let page = node.rest().get("/store/v3/messages?pageSize=100").await;
        page["messages"].as_array().expect("a list").clone()
    };
    until_true("all are stored", SOON, async || stored().await.len() == usize::from(MESSAGES) + 2).await;

    let arguments = json!({"contentTopics": TOPICS, "middle": [4, 9], "absent": ABSENT});
    let seen: Store = visit(&node, "store", &arguments).await;

    assert_eq!((seen.cluster, seen.shards), (CLUSTER.0, (0..8).collect()));
    let hash = |message: &Value| message["messageHash"].as_str().expect("a hash").replace("0x", "");
    let hashes: Vec<_> = stored().await[..usize::from(MESSAGES)].iter().map(hash).collect();
    assert_eq!(seen.hashes.iter().map(|hash| hash.replace("0x", "")).collect::<Vec<_>>(), hashes);
    let pages = |pages: &[Range<u8>]| pages.iter().cloned().map(Vec::from_iter).collect::<Vec<_>>();
    let one_page = |page: Range<u8>| vec![Vec::from_iter(page)];
    assert_eq!(seen.forward, pages(&[0..7, 7..14, 14..21, 21..25]));
    // The oldest of a page first here too.
    assert_eq!(seen.backward, pages(&[18..25, 11..18, 4..11, 0..4]));
    assert_eq!(seen.whole_pages, pages(&[0..20, 20..25]));
    assert_eq!(seen.by_time, one_page(4..10));
    assert_eq!(seen.by_hash, [[4, 9]]);
    assert_eq!(seen.after_cursor, one_page(5..25));
    assert_eq!(seen.two_topics, one_page(0..27));
    assert!(seen.absent.is_empty(), "{:?}", seen.absent);
    node.stop();
}

/// What `scenarios/relay.mjs` saw.
#[derive(Debug, Deserialize)]
struct Relay {
    received: Vec<u8>,
    decrypted: Vec<Vec<u8>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn js_waku_is_a_peer_of_gossipsub_and_reads_back_what_it_encrypts() {
    let world = World::new();
    let node = for_browsers(&world).option("store", true).start().await;
    let arguments =
        json!({"contentTopic": TOPICS[0], "pubsubTopic": topic(SHARD).to_string(), "expected": 3});
    let others = async {
        until_true("js-waku is in the mesh", SOON, async || node.rest().mesh(topic(SHARD)).await.len() == 1)
            .await;
        for number in 0..3 {
            let message = json!({"payload": STANDARD.encode([number]), "contentTopic": TOPICS[0]});
            let reply = node.rest().try_publish_json(topic(SHARD), &message).await.expect("answered");
            assert!(reply.is_ok(), "{reply:?}");
        }
        let mut received = Vec::new();
        until_true("the node has what js-waku sent", SOON, async || {
            received.extend(node.rest().take_messages(topic(SHARD)).await);
            // The node's own have one byte that is less than 3; encrypted ones have many.
            received.iter().filter(|message| message.payload[0] > 2 || message.payload.len() > 1).count() == 3
        })
        .await;
        received
    };
    let (seen, received) = tokio::join!(visit::<Relay>(&node, "relay", &arguments), others);
    assert_eq!(BTreeSet::from_iter(seen.received), (0..3).collect());
    assert_eq!(seen.decrypted, [[101], [102]]);
    assert!(received.iter().any(|message| message.payload == [100]), "{received:?}");
    assert!(received.iter().all(|message| message.payload != [101] && message.payload != [102]));
    node.stop();
}

/// What `scenarios/lightpush.mjs` saw.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LightPush {
    current: Pushed,
    legacy: Pushed,
    too_long: Pushed,
    again: Pushed,
}

/// How many services took a message, and why others did not.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Pushed {
    successes: usize,
    failures: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn js_waku_publishes_by_light_push_in_both_versions() {
    let world = World::new();
    let node = for_browsers(&world).option("lightpush", true).start().await;
    let other = world.plain_node("other").option("rln-relay", false).peer(&node).start().await;
    meshed(&[&node, &other], topic(SHARD)).await;
    let seen: LightPush = visit(&node, "lightpush", &json!({"contentTopic": TOPICS[0]})).await;
    for taken in [&seen.current, &seen.legacy, &seen.again] {
        assert_eq!(taken, &Pushed { successes: 1, failures: vec![] }, "{seen:?}");
    }
    assert_eq!(seen.too_long, Pushed { successes: 0, failures: vec!["Remote peer rejected".to_owned()] });
    let received = other.receive(topic(SHARD), 3).await;
    let payloads: BTreeSet<_> = received.into_iter().map(|message| message.payload).collect();
    assert_eq!(payloads, BTreeSet::from([vec![2], vec![3], vec![4]]));
    node.stop();
}

/// What `scenarios/filter.mjs` saw.
#[derive(Debug, Deserialize)]
struct Filter {
    subscribed: bool,
    received: Vec<String>,
    unsubscribed: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn js_waku_is_pushed_what_it_subscribed_to_until_it_unsubscribes() {
    let world = World::new();
    let node = for_browsers(&world).option("filter", true).start().await;
    // As many as one request may have.
    let topics: Vec<_> = (0..100).map(|number| format!("/toychat/2/room-{number}/proto")).collect();
    let ready = world.path().join("ready");
    let arguments = json!({"contentTopics": topics, "ready": ready});
    let publish = async {
        until_true("js-waku has subscribed", SOON, async || ready.exists()).await;
        for content_topic in &topics {
            let message = json!({"payload": STANDARD.encode([1]), "contentTopic": content_topic});
            let reply = node.rest().try_publish_json(topic(SHARD), &message).await.expect("answered");
            assert!(reply.is_ok(), "{reply:?}");
        }
    };
    let (seen, ()) = tokio::join!(visit::<Filter>(&node, "filter", &arguments), publish);
    assert!(seen.subscribed && seen.unsubscribed, "{seen:?}");
    assert_eq!(seen.received, topics);
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn js_waku_finds_a_second_node_by_peer_exchange() {
    let world = World::new();
    let hidden = for_browsers_named(&world, "hidden").option("peer-exchange", true).start().await;
    let node = for_browsers(&world)
        // js-waku dials for a service that it uses itself.
        .option("store", true)
        .option("peer-exchange", true)
        .option("peer-exchange-node", hidden.address())
        .option("rate-limit", "px:0/1s")
        .start()
        .await;
    let asker = Asker::new(1);
    until_true("the node tells of the hidden one", SOON, async || {
        peers_told_by(&asker, &node).await.contains(hidden.peer_id())
    })
    .await;
    let seen: Vec<String> = visit(&node, "discover", &json!({})).await;
    for peer in [&node, &hidden] {
        assert!(
            seen.iter().any(|address| address.contains("/ws") && address.ends_with(peer.peer_id())),
            "{seen:?}"
        );
    }
    node.stop();
}

/// What `scenarios/held.mjs` saw: payloads.
#[derive(Debug, Deserialize)]
struct Held {
    first: Vec<u8>,
    quiet: Vec<u8>,
    /// The connection after the quiet minute is the one before.
    kept: bool,
    again: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn js_waku_goes_on_after_a_quiet_minute_and_after_the_node_was_started_anew() {
    let world = World::new();
    let node = for_browsers(&world).option("store", true).start().await;
    let message = json!({"payload": STANDARD.encode([7]), "contentTopic": TOPICS[0]});
    let reply = node.rest().try_publish_json(topic(SHARD), &message).await.expect("answered");
    assert!(reply.is_ok(), "{reply:?}");
    until_true("it is stored", SOON, async || {
        let page = node.rest().get("/store/v3/messages").await;
        page["messages"].as_array().is_some_and(|messages| messages.len() == 1)
    })
    .await;

    let restart = world.path().join("restart");
    let arguments = json!({"contentTopic": TOPICS[0], "restart": restart});
    let address = address_with(&node, "/ws/p2p/").await;
    let visit = javascript::<Held>("waku.mjs", vec!["held".to_owned(), address, arguments.to_string()], None);
    let restarted = async {
        // The quiet minute, and what js-waku needs around it.
        until_true("js-waku was quiet", QUIET_LIMIT, async || restart.exists()).await;
        node.stop().start().await
    };
    let (seen, node) = tokio::join!(visit, restarted);
    assert_eq!([&seen.first, &seen.quiet, &seen.again], [&[7]; 3], "{seen:?}");
    assert!(seen.kept, "{seen:?}");
    node.stop();
}
