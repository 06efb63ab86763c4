//! What is measured: two nodes of this process, connected over loopback.
//!
//! ```text
//!  other ── gossip: messages that come in ──> node ── archive
//!    └───── store v3: queries ─────────────────^
//! ```
//!
//! The node relays, judges and archives as every node does, with eight shards and without RLN. The other one
//! stands for its peers.

use std::{path::Path, sync::Arc, time::Duration};

use prometheus_client::registry::Registry;
use strum::VariantArray;
use tokio::{task::spawn_blocking, time::timeout};
use weir_actors::{
    ArchiveSettings, Clock,
    handles::{ArchiveHandle, RelayHandle},
    node::{FilterSettings, LightPushSettings, Node, PeerExchangeSettings, Settings, StoreServiceSettings},
    system::Arbiters,
};
use weir_core::{
    PeerAddress,
    store::{Page, Query},
};
use weir_protocols::relay;
use weir_storage::{
    StateStore,
    archive::{self, Archive, ArchiveError, Location, Options, Retention, Summary, Trim},
};
use zeroize::Zeroizing;

use crate::{
    BenchError,
    workload::{CLUSTER, sharding},
};

/// Threads that answer queries, as nodes have them.
const READERS: usize = 4;

/// For the two nodes to find each other, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the other node's state is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a query gets to the archive and its answer back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, VariantArray)]
pub(crate) enum Way {
    /// From the other node over libp2p, through the queues of the store service.
    Network,
    /// As REST asks the node's service.
    Service,
}

/// A node with an archive, and another one that asks it.
pub(crate) struct Subject {
    archive: Arc<dyn Archive>,
    node: Node,
    other: Node,
    kept: ArchiveHandle,
    address: PeerAddress,
}

impl Subject {
    /// Opens the archive at `location`, which must hold nothing, and starts the nodes, whose own files are made
    /// in `folder`.
    pub(crate) async fn start(
        arbiters: &Arbiters,
        location: Location,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let archive = blocking(move || archive::open(&location, Options::default())).await?;
        let held = Arc::clone(&archive);
        match blocking(move || held.summary()).await?.messages {
            0 => {}
            messages => return Err(BenchError::NotEmpty(messages)),
        }
        let retention = "none".parse::<Retention>().expect("a policy");
        let settings = ArchiveSettings { archive: Arc::clone(&archive), retention, readers: READERS };
        let node = start(arbiters, folder, "node", Vec::new(), Some(settings)).await?;
        let kept = node.handles().archive.clone().ok_or(BenchError::Node("it has no archive".to_owned()))?;
        let address = address_of(&node).await?;
        let other = start(arbiters, folder, "other", vec![address.clone()], None).await?;
        until_they_gossip(&other).await?;
        Ok(Self { archive, node, other, kept, address })
    }

    /// The node's archive, which takes messages by the batch.
    pub(crate) const fn archive(&self) -> &ArchiveHandle {
        &self.kept
    }

    /// Where the node's peers publish.
    pub(crate) const fn relay_of_peer(&self) -> &RelayHandle {
        &self.other.handles().relay
    }

    /// Asks the node.
    pub(crate) async fn ask(&self, way: Way, query: Query) -> Result<Page, BenchError> {
        match way {
            Way::Network => {
                Ok(self.other.handles().store.query(Some(self.address.clone()), query).await?.page)
            }
            Way::Service => Ok(self.kept.query(query).await?),
        }
    }

    pub(crate) async fn summary(&self) -> Result<Summary, BenchError> {
        let archive = Arc::clone(&self.archive);
        Ok(blocking(move || archive.summary()).await?)
    }

    /// Stops the nodes, and drops every message when that is wanted.
    pub(crate) async fn stop(self, empty: bool) -> Result<(), BenchError> {
        let Self { archive, node, other, kept, .. } = self;
        // Whatever they did not finish in time is dropped with them.
        let _ = other.drain(PATIENCE).await;
        let _ = node.drain(PATIENCE).await;
        drop(kept);
        if empty {
            blocking(move || -> Result<(), ArchiveError> {
                while archive.trim(Trim::ToCount(0))?.more {}
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

async fn start(
    arbiters: &Arbiters,
    folder: &Path,
    name: &str,
    static_nodes: Vec<PeerAddress>,
    archive: Option<ArchiveSettings>,
) -> Result<Node, BenchError> {
    let failed = |error: &dyn std::fmt::Display| BenchError::Node(error.to_string());
    let mut key = Zeroizing::new([0; 32]);
    rand::RngCore::fill_bytes(&mut rand::rngs::OsRng, key.as_mut_slice());
    let sharding = sharding();
    let settings = Settings {
        network: weir_net::Config {
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            ..weir_net::Config::new(key, CLUSTER)
        },
        relay: relay::Config { autosharding: Some(sharding), ..relay::Config::new(CLUSTER) },
        topics: sharding.all_topics().collect(),
        content_topics: Vec::new(),
        // REST's, which nobody reads here.
        cache_capacity: 1,
        static_nodes,
        store: StateStore::open(folder.join(name)).map_err(|error| failed(&error))?,
        rln: None,
        archive,
        // Without a limit: what is measured is how long an answer takes, not how many are allowed.
        store_service: StoreServiceSettings::default(),
        lightpush: LightPushSettings::default(),
        peer_exchange: PeerExchangeSettings::default(),
        filter: FilterSettings::default(),
        edge: None,
        clock: Clock::system(),
    };
    Node::start(arbiters, settings, &mut Registry::default()).await.map_err(|error| failed(&error))
}

async fn address_of(node: &Node) -> Result<PeerAddress, BenchError> {
    let meshes = node.handles().peers.meshes().await.map_err(|error| BenchError::Node(error.to_string()))?;
    let address = meshes.listen_addresses.first().and_then(|address| weir_net::address::parse(address).ok());
    address.ok_or(BenchError::Node("it listens nowhere".to_owned()))
}

/// Until the node's peer knows which topics it wants: a message sent before goes nowhere.
async fn until_they_gossip(other: &Node) -> Result<(), BenchError> {
    let connected = async {
        loop {
            let meshes = other.handles().peers.meshes().await;
            if meshes.is_ok_and(|meshes| meshes.topics.iter().all(|topic| !topic.subscribed.is_empty())) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let waited = timeout(PATIENCE, connected).await;
    waited.map_err(|_| BenchError::Node("the two nodes do not find each other".to_owned()))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
