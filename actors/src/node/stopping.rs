//! Stopping a node: each part in the order of the flow, each with time of its own.

use std::{mem, thread, time::Duration};

use actix::{Actor, Context, Handler, Message, dev::ToEnvelope};
use actix_rt::{Arbiter, ArbiterHandle};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::Node;
use crate::{
    archive::DrainArchive, journal::DrainJournal, lightpush::DrainLightPush, membership::DrainMembership,
    network::CloseNetwork, port::Reply, relay::DrainRelay, store::StopStore, supervision::Handle,
    system::Arbiters,
};

/// How long the threads may take to end when their actors have finished. They drop what is left;
/// only a disk that hangs makes them slower.
const THREADS_END: Duration = Duration::from_millis(250);

/// What a stop could not finish in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    /// Publishes were still waiting for their proof.
    #[error("the relay did not finish its publishes in time")]
    Relay,
    /// Messages were still queued for peers.
    #[error("the network did not send everything in time")]
    Network,
    /// Records were not written.
    #[error("the state store could not be written to the end")]
    Journal,
    /// Messages were not archived.
    #[error("the archive could not be written to the end")]
    Archive,
}

impl Node {
    /// Stops in the order of the flow. What was accepted leaves, unless it takes longer than
    /// `patience`; then the rest is dropped and the error says where. When this returns the files of
    /// the node are closed, unless the disk hangs for longer.
    ///
    /// The relay gets half of the time. A quarter is kept for the network, since a peer that does not
    /// read may use up all of it, and a quarter for the journal and the archive, which flush whatever
    /// happened before them.
    pub async fn drain(mut self, patience: Duration) -> Result<(), DrainError> {
        let end = Instant::now() + patience;
        let quarter = patience / 4;
        // What is fetched and not yet kept is fetched again at the next start.
        drop(self.resume.take());
        let archive = self.archive.take();
        let flow = async {
            let relay_end = end - 2 * quarter;
            let store = async {
                if let Some(store) = &self.store {
                    finished(store, relay_end, StopStore).await;
                }
            };
            let (relay, ()) = tokio::join!(finished(&self.relay, relay_end, DrainRelay), store);
            if let Some(lightpush) = &self.lightpush {
                finished(lightpush, relay_end, DrainLightPush).await;
            }
            let network = finished(&self.network, end - quarter, CloseNetwork).await;
            let archive = async {
                match archive {
                    Some(archive) => {
                        let written = finished(&archive.actor, end, DrainArchive).await;
                        archive.close().await;
                        written
                    }
                    None => Some(true),
                }
            };
            let (journal, archive) = tokio::join!(finished(&self.journal, end, DrainJournal), archive);
            (relay, network, journal, archive)
        };
        // The tree is written beside all that: the next start can do without.
        let tree = async {
            if let Some(membership) = &self.handles.status.membership {
                finished(membership, end, DrainMembership).await;
            }
        };
        let ((relay, network, journal, archive), ()) = tokio::join!(flow, tree);
        self.threads.end().await;
        // The worst first: what the journal lost is gone for good.
        if journal != Some(true) {
            return Err(DrainError::Journal);
        }
        if archive != Some(true) {
            return Err(DrainError::Archive);
        }
        relay.ok_or(DrainError::Relay)?;
        network.ok_or(DrainError::Network)
    }
}

async fn finished<A, M, R>(
    handle: &Handle<A>,
    deadline: Instant,
    question: impl FnOnce(Reply<R>) -> M,
) -> Option<R>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message<Result = ()> + Send + 'static,
    Context<A>: ToEnvelope<A, M>,
{
    let patience = deadline.saturating_duration_since(Instant::now());
    handle.ask(patience, question).await.ok()
}

/// The actors' threads; they end at the latest when this is dropped.
///
/// One for the message path, where a hop between actors then costs 0.1 µs; one for what waits for
/// the disk; one for what peers ask, so that their questions and the other two do not wait for each
/// other.
pub(super) struct Threads(Vec<Arbiter>);

impl Threads {
    pub(super) fn start(arbiters: &Arbiters) -> Self {
        Self(vec![arbiters.start(), arbiters.start(), arbiters.start()])
    }

    pub(super) fn front(&self) -> ArbiterHandle {
        self.0[0].handle()
    }

    pub(super) fn back(&self) -> ArbiterHandle {
        self.0[1].handle()
    }

    pub(super) fn service(&self) -> ArbiterHandle {
        self.0[2].handle()
    }

    /// Ends them and waits, so that what the actors own is closed, for at most [`THREADS_END`].
    async fn end(mut self) {
        let threads = mem::take(&mut self.0);
        for thread in &threads {
            thread.stop();
        }
        let (ended, all_ended) = oneshot::channel();
        let joining = thread::Builder::new().name("weir-join".into()).spawn(move || {
            for thread in threads {
                drop(thread.join());
            }
            // Whoever waited may have given up.
            let _ = ended.send(());
        });
        if joining.is_ok() {
            drop(timeout(THREADS_END, all_ended).await);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in &self.0 {
            thread.stop();
        }
    }
}
