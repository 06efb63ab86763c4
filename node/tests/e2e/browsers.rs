//! What browsers dial: a js-libp2p client that speaks WebSocket, Noise and mplex only, as js-waku does.

use serde::Deserialize;
use weir_wire::{Metadata, protocol_id};

use crate::{
    javascript::{address_with, javascript},
    ports::free_port,
    world::{CLUSTER, World},
};

/// What `client.mjs` prints.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    muxer: String,
    encryption: String,
    agent: String,
    protocols: Vec<String>,
    addresses: Vec<String>,
    slowest_ping_ms: f64,
    open_after_quiet: bool,
    metadata: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_javascript_client_is_served_over_websockets_plain_and_secure() {
    let world = World::new();
    let node = world
        .node("a")
        .option("websocket-support", true)
        .option("websocket-port", free_port())
        .option("websocket-secure-support", true)
        .option("websocket-secure-port", free_port())
        .option("websocket-secure-self-signed", true)
        .start()
        .await;
    let trusted = node.data_dir().join("websocket-cert.pem");
    let clients = ["/ws/p2p/", "/wss/p2p/"].map(|transport| async {
        let address = address_with(&node, transport).await;
        javascript::<Seen>("client.mjs", vec![address], Some(trusted.clone())).await
    });
    for seen in futures::future::join_all(clients).await {
        assert_eq!((seen.muxer.as_str(), seen.encryption.as_str()), ("/mplex/6.7.0", "/noise"));
        assert!(seen.agent.starts_with("weir-"), "{seen:?}");
        for protocol in [protocol_id::METADATA, protocol_id::RELAY] {
            assert!(seen.protocols.iter().any(|told| told == protocol), "{seen:?}");
        }
        for transport in ["/ws", "/wss"] {
            assert!(seen.addresses.iter().any(|told| told.contains(transport)), "{seen:?}");
        }
        assert!(seen.open_after_quiet && seen.slowest_ping_ms < 5000.0, "{seen:?}");
        let (length, body) = seen.metadata.split_first().expect("an answer");
        assert_eq!(usize::from(*length), body.len(), "one frame, then the end");
        let metadata = Metadata::decode(body).expect("metadata");
        assert_eq!((metadata.cluster, metadata.shards.len()), (Some(CLUSTER), 8));
    }
    node.stop();
}
