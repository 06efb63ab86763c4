//! A node process: how it is started, watched, signalled and ended.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    log::Log,
    ports::free_port,
    rest::{Received, Rest},
    wait::{SOON, until},
};
use weir_core::PubsubTopic;

/// Messages a node keeps for REST: more than any test publishes, so that none is evicted unread.
const CACHE: usize = 4096;

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Exit {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A node that can be started, again and again with the same files and ports.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    name: String,
    data_dir: PathBuf,
    tcp_port: u16,
    rest_port: u16,
    metrics_port: u16,
    options: Vec<(String, String)>,
    ignores_file_size_signal: bool,
}

/// A node that runs and answers. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Node {
    process: Process,
    setup: Setup,
    rest: Rest,
    address: String,
    peer_id: String,
}

/// A child with what it wrote. Killed when dropped; its log is shown if the test fails.
#[derive(Debug)]
struct Process {
    name: String,
    child: Child,
    stdout: Log,
    stderr: Log,
}

/// Runs `weir` with `arguments` to its end.
pub(crate) fn weir(arguments: &[&str]) -> Exit {
    let mut command = command();
    command.args(arguments);
    Process::spawn("weir", command).wait(SOON)
}

impl Setup {
    pub(crate) fn new(name: &str, data_dir: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            data_dir,
            tcp_port: free_port(),
            rest_port: free_port(),
            metrics_port: free_port(),
            options: Vec::new(),
            ignores_file_size_signal: false,
        }
    }

    /// Adds `--<name>=<value>`, in place of an option of that name that is there.
    pub(crate) fn option(mut self, name: &str, value: impl Display) -> Self {
        self.options.retain(|(known, _)| known != name || name == "staticnode");
        self.options.push((name.to_owned(), value.to_string()));
        self
    }

    /// Makes it connect to `peer` and stay connected.
    pub(crate) fn peer(self, peer: &Node) -> Self {
        self.option("staticnode", &peer.address)
    }

    /// Writes beyond a limit on file sizes fail, instead of ending the process by a signal.
    pub(crate) fn ignoring_file_size_signal(mut self) -> Self {
        self.ignores_file_size_signal = true;
        self
    }

    /// Folder of its files.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Port for peers.
    pub(crate) const fn tcp_port(&self) -> u16 {
        self.tcp_port
    }

    /// Port of the REST server.
    pub(crate) const fn rest_port(&self) -> u16 {
        self.rest_port
    }

    /// Port of the metrics server.
    pub(crate) const fn metrics_port(&self) -> u16 {
        self.metrics_port
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(self) -> Node {
        let mut process = Process::spawn(&self.name, self.command());
        let rest = Rest::new(self.rest_port, self.metrics_port);
        let what = format!("{} answers on REST", self.name);
        let address = until(&what, SOON, async || {
            if let Some(code) = process.exit_code() {
                panic!("{} ended with {code:?} before it answered", process.name);
            }
            listen_address(&rest).await
        })
        .await;
        let peer_id = address.rsplit('/').next().expect("split gives at least one part").to_owned();
        Node { process, setup: self, rest, address, peer_id }
    }

    /// Starts it for it to fail.
    ///
    /// # Panics
    /// When it has not ended in time.
    pub(crate) fn run_to_end(self) -> Exit {
        Process::spawn(&self.name, self.command()).wait(SOON)
    }

    fn command(&self) -> Command {
        let mut command = if self.ignores_file_size_signal { shielded_command() } else { command() };
        let ports = [
            ("tcp-port", self.tcp_port),
            ("rest-port", self.rest_port),
            ("metrics-server-port", self.metrics_port),
        ];
        command.arg("run").arg(format!("--data-dir={}", self.data_dir.display()));
        command.args(ports.map(|(name, port)| format!("--{name}={port}")));
        command.arg(format!("--rest-relay-cache-capacity={CACHE}"));
        command.args(["--listen-address=127.0.0.1", "--nat=none", "--rest-admin=true", "--log-level=DEBUG"]);
        command.args(self.options.iter().map(|(name, value)| format!("--{name}={value}")));
        command
    }
}

