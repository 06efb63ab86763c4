//! What the subscriptions of ten thousand clients cost. A process of its own, so that nothing else is measured.
#![cfg(target_os = "linux")]

use weir_core::{
    ClusterId, ContentTopic, PeerId, PubsubTopic, ShardId, Timestamp,
    filter::{Answer, Criteria, Request},
};
use weir_protocols::filter::{Server, ServerConfig};

const CLIENTS: u32 = 10_000;
const TOPICS: u32 = 100;

/// The bound of issue 5.
const MAX_BYTES: u64 = 200_000_000;

/// Memory of this process that is in use, from `VmRSS`.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line of it");
    let kibibytes: u64 =
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kibibytes * 1024
}

/// Subscribes every client to its topics; `topic_of` numbers the topic of a client.
fn subscribed(topic_of: impl Fn(u32, u32) -> u32) -> Server {
    let config = ServerConfig { max_clients: CLIENTS as usize, ..ServerConfig::default() };
    let mut server = Server::new(config);
    for client in 0..CLIENTS {
        // As long as the peer id of a secp256k1 key.
        let mut id = [7; 39];
        id[..4].copy_from_slice(&client.to_be_bytes());
        let peer = PeerId::from_bytes(&id).expect("short");
        let shard = PubsubTopic::new(ClusterId(1), ShardId((client % 8) as u16)).expect("shard");
        let topics = (0..TOPICS).map(|topic| {
            let name = format!("/status/1/chat-{:010}/proto", topic_of(client, topic));
            ContentTopic::new(&name).expect("content topic")
        });
        let criteria = Criteria::new(shard, topics.collect()).expect("100 topics");
        let answer =
            server.handle(&peer, Ok(Request::Subscribe(criteria)), Timestamp::from_secs(client.into()));
        assert_eq!(answer, Answer::ok());
    }
    server
}

#[test]
fn ten_thousand_clients_with_a_hundred_topics_each_take_less_than_200_mb() {
    // The worst first: freed memory that the process keeps would hide it.
    let before = resident_bytes();
    let own = subscribed(|client, topic| client * TOPICS + topic);
    let with_own = resident_bytes() - before;
    println!("topics of their own: {} criteria, {with_own} bytes", own.criteria());
    assert_eq!(own.criteria(), 1_000_000);
    assert!(with_own < MAX_BYTES, "{with_own} bytes");

    let before = resident_bytes();
    let shared = subscribed(|_, topic| topic);
    let with_shared = resident_bytes().saturating_sub(before);
    println!("the same topics: {} criteria, {with_shared} bytes", shared.criteria());
    assert_eq!(shared.criteria(), 800);
    assert!(with_shared < MAX_BYTES, "{with_shared} bytes");
}
