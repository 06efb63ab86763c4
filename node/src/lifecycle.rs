//! The life of `weir run`: opens its files, starts the parts in order, waits, stops them in order.
//!
//! ```text
//!  start   state.redb ─ archive ─ node key ─ membership ─ REST listens ─ actors ─ metrics ─ banner
//!  stop    SIGTERM or SIGINT ─ relay ─ network ─ journal and archive, while REST finishes its requests
//! ```
//!
//! Every port is bound and every file opened before the first message is taken, so what can be wrong
//! with a configuration shows at once, by name.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use prometheus_client::registry::Registry;
use rand::{RngCore, rngs::OsRng};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    task::JoinHandle,
};
use weir_actors::{
    ArchiveSettings, Clock, EdgeSettings, FilterServiceSettings,
    node::{
        DrainError, FilterClientSettings, FilterSettings, GivenUp, LightPushServiceSettings,
        LightPushSettings, MemberSettings, Node, PeerExchangeSettings, RlnSettings, Settings, StartError,
        StoreServiceSettings,
    },
    system::{self, Arbiters},
};
use weir_api::{
    ServerConfig,
    backend::{Breach, EvidenceReport},
};
use weir_membership::{Ledger, RegistryFile};
use weir_protocols::{
    filter as filter_protocol,
    rate_limit::Service,
    relay::{self, MAX_BATCH},
};
use weir_rln::{EngineSettings, ValidatorConfig};
use weir_storage::{
    EvidenceRecord, OpenError, StateStore, StoreError,
    archive::{self, OpenArchiveError},
};
use zeroize::Zeroizing;

use crate::{
    backend::{NodeBackend, ReadEvidence},
    config::{Config, FilterConfig, LightPushConfig, NetworkConfig, RlnConfig, StoreConfig},
    output::{
        self,
        banner::{Banner, MembershipLine},
    },
};

mod member;
mod websocket;

pub use member::MemberError;
pub use websocket::CertificateError;

/// Threads of the common pool, which runs connections and REST; actors and proofs have their own.
const POOL_THREADS: usize = 2;

/// A stop takes at most 5 s. The actors get 4 s, and REST half a second more to pass their last
/// answers on.
const NODE_DRAIN: Duration = Duration::from_secs(4);
const REST_DRAIN: Duration = Duration::from_millis(4500);

/// Threads that answer store queries. They wait for the disk or for PostgreSQL more than they compute, so
/// a few more than processors keep them busy; a slow query holds one of them.
const ARCHIVE_READERS: usize = 4;

/// Why the node ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// SIGTERM came.
    Terminated,
    /// SIGINT came.
    Interrupted,
}

