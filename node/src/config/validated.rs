//! What the node trusts: a configuration that was checked.
//!
//! [`crate::config::load`] is what makes a [`Config`]; code that has one checks nothing again.
//! Paths are not opened and ports not bound here, so a valid configuration may still fail to start.

use std::{fmt, net::IpAddr, net::SocketAddr, num::NonZeroU8, path::PathBuf, time::Duration};

use weir_actors::node::ProofShare;
use weir_core::{
    Autosharding, AutoshardingError, ClusterId, ContentTopic, PeerAddress, PubsubTopic, ShardId,
};
use weir_net::{Colocation, Nat, certificate::Files};
use weir_protocols::rate_limit::RateLimits;
use weir_rln::{EpochLength, UserMessageLimit};
use weir_storage::archive::{Location, Retention};
use zeroize::Zeroizing;

use super::{LogFormat, LogLevel, Preset, Secret};

/// Everything `weir run` needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The named network the settings started from.
    pub preset: Preset,
    /// Folder of the node's files; may not exist yet.
    pub data_dir: PathBuf,
    /// The libp2p side.
    pub network: NetworkConfig,
    /// What is relayed.
    pub relay: RelayConfig,
    /// Rate limiting by RLN proofs; `None` when it is off and messages carry no proof.
    pub rln: Option<RlnConfig>,
    /// The archive; `None` when messages are not kept.
    pub store: Option<StoreConfig>,
    /// Peers whose archives are asked before others.
    pub store_nodes: Vec<PeerAddress>,
    /// Publishing for clients, and who is asked to publish.
    pub lightpush: LightPushConfig,
    /// Telling peers of others, and asking for some.
    pub peer_exchange: PeerExchangeConfig,
    /// How often peers may ask what is served.
    pub limits: RateLimits,
    /// Filter, both sides.
    pub filter: FilterConfig,
    /// The REST server; `None` when it is off.
    pub rest: Option<RestConfig>,
    /// The metrics server; `None` when it is off.
    pub metrics: Option<MetricsConfig>,
    /// What is logged and how.
    pub log: LogConfig,
    /// What the operator should know about these settings, though it is no error.
    pub notices: Vec<Notice>,
}

/// The libp2p side of the node.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// Where to listen.
    pub listen_address: IpAddr,
    /// TCP port, shift included; 0 lets the system choose.
    pub tcp_port: u16,
    /// UDP port of QUIC, shift included; `None` when it is off.
    pub quic_port: Option<u16>,
    /// What the node does about NAT.
    pub nat: Nat,
    /// WebSockets.
    pub websocket: WebSocketConfig,
    /// What others are told about where the node is.
    pub announced: Announced,
    /// Peers to stay connected to.
    pub static_nodes: Vec<PeerAddress>,
    /// Most connections at once, at least 1.
    pub max_connections: u32,
    /// How many of these one IP address may have; `None` for any number.
    pub colocation: Option<Colocation>,
    /// The agent string of identify.
    pub agent: String,
    /// The node's identity; `None` for the one kept in the data folder (made at the first start).
    pub node_key: Option<NodeKey>,
}

/// WebSockets, for browsers.
#[derive(Debug, Clone, Default)]
pub struct WebSocketConfig {
    /// Port of plain ones, shift included; `None` when they are off.
    pub plain_port: Option<u16>,
    /// Secure ones; `None` when they are off.
    pub secure: Option<SecureWebSocket>,
    /// Certificates to trust, besides those of public authorities, when a peer is dialled.
    pub trusted: Option<PathBuf>,
}

/// WebSockets over TLS.
#[derive(Debug, Clone)]
pub struct SecureWebSocket {
    /// The port, shift included.
    pub port: u16,
    /// What the node shows.
    pub certificate: CertificateSource,
}

/// Where the certificate of secure WebSockets comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// The operator's files.
    Files(Files),
    /// One the node makes and keeps, for these names and addresses.
    SelfSigned {
        /// Where it is kept.
        files: Files,
        /// What it is for.
        names: Vec<String>,
    },
}

/// What others are told about where the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Multiaddrs without the peer id.
    pub addresses: Vec<String>,
    /// Whether the addresses listened on are told too.
    pub listeners: bool,
}

/// A secp256k1 private key, 32 bytes big-endian. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeKey(Zeroizing<[u8; 32]>);

impl NodeKey {
    /// Takes the 32 bytes; whether they are a key of the curve is for `weir-net` to say.
    pub const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &Zeroizing<[u8; 32]> {
        &self.0
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey([REDACTED])")
    }
}

/// What is relayed.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// The cluster the node serves; peers of others are disconnected.
    pub cluster: ClusterId,
    /// Whether the node uses the services of others instead.
    pub at_the_edge: bool,
    /// How shards relate to content topics.
    pub sharding: Sharding,
    /// Shards subscribed at the start, without duplicates. With autosharding and none named: all.
    pub shards: Vec<ShardId>,
    /// Content topics subscribed at the start, at the edge too; empty with static sharding.
    pub content_topics: Vec<ContentTopic>,
    /// Largest encoded message in bytes.
    pub max_message_size: usize,
}

