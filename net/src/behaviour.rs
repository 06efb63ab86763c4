//! The protocols on every connection and what a connection has to pass to be one.

use std::{collections::BTreeSet, time::Duration};

use libp2p::{
    PeerId,
    allow_block_list::{self, BlockedPeers},
    connection_limits::{self, ConnectionLimits},
    identify,
    identity::Keypair,
    ping, relay,
    swarm::NetworkBehaviour,
};

use crate::{
    Service, colocation::ColocationLimit, config::Config, gossip::tracked::Tracked, metadata, nat, push,
    service, single::SingleConnection,
};

/// Handshakes from outside at a time. They take 10 s at most and cost a key agreement each; nodes
/// that start together are let in within a few round trips.
const PENDING_INBOUND: u32 = 64;

/// Dials at a time: the ten the peer manager runs in parallel, and some an operator asks for.
const PENDING_OUTBOUND: u32 = 16;

/// The share of connections that inbound ones cannot take, so that nobody can fill a node up
/// and choose its neighbours: nwaku's target for outgoing relay peers, half of a third.
const RESERVED_FOR_OUTBOUND: u32 = 6;

/// How long a connection no protocol needs is kept.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Everything that runs on the swarm.
///
/// The order matters: those that refuse connections come before gossipsub, which would otherwise
/// keep an entry for each connection that is refused after it.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) colocation: ColocationLimit,
    pub(crate) denied: allow_block_list::Behaviour<BlockedPeers>,
    pub(crate) single: SingleConnection,
    pub(crate) gossip: Tracked,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) metadata: metadata::Behaviour,
    pub(crate) services: Services,
    pub(crate) push: push::Behaviour,
    pub(crate) nat: nat::Behaviour,
}

/// What is asked in one frame and answered in one, each on its own protocol.
#[derive(NetworkBehaviour)]
pub(crate) struct Services {
    pub(crate) store: service::Behaviour,
    pub(crate) filter: service::Behaviour,
    pub(crate) lightpush: service::Behaviour,
    pub(crate) legacy_lightpush: service::Behaviour,
    pub(crate) peer_exchange: service::Behaviour,
}

impl Services {
    pub(crate) fn new(serves: &BTreeSet<Service>, max_message_size: usize) -> Self {
        let of = |service| service::behaviour(service, serves.contains(&service), max_message_size);
        Self {
            store: of(Service::Store),
            filter: of(Service::Filter),
            lightpush: of(Service::LightPush),
            legacy_lightpush: of(Service::LegacyLightPush),
            peer_exchange: of(Service::PeerExchange),
        }
    }
}

impl Behaviour {
    /// `circuits` comes with the transport through relays, if that is there.
    pub(crate) fn new(
        local: PeerId,
        gossip: Tracked,
        identify: identify::Config,
        circuits: Option<relay::client::Behaviour>,
        config: &Config,
    ) -> Self {
        Self {
            limits: connection_limits::Behaviour::new(connection_limits(config.max_connections)),
            colocation: ColocationLimit::new(config.colocation),
            denied: allow_block_list::Behaviour::default(),
            single: SingleConnection::new(local, config.nat.autonat.is_some()),
            gossip,
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            metadata: metadata::behaviour(),
            services: Services::new(&config.serves, config.max_message_size),
            push: push::Behaviour::new(config.filter_clients.clone(), config.is_filter_client),
            nat: nat::Behaviour::new(local, config.nat, circuits),
        }
    }
}

fn connection_limits(max_connections: u32) -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_established(Some(max_connections))
        .with_max_established_incoming(Some(max_connections - max_connections / RESERVED_FOR_OUTBOUND))
        .with_max_pending_incoming(Some(PENDING_INBOUND))
        .with_max_pending_outgoing(Some(PENDING_OUTBOUND))
}

/// Identify as nwaku expects it. The addresses told are the swarm's external ones (`network::Told`).
pub(crate) fn identify_config(key: &Keypair, agent: &str) -> identify::Config {
    identify::Config::new("ipfs/0.1.0".to_owned(), key.public())
        .with_agent_version(agent.to_owned())
        .with_push_listen_addr_updates(true)
        .with_hide_listen_addrs(true)
        // Addresses of peers are kept by the peer manager.
        .with_cache_size(0)
}
