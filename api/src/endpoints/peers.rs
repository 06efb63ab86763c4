//! Administration of peers.

use std::collections::BTreeMap;

use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;
use weir_core::{PeerId, ShardId};
use weir_protocols::peer_manager::{Connectedness, PeerInfo};
use weir_wire::protocol_id;

use crate::{
    answer::{Answer, Refusal, json, ok},
    app::{Node, Shared},
    backend::{Backend, ConnectError},
    request::PathText,
    routes::Routes,
};

/// Protocols that make a peer a service peer.
const SERVICES: [&str; 8] = [
    protocol_id::RELAY,
    protocol_id::FILTER_SUBSCRIBE,
    protocol_id::STORE_QUERY,
    protocol_id::LIGHTPUSH_LEGACY,
    protocol_id::LIGHTPUSH,
    protocol_id::PEER_EXCHANGE,
    protocol_id::RECONCILIATION,
    protocol_id::TRANSFER,
];

/// Protocols the statistics count.
const COUNTED: [&str; 8] = [
    protocol_id::RELAY,
    protocol_id::FILTER_SUBSCRIBE,
    protocol_id::FILTER_PUSH,
    protocol_id::STORE_QUERY,
    protocol_id::LIGHTPUSH,
    protocol_id::LIGHTPUSH_LEGACY,
    protocol_id::PEER_EXCHANGE,
    protocol_id::RECONCILIATION,
];

pub(crate) fn install<B: Backend>(routes: Routes<B>) -> Routes<B> {
    routes
        .endpoint(__path_all, all::<B>)
        .endpoint(__path_connect, connect::<B>)
        .endpoint(__path_one, one::<B>)
        .endpoint(__path_service, service::<B>)
        .endpoint(__path_connected, connected::<B>)
        .endpoint(__path_connected_on, connected_on::<B>)
        .endpoint(__path_relay, relay::<B>)
        .endpoint(__path_relay_on, relay_on::<B>)
        .endpoint(__path_mesh, mesh::<B>)
        .endpoint(__path_mesh_on, mesh_on::<B>)
        .endpoint(__path_stats, stats::<B>)
}

/// A peer.
#[derive(Serialize, ToSchema)]
struct WakuPeer {
    /// Where it is, ending in `/p2p/<id>`.
    multiaddr: String,
    protocols: Vec<String>,
    shards: Vec<u16>,
    /// `NotConnected`, `CannotConnect`, `CanConnect` or `Connected`.
    connected: &'static str,
    agent: String,
    /// How the node came to know it: `Static`, `Dns`, `Discv5`, `PeerExchange`, …
    origin: &'static str,
    /// Its gossipsub score, for relay and mesh peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
}

/// The peers of one shard.
#[derive(Serialize, ToSchema)]
struct PeersOfShard {
    shard: u16,
    peers: Vec<WakuPeer>,
}

/// Numbers of peers by several groupings.
#[derive(Serialize, ToSchema)]
struct PeerStats {
    #[serde(rename = "Sum")]
    sum: BTreeMap<&'static str, usize>,
    #[serde(rename = "By Connectedness")]
    by_connectedness: BTreeMap<&'static str, usize>,
    #[serde(rename = "Relay peers")]
    relay_peers: BTreeMap<String, usize>,
    #[serde(rename = "Mesh peers")]
    mesh_peers: BTreeMap<String, usize>,
    #[serde(rename = "By Protocols")]
    by_protocols: BTreeMap<&'static str, usize>,
}

/// Every peer the node knows
#[utoipa::path(get, path = "/admin/v1/peers", tag = "admin", responses((status = 200, body = Vec<WakuPeer>)))]
async fn all<B: Backend>(State(node): Node<B>) -> Answer {
    json(&to_json(node.backend.peers().await?))
}

/// Connect to peers
#[utoipa::path(post, path = "/admin/v1/peers", tag = "admin",
    request_body(content = Vec<String>, description = "multiaddrs with /p2p/<id>"),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "Not an address, or no connection"),
    ))]
