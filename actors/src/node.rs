//! The root: makes the actors in the order that their ports need, watches them, stops them in the
//! order of the flow.
//!
//! ```text
//!  start   journal, archive ─ relay ─ membership ─ store, lightpush, filter ─ network ─ peers   (each finds its
//!          receivers there)
//!  stop    relay (publishes finish), store (who waits is told) ─ lightpush (answers what the relay finished) ─
//!          network (queues leave) ─ journal, archive (everything is written)
//! ```

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, time::Duration};

use actix_rt::ArbiterHandle;
use prometheus_client::registry::Registry;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use weir_core::{ClusterId, ContentTopic, PeerAddress, PeerId, PubsubTopic};
use weir_membership::{Ledger, LedgerError};
use weir_net::{Network, PushStreams, Service};
use weir_protocols::{
    filter as filter_protocol,
    lightpush::{self, ProofQuotaConfig, Proofs},
    peer_manager,
    rate_limit::RateLimit,
    relay,
    store::ServerConfig,
};
use weir_rln::{
    EngineSettings, EpochLength, Identity, IdentityCommitment, ProveError, Prover, ValidatorConfig, Verifier,
    VerifyingKeyError,
};
use weir_storage::{QuotaStore, StateStore, StoreError};

use crate::{
    ArchiveSettings, Clock, EdgeSettings, FilterServiceSettings,
    archive::{self, ArchiveActor},
    edge::{self as edge_actor, EdgeActor},
    filter::{self as filter_actor, FilterActor},
    filter_client::{self as filter_client_actor, FilterClientActor},
    handles::{
        EdgeHandle, FilterHandle, LightPushHandle, NodeHandles, PeersHandle, QuotaWatch, RelayHandle,
        StatusHandle, StoreHandle,
    },
    journal::JournalActor,
    lightpush::{self as lightpush_actor, LightPushActor, Topics},
    lightpush_client::PUSHES_AT_ONCE,
    membership::{self, MembershipActor},
    metrics::{
        ActorLabel, EdgeMetrics, Fallbacks, FilterClientMetrics, FilterMetrics, LightPushMetrics, Metrics,
        PeerExchangeMetrics, StoreMetrics,
    },
    network::{self, NetworkActor},
    peer_exchange::{self as px_actor, PeerExchangeActor},
    peers::{self, PeersActor},
    proof_pool,
    prover::{self, Member, QuotaUse, Standing},
    relay::{self as relay_actor, RelayActor, RlnPorts},
    resume,
    service::ServicePorts,
    service_client::ServiceClient,
    store::{self as store_actor, StoreActor},
    store_client::MAX_QUERIES,
    supervision::{FactoryError, Fault, Handle, Vacancy},
    system::Arbiters,
};

mod stopping;
#[cfg(test)]
mod tests;

pub use stopping::DrainError;

use stopping::Threads;

/// Fault notices that may wait for the root: more than the budgets of all actors together.
const FAULT_NOTICES: usize = 128;

/// A host tells the addresses of its interfaces in milliseconds.
const LISTEN_LIMIT: Duration = Duration::from_secs(2);

/// What a node is made of.
#[expect(missing_debug_implementations, reason = "holds the node's key")]
pub struct Settings {
    /// The libp2p side.
    pub network: weir_net::Config,
    /// Validation and limits of the relay.
    pub relay: relay::Config,
    /// Topics joined at the start.
    pub topics: Vec<PubsubTopic>,
    /// Content topics kept for REST from the start.
    pub content_topics: Vec<ContentTopic>,
    /// Messages kept for REST, all topics together.
    pub cache_capacity: usize,
    /// Peers to stay connected to.
    pub static_nodes: Vec<PeerAddress>,
    /// What outlives the process.
    pub store: StateStore,
    /// Rate limiting; none when messages carry no proofs.
    pub rln: Option<RlnSettings>,
    /// The archive; none when messages are not kept.
    pub archive: Option<ArchiveSettings>,
    /// How peers are served from it, and whose archives are asked.
    pub store_service: StoreServiceSettings,
    /// Publishing for clients, and who is asked to publish.
    pub lightpush: LightPushSettings,
    /// Telling peers of others, and asking for some.
    pub peer_exchange: PeerExchangeSettings,
    /// Pushing to filter clients, and being one.
    pub filter: FilterSettings,
    /// Sending and receiving without relay; none when the node relays.
    pub edge: Option<EdgeSettings>,
    /// The clock.
    pub clock: Clock,
}

