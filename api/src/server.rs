//! Serving HTTP/1.1 on a listener: bounded connections, bounded heads, an orderly end.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time,
};
use tracing::{debug, warn};

use self::write_timeout::WriteTimeout;

mod write_timeout;

/// A set of endpoints that [`serve`] can put on a listener.
#[derive(Debug, Clone)]
pub struct App(pub(crate) Router);

/// Bounds of one server.
#[derive(Debug, Clone, Copy)]
pub struct ServerConfig {
    /// Most connections at a time. When they are all taken, new ones wait in the listener's backlog
    /// until one ends.
    pub max_connections: usize,
    /// How long a client may take to send the head of its next request. So it is also how long an
    /// idle connection stays.
    pub head_timeout: Duration,
    /// How long a client may leave an answer unread.
    pub write_timeout: Duration,
    /// How long requests that are being answered at shutdown may take.
    pub shutdown_timeout: Duration,
}

/// Longest head of a request in bytes: 64 KiB, as nwaku. A longer one is answered with status 431.
const MAX_HEAD: usize = 64 * 1024;

/// Pause after the system could not accept a connection, mostly for want of file descriptors: long
/// enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Default for ServerConfig {
    /// 256 connections hold some 400 KiB of buffers each at most, 100 MiB together. The node's own
    /// deadlines are under 10 s, so what is in flight at shutdown ends in that time.
    fn default() -> Self {
        Self {
            max_connections: 256,
            head_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// Serves `app` until `shutdown`, then finishes the requests that are being answered.
///
/// Returns when the last connection is closed, or when the shutdown timeout of `config` has passed
/// and the rest was cut off.
pub async fn serve(
    listener: TcpListener,
    app: App,
    config: ServerConfig,
    shutdown: impl Future<Output = ()>,
) {
    let service = TowerToHyperService::new(app.0);
    let http = http_builder(&config);
    let permits = Arc::new(Semaphore::new(config.max_connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, permit) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        let stream = TokioIo::new(WriteTimeout::new(stream, config.write_timeout));
        let connection = http.serve_connection(stream, service.clone());
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "connection ended with an error");
            }
            drop(permit);
        });
    }
    drop(listener);
    if time::timeout(config.shutdown_timeout, graceful.shutdown()).await.is_err() {
        warn!(connections = connections.len(), "cut off requests that did not finish in time");
    }
}

/// One connection and the permit it holds.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let permit = Arc::clone(permits).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and complete, so there is nothing to wait for. A socket that
                // refuses the option works without it.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%error, "cannot set TCP_NODELAY");
                }
                return (stream, permit);
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn http_builder(config: &ServerConfig) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout)
        .max_header_size(MAX_HEAD)
        // A client may close its side after the request; the answer is still on its way.
        .half_close(true);
    http
}