impl Node {
    pub(crate) fn name(&self) -> &str {
        &self.setup.name
    }

    pub(crate) const fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Where it listens for peers, `/p2p/<id>` included.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn peer_id(&self) -> &str {
        &self.peer_id
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.setup.data_dir()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.process.stderr.text()
    }

    /// The id of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Takes messages of `topic` until there are `count`, in order of arrival.
    pub(crate) async fn receive(&self, topic: PubsubTopic, count: usize) -> Vec<Received> {
        let mut messages = Vec::new();
        let what = format!("{} gets {count} messages", self.name());
        until(&what, SOON, async || {
            messages.extend(self.rest.take_messages(topic).await);
            (messages.len() >= count).then_some(())
        })
        .await;
        messages
    }

    /// Ends it as the kernel would: no handler runs, nothing is flushed.
    pub(crate) fn kill(mut self) -> Setup {
        self.process.child.kill().expect("the process is ours");
        self.process.wait_for_end(SOON);
        self.setup.clone()
    }

    /// Sends `signal`, such as `TERM`. Returns at once.
    pub(crate) fn signal(&self, signal: &str) {
        // The shell's own: a minimal system has no program of that name.
        run("sh", &["-c", "kill -s \"$0\" \"$1\"", signal, &self.pid().to_string()]);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended within `limit`.
    pub(crate) fn wait(mut self, limit: Duration) -> Exit {
        self.process.wait_for_end(limit);
        self.process.exit()
    }

    /// Stops it in order and gives what is needed to start it again.
    pub(crate) fn stop(self) -> Setup {
        let setup = self.setup.clone();
        self.signal("TERM");
        let exit = self.wait(SOON);
        assert_eq!(exit.code, Some(0), "a clean stop: {}", exit.stderr);
        setup
    }
}

impl Process {
    fn spawn(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary under test starts");
        let stdout = Log::keep(child.stdout.take().expect("piped"));
        let stderr = Log::keep(child.stderr.take().expect("piped"));
        Self { name: name.to_owned(), child, stdout, stderr }
    }

    /// How it ended, if it has.
    fn exit_code(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().expect("the process is ours").map(|status| status.code())
    }

    fn wait_for_end(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.exit_code().is_none() {
            assert!(Instant::now() < deadline, "{} still runs after {limit:?}", self.name);
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait(mut self, limit: Duration) -> Exit {
        self.wait_for_end(limit);
        self.exit()
    }

    fn exit(&mut self) -> Exit {
        let code = self.child.wait().expect("the process is ours").code();
        Exit { code, stdout: self.stdout.finish(), stderr: self.stderr.finish() }
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "what a failed test shows")]
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            let Self { name, stdout, stderr, .. } = self;
            eprintln!("==== {name}: standard output\n{}\n==== {name}: log\n{}", stdout.tail(), stderr.tail());
        }
    }
}

/// Runs a program of the system that must succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    let status = status.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

/// The binary under test, without settings from the environment of whoever runs the tests.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    clear_settings(&mut command);
    command
}

/// The same, started by a shell that ignores the signal of a file over its limit; a process inherits
/// what its starter ignores.
fn shielded_command() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_weir")]);
    clear_settings(&mut command);
    command
}

fn clear_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WEIR_")) {
        command.env_remove(name);
    }
}

/// The node's address once it is fully up: `/health` answers while it starts, `/info` only then.
async fn listen_address(rest: &Rest) -> Option<String> {
    let health = rest.try_get("/health").await?;
    let info = rest.try_get("/info").await?;
    if !health.is_ok() || !info.is_ok() {
        return None;
    }
    let info: serde_json::Value = serde_json::from_str(&info.text).ok()?;
    Some(info["listenAddresses"][0].as_str()?.to_owned())
}
