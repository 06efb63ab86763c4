//! Connections to the server, and the way from the blocking port to them.
//!
//! Reads and writes have pools of their own, so neither waits for a connection of the other. A call is given
//! up when nobody waits for it or when it takes too long; its connection is closed then, since a request to
//! cancel may arrive late and would hit whatever runs on it next.

use std::{
    fmt,
    pin::pin,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime as PoolRuntime, TimeoutType,
    Timeouts,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};
use tokio_postgres::{Config, NoTls};

use super::{
    super::{ArchiveError, OpenArchiveError, Options, PostgresUrl},
    errors::ConnectError,
    schema,
};

/// A server that takes longer to accept a connection is treated as absent.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// For so long after a failed attempt calls fail at once, so that a queue of them does not wait for
/// [`CONNECT_WITHIN`] each.
const DOWN_FOR: Duration = Duration::from_secs(1);

/// The server ends a statement that takes longer. Every answer comes from an index and takes milliseconds;
/// this is for a server in trouble.
const STATEMENT_WITHIN: Duration = Duration::from_secs(10);

/// A call that takes longer has lost its server without being told.
const CALL_WITHIN: Duration = Duration::from_secs(20);

/// How often a query asks whether it is wanted.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What we ask of every session.
///
/// - A plan for the values at hand: only then are partitions left out before they are opened and locked.
/// - No plan that reads more than an index leads to. Statistics of a partition are absent or old while it
///   grows, and what they suggest then costs seconds.
/// - No compiler: it takes longer than any of our statements.
const SESSION: &str = "-c plan_cache_mode=force_custom_plan -c enable_seqscan=off -c enable_bitmapscan=off \
                       -c enable_hashjoin=off -c enable_mergejoin=off -c enable_material=off -c jit=off \
                       -c max_parallel_workers_per_gather=0";

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
}

/// A server and our connections to it.
pub(super) struct Server {
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    readers: Pool,
    writers: Pool,
    /// Whether the tables are as this build wants them.
    prepared: AtomicBool,
    down: Mutex<Option<(Instant, String)>>,
}

impl Server {
    /// Makes the pools, and the tables if the server can be reached.
    pub(super) fn open(url: &PostgresUrl, options: Options) -> Result<Self, OpenArchiveError> {
        let config = parse(url)?;
        let runtime = Builder::new_multi_thread()
            // They wait for sockets.
            .worker_threads(2)
            .thread_name("weir-postgres")
            .enable_all()
            .build()?;
        // An insert and a step of retention at a time, so two are enough; the others are for queries.
        let writers = (options.connections / 2).clamp(1, 2);
        let readers = options.connections.saturating_sub(writers).max(1);
        let server = Self {
            runtime: Some(runtime),
            readers: pool(&config, readers)?,
            writers: pool(&config, writers)?,
            prepared: AtomicBool::new(false),
            down: Mutex::new(None),
        };
        let first = server.runtime().block_on(async { server.connect(Purpose::Write).await.map(drop) });
        match first {
            Ok(()) => Ok(server),
            Err(ConnectError::Refused(reason)) => {
                Err(OpenArchiveError::Refused { url: url.to_string(), reason })
            }
            Err(ConnectError::Unreachable(reason)) => {
                tracing::warn!(%url, reason, "the archive's PostgreSQL server cannot be used yet");
                Ok(server)
            }
        }
    }

    /// Does `work` on a connection and waits for its end; [`ArchiveError::Cancelled`] soon after `wanted` has
    /// become false.
    pub(super) fn call<T>(
        &self,
        purpose: Purpose,
        wanted: &(dyn Fn() -> bool + Sync),
        work: impl AsyncFnOnce(&mut Object) -> Result<T, ArchiveError>,
    ) -> Result<T, ArchiveError> {
        self.runtime().block_on(async {
            let mut given_up = pin!(given_up(wanted));
            let mut connection = tokio::select! {
                biased;
                error = &mut given_up => return Err(error),
                connection = self.connect(purpose) => connection?,
            };
            let cancel = connection.cancel_token();
            let result = tokio::select! {
                biased;
                result = work(&mut connection) => result,
                error = given_up => {
                    drop(Object::take(connection));
                    self.runtime().spawn(timeout(CONNECT_WITHIN, async move { cancel.cancel_query(NoTls).await }));
                    return Err(error);
                }
            };
            result.inspect_err(|error| tracing::debug!(%error, ?purpose, "a call on PostgreSQL failed"))
        })
    }

    async fn connect(&self, purpose: Purpose) -> Result<Object, ConnectError> {
        if let Some((since, reason)) = self.down().as_ref()
            && since.elapsed() < DOWN_FOR
        {
            return Err(ConnectError::Unreachable(reason.clone()));
        }
        let pool = match purpose {
            Purpose::Read => &self.readers,
            Purpose::Write => &self.writers,
        };
        let mut connection = match pool.get().await {
            Ok(connection) => connection,
            Err(busy @ PoolError::Timeout(TimeoutType::Wait)) => return Err(busy.into()),
            Err(error) => {
                let error = ConnectError::from(error);
                let (ConnectError::Refused(reason) | ConnectError::Unreachable(reason)) = &error;
                *self.down() = Some((Instant::now(), reason.clone()));
                return Err(error);
            }
        };
        *self.down() = None;
        if !self.prepared.load(Ordering::Acquire) {
            schema::prepare(&mut connection).await?;
            self.prepared.store(true, Ordering::Release);
        }
        Ok(connection)
    }

    fn down(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is taken by drop alone")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Waiting for its threads is not allowed where an actor drops us.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("prepared", &self.prepared).finish_non_exhaustive()
    }
}

/// Ends with the reason why a call should.
async fn given_up(wanted: &(dyn Fn() -> bool + Sync)) -> ArchiveError {
    let start = Instant::now();
    while start.elapsed() < CALL_WITHIN {
        if !wanted() {
            return ArchiveError::Cancelled;
        }
        sleep(ASK_EVERY).await;
    }
    ArchiveError::Unavailable(format!("the server gave no answer within {} s", CALL_WITHIN.as_secs()))
}

fn parse(url: &PostgresUrl) -> Result<Config, OpenArchiveError> {
    let wrong = |reason: String| OpenArchiveError::Url { url: url.to_string(), reason };
    let mut config = url.config().map_err(wrong)?;
    let options = match config.get_options() {
        Some(theirs) => format!("{theirs} {SESSION}"),
        None => SESSION.to_owned(),
    };
    config
        .options(format!("{options} -c statement_timeout={}", STATEMENT_WITHIN.as_millis()))
        .connect_timeout(CONNECT_WITHIN)
        .tcp_user_timeout(CALL_WITHIN)
        .keepalives_idle(CALL_WITHIN);
    if config.get_application_name().is_none() {
        config.application_name("weir");
    }
    Ok(config)
}

fn pool(config: &Config, connections: usize) -> Result<Pool, OpenArchiveError> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config.clone(), NoTls, recycling);
    let timeouts =
        Timeouts { wait: Some(CALL_WITHIN), create: Some(CONNECT_WITHIN), recycle: Some(CONNECT_WITHIN) };
    Pool::builder(manager)
        .max_size(connections)
        .timeouts(timeouts)
        .runtime(PoolRuntime::Tokio1)
        .build()
        .map_err(|error| OpenArchiveError::Start(std::io::Error::other(error)))
}
