//! `relay-rln`: how many proven messages a second pass through three nodes, and how long they take.
//!
//! ```text
//! generator ──gossip──> node 0 ══ node 1 ══ node 2 ──gossip──> generator
//!   proofs made before           each checks every proof        when it came out
//! ```
//!
//! Generator and nodes share the machine. Nodes are connected to each other, so the way that is
//! measured has two checks in a row; the third node checks at the same time.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use serde::Serialize;
use tokio::time::sleep;
use weir_core::PubsubTopic;

use crate::{
    course::{self, Outcome, Pace},
    gossip::{PeerError, connect_all},
    load::{Counters, Fleet, LoadError, NodeCost},
    signed::{Batch, SignError, Signer},
};

/// Pass messages with proofs through three nodes and time them.
#[derive(Debug, Clone, Parser)]
#[command(name = "relay-rln", version)]
pub struct Arguments {
    /// The node to start
    #[arg(long, value_name = "PATH")]
    pub weir: PathBuf,
    /// Nodes to start
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=20))]
    pub nodes: u16,
    /// Messages sent as fast as they get through; each needs a proof, which is made before
    #[arg(long, value_name = "NUMBER", default_value_t = 3000)]
    pub messages: usize,
    /// Messages under way at one time while sending as fast as they get through; a node lets one peer
    /// have 512
    #[arg(long, value_name = "NUMBER", default_value_t = 256)]
    pub window: usize,
    /// Messages sent at --rate
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub samples: usize,
    /// Messages a second of the timed run
    #[arg(long, value_name = "NUMBER", default_value_t = 100.0)]
    pub rate: f64,
    /// Messages sent five a second, for what nodes take that have nothing else to do
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub unloaded: usize,
    /// Bytes of a payload
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    pub size: usize,
    /// Whether nodes check proofs in batches
    #[arg(long, value_enum, default_value_t = Batching::Both)]
    pub batching: Batching,
    /// Pass this to every node (repeatable), as in --node-arg=--log-level=DEBUG
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub node_arg: Vec<String>,
    /// Pretty JSON is the only form
    #[arg(long, value_parser = ["json"], default_value = "json", hide = true)]
    pub format: String,
}

/// Which nodes are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Batching {
    /// As nodes do without being told otherwise.
    On,
    /// One proof at a time.
    Off,
    /// One after the other, with nodes and messages of their own.
    Both,
}

/// Why a measurement did not come about.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The nodes.
    #[error(transparent)]
    Nodes(#[from] LoadError),
    /// The generator's end.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The messages.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    runs: Vec<Run>,
}

/// What was found about nodes with or without batches.
#[derive(Debug, Serialize)]
struct Run {
    batching: bool,
    size: usize,
    nodes: usize,
    /// Processor time to make one proof, which is not part of what follows.
    proof_made_in_ms: f64,
    unloaded: Outcome,
    at_rate: Outcome,
    rate: f64,
    added_p99_ms: Option<f64>,
    saturated: Outcome,
    window: usize,
    /// Proofs that all nodes together checked in a second of the saturated run.
    verified_per_second_all_nodes: f64,
    /// What the saturated run cost each node, by message delivered.
    node_costs: Vec<NodeCost>,
    /// What the saturated run added to each node's counters.
    counters: Vec<Counters>,
}

/// Five messages a second leave two seconds of one core between them even with zerokit's verifier.
const UNLOADED_RATE: f64 = 5.0;

/// Between the registration of the generator's member and its first message. Nodes look at the
/// registry four times a second.
const REGISTRY_PAUSE: Duration = Duration::from_secs(2);

/// Does what the arguments say.
pub async fn run(arguments: &Arguments) -> Result<Report, BenchError> {
    let settings: &[bool] = match arguments.batching {
        Batching::On => &[true],
        Batching::Off => &[false],
        Batching::Both => &[true, false],
    };
    let mut runs = Vec::new();
    for batching in settings {
        runs.push(run_nodes(arguments, *batching).await?);
    }
    Ok(Report { runs })
}

async fn run_nodes(arguments: &Arguments, batching: bool) -> Result<Run, BenchError> {
    let mut flags = arguments.node_arg.clone();
    if !batching {
        flags.push("--rln-verify-batch-max=1".to_owned());
    }
    let nodes = usize::from(arguments.nodes);
    let fleet = Fleet::start_rln(&arguments.weir, nodes, &flags).await?;
    let mut signer = Signer::register(&fleet.registry())?;
    let topic = fleet.subscribe().await?;
    let addresses = fleet.addresses();
    let ends = [addresses[0], addresses[nodes - 1]];
    sleep(REGISTRY_PAUSE).await;

    let batch = signer.make(arguments.unloaded, arguments.size)?;
    let proof_made_in_ms = batch.made_in.as_secs_f64() * 1e3;
    let pace = Pace::Rate(UNLOADED_RATE);
    let unloaded = pass(ends, topic, &signer, &batch, pace).await?;

    let batch = signer.make(arguments.samples, arguments.size)?;
    let pace = Pace::Rate(arguments.rate);
    let at_rate = pass(ends, topic, &signer, &batch, pace).await?;

    let batch = signer.make(arguments.messages, arguments.size)?;
    let (before, counters) = (fleet.observe()?, fleet.counters().await?);
    let pace = Pace::Window(arguments.window);
    let saturated = pass(ends, topic, &signer, &batch, pace).await?;
    let node_costs = fleet.run_costs(&before, saturated.delivered as u64)?;
    let counters = fleet.counter_changes(&counters).await?;
    Ok(Run {
        batching,
        size: arguments.size,
        nodes,
        proof_made_in_ms,
        added_p99_ms: at_rate.added_p99_ms(&unloaded),
        unloaded,
        at_rate,
        rate: arguments.rate,
        verified_per_second_all_nodes: saturated.delivered_per_second * nodes as f64,
        saturated,
        window: arguments.window,
        node_costs,
        counters,
    })
}

/// Sends `batch` in at the first of `ends` and waits for it at the last. With peers of their own, since
/// those of the batch before were not attended to while this one was made.
pub(crate) async fn pass(
    ends: [&str; 2],
    topic: PubsubTopic,
    signer: &Signer,
    batch: &Batch,
    pace: Pace,
) -> Result<Outcome, BenchError> {
    let mut peers = connect_all(&ends, topic).await?;
    let [entrance, exit] = &mut peers[..] else { return Err(PeerError::NotConnected.into()) };
    Ok(course::run(entrance, exit, signer, batch, pace).await)
}