/// Why the node could not start or failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file of the data directory cannot be used.
    #[error("--data-dir: {0}")]
    Open(#[from] OpenError),
    /// The state cannot be read or written.
    #[error("--data-dir: {0}")]
    Store(#[from] StoreError),
    /// The archive cannot be used.
    #[error("--store: {0}")]
    Archive(#[from] OpenArchiveError),
    /// The certificate of secure WebSockets cannot be used.
    #[error(transparent)]
    Certificate(#[from] websocket::CertificateError),
    /// The node's own membership cannot be used.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// A port of REST or metrics is taken, or not ours to bind.
    #[error("{setting}: cannot listen on {address}: {source}; choose another with {setting}")]
    Listen {
        /// The setting to change.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The folder of the chat page has no page.
    #[error(
        "--rest-chat-page: there is no index.html in {}; examples/chat/build makes the page in \
         examples/chat/dist", folder.display()
    )]
    NoChatPage {
        /// The folder.
        folder: PathBuf,
    },
    /// The runtime or its signals cannot be set up.
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] io::Error),
    /// A part did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A part failed again and again.
    #[error("stopped: {0}; see the log above")]
    GivenUp(#[from] GivenUp),
    /// The stop did not finish.
    #[error("stopped in a hurry: {0}")]
    Drain(#[from] DrainError),
}

/// Runs a node until it is told to stop.
pub fn run(config: Config) -> Result<ExitReason, RunError> {
    system::run(POOL_THREADS, |arbiters| live(config, arbiters))?
}

async fn live(config: Config, arbiters: Arbiters) -> Result<ExitReason, RunError> {
    let clock = Clock::system();
    let mut signals = Signals::new()?;
    let store = StateStore::open(config.data_dir.join("state.redb"))?;
    let archive = match config.store.clone() {
        // On a thread that may block: PostgreSQL has a runtime of its own, which none may be inside of.
        Some(store) => Some(
            tokio::task::spawn_blocking(move || open_archive(&store)).await.map_err(io::Error::from)??,
        ),
        None => None,
    };
    let key = node_key(&config, &store)?;
    let websocket = websocket::open(&config.network.websocket)?;
    let member = config.rln.as_ref().map(|rln| member::open(rln, &clock)).transpose()?.flatten();
    let mut registry = Registry::default();
    let backend = NodeBackend::new(clock.clone());
    let rest = start_rest(&config, &backend, &mut registry).await?;
    let metrics_listener = match &config.metrics {
        Some(metrics) => Some(bind("--metrics-server-port", metrics.listen).await?),
        None => None,
    };

    let watch = websocket.certificate.clone().map(|certificate| tokio::spawn(certificate.watch()));
    let settings = Settings { archive, ..settings(&config, key, websocket, store.clone(), member, clock) };
    let mut node = Node::start(&arbiters, settings, &mut registry).await?;
    let handles = node.handles().clone();
    let addresses = handles.peers.meshes().await.unwrap_or_default();
    backend.set_running(handles.clone(), node.peer_id().clone(), read_evidence(store, config.rln.is_some()));
    let metrics = metrics_listener.map(|listener| start_metrics(listener, registry)).transpose()?;

    let membership = handles.status.quota().map(|quota| MembershipLine {
        index: quota.index.get(),
        limit: quota.limit.get(),
        left: quota.limit.get().saturating_sub(quota.used),
    });
    let banner = Banner {
        config: &config,
        peer_id: node.peer_id(),
        announced_addresses: &addresses.announced_addresses,
        listen_addresses: &addresses.listen_addresses,
        rest: rest.as_ref().map(|server| server.address),
        metrics: metrics.as_ref().map(|server| server.address),
        membership,
    };
    output::print(format_args!("{banner}"))?;

    let ended = tokio::select! {
        reason = signals.next() => Ok(reason),
        given_up = node.given_up() => Err(RunError::from(given_up)),
    };
    tracing::info!("stopping");
    // Together: the requests that REST finishes are answered by a relay that takes nothing new.
    let (drained, ()) = tokio::join!(node.drain(NODE_DRAIN), stop_all([rest, metrics]));
    if let Some(watch) = watch {
        watch.abort();
    }
    let reason = ended?;
    drained?;
    tracing::info!("stopped");
    Ok(reason)
}

/// Breaches are rare, one a member, so they are read where they are kept.
fn read_evidence(store: StateStore, rate_limited: bool) -> ReadEvidence {
    Box::new(move |newest| {
        if !rate_limited {
            return Ok(None);
        }
        let mut records = store.evidence().map_err(|error| error.to_string())?;
        records.sort_by_key(|record| std::cmp::Reverse(record.seen_at));
        let breach = |record: &EvidenceRecord| Breach {
            commitment: hex::encode(record.commitment),
            epoch: record.epoch,
            seen_at: record.seen_at,
        };
        Ok(Some(EvidenceReport {
            count: records.len() as u64,
            newest: records.iter().take(newest).map(breach).collect(),
        }))
    })
}

/// The operator's key, or the one kept in the state, or a new one that is kept from now on.
fn node_key(config: &Config, store: &StateStore) -> Result<Zeroizing<[u8; 32]>, RunError> {
    if let Some(key) = &config.network.node_key {
        return Ok(key.as_bytes().clone());
    }
    if let Some(key) = store.node_key()? {
        return Ok(key);
    }
    // All but one in 2^128 of 32-byte strings are keys of the curve.
    let mut key = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(key.as_mut());
    store.put_node_key(&key)?;
    Ok(key)
}

fn settings(
    config: &Config,
    key: Zeroizing<[u8; 32]>,
    websocket: websocket::Opened,
    store: StateStore,
    member: Option<MemberSettings>,
    clock: Clock,
) -> Settings {
    let network = weir_net::Config {
        listen: listen_multiaddrs(&config.network),
        certificate: websocket.certificate,
        quic: config.network.quic_port.is_some(),
        nat: config.network.nat,
        authorities: websocket.authorities,
        announce: config.network.announced.addresses.clone(),
        announce_listeners: config.network.announced.listeners,
        agent: config.network.agent.clone(),
        max_message_size: config.relay.max_message_size,
        max_connections: config.network.max_connections,
        colocation: config.network.colocation,
        relays: !config.relay.at_the_edge,
        ..weir_net::Config::new(key, config.relay.cluster)
    };
    let relay = relay::Config {
        autosharding: config.relay.autosharding(),
        max_message_size: config.relay.max_message_size,
        rln: config.rln.as_ref().map(|rln| ValidatorConfig::new(rln.epoch_length)),
        has_membership: member.is_some(),
        ..relay::Config::new(config.relay.cluster)
    };
    let rln = config.rln.as_ref().map(|rln| rln_settings(rln, &config.data_dir, member));
    Settings {
        network,
        relay,
        topics: config.relay.topics().unwrap_or_default(),
        content_topics: if config.relay.at_the_edge {
            Vec::new()
        } else {
            config.relay.content_topics.clone()
        },
        cache_capacity: config.rest.as_ref().map_or(1, |rest| rest.relay_cache_capacity),
        static_nodes: config.network.static_nodes.clone(),
        store,
        rln,
        archive: None,
        store_service: store_service(config),
        lightpush: lightpush(config),
        peer_exchange: PeerExchangeSettings {
            serves: config.peer_exchange.serves,
            limit: config.limits.of(Service::PeerExchange),
            nodes: config.peer_exchange.nodes.clone(),
        },
        filter: filter(config),
        edge: edge(config),
        clock,
    }
}

fn store_service(config: &Config) -> StoreServiceSettings {
    let store = config.store.as_ref();
    StoreServiceSettings {
        limit: config.limits.of(Service::Store),
        nodes: config.store_nodes.clone(),
        resume: store.is_some_and(|store| store.resume),
    }
}

fn lightpush(config: &Config) -> LightPushSettings {
    let LightPushConfig { serves, proofs, nodes } = &config.lightpush;
    let limit = config.limits.of(Service::Lightpush);
    let service = serves.then_some(LightPushServiceSettings { limit, proofs: *proofs });
    LightPushSettings { service, nodes: nodes.clone() }
}

fn edge(config: &Config) -> Option<EdgeSettings> {
    let autosharding = config.relay.autosharding().filter(|_| config.relay.at_the_edge)?;
    Some(EdgeSettings { autosharding, content_topics: config.relay.content_topics.clone() })
}

fn filter(config: &Config) -> FilterSettings {
    let FilterConfig { service, nodes } = &config.filter;
    let service = service.map(|service| FilterServiceSettings {
        server: filter_protocol::ServerConfig {
            max_clients: service.max_clients,
            max_criteria: service.max_criteria,
            subscription_timeout: service.subscription_timeout,
        },
        limit: config.limits.of(Service::Filter),
    });
    let client = (!nodes.is_empty() || config.relay.at_the_edge)
        .then(|| FilterClientSettings { nodes: nodes.clone(), ..FilterClientSettings::default() });
    FilterSettings { service, client }
}

/// A server of PostgreSQL that does not answer is no reason not to start: the archive waits for it.
fn open_archive(store: &StoreConfig) -> Result<ArchiveSettings, OpenArchiveError> {
    let options = archive::Options { connections: store.connections, size_cap: store.retention.size_cap() };
    Ok(ArchiveSettings {
        archive: archive::open(&store.location, options)?,
        retention: store.retention,
        readers: ARCHIVE_READERS,
    })
}

fn rln_settings(rln: &RlnConfig, data_dir: &Path, member: Option<MemberSettings>) -> RlnSettings {
    let path: PathBuf = rln.registry_path.clone();
    RlnSettings {
        open_ledger: Arc::new(move || Ok(Box::new(RegistryFile::open(&path)?) as Box<dyn Ledger>)),
        tree_file: Some(data_dir.join("membership.tree")),
        verifier_threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        longest_batch: rln.longest_batch.map_or(MAX_BATCH, |longest| longest.get().into()),
        engine: EngineSettings::cached_in(data_dir),
        member,
    }
}

fn listen_multiaddrs(network: &NetworkConfig) -> Vec<String> {
    let ip = network.listen_address;
    let family = if ip.is_ipv4() { "ip4" } else { "ip6" };
    let secure_port = network.websocket.secure.as_ref().map(|secure| secure.port);
    [
        (Some(network.tcp_port), "tcp", ""),
        (network.quic_port, "udp", "/quic-v1"),
        (network.websocket.plain_port, "tcp", "/ws"),
        (secure_port, "tcp", "/wss"),
    ]
    .into_iter()
    .filter_map(|(port, below, above)| Some(format!("/{family}/{ip}/{below}/{}{above}", port?)))
    .collect()
}

/// A server and the way to stop it.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves on `listener` from now on.
    fn start(listener: TcpListener, app: weir_api::App) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let config = ServerConfig { shutdown_timeout: REST_DRAIN, ..ServerConfig::default() };
        let task = tokio::spawn(weir_api::serve(listener, app, config, async move {
            drop(stopped.await);
        }));
        Ok(Self { address, stop, task })
    }

    /// Takes no new request and finishes the others.
    async fn stop(self) {
        let _ = self.stop.send(());
        drop(self.task.await);
    }
}

