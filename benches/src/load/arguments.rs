//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Publish messages through one node and watch them arrive at others.
///
/// Either at running nodes (--publisher, --receiver) or at nodes it starts itself (--spawn, --weir).
/// Receivers must be able to hold what arrives between two polls: give running nodes a large
/// --rest-relay-cache-capacity, or messages count as lost that were only evicted.
#[derive(Debug, Clone, Parser)]
#[command(name = "relay-load", version)]
pub struct Arguments {
    /// REST URL of the node to publish through
    #[arg(long, value_name = "URL", conflicts_with = "spawn")]
    pub publisher: Option<String>,
    /// REST URL of a node to watch (repeatable)
    #[arg(long, value_name = "URL", conflicts_with = "spawn")]
    pub receiver: Vec<String>,
    /// Metrics URL of a node, up to the path; its counters' changes are reported (repeatable)
    #[arg(long, value_name = "URL", conflicts_with = "spawn")]
    pub metrics: Vec<String>,

    /// Start this many nodes, all connected to each other; the first one publishes
    #[arg(long, value_name = "N", requires = "weir")]
    pub spawn: Option<usize>,
    /// The node to start
    #[arg(long, value_name = "PATH", requires = "spawn")]
    pub weir: Option<PathBuf>,
    /// Let the started nodes demand RLN proofs
    #[arg(long, requires = "spawn")]
    pub rln: bool,
    /// Messages an epoch the started nodes may publish
    #[arg(long, value_name = "NUMBER", default_value_t = 65535, requires = "rln")]
    pub rln_limit: u32,
    /// Pass this to every started node (repeatable), as in --node-arg=--log-level=DEBUG
    #[arg(long, value_name = "ARG", requires = "spawn", allow_hyphen_values = true)]
    pub node_arg: Vec<String>,

    /// Publish by light push (/lightpush/v3/message) instead of relay; started nodes then serve it without a limit
    #[arg(long)]
    pub light_push: bool,

    /// What to measure
    #[arg(long, value_enum, default_value_t = Mode::Both)]
    pub mode: Mode,
    /// Bytes of a payload, at least 24
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    pub size: usize,
    /// Messages of a throughput run
    #[arg(long, value_name = "NUMBER", default_value_t = 2000)]
    pub messages: u64,
    /// Messages of a latency run
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    pub samples: u64,
    /// Messages a second of a throughput run; 0 is as fast as the answers come
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    pub rate: f64,
    /// Connections that publish at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    pub connections: usize,
    /// Seconds to wait for what is still missing
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub settle: u64,
    /// Milliseconds between two polls of a receiver in a throughput run
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 5)]
    pub poll_interval: u64,
    /// Pubsub topic; the default is a shard of weir's own network
    #[arg(long, value_name = "TOPIC", default_value = "/waku/2/rs/66/0")]
    pub pubsub_topic: String,
    /// Content topic of the messages
    #[arg(long, value_name = "TOPIC", default_value = "/relay-load/1/bench/proto")]
    pub content_topic: String,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// One message at a time: publish it, poll until every receiver has it.
    Latency,
    /// Many messages at once.
    Throughput,
    /// Latency, then throughput.
    Both,
}

/// Form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

impl Mode {
    /// The runs to make.
    pub(crate) fn single_modes(self) -> &'static [Self] {
        match self {
            Self::Latency => &[Self::Latency],
            Self::Throughput => &[Self::Throughput],
            Self::Both => &[Self::Latency, Self::Throughput],
        }
    }
}
