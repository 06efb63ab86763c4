//! Administration.

use serde_json::json;
use weir_core::{PeerAddress, ShardId};
use weir_protocols::peer_manager::{Connectedness, Origin, PeerInfo};

use super::{fake::PEER, *};
use crate::backend::{ConnectError, Unavailable};

const OTHER: &str = "16Uiu2HAkxj3WzLiqBximSaHc8wV9Co87GyRGRYLVGsHZrzi3TL5W";

fn peer(id: &str, connectedness: Connectedness, shards: &[u16], protocols: &[&str]) -> PeerInfo {
    let multiaddr = format!("/ip4/10.0.0.1/tcp/60000/p2p/{id}");
    PeerInfo {
        address: PeerAddress::new(id.parse().expect("a peer id"), &multiaddr),
        protocols: protocols.iter().map(|&protocol| protocol.to_owned()).collect(),
        shards: shards.iter().copied().map(ShardId).collect(),
        connectedness,
        agent: "weir-test".into(),
        origin: Origin::Static,
        direction: weir_protocols::peer_manager::Direction::Outbound,
        score: None,
    }
}

fn one() -> PeerInfo {
    peer(PEER, Connectedness::Connected, &[0, 3], &["/vac/waku/relay/2.0.0", "/ipfs/ping/1.0.0"])
}

fn two() -> PeerInfo {
    peer(OTHER, Connectedness::CannotConnect, &[3], &["/ipfs/ping/1.0.0"])
}

fn one_json() -> serde_json::Value {
    json!({
        "multiaddr": format!("/ip4/10.0.0.1/tcp/60000/p2p/{PEER}"),
        "protocols": ["/vac/waku/relay/2.0.0", "/ipfs/ping/1.0.0"],
        "shards": [0, 3],
        "connected": "Connected",
        "agent": "weir-test",
        "origin": "Static",
    })
}

fn with_peers() -> (Fake, App) {
    let fake = Fake::new();
    fake.script().peers = Ok(vec![one(), two()]);
    fake.script().relay_peers = vec![(ShardId(0), vec![one()]), (ShardId(3), vec![one(), two()])];
    fake.script().mesh = vec![(ShardId(3), vec![PeerInfo { score: Some(1.5), ..one() }])];
    let app = full_app(&fake);
    (fake, app)
}

#[tokio::test]
async fn peers_are_listed_all_or_connected_or_by_shard() {
    let (_, app) = with_peers();
    let all = get(&app, "/admin/v1/peers").await.json();
    assert_eq!(all[0], one_json());
    assert_eq!(all[1]["connected"], "CannotConnect");
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    assert_eq!(get(&app, "/admin/v1/peers/connected").await.json(), json!([one_json()]));
    assert_eq!(get(&app, "/admin/v1/peers/connected/on/3").await.json(), json!([one_json()]));
    assert_eq!(get(&app, "/admin/v1/peers/connected/on/1").await.json(), json!([]));
}

#[tokio::test]
async fn one_peer_is_found_by_its_id() {
    let (_, app) = with_peers();
    assert_eq!(get(&app, &format!("/admin/v1/peer/{PEER}")).await.json(), one_json());
    let stranger = "16Uiu2HAm2eqzqp6xn32fzgGi8K4BuF88W4Xy6yxsmDcW8h1gj6ie";
    assert_eq!(
        get(&app, &format!("/admin/v1/peer/{stranger}")).await.plain(),
        (404, format!("Peer with ID {stranger} not found").as_str())
    );
    assert_eq!(
        get(&app, "/admin/v1/peer/0OIl").await.plain(),
        (400, "Invalid argument:`0OIl` is not a base58 peer id")
    );
}

#[tokio::test]
async fn service_peers_show_their_services_only() {
    let (_, app) = with_peers();
    let peers = get(&app, "/admin/v1/peers/service").await.json();
    assert_eq!(peers.as_array().map(Vec::len), Some(1));
    assert_eq!(peers[0]["protocols"], json!(["/vac/waku/relay/2.0.0"]));
}

#[tokio::test]
async fn relay_and_mesh_peers_are_listed_by_shard() {
    let (_, app) = with_peers();
    let relay = get(&app, "/admin/v1/peers/relay").await.json();
    assert_eq!(relay[0], json!({"shard": 0, "peers": [one_json()]}));
    assert_eq!(relay[1]["shard"], 3);
    assert_eq!(get(&app, "/admin/v1/peers/relay/on/0").await.json(), relay[0]);
    let mesh = get(&app, "/admin/v1/peers/mesh").await.json();
    assert_eq!(mesh[0]["peers"][0]["score"], 1.5);
    assert_eq!(get(&app, "/admin/v1/peers/mesh/on/3").await.json(), mesh[0]);
    assert_eq!(get(&app, "/admin/v1/peers/mesh/on/0").await.json(), json!({"shard": 0, "peers": []}));
}

