//! One layer of settings as an operator writes them: nothing required, nothing checked together.
//!
//! The same struct is filled from flags, from the environment and from a file, so a setting has one
//! name and one syntax. Its documentation is the help text; names are nwaku's where nwaku has the
//! setting. Options of nwaku for what weir does not serve are in [`super::unserved`].

use std::{net::IpAddr, num::NonZeroU8, path::PathBuf, str::FromStr};

use clap::{Args, builder::BoolishValueParser};

use super::{LogFormat, LogLevel, MessageSize, Nat, Preset, Secret, unserved::UnservedOptions};

/// The settings of one layer.
#[derive(Debug, Clone, Default, Args)]
#[expect(missing_docs, reason = "the groups are what their types say")]
pub struct RawConfig {
    #[command(flatten)]
    pub general: General,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub websocket: WebSocket,
    #[command(flatten)]
    pub relay: Relay,
    #[command(flatten)]
    pub rln: Rln,
    #[command(flatten)]
    pub store: Store,
    #[command(flatten)]
    pub services: Services,
    #[command(flatten)]
    pub filter: Filter,
    #[command(flatten)]
    pub rest: Rest,
    #[command(flatten)]
    pub metrics: Metrics,
    #[command(flatten)]
    pub unserved: UnservedOptions,
}

/// Settings of the node as a whole.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "General")]
pub struct General {
    /// Read settings from this TOML file; its keys are the option names
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Start from the settings of a network [default: local]
    ///
    /// local: a network of your own with RLN, memberships in a registry file. logos.dev: the
    /// developers' network of Logos, without RLN. twn: The Waku Network, whose memberships are on a
    /// contract, which weir cannot read yet.
    #[arg(long, value_name = "NETWORK", hide_possible_values = true)]
    pub preset: Option<Preset>,
    /// Folder for the node's files [default: ./data]
    #[arg(long, visible_alias = "local-storage-path", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Least grave log lines to show [default: INFO]
    #[arg(long, value_name = "LEVEL", ignore_case = true)]
    pub log_level: Option<LogLevel>,
    /// Form of log lines [default: TEXT]
    #[arg(long, value_name = "FORMAT", ignore_case = true)]
    pub log_format: Option<LogFormat>,
}

/// Settings of the libp2p side.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct Network {
    /// Address to listen on [default: 0.0.0.0]
    #[arg(long, value_name = "IP")]
    pub listen_address: Option<IpAddr>,
    /// TCP port for peers; 0 lets the system choose [default: 60000]
    #[arg(long, value_name = "PORT")]
    pub tcp_port: Option<u16>,
    /// Add this to every port, to run several nodes on one machine [default: 0]
    #[arg(long, value_name = "NUMBER")]
    pub ports_shift: Option<u16>,
    /// Listen for QUIC, and dial it [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub quic_support: Option<bool>,
    /// UDP port for QUIC; 0 lets the system choose [default: 60000]
    #[arg(long, value_name = "PORT")]
    pub quic_port: Option<u16>,
    /// How others reach this node: any, none or extip:<IP> [default: any]
    ///
    /// extip:<IP> announces that address in place of the listen addresses. none announces these. any
    /// does the same until weir can ask a router for a port mapping.
    #[arg(long, value_name = "METHOD")]
    pub nat: Option<Nat>,
    /// Be reachable through peers that relay, and dial others through them (for a node behind NAT) [default: false]
    ///
    /// Takes places at up to two of the peers this node has dialled. A connection through a relay is
    /// replaced by a direct one where the routers in between allow it.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub relay_client: Option<bool>,
    /// Relay connections for so many peers behind NAT; 0 for none [default: 0]
    ///
    /// Each lasts 2 minutes and carries 128 KiB, enough to agree on a direct one.
    #[arg(long, value_name = "COUNT")]
    pub circuit_relay_slots: Option<u16>,
    /// Ask peers whether they can dial this node, and tell them the same [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub autonat: Option<bool>,
    /// Announce this multiaddr too; one with ws, wss or quic-v1 takes the place of the node's own of that kind (repeatable)
    #[arg(long, value_name = "MULTIADDR")]
    pub ext_multiaddr: Option<Vec<Items>>,
    /// Announce nothing but --ext-multiaddr [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub ext_multiaddr_only: Option<bool>,
    /// Announce this DNS name with the node's ports, in place of the listen addresses
    #[arg(long, value_name = "NAME")]
    pub dns4_domain_name: Option<String>,
    /// Stay connected to this peer, a multiaddr that ends in /p2p/<id> (repeatable)
    #[arg(long, value_name = "MULTIADDR")]
    pub staticnode: Option<Vec<Items>>,
    /// Same as --staticnode; enr: and enrtree: are not served yet (repeatable)
    #[arg(long, value_name = "MULTIADDR")]
    pub entry_node: Option<Vec<Items>>,
    /// Most connections at once [default: 150]
    #[arg(long, value_name = "NUMBER")]
    pub max_connections: Option<u32>,
    /// Most connections with one IP address; 0 is no limit [default: 5]
    ///
    /// An IPv6 address counts as its /64. This machine's own addresses count only where a limit is set,
    /// as a proxy in front of the node dials from one of these for everybody.
    #[arg(long, value_name = "COUNT")]
    pub ip_colocation_limit: Option<u32>,
    /// secp256k1 private key of the node, 64 hex digits [default: kept in the data folder]
    #[arg(long, value_name = "HEX")]
    pub nodekey: Option<Secret>,
    /// What the node calls itself [default: weir-<version>]
    #[arg(long, value_name = "TEXT")]
    pub agent_string: Option<String>,
}