async fn stop_all(servers: [Option<Server>; 2]) {
    for server in servers.into_iter().flatten() {
        server.stop().await;
    }
}

async fn start_rest(
    config: &Config,
    backend: &NodeBackend,
    registry: &mut Registry,
) -> Result<Option<Server>, RunError> {
    let Some(rest) = &config.rest else { return Ok(None) };
    if let Some(folder) = rest.chat_page.as_deref().filter(|folder| !folder.join("index.html").is_file()) {
        return Err(RunError::NoChatPage { folder: folder.to_owned() });
    }
    let listener = bind("--rest-port", rest.listen).await?;
    let settings = weir_api::Config {
        filter: !config.filter.nodes.is_empty() || config.relay.at_the_edge,
        messaging: config.relay.at_the_edge,
        relay: !config.relay.at_the_edge,
        admin: rest.admin,
        allow_origin: rest.allow_origins.clone(),
        max_message_size: config.relay.max_message_size,
        cluster: config.relay.cluster,
        shards: config.relay.autosharding().map(|rule| rule.shard_count()),
        chat_page: rest.chat_page.clone(),
        ..weir_api::Config::default()
    };
    let app = weir_api::app(backend.clone(), settings, registry);
    Ok(Some(Server::start(listener, app)?))
}

fn start_metrics(listener: TcpListener, registry: Registry) -> io::Result<Server> {
    Server::start(listener, weir_api::metrics_app(Arc::new(registry)))
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|source| RunError::Listen { setting, address, source })
}

/// The signals that end a node.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> ExitReason {
        tokio::select! {
            _ = self.terminate.recv() => ExitReason::Terminated,
            _ = self.interrupt.recv() => ExitReason::Interrupted,
        }
    }
}