#[tokio::test]
async fn a_shard_that_is_none_is_refused() {
    let (_, app) = with_peers();
    for group in ["connected", "relay", "mesh"] {
        let path = format!("/admin/v1/peers/{group}/on");
        assert_eq!(
            get(&app, &format!("{path}/x")).await.plain(),
            (400, "Invalid shardId: invalid digit found in string")
        );
        assert_eq!(get(&app, &format!("{path}/65536")).await.status, 400);
    }
}

#[tokio::test]
async fn without_relay_there_are_no_relay_peers() {
    let (fake, _) = with_peers();
    let app = app_with(&fake, Config { relay: false, admin: true, ..Config::default() });
    for path in ["relay", "relay/on/3", "mesh", "mesh/on/3"] {
        assert_eq!(
            get(&app, &format!("/admin/v1/peers/{path}")).await.plain(),
            (503, "Error: Relay Protocol is not mounted to the node")
        );
    }
    let stats = get(&app, "/admin/v1/peers/stats").await.json();
    assert_eq!(stats["Relay peers"], json!({"Total relay peers": 0}));
}

#[tokio::test]
async fn statistics_count_by_every_grouping() {
    let (_, app) = with_peers();
    let stats = get(&app, "/admin/v1/peers/stats").await.json();
    assert_eq!(stats["Sum"], json!({"Total peers": 2}));
    assert_eq!(
        stats["By Connectedness"],
        json!({"Connected": 1, "NotConnected": 0, "CannotConnect": 1, "CanConnect": 0})
    );
    assert_eq!(stats["Relay peers"], json!({"0": 1, "3": 2, "Total relay peers": 3}));
    assert_eq!(stats["Mesh peers"], json!({"3": 1, "Total mesh peers": 1}));
    assert_eq!(stats["By Protocols"]["/vac/waku/relay/2.0.0"], 1);
    assert_eq!(stats["By Protocols"]["/vac/waku/store-query/3.0.0"], 0);
}

#[tokio::test]
async fn peers_are_connected_one_after_the_other() {
    let (fake, app) = with_peers();
    assert_eq!(post(&app, "/admin/v1/peers", r#"["/a", "/b"]"#).await.plain(), (200, "OK"));
    assert_eq!(fake.script().asked, [r#"connect "/a""#, r#"connect "/b""#]);
    for (error, status, text) in [
        (ConnectError::Address("no /p2p/".into()), 400, "Couldn't parse remote peer info: no /p2p/"),
        (ConnectError::Failed("refused".into()), 400, "Failed to connect to peer at index: 0 - /a"),
        (Unavailable::Stopping.into(), 503, "the node is stopping"),
    ] {
        fake.script().connect = Err(error);
        assert_eq!(post(&app, "/admin/v1/peers", r#"["/a", "/b"]"#).await.plain(), (status, text));
    }
    assert_eq!(
        post(&app, "/admin/v1/peers", Body::empty()).await.plain(),
        (400, "Failed to decode request: Missing content body")
    );
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_said_so() {
    let (fake, app) = with_peers();
    fake.script().peers = Err(Unavailable::Timeout);
    assert_eq!(get(&app, "/admin/v1/peers").await.plain(), (500, "the node did not answer in time"));
}

#[tokio::test]
async fn the_log_level_is_one_of_the_known_words() {
    let (fake, app) = with_peers();
    for level in ["TRACE", "debug", "Notice"] {
        assert_eq!(call(&app, "POST", &format!("/admin/v1/log-level/{level}")).await.plain(), (200, "OK"));
    }
    assert_eq!(
        fake.script().asked,
        [r#"log level "TRACE""#, r#"log level "DEBUG""#, r#"log level "NOTICE""#]
    );
    assert_eq!(
        call(&app, "POST", "/admin/v1/log-level/loud").await.plain(),
        (
            400,
            "Invalid log-level: loud. Please specify one of TRACE, DEBUG, INFO, NOTICE, WARN, ERROR or FATAL"
        )
    );
    assert_eq!(
        call(&app, "POST", "/admin/v1/log-level/%20").await.plain(),
        (400, "Invalid log-level, it can’t be empty")
    );
    fake.script().set_log_level = Err("the filter comes from RUST_LOG".into());
    assert_eq!(
        call(&app, "POST", "/admin/v1/log-level/info").await.plain(),
        (503, "the filter comes from RUST_LOG")
    );
}

#[tokio::test]
async fn there_is_no_filter_service() {
    let (_, app) = with_peers();
    assert_eq!(
        get(&app, "/admin/v1/filter/subscriptions").await.plain(),
        (400, "Error: Filter Protocol is not mounted to the node")
    );
}