/// How shards relate to content topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharding {
    /// Not at all: shards are chosen by who subscribes and publishes.
    Static,
    /// A content topic has its shard.
    Auto(Autosharding),
}

impl RelayConfig {
    /// The autosharding rule, if there is one.
    pub const fn autosharding(&self) -> Option<Autosharding> {
        match self.sharding {
            Sharding::Static => None,
            Sharding::Auto(rule) => Some(rule),
        }
    }

    /// The pubsub topics to subscribe at the start: those of the shards, then those of the content
    /// topics that lie elsewhere.
    ///
    /// # Errors
    /// None for a validated configuration, whose shards and content topics were tried.
    pub fn topics(&self) -> Result<Vec<PubsubTopic>, AutoshardingError> {
        let mut topics = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            topics.push(PubsubTopic::new(self.cluster, *shard)?);
        }
        if let Sharding::Auto(rule) = self.sharding {
            for content_topic in &self.content_topics {
                let topic = rule.pubsub_topic_of(content_topic)?;
                if !topics.contains(&topic) {
                    topics.push(topic);
                }
            }
        }
        Ok(topics)
    }
}

/// Rate limiting by RLN proofs.
#[derive(Debug, Clone)]
pub struct RlnConfig {
    /// Length of an epoch; the same in the whole network.
    pub epoch_length: EpochLength,
    /// Messages an epoch asked for when the node registers itself.
    pub user_message_limit: UserMessageLimit,
    /// The registry file, perhaps shared with other nodes.
    pub registry_path: PathBuf,
    /// The node's own membership.
    pub credential: CredentialSource,
    /// Proofs checked together at most, if it is not to be as many as pays.
    pub longest_batch: Option<NonZeroU8>,
}

/// Where the node's own identity is kept.
#[derive(Debug, Clone)]
pub struct CredentialSource {
    /// The keystore file.
    pub path: PathBuf,
    /// Its password; `None` for the one the node made itself and keeps beside the keystore.
    pub password: Option<Secret>,
    /// Whether to make an identity and register it when the file is not there. False when the
    /// operator named a keystore: a wrong path is then an error, not a second identity.
    pub auto_create: bool,
}

/// The archive.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Where it is.
    pub location: Location,
    /// How long messages are kept.
    pub retention: Retention,
    /// Connections to PostgreSQL, at most.
    pub connections: usize,
    /// Whether to fetch at the start what passed while the node was away.
    pub resume: bool,
}

/// Light push, both sides.
#[derive(Debug, Clone)]
pub struct LightPushConfig {
    /// Whether messages of clients are published.
    pub serves: bool,
    /// The node's own proofs that clients get; `None` when clients bring theirs.
    pub proofs: Option<ProofShare>,
    /// Peers that are asked to publish before others.
    pub nodes: Vec<PeerAddress>,
}

/// Peer exchange, both sides.
#[derive(Debug, Clone)]
pub struct PeerExchangeConfig {
    /// Whether peers are told of others.
    pub serves: bool,
    /// Peers to ask.
    pub nodes: Vec<PeerAddress>,
}

/// Filter, both sides.
#[derive(Debug, Clone)]
pub struct FilterConfig {
    /// How clients are served; `None` when they are not.
    pub service: Option<FilterServiceConfig>,
    /// Peers of which the node is a client; when empty it is none.
    pub nodes: Vec<PeerAddress>,
}

/// Serving filter clients.
#[derive(Debug, Clone, Copy)]
pub struct FilterServiceConfig {
    /// Clients at one time, at most.
    pub max_clients: usize,
    /// Subscriptions of one client, at most.
    pub max_criteria: usize,
    /// How long the subscriptions of a client live that asks for nothing.
    pub subscription_timeout: Duration,
}

/// The REST server.
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// Where it listens, shift included; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Most messages the relay cache holds, all topics together; at least 1.
    pub relay_cache_capacity: usize,
    /// Folder of the page at `/debug/chat/`.
    pub chat_page: Option<PathBuf>,
    /// Whether `/admin` is served.
    pub admin: bool,
    /// CORS patterns (waku-wire 14.1); empty to send no CORS header.
    pub allow_origins: Vec<String>,
}

/// The metrics server.
#[derive(Debug, Clone)]
pub struct MetricsConfig {
    /// Where it listens, shift included; port 0 lets the system choose.
    pub listen: SocketAddr,
}

/// What is logged and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// The level at the start; the REST admin can change it.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// Something the operator should know about the settings, though it is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// `--nat=any` was asked for.
    NoPortMapping,
    /// A variable that looks like a setting and is none.
    UnknownEnvironment(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPortMapping => f.write_str(
                "--nat=any: weir cannot ask a router for a port mapping yet and announces its listen \
                 addresses; behind a router set --nat=extip:<public IP> and forward the TCP port",
            ),
            Self::UnknownEnvironment(name) => {
                write!(f, "the environment variable {name} is not a setting of weir and has no effect")
            }
        }
    }
}