/// Settings of WebSockets.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "WebSocket, for browsers")]
pub struct WebSocket {
    /// Listen for WebSockets [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub websocket_support: Option<bool>,
    /// Port for WebSockets; 0 lets the system choose [default: 8000]
    #[arg(long, value_name = "PORT")]
    pub websocket_port: Option<u16>,
    /// Listen for secure WebSockets, in place of plain ones [default: false]
    ///
    /// Pages served by HTTPS can dial no other, and only with a certificate the browser trusts.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub websocket_secure_support: Option<bool>,
    /// Another port for secure WebSockets, so that plain ones keep --websocket-port
    #[arg(long, value_name = "PORT")]
    pub websocket_secure_port: Option<u16>,
    /// PEM file with the certificate and those it depends on; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub websocket_secure_cert_path: Option<PathBuf>,
    /// PEM file with the private key of the certificate; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub websocket_secure_key_path: Option<PathBuf>,
    /// Make a certificate for development, kept in the data folder [default: false]
    ///
    /// Nobody vouches for it, so browsers have to be told to trust it.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub websocket_secure_self_signed: Option<bool>,
    /// PEM file with certificates to trust, besides the public authorities, when dialling wss
    #[arg(long, value_name = "FILE")]
    pub websocket_secure_trust_path: Option<PathBuf>,
}

/// Settings of relay and sharding.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Relay and shards")]
pub struct Relay {
    /// Whether the node relays (core), or sends and receives through the services of others (edge)
    ///
    /// An edge node pushes to two light push services, subscribes at two filter services, and makes sure of
    /// both by store. It is used over REST, /messaging/v1.
    #[arg(long, value_name = "MODE", ignore_case = true)]
    pub mode: Option<Mode>,
    /// Relay messages; off at the edge
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub relay: Option<bool>,
    /// Cluster to serve [default: of the preset]
    #[arg(long, value_name = "ID")]
    pub cluster_id: Option<u16>,
    /// Shards of the cluster, for autosharding; 0 is static sharding [default: of the preset]
    ///
    /// With a preset other than local, 0 keeps the preset's number, as in nwaku.
    #[arg(long, value_name = "NUMBER")]
    pub num_shards_in_network: Option<u16>,
    /// Subscribe this shard (repeatable) [default: all with autosharding, none without]
    #[arg(long, value_name = "INDEX")]
    pub shard: Option<Vec<Items>>,
    /// Subscribe the shard of this content topic (repeatable)
    #[arg(long, value_name = "TOPIC")]
    pub content_topic: Option<Vec<Items>>,
    /// Largest message, in B, KB or KiB [default: 150KiB]
    #[arg(long, value_name = "SIZE")]
    pub max_msg_size: Option<MessageSize>,
}