/// Serving and asking archives.
#[derive(Debug, Clone, Default)]
pub struct StoreServiceSettings {
    /// How often peers may ask the node's own archive; none for no limit.
    pub limit: Option<RateLimit>,
    /// Peers whose archives are asked before others; the node stays connected to them.
    pub nodes: Vec<PeerAddress>,
    /// Whether to fetch what passed while the node was away.
    pub resume: bool,
}

/// Publishing for clients that do not relay, and asking others to.
#[derive(Debug, Clone, Default)]
pub struct LightPushSettings {
    /// The service; none when peers are not served.
    pub service: Option<LightPushServiceSettings>,
    /// Peers that are asked to publish before others; the node stays connected to them.
    pub nodes: Vec<PeerAddress>,
}

/// How peers are served.
#[derive(Debug, Clone, Copy, Default)]
pub struct LightPushServiceSettings {
    /// How often peers may ask; none for no limit.
    pub limit: Option<RateLimit>,
    /// The part of the node's quota of proofs that clients without a proof of their own get; none for no part.
    pub proofs: Option<ProofShare>,
}

/// Proofs of the node's own quota that clients get, an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofShare {
    /// For one client.
    pub per_client: u32,
    /// For all clients.
    pub total: u32,
}

/// Telling peers of others, and asking for some.
#[derive(Debug, Clone, Default)]
pub struct PeerExchangeSettings {
    /// Whether peers are told.
    pub serves: bool,
    /// How often they may ask; none for no limit.
    pub limit: Option<RateLimit>,
    /// Peers to ask; the node stays connected to them. With any, others that are connected are asked too.
    pub nodes: Vec<PeerAddress>,
}

/// Filter, both sides.
#[derive(Debug, Clone, Default)]
pub struct FilterSettings {
    /// How clients are served; none when they are not.
    pub service: Option<FilterServiceSettings>,
    /// What the node does as a client; none when it is none.
    pub client: Option<FilterClientSettings>,
}

/// Being a filter client.
#[derive(Debug, Clone, Default)]
pub struct FilterClientSettings {
    /// How subscriptions are kept.
    pub config: filter_protocol::ClientConfig,
    /// Peers that serve this node; the node stays connected to them. When empty, those that are connected and say
    /// that they serve.
    pub nodes: Vec<PeerAddress>,
}

/// Opens the ledger, again after a fault.
pub type OpenLedger = Arc<dyn Fn() -> Result<Box<dyn Ledger>, LedgerError> + Send + Sync>;

/// What a rate-limited relay is made of.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct RlnSettings {
    /// Opens the ledger of memberships.
    pub open_ledger: OpenLedger,
    /// Where the membership tree is kept from one start to the next; none to make it anew each time.
    pub tree_file: Option<PathBuf>,
    /// Threads that check proofs, at least 1.
    pub verifier_threads: usize,
    /// Proofs checked together, at most; [`weir_protocols::relay::MAX_BATCH`] unless batches are being
    /// measured.
    pub longest_batch: usize,
    /// How proofs are made.
    pub engine: EngineSettings,
    /// The node's own membership; without one it judges but cannot publish.
    pub member: Option<MemberSettings>,
}

