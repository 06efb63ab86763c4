//! The runtime: one multi-threaded tokio runtime that every arbiter shares.
//!
//! actix's own runtimes are single-threaded, so everything libp2p or axum spawns from an actor
//! would run on that actor's thread. Here actors keep their arbiter's thread and spawned tasks go
//! to the common pool.

use std::{future::Future, io, sync::Arc};

use actix_rt::{Arbiter, System};
use tokio::runtime::{Builder, Runtime};

/// Makes arbiters that share one runtime.
#[derive(Debug, Clone)]
pub struct Arbiters(Arc<Runtime>);

/// Runs `main` to its end on a runtime with `workers` pool threads, all of them idle when there
/// is nothing to do.
pub fn run<F, T>(workers: usize, main: impl FnOnce(Arbiters) -> F) -> io::Result<T>
where
    F: Future<Output = T>,
{
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers.max(1))
        .thread_name("weir-pool")
        .enable_all()
        .build()?;
    let runtime = Arc::new(runtime);
    let shared = Arc::clone(&runtime);
    let system = System::with_tokio_rt(move || shared);
    Ok(system.block_on(main(Arbiters(runtime))))
}

impl Arbiters {
    /// A new thread for actors.
    pub fn start(&self) -> Arbiter {
        let runtime = Arc::clone(&self.0);
        Arbiter::with_tokio_rt(move || runtime)
    }
}
