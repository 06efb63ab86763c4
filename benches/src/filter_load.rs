//! `filter-load`: how many filter clients a node pushes to, how late, and at what cost.
//!
//! ```text
//!                       ┌──> client, client, ... (--clients)
//! publisher ──> node 0 ─┤
//!     (gossip)          └<── flooding clients (--flooders)
//! ```
//!
//! Clients are peers of this process with connections of their own; each subscribes to some of the content
//! topics. A message carries when it was sent, so what is measured is from the publisher's gossip to the
//! client's decoded push. With flooders there are two phases, before and during the flood.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Parser;
use futures::{StreamExt, future::join_all};
use prometheus_client::registry::Registry;
use rand::RngCore;
use serde::Serialize;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use weir_core::{
    ContentTopic, Meta, PeerAddress, ProofField, PubsubTopic, Timestamp, WakuMessage,
    filter::{Criteria, Request, Status},
};
use weir_net::{Config, Event, Frame, Network, Service, address};
use weir_wire::{FilterResponse, Metadata, encode_filter_request, encode_message};
use zeroize::Zeroizing;

use crate::{
    gossip::{Peer, PeerError, connect_all},
    load::{Arguments as LoadArguments, Fleet, LoadError, NodeCost},
};

/// Clients that connect at a time: fewer than a node's handshakes (64).
const CONNECTING: usize = 32;

/// How long a client may take to connect and subscribe.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(60);

/// What is still on its way after the last message.
const SETTLE: Duration = Duration::from_secs(5);

/// Requests of one flooder that wait for their answer: as many as a connection has streams for.
const FLOODS_UNDER_WAY: usize = 30;

/// Push messages to many filter clients through a node.
#[derive(Debug, Clone, Parser)]
#[command(name = "filter-load", version)]
pub struct Arguments {
    /// The node to start
    #[arg(long, value_name = "PATH")]
    pub weir: PathBuf,
    /// Filter clients
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub clients: usize,
    /// Content topics, to which messages go in turn
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub topics: usize,
    /// Content topics that each client subscribes to
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub per_client: usize,
    /// Messages a second
    #[arg(long, value_name = "NUMBER", default_value_t = 100.0)]
    pub rate: f64,
    /// Seconds of a phase
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub seconds: u64,
    /// Bytes of a payload, at least 8
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    pub size: usize,
    /// Clients that flood the node with requests in a second phase
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub flooders: usize,
    /// Requests a second of each flooder; ten times the limit of a node
    #[arg(long, value_name = "NUMBER", default_value_t = 1000.0)]
    pub flood_rate: f64,
    /// Pass this to the nodes (repeatable), as in --node-arg=--log-level=DEBUG
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub node_arg: Vec<String>,
}

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum FilterLoadError {
    /// The nodes.
    #[error(transparent)]
    Nodes(#[from] LoadError),
    /// The publisher.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A client, or a message.
    #[error("{0}")]
    Client(String),
}

/// How late each push came, of all clients together.
type Latencies = Arc<Mutex<Vec<Duration>>>;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    clients: usize,
    /// Seconds until all clients were subscribed.
    subscribed_after_s: f64,
    phases: Vec<Phase>,
}

/// What was found in one phase.
#[derive(Debug, Serialize)]
struct Phase {
    flooders: usize,
    messages: u64,
    /// Pushes that should have come, over all clients.
    expected: u64,
    delivered: u64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Requests of flooders, and those answered 429.
    flood_requests: u64,
    flood_refused: u64,
    /// What the phase cost the node that pushes.
    node: Option<NodeCost>,
}