/// Settings of rate limiting by RLN.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Rate limiting (RLN)")]
pub struct Rln {
    /// Demand and make RLN proofs [default: of the preset]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub rln_relay: Option<bool>,
    /// Length of an epoch in seconds [default: 600]
    #[arg(long, value_name = "SECONDS")]
    pub rln_relay_epoch_sec: Option<u64>,
    /// Messages an epoch to ask for when the node registers itself [default: 100]
    #[arg(long, value_name = "NUMBER")]
    pub rln_relay_user_message_limit: Option<u32>,
    /// Registry file with the memberships; nodes of one machine may share it [default: <data>/registry]
    #[arg(long, value_name = "FILE")]
    pub rln_relay_registry_path: Option<PathBuf>,
    /// Keystore with the node's identity [default: <data>/keystore.json, made at the first start]
    #[arg(long, value_name = "FILE")]
    pub rln_relay_cred_path: Option<PathBuf>,
    /// Password of the keystore; better given in WEIR_RLN_RELAY_CRED_PASSWORD, which ps does not show
    #[arg(long, value_name = "PASSWORD")]
    pub rln_relay_cred_password: Option<Secret>,
    /// Proofs checked together at most; 1 shows what batches gain
    #[arg(long, value_name = "NUMBER", hide = true)]
    pub rln_verify_batch_max: Option<NonZeroU8>,
}

/// Settings of the archive.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Store")]
pub struct Store {
    /// Keep messages and answer store queries [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub store: Option<bool>,
    /// Keep messages in PostgreSQL, postgres://user:password@host:port/database [default: files in <data>/archive]
    ///
    /// Several nodes may share a database. A URL with a password is better given in
    /// WEIR_STORE_MESSAGE_DB_URL, which ps does not show. What nwaku has in SQLite is brought over by
    /// weir store migrate.
    #[arg(long, value_name = "URL")]
    pub store_message_db_url: Option<Secret>,
    /// How long messages are kept [default: time:172800]
    ///
    /// time:<seconds>, capacity:<messages>, size:<number><unit> as in 25GB, or several of them separated
    /// by ;: what one of them drops is dropped. none keeps everything.
    #[arg(long, value_name = "POLICY")]
    pub store_message_retention_policy: Option<String>,
    /// Connections to PostgreSQL, at most [default: 50]
    #[arg(long, value_name = "NUMBER")]
    pub store_max_num_db_connections: Option<u32>,
    /// Bring an archive of an older version up to date; weir always does
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub store_message_db_migration: Option<bool>,
    /// Ask this peer's archive before others, a multiaddr that ends in /p2p/<id> (repeatable)
    #[arg(long, value_name = "MULTIADDR")]
    pub storenode: Option<Vec<Items>>,
    /// At the start fetch from store peers what passed while the node was away, up to six hours [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub store_resume: Option<bool>,
}

/// Settings of the services for clients that do not relay.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Services for clients")]
pub struct Services {
    /// Publish messages of clients by light push, versions 2 and 3 [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub lightpush: Option<bool>,
    /// Ask this peer to publish what comes by REST's /lightpush, a multiaddr that ends in /p2p/<id> (repeatable)
    ///
    /// Without one the node's own service publishes, or with --lightpush=false a connected peer that offers it.
    #[arg(long, value_name = "MULTIADDR")]
    pub lightpushnode: Option<Vec<Items>>,
    /// Make RLN proofs for clients that bring none, so many messages an epoch for one client and for all [default: none]
    ///
    /// They come out of this node's own quota. As in 10/50: 10 for each client, 50 together.
    #[arg(long, value_name = "EACH/ALL")]
    pub lightpush_rln_service: Option<String>,
    /// Tell peers of others [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub peer_exchange: Option<bool>,
    /// Ask this peer for others, a multiaddr that ends in /p2p/<id> (repeatable)
    #[arg(long, value_name = "MULTIADDR")]
    pub peer_exchange_node: Option<Vec<Items>>,
    /// How often peers may ask, [store|storev3|lightpush|px|filter:]<volume>/<period><h|m|s|ms>; 0 for no limit (repeatable)
    ///
    /// Without a name it holds for every service. [default: store:500/1s, lightpush:5/1s, px:5/1s, filter:100/1s]
    #[arg(long, value_name = "LIMIT")]
    pub rate_limit: Option<Vec<Items>>,
}

