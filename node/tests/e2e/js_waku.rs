//! js-waku as it comes from npm, served by a node over WebSockets.

use std::{
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    javascript::{address_with, javascript},
    node::Setup,
    ports::free_port,
    wait::{SOON, until_true},
    world::{CLUSTER, World, topic},
};

/// Two content topics of shard 3 (of 8), and one that nobody uses.
const TOPICS: [&str; 2] = ["/toychat/2/huilong/proto", "/toychat/2/dongting/proto"];
const ABSENT: &str = "/toychat/2/nobody/proto";
const SHARD: u16 = 3;

/// A node that browsers can dial.
fn for_browsers(world: &World) -> Setup {
    world
        .plain_node("node")
        .option("rln-relay", false)
        .option("websocket-support", true)
        .option("websocket-port", free_port())
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
    let address = address_with(&node, "/ws/p2p/").await;
    let seen: Store =
        javascript("waku.mjs", vec!["store".to_owned(), address, arguments.to_string()], None).await;

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