/// A client and the content topics it wants, by number.
struct Client {
    wants: Vec<usize>,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts the nodes, connects the clients, and sends.
pub async fn run(arguments: &Arguments) -> Result<Report, FilterLoadError> {
    let mut load = LoadArguments::parse_from(["relay-load"]);
    load.spawn = Some(2);
    load.weir = Some(arguments.weir.clone());
    load.node_arg = vec![
        "--filter".to_owned(),
        format!("--max-connections={}", (arguments.clients + arguments.flooders) * 2 + 100),
        format!("--filter-max-peers-to-serve={}", arguments.clients + arguments.flooders + 1),
    ];
    load.node_arg.extend(arguments.node_arg.iter().cloned());
    let fleet = Fleet::start(&load).await?;
    let topic = fleet.subscribe().await?;
    let addresses = fleet.addresses();
    let mut publisher = connect_all(&addresses[..1], topic).await?.remove(0);
    let node = address::parse(addresses[0])
        .map_err(|error| FilterLoadError::Client(format!("{}: {error}", addresses[0])))?;

    let began = Instant::now();
    let latencies = Latencies::default();
    let mut clients: Vec<Client> = Vec::new();
    while clients.len() < arguments.clients {
        let count = CONNECTING.min(arguments.clients - clients.len());
        let first = clients.len();
        let subscribing =
            (first..first + count).map(|n| subscribe(arguments, n, &node, topic, began, &latencies));
        let joined = async {
            // The publisher answers the node meanwhile, which would otherwise drop it.
            join_all(subscribing).await
        };
        let outcome = attend(&mut publisher, joined).await;
        clients.extend(outcome.into_iter().collect::<Result<Vec<_>, _>>()?);
    }
    let subscribed_after_s = began.elapsed().as_secs_f64();

    let mut phases = Vec::new();
    let floods = if arguments.flooders == 0 { vec![0] } else { vec![0, arguments.flooders] };
    for flooders in floods {
        let before = fleet.observe()?;
        let (stop, stopped) = watch::channel(false);
        let flood: Vec<_> = (0..flooders)
            .map(|_| tokio::spawn(flood(arguments.flood_rate, node.clone(), stopped.clone())))
            .collect();
        let messages = send(arguments, &mut publisher, topic, began).await?;
        attend(&mut publisher, sleep(SETTLE)).await;
        drop(stop);
        let counts = join_all(flood).await.into_iter().flatten();
        let (flood_requests, flood_refused) =
            counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        let mut taken = std::mem::take(&mut *latencies.lock().unwrap_or_else(PoisonError::into_inner));
        taken.sort_unstable();
        let of_topic =
            |wanted: usize| (0..messages).filter(|n| *n as usize % arguments.topics == wanted).count() as u64;
        let wants = clients.iter().flat_map(|client| &client.wants);
        let at = |share: f64| {
            let index = ((taken.len() as f64 * share) as usize).min(taken.len().saturating_sub(1));
            taken.get(index).map_or(f64::NAN, |latency: &Duration| latency.as_secs_f64() * 1e3)
        };
        phases.push(Phase {
            flooders,
            messages,
            expected: wants.map(|wanted| of_topic(*wanted)).sum(),
            delivered: taken.len() as u64,
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            flood_requests,
            flood_refused,
            node: fleet.run_costs(&before, messages)?.into_iter().next(),
        });
    }
    Ok(Report { clients: clients.len(), subscribed_after_s, phases })
}

/// Does `work` while the publisher passes on what it hears.
async fn attend<T>(publisher: &mut Peer, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            _ = publisher.next() => {}
        }
    }
}

/// Connects client `n` and subscribes it; its latencies go to `latencies` from then on.
async fn subscribe(
    arguments: &Arguments,
    n: usize,
    node: &PeerAddress,
    topic: PubsubTopic,
    began: Instant,
    latencies: &Latencies,
) -> Result<Client, FilterLoadError> {
    let wants: Vec<usize> =
        (0..arguments.per_client.min(arguments.topics)).map(|k| (n + k) % arguments.topics).collect();
    let mut network = peer(topic)?;
    let criteria = Criteria::new(topic, wants.iter().map(|number| content_topic(*number)).collect())
        .map_err(|error| FilterLoadError::Client(error.to_string()))?;
    let question = Frame::new(&encode_filter_request("subscribe", &Request::Subscribe(criteria)));
    network.ask(node, Service::Filter, question);
    let answered = async {
        while let Some(event) = network.next().await {
            if let Event::Answered { result, .. } = event {
                return result.ok().and_then(|body| FilterResponse::decode(&body).ok());
            }
        }
        None
    };
    match timeout(SUBSCRIBE_TIMEOUT, answered).await {
        Ok(Some(response)) if response.answer.status == Status::Ok => {}
        other => return Err(FilterLoadError::Client(format!("client {n} is not subscribed: {other:?}"))),
    }
    let latencies = Arc::clone(latencies);
    let task = tokio::spawn(async move {
        while let Some(event) = network.next().await {
            if let Event::FilterPushed { message, .. } = event
                && let Some(sent) = message.payload.first_chunk()
            {
                let sent = Duration::from_nanos(u64::from_le_bytes(*sent));
                let late = began.elapsed().saturating_sub(sent);
                latencies.lock().unwrap_or_else(PoisonError::into_inner).push(late);
            }
        }
    });
    Ok(Client { wants, task })
}

