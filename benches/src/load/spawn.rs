//! Nodes of our own: started on free ports in a temporary directory, all connected, killed at the
//! end.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use hyper::StatusCode;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::sleep;
use weir_core::PubsubTopic;

use super::{
    Arguments, LoadError,
    counters::{self, Counters},
    drive::{Plan, Target},
    http::Connection,
    process::{self, Usage},
    report::NodeCost,
};
use crate::signed::EPOCH_SECS;

/// The first start makes a keystore, which is slow on purpose, and loads a proving key.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How exactly the start is measured.
const READY_INTERVAL: Duration = Duration::from_millis(5);

/// Messages a receiver keeps between two polls: more than any run has in flight.
const CACHE: &str = "100000";

/// The file in the fleet's directory in which all nodes register.
const REGISTRY: &str = "registry";

/// The running nodes; dropping it kills them.
pub(crate) struct Fleet {
    nodes: Vec<Node>,
    /// Where others dial them, as far as they are ready.
    addresses: Vec<String>,
    /// Outlives the nodes, being dropped after them.
    directory: TempDir,
}

struct Node {
    child: Child,
    rest: String,
    metrics: String,
    started: Instant,
    /// From the start of the process to the first answer of `/info`; zero before that.
    ready_after: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    listen_addresses: Vec<String>,
}

impl Fleet {
    pub(crate) async fn start(arguments: &Arguments) -> Result<Self, LoadError> {
        let (Some(count @ 2..), Some(program)) = (arguments.spawn, &arguments.weir) else {
            return Err(LoadError::NoTarget);
        };
        let directory = tempfile::tempdir().map_err(|source| system("make a temporary directory", source))?;
        let mut fleet = Self { nodes: Vec::new(), addresses: Vec::new(), directory };
        for index in 0..count {
            let node = Node::start(program, fleet.directory.path(), index, &fleet.addresses, arguments)?;
            // In the fleet before it is ready, so that it is killed if it never is.
            fleet.nodes.push(node);
            if let Some(node) = fleet.nodes.last_mut() {
                let log = log_of(fleet.directory.path(), index);
                fleet.addresses.push(node.wait_until_ready(program, &log).await?);
            }
        }
        Ok(fleet)
    }

    /// `count` nodes that demand proofs, in an epoch that does not end, with `flags` besides.
    pub(crate) async fn start_rln(program: &Path, count: usize, flags: &[String]) -> Result<Self, LoadError> {
        let mut arguments = Arguments::parse_from(["relay-load"]);
        arguments.spawn = Some(count);
        arguments.weir = Some(program.to_owned());
        arguments.rln = true;
        arguments.node_arg = vec![format!("--rln-relay-epoch-sec={EPOCH_SECS}")];
        arguments.node_arg.extend(flags.iter().cloned());
        // Their own members do not send.
        arguments.rln_limit = 1;
        Self::start(&arguments).await
    }

    /// The registry that the nodes share.
    pub(crate) fn registry(&self) -> PathBuf {
        self.directory.path().join(REGISTRY)
    }

    /// Where to dial the nodes.
    pub(crate) fn addresses(&self) -> Vec<&str> {
        self.addresses.iter().map(String::as_str).collect()
    }

    /// Subscribes all nodes to the topic that `relay-load` uses by default.
    pub(crate) async fn subscribe(&self) -> Result<PubsubTopic, LoadError> {
        let arguments = Arguments::parse_from(["relay-load"]);
        self.target()?.subscribe(&Plan::new(&arguments)?).await?;
        let wrong = |_| LoadError::Setting(format!("{} is no topic", arguments.pubsub_topic));
        arguments.pubsub_topic.parse().map_err(wrong)
    }

    /// The counters of all nodes.
    pub(crate) async fn counters(&self) -> Result<Vec<Counters>, LoadError> {
        self.target()?.counters().await
    }

    /// What was added to them since.
    pub(crate) async fn counter_changes(&self, before: &[Counters]) -> Result<Vec<Counters>, LoadError> {
        Ok(counters::changes(before, &self.counters().await?))
    }

    /// The first node publishes, the others receive.
    pub(crate) fn target(&self) -> Result<Target, LoadError> {
        let mut urls = self.nodes.iter().map(|node| node.rest.clone());
        Ok(Target {
            publisher: urls.next().ok_or(LoadError::NoTarget)?,
            receivers: urls.collect(),
            metrics: self.nodes.iter().map(|node| node.metrics.clone()).collect(),
        })
    }

    /// What every node uses now.
    pub(crate) fn observe(&self) -> Result<Vec<Usage>, LoadError> {
        self.nodes.iter().map(|node| process::observe(node.child.id())).collect()
    }

    /// What the nodes cost before any load.
    pub(crate) fn start_costs(&self, idle: &[Usage]) -> Vec<NodeCost> {
        let nodes = self.nodes.iter().zip(idle);
        nodes
            .map(|(node, usage)| NodeCost {
                ready_ms: Some(node.ready_after.as_secs_f64() * 1e3),
                rss_kib: usage.rss_kib,
                peak_rss_kib: usage.peak_rss_kib,
                cpu_ms: usage.cpu.as_secs_f64() * 1e3,
                cpu_us_per_message: None,
            })
            .collect()
    }