async fn connect<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let addresses =
        node.bodies.list(request).await.map_err(|error| error.prefixed("Failed to decode request: "))?;
    for (index, address) in addresses.iter().enumerate() {
        node.backend.connect(address).await.map_err(|error| match error {
            ConnectError::Address(detail) => {
                Refusal::bad_request(format!("Couldn't parse remote peer info: {detail}"))
            }
            ConnectError::Failed(_) => {
                Refusal::bad_request(format!("Failed to connect to peer at index: {index} - {address}"))
            }
            ConnectError::Unavailable(reason) => reason.into(),
        })?;
    }
    Ok(ok())
}

/// One peer
#[utoipa::path(get, path = "/admin/v1/peer/{peerId}", tag = "admin",
    params(("peerId" = String, Path, description = "base58")),
    responses(
        (status = 200, body = WakuPeer),
        (status = 400, body = String, content_type = "text/plain", description = "Not a peer id"),
        (status = 404, body = String, content_type = "text/plain", description = "Not known"),
    ))]
async fn one<B: Backend>(State(node): Node<B>, PathText(id): PathText) -> Answer {
    let peer: PeerId =
        id.parse().map_err(|error| Refusal::bad_request(format!("Invalid argument:{error}")))?;
    let found = node.backend.peers().await?.into_iter().find(|info| *info.address.peer() == peer);
    let found = found.ok_or_else(|| Refusal::not_found(format!("Peer with ID {id} not found")))?;
    json(&WakuPeer::from(found))
}

/// Peers that offer a service, with the services they offer
#[utoipa::path(get, path = "/admin/v1/peers/service", tag = "admin",
    responses((status = 200, body = Vec<WakuPeer>)))]
async fn service<B: Backend>(State(node): Node<B>) -> Answer {
    let mut peers = node.backend.peers().await?;
    for peer in &mut peers {
        peer.protocols.retain(|protocol| SERVICES.contains(&protocol.as_str()));
    }
    peers.retain(|peer| !peer.protocols.is_empty());
    json(&to_json(peers))
}

/// Connected peers
#[utoipa::path(get, path = "/admin/v1/peers/connected", tag = "admin",
    responses((status = 200, body = Vec<WakuPeer>)))]
async fn connected<B: Backend>(State(node): Node<B>) -> Answer {
    json(&to_json(connected_peers(&node).await?))
}

/// Connected peers of a shard
#[utoipa::path(get, path = "/admin/v1/peers/connected/on/{shardId}", tag = "admin",
    params(("shardId" = u16, Path)),
    responses(
        (status = 200, body = Vec<WakuPeer>),
        (status = 400, body = String, content_type = "text/plain", description = "Not a shard"),
    ))]
async fn connected_on<B: Backend>(State(node): Node<B>, PathText(shard): PathText) -> Answer {
    let shard = parse_shard(&shard)?;
    let mut peers = connected_peers(&node).await?;
    peers.retain(|peer| peer.shards.contains(&shard));
    json(&to_json(peers))
}

/// Relay peers by subscribed shard
#[utoipa::path(get, path = "/admin/v1/peers/relay", tag = "admin", responses(
    (status = 200, body = Vec<PeersOfShard>),
    (status = 503, body = String, content_type = "text/plain", description = "The node does not relay"),
))]
async fn relay<B: Backend>(State(node): Node<B>) -> Answer {
    relays(&node)?;
    json(&by_shard(node.backend.relay_peers().await?))
}

/// Relay peers of a shard
#[utoipa::path(get, path = "/admin/v1/peers/relay/on/{shardId}", tag = "admin",
    params(("shardId" = u16, Path)),
    responses(
        (status = 200, body = PeersOfShard),
        (status = 400, body = String, content_type = "text/plain", description = "Not a shard"),
        (status = 503, body = String, content_type = "text/plain", description = "The node does not relay"),
    ))]
async fn relay_on<B: Backend>(State(node): Node<B>, PathText(shard): PathText) -> Answer {
    let shard = parse_shard(&shard)?;
    relays(&node)?;
    json(&on_shard(node.backend.relay_peers().await?, shard))
}

/// Mesh peers by subscribed shard
#[utoipa::path(get, path = "/admin/v1/peers/mesh", tag = "admin", responses(
    (status = 200, body = Vec<PeersOfShard>),
    (status = 503, body = String, content_type = "text/plain", description = "The node does not relay"),
))]
async fn mesh<B: Backend>(State(node): Node<B>) -> Answer {
    relays(&node)?;
    json(&by_shard(node.backend.mesh().await?))
}