/// Publishes at the rate for the time, to the content topics in turn; tells how many.
async fn send(
    arguments: &Arguments,
    publisher: &mut Peer,
    topic: PubsubTopic,
    began: Instant,
) -> Result<u64, FilterLoadError> {
    let count = (arguments.rate * arguments.seconds as f64) as u64;
    let mut due = interval(Duration::from_secs_f64(1.0 / arguments.rate));
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for n in 0..count {
        attend(publisher, due.tick()).await;
        let mut payload = vec![0; arguments.size.max(8)];
        rand::thread_rng().fill_bytes(&mut payload);
        payload[..8].copy_from_slice(&(began.elapsed().as_nanos() as u64).to_le_bytes());
        let message = message(n as usize % arguments.topics, payload.into());
        publisher
            .publish(encode_message(&message))
            .map_err(|error| FilterLoadError::Client(format!("cannot publish to {topic}: {error}")))?;
    }
    Ok(count)
}

/// Pings at the rate until told to stop; tells how many requests that were, and how many were refused.
async fn flood(rate: f64, node: PeerAddress, mut stopped: watch::Receiver<bool>) -> (u64, u64) {
    let topic = "/waku/2/rs/66/0".parse().expect("a shard");
    let Ok(mut network) = peer(topic) else { return (0, 0) };
    let question = Frame::new(&encode_filter_request("flood", &Request::Ping));
    let mut due = interval(Duration::from_secs_f64(1.0 / rate));
    let (mut asked, mut refused, mut open) = (0, 0, 0);
    loop {
        tokio::select! {
            // The sender is dropped at the end of the phase.
            _ = stopped.changed() => return (asked, refused),
            _ = due.tick(), if open < FLOODS_UNDER_WAY => {
                network.ask(&node, Service::Filter, question.clone());
                asked += 1;
                open += 1;
            }
            Some(event) = network.next() => if let Event::Answered { result, .. } = event {
                open -= 1;
                let response = result.ok().and_then(|body| FilterResponse::decode(&body).ok());
                let limited = |response: &FilterResponse| response.answer.status == Status::TooManyRequests;
                refused += u64::from(response.as_ref().is_some_and(limited));
            },
        }
    }
}

/// A peer that is a filter client.
fn peer(topic: PubsubTopic) -> Result<Network, FilterLoadError> {
    let mut key = Zeroizing::new([0; 32]);
    rand::thread_rng().fill_bytes(key.as_mut());
    // Any 32 bytes below the order of the curve are a key; those that begin with 0 are.
    key[0] = 0;
    let mut config = Config::new(key, topic.cluster());
    config.is_filter_client = true;
    let mut network = Network::new(config, &mut Registry::default())
        .map_err(|error| FilterLoadError::Client(error.to_string()))?;
    network.set_metadata(Metadata { cluster: Some(topic.cluster()), shards: vec![topic.shard()] });
    Ok(network)
}

fn content_topic(number: usize) -> ContentTopic {
    ContentTopic::new(&format!("/filter-load/1/{number}/proto")).expect("a content topic")
}

fn message(about: usize, payload: Bytes) -> WakuMessage {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    WakuMessage {
        payload,
        content_topic: content_topic(about),
        version: 0,
        timestamp: Timestamp::from_nanos(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}