    /// What the nodes spent since `before` on `messages` messages.
    pub(crate) fn run_costs(&self, before: &[Usage], messages: u64) -> Result<Vec<NodeCost>, LoadError> {
        let cost = |(before, after): (&Usage, &Usage)| {
            let cpu = after.cpu.saturating_sub(before.cpu);
            NodeCost {
                ready_ms: None,
                rss_kib: after.rss_kib,
                peak_rss_kib: after.peak_rss_kib,
                cpu_ms: cpu.as_secs_f64() * 1e3,
                cpu_us_per_message: (messages > 0).then(|| cpu.as_secs_f64() * 1e6 / messages as f64),
            }
        };
        Ok(before.iter().zip(&self.observe()?).map(cost).collect())
    }
}

impl Node {
    fn start(
        program: &Path,
        directory: &Path,
        index: usize,
        peers: &[String],
        arguments: &Arguments,
    ) -> Result<Self, LoadError> {
        let [tcp, rest, metrics] = free_ports().map_err(|source| system("find free ports", source))?;
        let log = log_of(directory, index);
        let output = File::create(&log).map_err(|source| system("make a log file", source))?;
        let errors = output.try_clone().map_err(|source| system("make a log file", source))?;
        let started = Instant::now();
        let child = Command::new(program)
            .args(flags(directory, index, [tcp, rest, metrics], peers, arguments))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| system(&format!("start {}", program.display()), source))?;
        Ok(Self {
            child,
            rest: format!("http://127.0.0.1:{rest}"),
            metrics: format!("http://127.0.0.1:{metrics}"),
            started,
            ready_after: Duration::ZERO,
        })
    }

    /// Waits for REST to answer and gives the address others dial.
    async fn wait_until_ready(&mut self, program: &Path, log: &Path) -> Result<String, LoadError> {
        let mut connection = Connection::new(&self.rest)?;
        while self.started.elapsed() < READY_TIMEOUT && matches!(self.child.try_wait(), Ok(None)) {
            if let Ok((StatusCode::OK, answer)) = connection.get("/info").await {
                self.ready_after = self.started.elapsed();
                return dial_address(&answer)
                    .ok_or_else(|| unusable(&self.rest, "its /info names no listen address"));
            }
            sleep(READY_INTERVAL).await;
        }
        Err(LoadError::NotReady {
            program: program.to_owned(),
            waited: self.started.elapsed(),
            output: last_lines(log),
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both only fail when the node is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn flags(
    directory: &Path,
    index: usize,
    [tcp, rest, metrics]: [u16; 3],
    peers: &[String],
    arguments: &Arguments,
) -> Vec<OsString> {
    let path = |flag: &str, path: PathBuf| {
        let mut text = OsString::from(flag);
        text.push(path);
        text
    };
    let mut flags = vec![
        path("--data-dir=", directory.join(format!("node{index}"))),
        "--preset=local".into(),
        "--nat=none".into(),
        "--listen-address=127.0.0.1".into(),
        format!("--tcp-port={tcp}").into(),
        "--rest=true".into(),
        format!("--rest-port={rest}").into(),
        format!("--rest-relay-cache-capacity={CACHE}").into(),
        "--metrics-server=true".into(),
        format!("--metrics-server-port={metrics}").into(),
        format!("--rln-relay={}", arguments.rln).into(),
    ];
    if arguments.rln {
        flags.push(path("--rln-relay-registry-path=", directory.join(REGISTRY)));
        flags.push(format!("--rln-relay-user-message-limit={}", arguments.rln_limit).into());
    }
    flags.extend(peers.iter().map(|peer| format!("--staticnode={peer}").into()));
    if arguments.light_push {
        flags.extend(["--lightpush=true", "--rate-limit=lightpush:0/1s"].map(OsString::from));
    }
    flags.extend(arguments.node_arg.iter().map(OsString::from));
    flags
}

/// Ports nobody has now. All are held until all are found, so that they differ.
fn free_ports() -> io::Result<[u16; 3]> {
    let listeners = [
        TcpListener::bind(("127.0.0.1", 0))?,
        TcpListener::bind(("127.0.0.1", 0))?,
        TcpListener::bind(("127.0.0.1", 0))?,
    ];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

fn dial_address(info: &[u8]) -> Option<String> {
    let addresses = serde_json::from_slice::<Info>(info).ok()?.listen_addresses;
    let loopback = addresses.iter().find(|address| address.contains("/127.0.0.1/"));
    loopback.or(addresses.first()).cloned()
}

fn log_of(directory: &Path, index: usize) -> PathBuf {
    directory.join(format!("node{index}.log"))
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

fn system(what: &str, source: io::Error) -> LoadError {
    LoadError::System { what: what.to_owned(), source }
}

fn unusable(url: &str, detail: &str) -> LoadError {
    LoadError::Node { url: url.to_owned(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_to_dial_is_the_loopback_one_if_there_is_one() {
        let info =
            br#"{"listenAddresses":["/ip4/10.0.0.1/tcp/1/p2p/x","/ip4/127.0.0.1/tcp/1/p2p/x"],"enrUri":""}"#;
        assert_eq!(dial_address(info).as_deref(), Some("/ip4/127.0.0.1/tcp/1/p2p/x"));
        assert_eq!(dial_address(br#"{"listenAddresses":[]}"#), None);
        assert_eq!(dial_address(b"starting"), None);
    }

    #[test]
    fn free_ports_differ() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && a != c);
    }
}