/// Mesh peers of a shard
#[utoipa::path(get, path = "/admin/v1/peers/mesh/on/{shardId}", tag = "admin",
    params(("shardId" = u16, Path)),
    responses(
        (status = 200, body = PeersOfShard),
        (status = 400, body = String, content_type = "text/plain", description = "Not a shard"),
        (status = 503, body = String, content_type = "text/plain", description = "The node does not relay"),
    ))]
async fn mesh_on<B: Backend>(State(node): Node<B>, PathText(shard): PathText) -> Answer {
    let shard = parse_shard(&shard)?;
    relays(&node)?;
    json(&on_shard(node.backend.mesh().await?, shard))
}

/// Numbers of peers
#[utoipa::path(get, path = "/admin/v1/peers/stats", tag = "admin",
    responses((status = 200, body = PeerStats)))]
async fn stats<B: Backend>(State(node): Node<B>) -> Answer {
    let peers = node.backend.peers().await?;
    let (relay, mesh) = if node.config.relay {
        (node.backend.relay_peers().await?, node.backend.mesh().await?)
    } else {
        (Vec::new(), Vec::new())
    };
    let connectedness = [
        Connectedness::Connected,
        Connectedness::NotConnected,
        Connectedness::CannotConnect,
        Connectedness::CanConnect,
    ];
    let count_protocol =
        |id: &str| peers.iter().filter(|peer| peer.protocols.iter().any(|protocol| protocol == id)).count();
    json(&PeerStats {
        sum: BTreeMap::from([("Total peers", peers.len())]),
        by_connectedness: connectedness
            .map(|word| (word.into(), peers.iter().filter(|peer| peer.connectedness == word).count()))
            .into(),
        relay_peers: count_by_shard(&relay, "Total relay peers"),
        mesh_peers: count_by_shard(&mesh, "Total mesh peers"),
        by_protocols: COUNTED.map(|id| (id, count_protocol(id))).into(),
    })
}

impl From<PeerInfo> for WakuPeer {
    fn from(peer: PeerInfo) -> Self {
        Self {
            multiaddr: peer.address.as_str().to_owned(),
            protocols: peer.protocols,
            shards: peer.shards.into_iter().map(|ShardId(shard)| shard).collect(),
            connected: peer.connectedness.into(),
            agent: peer.agent,
            origin: peer.origin.into(),
            score: peer.score,
        }
    }
}

fn to_json(peers: Vec<PeerInfo>) -> Vec<WakuPeer> {
    peers.into_iter().map(WakuPeer::from).collect()
}

fn by_shard(shards: Vec<(ShardId, Vec<PeerInfo>)>) -> Vec<PeersOfShard> {
    shards.into_iter().map(|(shard, peers)| PeersOfShard { shard: shard.0, peers: to_json(peers) }).collect()
}

/// The peers of one shard; none when the node does not take part in it.
fn on_shard(shards: Vec<(ShardId, Vec<PeerInfo>)>, shard: ShardId) -> PeersOfShard {
    let peers = shards.into_iter().find(|&(other, _)| other == shard).map(|(_, peers)| peers);
    PeersOfShard { shard: shard.0, peers: to_json(peers.unwrap_or_default()) }
}

fn count_by_shard(shards: &[(ShardId, Vec<PeerInfo>)], total: &str) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<_, _> =
        shards.iter().map(|(shard, peers)| (shard.to_string(), peers.len())).collect();
    counts.insert(total.to_owned(), shards.iter().map(|(_, peers)| peers.len()).sum());
    counts
}

async fn connected_peers<B: Backend>(node: &Shared<B>) -> Result<Vec<PeerInfo>, Refusal> {
    let mut peers = node.backend.peers().await?;
    peers.retain(|peer| peer.connectedness == Connectedness::Connected);
    Ok(peers)
}

fn parse_shard(text: &str) -> Result<ShardId, Refusal> {
    text.parse().map(ShardId).map_err(|error| Refusal::bad_request(format!("Invalid shardId: {error}")))
}

fn relays<B>(node: &Shared<B>) -> Result<(), Refusal> {
    if node.config.relay {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Error: Relay Protocol is not mounted to the node"))
}
