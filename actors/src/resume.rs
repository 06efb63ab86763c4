//! Resuming: fetches what passed while the node was away, and notes when it was online.
//!
//! One task, no actor: nothing is asked of it. What it does next is decided by [`Resume`].

use std::time::Duration;

use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{MissedTickBehavior, interval, sleep},
};
use weir_core::ClusterId;
use weir_protocols::{
    peer_manager::Connectedness,
    store::{Outcome, Resume, ResumeEffect, ResumeInput},
};
use weir_storage::{StateStore, StoreError};

use crate::{
    Clock,
    handles::{ArchiveHandle, PeersHandle},
    store_client::StoreHandle,
};

/// For a page of 100 messages, which may be 15 MB.
const PATIENCE: Duration = Duration::from_secs(60);

/// The node was online when it is noted so (as nwaku).
const NOTE_INTERVAL: Duration = Duration::from_secs(60);

/// Whether the node still fetches what it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResumeState {
    Fetching,
    Over,
}

/// What the task works with.
pub(crate) struct Parts {
    pub(crate) cluster: ClusterId,
    pub(crate) state: StateStore,
    pub(crate) archive: ArchiveHandle,
    pub(crate) store: StoreHandle,
    pub(crate) peers: PeersHandle,
    pub(crate) clock: Clock,
}

/// Ends the task when it is dropped.
#[derive(Debug)]
pub(crate) struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts fetching, and then noting when the node is online.
pub(crate) fn start(parts: Parts) -> (Task, watch::Receiver<ResumeState>) {
    let (state, seen) = watch::channel(ResumeState::Fetching);
    let task = tokio::spawn(async move {
        fetch(&parts).await;
        state.send_replace(ResumeState::Over);
        note_online(&parts).await;
    });
    (Task(task.abort_handle()), seen)
}

/// Whether fetching goes on; a task that is gone fetches nothing.
pub(crate) fn is_fetching(seen: &watch::Receiver<ResumeState>) -> bool {
    *seen.borrow() == ResumeState::Fetching && seen.has_changed().is_ok()
}

async fn fetch(parts: &Parts) {
    let state = parts.state.clone();
    let last_online = match blocking(move || state.last_online()).await {
        Ok(last_online) => last_online,
        Err(error) => {
            tracing::warn!(%error, "it is not known when the node was online; six hours are fetched");
            None
        }
    };
    let mut effects = Vec::new();
    let mut resume = Resume::new(parts.cluster, last_online, parts.clock.now(), &mut effects);
    tracing::info!(since_ns = resume.from().as_nanos(), "fetching messages that were missed");
    loop {
        let input = match effects.pop() {
            Some(ResumeEffect::FindPeers) => ResumeInput::Peers(parts.store.store_peers().await),
            Some(ResumeEffect::Ask { peer, query }) => {
                let answer = parts.store.ask(peer, *query, PATIENCE).await;
                ResumeInput::Answered(answer.map(|answer| answer.page).map_err(|error| error.to_string()))
            }
            Some(ResumeEffect::Keep(messages)) => {
                let kept = parts.archive.keep(messages).await;
                ResumeInput::Kept(kept.map(drop).map_err(|error| error.to_string()))
            }
            Some(ResumeEffect::Finished(outcome)) => {
                tell(&outcome);
                return;
            }
            None => {
                let Some(deadline) = resume.next_deadline() else { return };
                sleep(deadline.saturating_since(parts.clock.now()).max(Duration::from_millis(1))).await;
                ResumeInput::Tick
            }
        };
        resume.handle(input, parts.clock.now(), &mut effects);
    }
}

fn tell(outcome: &Outcome) {
    match outcome {
        Outcome::Complete { fetched } => tracing::info!(fetched, "messages that were missed are fetched"),
        Outcome::GaveUp { fetched, why } => {
            tracing::warn!(fetched, why, "not all messages that were missed could be fetched");
        }
    }
}

/// Notes the time as long as there is a peer. Not before the resume is over: until then the moment on disk is
/// where the next start has to begin.
async fn note_online(parts: &Parts) {
    let mut minutes = interval(NOTE_INTERVAL);
    minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        minutes.tick().await;
        let known = parts.peers.all().await.unwrap_or_default();
        if !known.iter().any(|info| info.connectedness == Connectedness::Connected) {
            continue;
        }
        let (state, now) = (parts.state.clone(), parts.clock.now());
        if let Err(error) = blocking(move || state.put_last_online(now)).await {
            tracing::warn!(%error, "that the node is online could not be noted");
        }
    }
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