/// Settings of filter.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Filter")]
pub struct Filter {
    /// Push messages to clients that do not relay [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub filter: Option<bool>,
    /// Filter clients at one time, at most [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    pub filter_max_peers_to_serve: Option<u32>,
    /// Subscriptions of one client, at most: pairs of a pubsub topic and a content topic [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    pub filter_max_criteria: Option<u32>,
    /// Seconds after which the subscriptions of a client that asks for nothing end [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pub filter_subscription_timeout: Option<u64>,
    /// Be a filter client of this peer, a multiaddr that ends in /p2p/<id>, and serve /filter over REST (repeatable)
    #[arg(long, value_name = "MULTIADDR")]
    pub filternode: Option<Vec<Items>>,
}

/// Settings of the REST server.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "REST")]
pub struct Rest {
    /// Serve REST [default: of the preset]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub rest: Option<bool>,
    /// Address of the REST server [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    pub rest_address: Option<IpAddr>,
    /// Port of the REST server [default: 8645]
    #[arg(long, value_name = "PORT")]
    pub rest_port: Option<u16>,
    /// Messages kept for reading by REST, all topics together [default: 50]
    #[arg(long, value_name = "NUMBER")]
    pub rest_relay_cache_capacity: Option<usize>,
    /// Serve /admin [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub rest_admin: Option<bool>,
    /// Serve the chat page built in this folder at /debug/chat/ (examples/chat/build makes one)
    #[arg(long, value_name = "FOLDER")]
    pub rest_chat_page: Option<PathBuf>,
    /// Let pages of this origin call REST; * is any text, ? one character (repeatable)
    #[arg(long, value_name = "PATTERN")]
    pub rest_allow_origin: Option<Vec<Items>>,
}

/// Settings of the metrics server.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Metrics")]
pub struct Metrics {
    /// Serve Prometheus metrics [default: of the preset]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub metrics_server: Option<bool>,
    /// Address of the metrics server [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    pub metrics_server_address: Option<IpAddr>,
    /// Port of the metrics server [default: 8008]
    #[arg(long, value_name = "PORT")]
    pub metrics_server_port: Option<u16>,
}

/// Whether a node relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// It does.
    Core,
    /// It uses the services of others.
    Edge,
}

/// One occurrence of a repeatable option: an item, or a JSON array of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items(pub Vec<String>);

/// A text that starts like a JSON array and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a value that starts with [ must be a JSON array of texts or numbers, as in [\"a\",\"b\"]")]
pub struct NotAnArray;

impl FromStr for Items {
    type Err = NotAnArray;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.trim_start().starts_with('[') {
            return Ok(Self(vec![text.to_owned()]));
        }
        let items: Vec<serde_json::Value> = serde_json::from_str(text).map_err(|_| NotAnArray)?;
        items
            .into_iter()
            .map(|item| match item {
                serde_json::Value::String(text) => Ok(text),
                serde_json::Value::Number(number) => Ok(number.to_string()),
                _ => Err(NotAnArray),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_may_be_one_value_or_a_json_array() {
        let items = |texts: &[&str]| Items(texts.iter().map(|&text| text.to_owned()).collect());
        assert_eq!("/a/b".parse(), Ok(items(&["/a/b"])));
        assert_eq!(r#"["a", "b"]"#.parse(), Ok(items(&["a", "b"])));
        assert_eq!("[0, 7]".parse(), Ok(items(&["0", "7"])));
        assert_eq!("[]".parse(), Ok(items(&[])));
        for text in ["[", "[a]", "[[1]]", "[true]"] {
            assert_eq!(text.parse::<Items>(), Err(NotAnArray), "{text}");
        }
    }
}