/// The node's own membership.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct MemberSettings {
    /// Who publishes.
    pub identity: Identity,
    /// The message ids already given away.
    pub quota: QuotaStore,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A thread could not be started.
    #[error("no thread could be started: {0}")]
    Thread(#[from] io::Error),
    /// The keys of the circuit are not usable.
    #[error("the RLN keys could not be loaded: {0}")]
    VerifyingKey(#[from] VerifyingKeyError),
    /// The proving key is not usable.
    #[error("the RLN keys could not be loaded: {0}")]
    ProvingKey(#[from] ProveError),
    /// The state store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An actor could not be made: a port in use, an unreadable ledger.
    #[error("{0}")]
    Actor(FactoryError),
}

/// Why a node stopped by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{actor} failed {count} times in a minute and is given up")]
pub struct GivenUp {
    /// Which actor.
    pub actor: &'static str,
    /// How often.
    pub count: usize,
}

/// A running node.
#[expect(missing_debug_implementations, reason = "nothing of it is worth printing")]
pub struct Node {
    peer_id: PeerId,
    handles: NodeHandles,
    relay: Handle<RelayActor>,
    network: Handle<NetworkActor>,
    journal: Handle<JournalActor>,
    archive: Option<archive::Service>,
    store: Option<Handle<StoreActor>>,
    lightpush: Option<Handle<LightPushActor>>,
    /// Ends with the node.
    resume: Option<resume::Task>,
    faults: mpsc::Receiver<Fault>,
    metrics: Metrics,
    threads: Threads,
}

/// Places that wait for their actors, so that ports can point both ways.
struct Places {
    journal: Vacancy<JournalActor>,
    archive: Vacancy<ArchiveActor>,
    relay: Vacancy<RelayActor>,
    network: Vacancy<NetworkActor>,
    peers: Vacancy<PeersActor>,
    membership: Vacancy<MembershipActor>,
    store: Vacancy<StoreActor>,
    lightpush: Vacancy<LightPushActor>,
    peer_exchange: Vacancy<PeerExchangeActor>,
    filter: Vacancy<FilterActor>,
    filter_client: Vacancy<FilterClientActor>,
    edge: Vacancy<EdgeActor>,
}

impl Node {
    /// Starts every actor; returns when the node listens and knows its group.
    pub async fn start(
        arbiters: &Arbiters,
        settings: Settings,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::register(registry);
        let Settings {
            mut network,
            relay,
            topics,
            content_topics,
            cache_capacity,
            mut static_nodes,
            store,
            rln,
            archive,
            store_service,
            lightpush,
            peer_exchange,
            filter,
            edge,
            clock,
        } = settings;
        if archive.is_some() {
            network.serves.insert(Service::Store);
        }
        if lightpush.service.is_some() {
            network.serves.extend([Service::LightPush, Service::LegacyLightPush]);
        }
        if peer_exchange.serves {
            network.serves.insert(Service::PeerExchange);
        }
        if filter.service.is_some() {
            network.serves.insert(Service::Filter);
            network.filter_clients = Some(PushStreams::default());
        }
        network.is_filter_client = filter.client.is_some();
        let slots = archive.as_ref().map_or(0, |archive| archive.readers);
        let threads = Threads::start(arbiters);
        let (front, back) = (threads.front(), threads.back());
        let (notices, faults) = mpsc::channel(FAULT_NOTICES);
        let places = Places {
            journal: Vacancy::new("journal"),
            archive: Vacancy::new("archive"),
            relay: Vacancy::new("relay"),
            network: Vacancy::new("network"),
            peers: Vacancy::new("peers"),
            membership: Vacancy::new("membership"),
            store: Vacancy::new("store"),
            lightpush: Vacancy::new("lightpush"),
            peer_exchange: Vacancy::new("peer_exchange"),
            filter: Vacancy::new("filter"),
            filter_client: Vacancy::new("filter client"),
            edge: Vacancy::new("edge"),
        };
        let (relay_handle, network_handle) = (places.relay.handle(), places.network.handle());
        let (peers_handle, journal_handle) = (places.peers.handle(), places.journal.handle());
        let membership_handle = rln.as_ref().map(|_| places.membership.handle());
        let epoch_length = relay.rln.as_ref().map(|rln| rln.epoch_length);

        start_journal(places.journal, &back, &notices, &store, epoch_length, &clock, &metrics).await?;

        let archive = match archive {
            // On the message path: it only gathers, and what waits for the disk has threads of its own.
            Some(settings) => Some(
                archive::Service::start(settings, places.archive, (&front, &notices), &clock, registry)
                    .await
                    .map_err(StartError::Actor)?,
            ),
            None => None,
        };

        let (standing, standing_seen) = watch::channel(None);
        let (used, used_seen) = watch::channel(None);
        let quota = epoch_length.map(|epoch_length| QuotaWatch {
            epoch_length,
            standing: standing_seen.clone(),
            used: used_seen,
        });
        let is_member = rln.as_ref().is_some_and(|rln| rln.member.is_some());
        let outlets = ProofOutlets {
            relay: &relay_handle,
            standing: standing_seen,
            used,
            clock: &clock,
            metrics: &metrics,
        };
        let (rln_ports, ledger) = match rln.zip(relay.rln) {
            None => (None, None),
            Some((settings, limits)) => {
                let ours = settings.member.as_ref().map(|member| member.identity.commitment());
                let ledger = (Arc::clone(&settings.open_ledger), settings.tree_file.clone(), ours);
                let (ports, fallbacks) =
                    start_proofs(settings, limits, outlets, &places.membership.handle())?;
                registry.register_collector(Box::new(fallbacks));
                (Some(ports), Some(ledger))
            }
        };

        let (topics_told, topics_seen) = watch::channel(Topics::default());
        let filter_metrics =
            filter.service.map(|_| FilterMetrics::register(registry, metrics.service.clone()));
        let ports = relay_actor::Ports {
            topics: topics_told,
            verdicts: network_handle.port(),
            broadcasts: network_handle.port(),
            subscriptions: network_handle.port(),
            started: network_handle.port(),
            journal_nullifiers: journal_handle.port(),
            journal_evidence: journal_handle.port(),
            archive: archive.as_ref().map(|archive| archive.persist.clone()),
            filter: filter_metrics
                .as_ref()
                .map(|metrics| filter_actor::intake(places.filter.handle(), metrics.clone())),
            rln: rln_ports,
        };
        let cluster = network.cluster;
        let autosharding = relay.autosharding;
        let lightpush_plan = lightpush.service.map(|service| lightpush_plan(service, &relay));
        start_relay(
            places.relay,
            &front,
            &notices,
            relay_actor::Seed::new(relay_actor::Parts {
                config: relay,
                topics,
                content_topics,
                cache_capacity,
                store: store.clone(),
                ports,
                clock: clock.clone(),
                metrics: metrics.relay.clone(),
            }),
        )
        .await?;

        if let Some((open_ledger, tree_file, ours)) = ledger {
            let ports = membership::Ports { roots: relay_handle.port(), standing };
            let known = (open_ledger, tree_file);
            start_membership(places.membership, &back, &notices, known, ours, ports, &metrics).await?;
        }

        let store_handle = archive.as_ref().map(|_| places.store.handle());
        if let Some(archive) = &archive {
            let ports = store_actor::Ports {
                archive: archive.queries.clone(),
                answers: network_handle.port(),
                ended: places.store.handle().port(),
            };
            let config = ServerConfig { limit: store_service.limit, slots };
            let metrics = StoreMetrics::register(registry, metrics.service.clone());
            start_store(places.store, &threads.service(), &notices, config, ports, &clock, metrics).await?;
        }

        let lightpush_metrics = LightPushMetrics::register(registry, metrics.service.clone());
        let lightpush_handle = lightpush_plan.map(|_| places.lightpush.handle());
        if let Some(plan) = lightpush_plan {
            let ports = lightpush_actor::Ports {
                publish: relay_handle.port(),
                answers: network_handle.port(),
                topics: topics_seen,
                ended: places.lightpush.handle().port(),
            };
            let metrics = lightpush_metrics.clone();
            start_lightpush(places.lightpush, &threads.service(), &notices, plan, ports, &clock, metrics)
                .await?;
        }

        let filter_handle = filter.service.map(|_| places.filter.handle());
        if let (Some(settings), Some(streams), Some(metrics)) =
            (filter.service, network.filter_clients.clone(), filter_metrics)
        {
            let ports = filter_actor::Ports { answers: network_handle.port(), streams };
            start_filter(places.filter, &threads.service(), &notices, settings, ports, &clock, metrics)
                .await?;
        }

        let mut filter_client = None;
        let filter_client_handle = filter.client.as_ref().map(|_| places.filter_client.handle());
        if let (Some(settings), Some(handle)) = (&filter.client, &filter_client_handle) {
            let metrics = FilterClientMetrics::register(registry);
            filter_client = Some(network::FilterClientPorts {
                seen: filter_client_actor::intake(handle.clone(), metrics.clone()),
                started: handle.port(),
            });
            let told = edge.as_ref().map(|_| places.edge.handle().port());
            let ports = filter_client_actor::Ports { ask: network_handle.port(), told };
            let place = places.filter_client;
            start_filter_client(place, &threads.service(), &notices, settings, ports, &clock, metrics)
                .await?;
        }

        let mut services = BTreeMap::new();
        for service in [Service::LightPush, Service::LegacyLightPush] {
            services.extend(lightpush_handle.as_ref().map(|actor| {
                let (seen, started) = (actor.port(), actor.port());
                (service, ServicePorts { seen, started, busy: lightpush_actor::busy })
            }));
        }
        if let Some(filter) = &filter_handle {
            let ports =
                ServicePorts { seen: filter.port(), started: filter.port(), busy: filter_actor::busy };
            services.insert(Service::Filter, ports);
        }
        if let Some(store) = &store_handle {
            let ports = ServicePorts { seen: store.port(), started: store.port(), busy: store_actor::busy };
            services.insert(Service::Store, ports);
        }
        if peer_exchange.serves {
            let actor = places.peer_exchange.handle();
            let (seen, started) = (actor.port(), actor.port());
            services.insert(Service::PeerExchange, ServicePorts { seen, started, busy: px_actor::busy });
        }
        let (listening, mut listening_seen) = watch::channel(Vec::new());
        let ports = network::Ports {
            gossip: relay_handle.port(),
            broadcasted: relay_handle.port(),
            started: relay_handle.port(),
            peers: peers_handle.port(),
            peers_started: peers_handle.port(),
            services,
            filter_client,
            listening,
        };
        let listen = network.listen.clone();
        let net_metrics = weir_net::Metrics::register(registry);
        let first = Network::with_metrics(network.clone(), net_metrics.clone(), registry)
            .map_err(|error| StartError::Actor(error.into()))?;
        let (peer_id, max_connections) = (first.local_peer(), network.max_connections);
        let px_plan = px_actor::Plan {
            local_peer: peer_id.clone(),
            cluster,
            key: network.key.clone(),
            services: network.serves.clone(),
            limit: peer_exchange.limit,
            asks: !peer_exchange.nodes.is_empty(),
        };
        start_network(places.network, &front, &notices, (first, net_metrics), network, ports, &metrics)
            .await?;

        let peer_config = peer_config(peer_id.clone(), cluster, max_connections);
        let ports = peers::Ports {
            dial: network_handle.port(),
            disconnect: network_handle.port(),
            metadata: network_handle.port(),
            remember: journal_handle.port(),
            forget: journal_handle.port(),
            started: network_handle.port(),
        };
        let filter_nodes = filter.client.map(|client| client.nodes).unwrap_or_default();
        for node in store_service
            .nodes
            .iter()
            .chain(&lightpush.nodes)
            .chain(&peer_exchange.nodes)
            .chain(&filter_nodes)
        {
            if !static_nodes.contains(node) {
                static_nodes.push(node.clone());
            }
        }
        let known = peers::Known { config: peer_config, static_nodes, store: store.clone() };
        start_peers(places.peers, &front, &notices, known, ports, &clock).await?;

        // The sockets are bound already; this waits until the swarm tells their addresses.
        let all = listening_seen.wait_for(|known| network::listens_on_all(&listen, known));
        drop(timeout(LISTEN_LIMIT, all).await);

        let peers = PeersHandle { peers: peers_handle, network: network_handle.clone() };
        let client =
            |nodes, at_once| ServiceClient::new(network_handle.clone(), peers.clone(), nodes, at_once);
        let store_client = StoreHandle::new(client(store_service.nodes, MAX_QUERIES));
        let lightpush_client = client(lightpush.nodes, PUSHES_AT_ONCE);
        let record_seen = if peer_exchange.serves || px_plan.asks {
            let (record, record_seen) = watch::channel(None);
            let place = places.peer_exchange;
            let ports = px_actor::Ports {
                answers: network_handle.port(),
                peers: peers.peers.port(),
                record,
                looked: place.handle().port(),
                told: place.handle().port(),
            };
            // One question at a time.
            let sources = px_actor::Sources { peers: peers.clone(), client: client(peer_exchange.nodes, 1) };
            let metrics = PeerExchangeMetrics::register(registry, metrics.service.clone());
            let service = threads.service();
            start_peer_exchange(place, &service, &notices, (px_plan, sources), ports, &clock, metrics)
                .await?;
            Some(record_seen)
        } else {
            None
        };
        let parts = |archive: &archive::Service| resume::Parts {
            cluster,
            state: store,
            archive: archive.handle.clone(),
            store: store_client.clone(),
            peers: peers.clone(),
            clock: clock.clone(),
        };
        let resuming = archive.as_ref().filter(|_| store_service.resume).map(parts).map(resume::start);
        let (resume, resume_seen) = resuming.unzip();
        let lightpush = LightPushHandle::new(lightpush_client, lightpush_handle.clone(), lightpush_metrics);
        let edge_handle = edge.as_ref().map(|_| EdgeHandle(places.edge.handle()));
        if let (Some(settings), Some(filter)) = (edge, &filter_client_handle) {
            let ports = edge_actor::Ports {
                wishes: filter.port(),
                ended: places.edge.handle().port(),
                lightpush: lightpush.clone(),
                store: store_client.clone(),
                peers: peers.clone(),
            };
            let plan = edge_actor::Plan::new(settings, cluster);
            start_edge(places.edge, &threads.service(), &notices, (plan, ports), &clock, registry).await?;
        }
        let handles = NodeHandles {
            lightpush,
            edge: edge_handle,
            store: store_client,
            filter: filter_client_handle.map(|client| FilterHandle { client, autosharding }),
            archive: archive.as_ref().map(|archive| archive.handle.clone()),
            relay: RelayHandle {
                relay: relay_handle.clone(),
                network: network_handle.clone(),
                autosharding,
                clock: clock.clone(),
            },
            peers,
            status: StatusHandle {
                membership: membership_handle,
                quota: quota.filter(|_| is_member),
                resume: resume_seen,
                record: record_seen,
                serves_peer_exchange: peer_exchange.serves,
                serves_filter: filter.service.is_some(),
                clock,
            },
        };
        Ok(Self {
            peer_id,
            handles,
            relay: relay_handle,
            network: network_handle,
            journal: journal_handle,
            archive,
            store: store_handle,
            lightpush: lightpush_handle,
            resume,
            faults,
            metrics,
            threads,
        })
    }

    /// Who the node is.
    pub const fn peer_id(&self) -> &PeerId {
        &self.peer_id
    }

    /// Where to ask.
    pub const fn handles(&self) -> &NodeHandles {
        &self.handles
    }

    /// Resolves when an actor has spent its budget and the node must stop.
    pub async fn given_up(&mut self) -> GivenUp {
        loop {
            match self.faults.recv().await {
                Some(fault) => {
                    self.metrics.faults.get_or_create(&ActorLabel::new(fault.actor)).inc();
                    if fault.fatal {
                        return GivenUp { actor: fault.actor, count: fault.count };
                    }
                }
                // Guardians that finished in order hold no sender any more; nothing can be given up.
                None => std::future::pending::<()>().await,
            }
        }
    }
}

async fn start_journal(
    place: Vacancy<JournalActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    store: &StateStore,
    epoch_length: Option<EpochLength>,
    clock: &Clock,
    metrics: &Metrics,
) -> Result<(), StartError> {
    let (store, clock, metrics) = (store.clone(), clock.clone(), metrics.journal.clone());
    let factory = move |lease| {
        Ok(JournalActor::new(store.clone(), epoch_length, clock.clone(), metrics.clone(), lease))
    };
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}

/// Where proofs come from and what of them is told.
struct ProofOutlets<'a> {
    relay: &'a Handle<RelayActor>,
    standing: watch::Receiver<Option<Standing>>,
    used: watch::Sender<Option<QuotaUse>>,
    clock: &'a Clock,
    metrics: &'a Metrics,
}

/// Loads the keys and starts the threads that check and make proofs.
fn start_proofs(
    settings: RlnSettings,
    limits: ValidatorConfig,
    outlets: ProofOutlets<'_>,
    membership: &Handle<MembershipActor>,
) -> Result<(RlnPorts, Fallbacks), StartError> {
    let ProofOutlets { relay, standing, used, clock, metrics } = outlets;
    let verifier = Arc::new(Verifier::load()?);
    let check = proof_pool::start(
        Arc::clone(&verifier),
        proof_pool::Plan { threads: settings.verifier_threads, longest_batch: settings.longest_batch },
        relay.port(),
        clock.clone(),
        metrics.proofs.clone(),
    )?;
    let mut fallbacks = Fallbacks { verifier, prover: None };
    let prove = match settings.member {
        Some(member) => {
            let prover = Prover::load(&settings.engine)?;
            fallbacks.prover = Some(prover.clone());
            let member = Member::new(prover, member, limits, standing, used, clock.clone())?;
            Some(prover::start(member, relay.port(), &metrics.proofs)?)
        }
        None => None,
    };
    let ports = RlnPorts { check, prove, poll_ledger: membership.port(), announce_roots: membership.port() };
    Ok((ports, fallbacks))
}

async fn start_relay(
    place: Vacancy<RelayActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    seed: relay_actor::Seed,
) -> Result<(), StartError> {
    let factory = move |lease| seed.grow(lease);
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}

async fn start_membership(
    place: Vacancy<MembershipActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    (open_ledger, tree_file): (OpenLedger, Option<PathBuf>),
    ours: Option<IdentityCommitment>,
    ports: membership::Ports,
    metrics: &Metrics,
) -> Result<(), StartError> {
    let metrics = metrics.membership.clone();
    let factory = move |lease| {
        let ledger = open_ledger()?;
        MembershipActor::new(ledger, tree_file.clone(), ours, ports.clone(), metrics.clone(), lease)
    };
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}

async fn start_network(
    place: Vacancy<NetworkActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    (first, net_metrics): (Network, weir_net::Metrics),
    config: weir_net::Config,
    ports: network::Ports,
    metrics: &Metrics,
) -> Result<(), StartError> {
    let metrics = metrics.network.clone();
    let mut first = Some(first);
    let factory = move |lease| {
        let network = match first.take() {
            Some(network) => network,
            // gossipsub makes its own instruments anew, and those of the first swarm stay the
            // registered ones; so what it counts under its own names stands still from here on.
            None => {
                let listen = network::same_ports(&config.listen, &ports.listening.borrow());
                let again = weir_net::Config { listen, ..config.clone() };
                Network::with_metrics(again, net_metrics.clone(), &mut Registry::default())?
            }
        };
        Ok(NetworkActor::new(network, config.cluster, ports.clone(), metrics.clone(), lease))
    };
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}

/// nwaku's shares (waku-wire 11.1): half of the connections are for relay, a third of these
/// outgoing; five times as many peers are remembered as can be connected.
fn peer_config(local_peer: PeerId, cluster: ClusterId, max_connections: u32) -> peer_manager::Config {
    let connections = usize::try_from(max_connections).unwrap_or(usize::MAX);
    let target_outbound = connections.div_ceil(2).div_ceil(3);
    peer_manager::Config {
        local_peer,
        cluster,
        target_outbound,
        max_inbound: connections.saturating_sub(target_outbound),
        capacity: connections.saturating_mul(5),
    }
}

async fn start_store(
    place: Vacancy<StoreActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    config: ServerConfig,
    ports: store_actor::Ports,
    clock: &Clock,
    metrics: StoreMetrics,
) -> Result<(), StartError> {
    let clock = clock.clone();
    let factory =
        move |lease| Ok(StoreActor::new(config, ports.clone(), clock.clone(), metrics.clone(), lease));
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}

/// The rules of light push are those of the relay it publishes through.
fn lightpush_plan(service: LightPushServiceSettings, relay: &relay::Config) -> lightpush_actor::Plan {
    let proofs = match (&relay.rln, service.proofs) {
        (None, _) => Proofs::NotNeeded,
        (Some(_), None) => Proofs::Brought,
        (Some(rln), Some(ProofShare { per_client, total })) => Proofs::Attached(ProofQuotaConfig {
            epoch: Duration::from_secs(rln.epoch_length.as_secs()),
            per_client,
            total,
        }),
    };
    let server = lightpush::ServerConfig {
        autosharding: relay.autosharding,
        max_message_size: relay.max_message_size,
        proofs,
    };
    lightpush_actor::Plan { server, limit: service.limit }
}

async fn start_lightpush(
    place: Vacancy<LightPushActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    plan: lightpush_actor::Plan,
    ports: lightpush_actor::Ports,
    clock: &Clock,
    metrics: LightPushMetrics,
) -> Result<(), StartError> {
    let clock = clock.clone();
    let factory =
        move |lease| Ok(LightPushActor::new(plan, ports.clone(), clock.clone(), metrics.clone(), lease));
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}

async fn start_peer_exchange(
    place: Vacancy<PeerExchangeActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    (plan, sources): (px_actor::Plan, px_actor::Sources),
    ports: px_actor::Ports,
    clock: &Clock,
    metrics: PeerExchangeMetrics,
) -> Result<(), StartError> {
    let clock = clock.clone();
    let factory = move |lease| {
        let (plan, sources, ports) = (plan.clone(), sources.clone(), ports.clone());
        Ok(PeerExchangeActor::new(plan, sources, ports, clock.clone(), metrics.clone(), lease))
    };
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}

async fn start_filter(
    place: Vacancy<FilterActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    settings: FilterServiceSettings,
    ports: filter_actor::Ports,
    clock: &Clock,
    metrics: FilterMetrics,
) -> Result<(), StartError> {
    let clock = clock.clone();
    let factory =
        move |lease| Ok(FilterActor::new(settings, ports.clone(), clock.clone(), metrics.clone(), lease));
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}

async fn start_edge(
    place: Vacancy<EdgeActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    (plan, ports): (edge_actor::Plan, edge_actor::Ports),
    clock: &Clock,
    registry: &mut Registry,
) -> Result<(), StartError> {
    let (clock, metrics) = (clock.clone(), EdgeMetrics::register(registry));
    let factory =
        move |lease| Ok(EdgeActor::new(plan.clone(), ports.clone(), clock.clone(), metrics.clone(), lease));
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}

async fn start_filter_client(
    place: Vacancy<FilterClientActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    settings: &FilterClientSettings,
    ports: filter_client_actor::Ports,
    clock: &Clock,
    metrics: FilterClientMetrics,
) -> Result<(), StartError> {
    let FilterClientSettings { config, nodes } = settings.clone();
    let clock = clock.clone();
    let factory = move |lease| {
        let (ports, clock, metrics) = (ports.clone(), clock.clone(), metrics.clone());
        Ok(FilterClientActor::new(config, &nodes, ports, clock, metrics, lease))
    };
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}

async fn start_peers(
    place: Vacancy<PeersActor>,
    arbiter: &ArbiterHandle,
    notices: &mpsc::Sender<Fault>,
    known: peers::Known,
    ports: peers::Ports,
    clock: &Clock,
) -> Result<(), StartError> {
    let clock = clock.clone();
    let factory = move |lease| PeersActor::new(&known, ports.clone(), clock.clone(), lease);
    place.supervise(arbiter, notices.clone(), factory).await.map_err(StartError::Actor)
}
