//! Publishing through one node and watching the messages arrive at others.
//!
//! ```text
//! arguments ── spawn ──> Target (URLs) ── drive ──> Tally ── report ──> text or JSON
//!                │                          │
//!              Fleet                   http, message      process, counters: what it cost the nodes
//! ```
//!
//! The generator shares the machine with the nodes it measures, so it is one thread, keeps its
//! connections, encodes a message by copying prepared base64, and says in its report how much CPU it
//! took itself. All times are of this process's monotonic clock, so latencies are true as long as
//! publisher and receiver are both polled from here.

mod arguments;
mod counters;
mod drive;
mod http;
mod message;
mod process;
mod report;
mod spawn;
mod tally;

use std::{io, path::PathBuf, time::Duration};

pub use arguments::{Arguments, Format, Mode};
pub(crate) use counters::Counters;
pub use report::{NodeCost, Report, RunReport, Times};
pub(crate) use spawn::Fleet;

use drive::{Plan, Target};

/// Why a measurement did not come about.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Neither a publisher with receivers nor nodes to spawn.
    #[error("give --publisher and --receiver, or --spawn of at least 2 with --weir")]
    NoTarget,
    /// A setting that cannot work.
    #[error("{0}")]
    Setting(String),
    /// Not `http://host:port`.
    #[error("{0} is not a URL such as http://127.0.0.1:8645")]
    Url(String),
    /// A node did not answer, or not as expected.
    #[error("{url}: {detail}")]
    Node {
        /// The endpoint asked.
        url: String,
        /// What went wrong.
        detail: String,
    },
    /// A spawned node did not come up.
    #[error("{program} was not ready after {waited:?}; its last output:\n{output}")]
    NotReady {
        /// The program.
        program: PathBuf,
        /// How long it had.
        waited: Duration,
        /// The end of its log.
        output: String,
    },
    /// No message got through from the publisher to every receiver.
    #[error(
        "after {waited:?} no message has reached all receivers, are the nodes connected and subscribed? \
         The publisher's last answer: {last_answer}"
    )]
    NotConnected {
        /// How long was tried.
        waited: Duration,
        /// What the publisher said to the last attempt.
        last_answer: String,
    },
    /// Starting a process or reading `/proc` failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Does what the arguments say.
///
/// # Errors
/// When the nodes cannot be started or reached. Refused and lost messages are findings, not errors.
pub async fn run(arguments: &Arguments) -> Result<Report, LoadError> {
    let plan = Plan::new(arguments)?;
    let fleet = match arguments.spawn {
        Some(_) => Some(Fleet::start(arguments).await?),
        None => None,
    };
    let target = match &fleet {
        Some(fleet) => fleet.target()?,
        None => Target::from_arguments(arguments)?,
    };
    target.subscribe(&plan).await?;
    target.wait_until_connected(&plan).await?;
    let idle = fleet.as_ref().map(Fleet::observe).transpose()?;
    let mut runs = Vec::new();
    for mode in arguments.mode.single_modes() {
        runs.push(measure(*mode, &target, &plan, fleet.as_ref()).await?);
    }
    let nodes = match (&fleet, idle) {
        (Some(fleet), Some(idle)) => fleet.start_costs(&idle),
        _ => Vec::new(),
    };
    Ok(Report { nodes, runs })
}

/// One run and what it cost.
async fn measure(
    mode: Mode,
    target: &Target,
    plan: &Plan,
    fleet: Option<&Fleet>,
) -> Result<RunReport, LoadError> {
    let counters = target.counters().await?;
    let before = fleet.map(Fleet::observe).transpose()?;
    let own = process::observe_self()?;
    let tally = match mode {
        Mode::Latency => drive::latency(target, plan).await?,
        Mode::Throughput | Mode::Both => drive::throughput(target, plan).await?,
    };
    let own = process::observe_self()?.cpu.saturating_sub(own.cpu);
    let costs = match (fleet, before) {
        (Some(fleet), Some(before)) => fleet.run_costs(&before, tally.accepted())?,
        _ => Vec::new(),
    };
    let counters = counters::changes(&counters, &target.counters().await?);
    Ok(RunReport::new(mode, plan, &tally, target.receiver_urls(), own, costs, counters))
}
