//! A PostgreSQL server for tests: made from Debian's binaries, stopped and deleted with whoever started it.
//!
//! `initdb` takes 2 s, so it runs once a machine and its result is copied, which takes a tenth of that.
//! A test that is killed leaves nothing: a guard process waits for the end of its standard input, which
//! comes however the test ends, and then stops the server and deletes its folder.
//!
//! A test without PostgreSQL fails and says so; `./test` installs it.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Child, ChildStdin, Command, Output, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

/// The user who owns every database here; there is no password.
const USER: &str = "weir";

/// Only names the socket: a server of ours listens on no network.
const PORT: u16 = 5432;

/// Servers and databases of this process, so that each has its own name.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Whether the server waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// As in production: for tests of crashes, and for benches.
    On,
    /// Many times faster, for tests that do not crash it.
    Off,
}

/// A running server with a folder of its own.
#[derive(Debug)]
pub struct PostgresServer {
    programs: Programs,
    folder: PathBuf,
    guard: Mutex<Child>,
}

/// An open session, which may hold locks.
#[derive(Debug)]
pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
}

/// Where PostgreSQL's programs are, and who may run them.
#[derive(Debug, Clone)]
struct Programs {
    folder: PathBuf,
    /// `initdb` and `postgres` refuse to run as root; Debian's package makes this user for them.
    as_user: Option<&'static str>,
}

impl PostgresServer {
    /// The server that the tests of this process share; nobody may stop it.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<PostgresServer> = LazyLock::new(|| PostgresServer::start(Fsync::Off));
        &SHARED
    }

    /// Starts a server of one's own.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start(fsync: Fsync) -> Self {
        let programs = Programs::find();
        let base = programs.base_folder();
        let template = programs.template(&base);
        let folder = base.join(format!("{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
        // Of a process that had the same number and was killed together with its guard.
        drop(programs.run("rm", &["-rf", path(&folder)]));
        programs.run("cp", &["-a", path(&template), path(&folder)]);
        let settings = folder.join("postgresql.auto.conf");
        let settings_text = settings_text(&folder, fsync);
        programs.run("sh", &["-c", "printf %s \"$1\" > \"$2\"", "sh", &settings_text, path(&settings)]);
        let guard = Mutex::new(programs.guard(&folder));
        let server = Self { programs, folder, guard };
        server.start_again();
        server
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("t{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of `database`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@/{database}?host={}&port={PORT}", path(&self.folder))
    }

    /// What the server answers to `sql`, with `|` between columns.
    ///
    /// # Panics
    /// When it answers an error.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let port = PORT.to_string();
        let options = ["-h", path(&self.folder), "-p", &port, "-U", USER, "-d", database];
        let output = self.programs.run(
            "psql",
            &[&options[..], &["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]].concat(),
        );
        String::from_utf8(output.stdout).expect("psql prints UTF-8").trim_end().to_owned()
    }

    /// A session that has done `sql` and stays open until it is dropped.
    ///
    /// # Panics
    /// When the server answers an error.
    pub fn session(&self, url: &str, sql: &str) -> Session {
        let mut command =
            self.programs.command("psql", &["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql can be run");
        let mut input = child.stdin.take().expect("it is piped");
        writeln!(input, "{sql};\n\\echo done").expect("psql reads");
        let mut answer = String::new();
        let output = child.stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut answer).expect("psql writes");
        assert_eq!(answer, "done\n", "{sql}");
        Session { child, input: Some(input) }
    }

    /// What the server has written to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Lets the server end as an operator would.
    pub fn stop(&self) {
        self.control(&["-m", "fast", "stop"]);
    }

    /// Ends the server without letting it write anything more.
    pub fn crash(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    /// Starts the server after [`Self::stop`] or [`Self::crash`] and waits until it answers.
    pub fn start_again(&self) {
        self.control(&["-l", path(&self.folder.join("log")), "start"]);
    }

    fn control(&self, arguments: &[&str]) {
        let fixed = ["-D", path(&self.folder), "-w", "-s", "-t", "60"];
        let output = self.programs.command("pg_ctl", &[&fixed[..], arguments].concat()).output();
        let output = output.expect("pg_ctl can be run");
        assert!(output.status.success(), "pg_ctl {arguments:?}: {output:?}\n{}", self.log());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let guard = self.guard.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(guard.stdin.take());
        drop(guard.wait());
    }
}

impl Programs {
    fn find() -> Self {
        let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
        folders.sort();
        let on_path = env::var_os("PATH").unwrap_or_default();
        let folder = folders
            .into_iter()
            .rev()
            .chain(env::split_paths(&on_path))
            .find(|dir| dir.join("initdb").is_file());
        let folder = folder.expect(
            "PostgreSQL is not installed: these tests run a real server. `./test` installs it, or: \
             apt-get install --no-install-recommends postgresql",
        );
        let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        Self { folder, as_user: root.then_some("postgres") }
    }

    /// `program` as the user who may run it; from PostgreSQL's folder when it is there.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let ours = self.folder.join(program);
        let program = if ours.is_file() { ours } else { program.into() };
        let mut command = match self.as_user {
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        // The caller's folder need not be open to that user.
        command.args(arguments).current_dir("/").stdin(Stdio::null()).env("LC_ALL", "C");
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let output = self.command(program, arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        output
    }

    /// The folder of all servers. Short, because the path of a socket has at most 107 bytes; open to the
    /// user who runs them, as the target folder need not be.
    fn base_folder(&self) -> PathBuf {
        let user = self.as_user.map_or_else(|| env::var("USER").unwrap_or_default(), str::to_owned);
        let base = env::temp_dir().join(format!("weir-postgres-{user}"));
        self.run("mkdir", &["-p", "-m", "0700", path(&base)]);
        base
    }

    /// A cluster that has never run, made by whoever comes first.
    fn template(&self, base: &Path) -> PathBuf {
        let version = self.folder.parent().and_then(Path::file_name).unwrap_or_default();
        let template = base.join(format!("template-{}", version.to_string_lossy()));
        let lock = base.join("lock");
        self.run("touch", &[path(&lock)]);
        let lock = File::open(&lock).expect("made just now");
        lock.lock().expect("a local disk has locks");
        if !template.is_dir() {
            let new = base.join("new");
            self.run("rm", &["-rf", path(&new)]);
            self.run("initdb", &["-D", path(&new), "-A", "trust", "-U", USER, "-E", "UTF8", "--no-sync"]);
            self.run("mv", &[path(&new), path(&template)]);
        }
        template
    }

    /// The process that outlives us by a moment. In a group of its own, because test runners kill ours.
    fn guard(&self, folder: &Path) -> Child {
        let script = "read -r _; \"$1\" -D \"$2\" -m immediate -w -s stop; rm -rf \"$2\"";
        let control = self.folder.join("pg_ctl");
        let mut command = self.command("sh", &["-c", script, "sh", path(&control), path(folder)]);
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("a shell can be run")
    }
}

fn settings_text(folder: &Path, fsync: Fsync) -> String {
    let fsync = match fsync {
        Fsync::On => "",
        Fsync::Off => "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n",
    };
    format!(
        "listen_addresses = ''\nport = {PORT}\nunix_socket_directories = '{}'\nmax_connections = 100\n{fsync}",
        path(folder)
    )
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the folder for temporary files has a name in UTF-8")
}
