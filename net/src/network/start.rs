//! Setting a network up.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
};

use libp2p::{
    Multiaddr,
    identity::{Keypair, secp256k1},
    multiaddr::Protocol,
    relay, swarm,
};
use prometheus_client::registry::Registry;
use tokio::time::{MissedTickBehavior, interval};
use weir_wire::Metadata;

use super::*;
use crate::{
    Config, StartError,
    address::{Carrier, is_quic, is_websocket, parse_listen, parse_multiaddr, take_apart},
    behaviour::{IDLE_TIMEOUT, identify_config},
    gossip::{self, HEARTBEAT, tracked::Tracked},
    stall::Stalls,
    transport, websocket,
};

/// Events a connection may have ready before it stops reading. More than libp2p's 7, so that a
/// burst is not paced by task switches; each may hold one gossip frame.
const EVENTS_PER_CONNECTION: usize = 16;

impl Network {
    /// Listens and is ready to be polled. Has to be called inside a tokio runtime.
    ///
    /// What it counts, and what gossipsub counts under `libp2p_gossipsub_`, goes to `registry`.
    pub fn new(config: Config, registry: &mut Registry) -> Result<Self, StartError> {
        let metrics = Metrics::register(registry);
        Self::with_metrics(config, metrics, registry)
    }

    /// As [`Network::new`], with instruments that are registered already: those of the network whose
    /// place this one takes. gossipsub's own go to `registry`, which has to be another one then, as
    /// they would be there twice.
    pub fn with_metrics(
        config: Config,
        metrics: Metrics,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        let key = keypair(&config)?;
        let listen = config.listen.iter().map(|text| parse_listen(text)).collect::<Result<Vec<_>, _>>()?;
        let announce =
            config.announce.iter().map(|text| parse_multiaddr(text)).collect::<Result<Vec<_>, _>>()?;

        let setup = |error: &dyn std::error::Error| StartError::Setup(error.to_string());
        let stalls = Stalls::default();
        let gossipsub = gossip::build(config.cluster, config.max_message_size, registry)
            .map_err(|error| setup(&error))?;
        let local = key.public().to_peer_id();
        let (circuits, client) = config.nat.relay_client.then(|| relay::client::new(local)).unzip();
        let behaviour = Behaviour::new(
            local,
            Tracked::new(gossipsub, stalls.clone(), config.relays),
            identify_config(&key, &config.agent),
            client,
            &config,
        );
        let without_certificate = |address: &&Multiaddr| {
            carrier_of(address) == Carrier::SecureWebSocket && config.certificate.is_none()
        };
        if let Some(address) = listen.iter().find(without_certificate) {
            return Err(StartError::NoCertificate { address: address.to_string() });
        }
        let tls = websocket::Tls::new(config.certificate, &config.authorities);
        let ways = transport::Ways { tls, quic: config.quic, circuits };
        let transport = transport::build(&key, ways, stalls).map_err(|error| setup(&error))?;
        let settings = swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(IDLE_TIMEOUT)
            .with_per_connection_event_buffer_size(EVENTS_PER_CONNECTION);
        let mut swarm = Swarm::new(transport, behaviour, local, settings);

        let told = Told {
            listeners: config.announce_listeners,
            websockets: !announce.iter().any(is_websocket),
            quic: !announce.iter().any(is_quic),
        };
        for address in announce {
            swarm.behaviour_mut().nat.told(&address);
            swarm.add_external_address(address);
        }
        let listeners =
            listen.into_iter().map(|address| listen_on(&mut swarm, address)).collect::<Result<_, _>>()?;
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);

        metrics.start();
        Ok(Self {
            swarm,
            cluster: config.cluster,
            max_frame: config.max_message_size,
            listeners,
            told,
            reach: Reach { quic: config.quic, circuits: config.nat.relay_client },
            reservations: HashMap::new(),
            connections: HashMap::new(),
            subscribers: BTreeMap::new(),
            pending: HashMap::new(),
            backlog: Backlog::default(),
            deny_list: DenyList::default(),
            metadata: Metadata { cluster: Some(config.cluster), shards: Vec::new() },
            asked: HashMap::new(),
            requests: Requests::default(),
            heartbeat,
            phase: Phase::Open,
            events: VecDeque::new(),
            metrics,
        })
    }
}

fn keypair(config: &Config) -> Result<Keypair, StartError> {
    // The copy is zeroed by libp2p, on success and on failure.
    let mut bytes = *config.key;
    let secret = secp256k1::SecretKey::try_from_bytes(&mut bytes).map_err(|_| StartError::Key)?;
    Ok(secp256k1::Keypair::from(secret).into())
}

fn listen_on(swarm: &mut Swarm<Behaviour>, address: Multiaddr) -> Result<ListenerId, StartError> {
    let setting = match carrier_of(&address) {
        Carrier::Tcp => "--tcp-port",
        Carrier::Quic => "--quic-port",
        Carrier::WebSocket => "--websocket-port",
        Carrier::SecureWebSocket => "--websocket-port or --websocket-secure-port",
    };
    let refused = |error: &io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { address: address.to_string(), setting },
        _ => StartError::Listen { address: address.to_string(), cause: error.to_string(), setting },
    };
    // libp2p listens on TCP with SO_REUSEPORT, under which two nodes can share a port and each gets
    // half of the connections. A plain socket finds out, and says more than QUIC's.
    if let Some(socket) = socket_address(&address) {
        let bound = match carrier_of(&address) {
            Carrier::Quic => UdpSocket::bind(socket).map(drop),
            Carrier::Tcp | Carrier::WebSocket | Carrier::SecureWebSocket => {
                TcpListener::bind(socket).map(drop)
            }
        };
        bound.map_err(|error| refused(&error))?;
    }
    swarm.listen_on(address.clone()).map_err(|error| StartError::Listen {
        address: address.to_string(),
        cause: error.to_string(),
        setting,
    })
}

/// How an address that was parsed is listened on.
fn carrier_of(address: &Multiaddr) -> Carrier {
    take_apart(address).map_or(Carrier::Tcp, |parts| parts.carrier)
}

fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some((ip, port).into()),
        _ => None,
    }
}
