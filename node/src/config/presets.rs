//! Named networks as layers of settings (waku-wire 7.8), and the defaults under them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use clap::ValueEnum;
use weir_core::limits::DEFAULT_MAX_MESSAGE_SIZE;

use super::{
    Items, LogFormat, LogLevel, MessageSize, Nat, RawConfig,
    raw::{Filter, General, Metrics, Mode, Network, Relay, Rest, Rln, Services, Store, WebSocket},
};

/// A named network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// A network of one's own, with RLN over a registry file.
    Local,
    /// The Waku Network.
    Twn,
    /// The developers' network of Logos.
    #[value(name = "logos.dev", alias = "logosdev")]
    LogosDev,
}

/// Cluster of the network of one's own: one that no public network uses (waku-wire 5.3).
const LOCAL_CLUSTER: u16 = 66;
/// Cluster of The Waku Network.
pub(super) const TWN_CLUSTER: u16 = 1;
const LOGOS_DEV_CLUSTER: u16 = 3;
/// All three networks have eight shards.
const SHARD_COUNT: u16 = 8;

/// Entry nodes of logos.dev; configuration data from nwaku's `networks_config.nim`.
const LOGOS_DEV_NODES: [&str; 6] = [
    "/dns4/delivery-01.do-ams3.logos.dev.status.im/tcp/30303/p2p/16Uiu2HAmTUbnxLGT9JvV6mu9oPyDjqHK4Phs1VDJNUgESgNSkuby",
    "/dns4/delivery-02.do-ams3.logos.dev.status.im/tcp/30303/p2p/16Uiu2HAmMK7PYygBtKUQ8EHp7EfaD3bCEsJrkFooK8RQ2PVpJprH",
    "/dns4/delivery-01.gc-us-central1-a.logos.dev.status.im/tcp/30303/p2p/16Uiu2HAm4S1JYkuzDKLKQvwgAhZKs9otxXqt8SCGtB4hoJP1S397",
    "/dns4/delivery-02.gc-us-central1-a.logos.dev.status.im/tcp/30303/p2p/16Uiu2HAm8Y9kgBNtjxvCnf1X6gnZJW5EGE4UwwCL3CCm55TwqBiH",
    "/dns4/delivery-01.ac-cn-hongkong-c.logos.dev.status.im/tcp/30303/p2p/16Uiu2HAm8YokiNun9BkeA1ZRmhLbtNUvcwRr64F69tYj9fkGyuEP",
    "/dns4/delivery-02.ac-cn-hongkong-c.logos.dev.status.im/tcp/30303/p2p/16Uiu2HAkvwhGHKNry6LACrB8TmEFoCJKEX29XR5dDUzk3UT3UNSE",
];

impl Preset {
    /// The network's settings.
    pub(super) fn settings(self) -> RawConfig {
        let (cluster, rln, servers, nodes): (u16, bool, bool, &[&str]) = match self {
            Self::Local => (LOCAL_CLUSTER, true, true, &[]),
            Self::Twn => (TWN_CLUSTER, true, false, &[]),
            Self::LogosDev => (LOGOS_DEV_CLUSTER, false, false, &LOGOS_DEV_NODES),
        };
        RawConfig {
            relay: Relay {
                cluster_id: Some(cluster),
                num_shards_in_network: Some(SHARD_COUNT),
                ..Relay::default()
            },
            rln: Rln { rln_relay: Some(rln), ..Rln::default() },
            rest: Rest { rest: Some(servers), ..Rest::default() },
            metrics: Metrics { metrics_server: Some(servers), ..Metrics::default() },
            network: Network {
                entry_node: Some(vec![Items(nodes.iter().map(|&node| node.to_owned()).collect())]),
                ..Network::default()
            },
            ..RawConfig::default()
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Twn => "twn",
            Self::LogosDev => "logos.dev",
        })
    }
}

/// What holds when nothing else says: nwaku's defaults, with the epoch and limit of 17/WAKU2-RLN-RELAY
/// as The Waku Network sets them.
pub(super) fn defaults() -> RawConfig {
    const LOOPBACK: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    RawConfig {
        general: General {
            data_dir: Some("data".into()),
            log_level: Some(LogLevel::Info),
            log_format: Some(LogFormat::Text),
            ..General::default()
        },
        network: Network {
            listen_address: Some(Ipv4Addr::UNSPECIFIED.into()),
            tcp_port: Some(60000),
            ports_shift: Some(0),
            nat: Some(Nat::Any),
            ext_multiaddr_only: Some(false),
            max_connections: Some(150),
            ip_colocation_limit: Some(5),
            quic_support: Some(false),
            quic_port: Some(60000),
            relay_client: Some(false),
            circuit_relay_slots: Some(0),
            autonat: Some(false),
            agent_string: Some(concat!("weir-", env!("CARGO_PKG_VERSION")).to_owned()),
            ..Network::default()
        },
        websocket: WebSocket {
            websocket_support: Some(false),
            websocket_port: Some(8000),
            websocket_secure_support: Some(false),
            websocket_secure_self_signed: Some(false),
            ..WebSocket::default()
        },
        relay: Relay {
            mode: Some(Mode::Core),
            relay: Some(true),
            max_msg_size: Some(MessageSize(DEFAULT_MAX_MESSAGE_SIZE)),
            ..Relay::default()
        },
        rln: Rln {
            rln_relay_epoch_sec: Some(600),
            rln_relay_user_message_limit: Some(100),
            ..Rln::default()
        },
        store: Store {
            store: Some(false),
            store_message_retention_policy: Some("time:172800".to_owned()),
            store_max_num_db_connections: Some(50),
            store_resume: Some(false),
            ..Store::default()
        },
        services: Services { lightpush: Some(false), peer_exchange: Some(false), ..Services::default() },
        filter: Filter {
            filter: Some(false),
            filter_max_peers_to_serve: Some(1000),
            filter_max_criteria: Some(1000),
            filter_subscription_timeout: Some(300),
            ..Filter::default()
        },
        rest: Rest {
            rest_address: LOOPBACK,
            rest_port: Some(8645),
            rest_relay_cache_capacity: Some(50),
            rest_admin: Some(false),
            ..Rest::default()
        },
        metrics: Metrics {
            metrics_server_address: LOOPBACK,
            metrics_server_port: Some(8008),
            ..Metrics::default()
        },
        ..RawConfig::default()
    }
}
