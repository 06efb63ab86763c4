//! Journal actor: writes what must outlive the process.
//!
//! Owns      the writing end of the state store; readers read before it starts.
//! Receives  [`RecordNullifier`], [`RecordEvidence`], [`RememberPeer`], [`ForgetPeer`],
//!           [`DrainJournal`].
//! Sends     nothing.
//! Bounds    mailbox 8192; a batch of 512 or 50 ms, whichever is first; 8192 nullifiers, 1024 evidence
//!           records and 256 peers wait for a disk that is full.
//! On fault  the open batch is lost and counted; the store itself is shared and stays open, and a
//!           relay that dies too does not need the batch (see the relay's memory).
//! Stops     on [`DrainJournal`]: flush, reply, stop.
//!
//! A nullifier that a crash keeps from the disk costs the detection of a repetition of that one
//! message by this one node; a message is never held back for the disk.

use std::{collections::VecDeque, time::Duration};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle};
use weir_core::{PeerId, Timestamp};
use weir_rln::{Epoch, EpochLength};
use weir_storage::{EvidenceRecord, NullifierRecord, PeerRecord, StateStore, StoreError};

use crate::{
    Clock,
    metrics::JournalMetrics,
    port::Reply,
    supervision::{Bounded, Lease},
};

#[cfg(test)]
mod tests;

/// Accepted messages of 1.6 s at 5,000 a second: longer than the fsync of a slow disk.
pub(crate) const MAILBOX: usize = 8192;

pub(crate) const BATCH: usize = 512;

const BATCH_DELAY: Duration = Duration::from_millis(50);

/// Nullifiers of past epochs are dropped this often.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);

/// Three times the distance a timestamp may have from the clock.
const CLOCK_STEP: Duration = Duration::from_secs(60);

/// Between attempts while the disk is full.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What waits for a full disk: 8192 · 104 bytes is under 1 MB.
pub(crate) const MAX_WAITING_NULLIFIERS: usize = 8192;

/// Evidence is rare and precious: one breach a member and epoch.
const MAX_WAITING_EVIDENCE: usize = 1024;

/// More than the connections of a node. Beyond that peers come and go faster than is worth a write.
const MAX_WAITING_PEERS: usize = 256;

/// Each peer is a transaction of its own, so peers that come and go get at most 80 a second and
/// cannot take the disk away from the nullifiers.
const PEERS_AT_ONCE: usize = 4;

/// Asks for the nullifier of an accepted message to be kept.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct RecordNullifier(pub(crate) NullifierRecord);

/// Asks for the proof of a breach to be kept.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct RecordEvidence(pub(crate) Box<EvidenceRecord>);

/// Asks for a peer to be remembered across restarts.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct RememberPeer(pub(crate) PeerRecord);

/// Asks for a peer to be forgotten.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ForgetPeer(pub(crate) PeerId);

/// Asks why the last write failed, if it did.
#[cfg(test)]
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct JournalState(pub(crate) Reply<Option<String>>);

/// Asks to write everything and stop; answers whether all was written.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct DrainJournal(pub(crate) Reply<bool>);

/// What a peer's coming or going changes on disk.
enum PeerChange {
    Remember(PeerRecord),
    Forget(PeerId),
}

pub(crate) struct JournalActor {
    store: StateStore,
    nullifiers: VecDeque<NullifierRecord>,
    evidence: VecDeque<EvidenceRecord>,
    peers: VecDeque<PeerChange>,
    epoch_length: Option<EpochLength>,
    clock: Clock,
    timer: Option<SpawnHandle>,
    last_error: Option<String>,
    metrics: JournalMetrics,
    lease: Lease,
}

impl JournalActor {
    /// `epoch_length` tells which nullifiers are too old to matter; none without RLN.
    pub(crate) fn new(
        store: StateStore,
        epoch_length: Option<EpochLength>,
        clock: Clock,
        metrics: JournalMetrics,
        lease: Lease,
    ) -> Self {
        Self {
            store,
            nullifiers: VecDeque::new(),
            evidence: VecDeque::new(),
            peers: VecDeque::new(),
            epoch_length,
            clock,
            timer: None,
            last_error: None,
            metrics,
            lease,
        }
    }

    /// Writes what messages left, all of it.
    fn write_records(&mut self) -> Result<(), StoreError> {
        while let Some(record) = self.evidence.front() {
            self.store.record_evidence(record)?;
            self.metrics.evidence_written.inc();
            self.evidence.pop_front();
        }
        while !self.nullifiers.is_empty() {
            let batch = self.nullifiers.len().min(BATCH);
            self.store.record_nullifiers(&self.nullifiers.make_contiguous()[..batch])?;
            self.nullifiers.drain(..batch);
        }
        Ok(())
    }

    fn write_peers(&mut self) -> Result<(), StoreError> {
        for _ in 0..PEERS_AT_ONCE {
            let Some(change) = self.peers.front() else { break };
            let written = match change {
                PeerChange::Remember(record) => self.store.put_peer(record),
                PeerChange::Forget(peer) => self.store.remove_peer(peer),
            };
            match written {
                // The peer chose its address; the disk is not to blame.
                Err(error @ StoreError::AddressTooLong { .. }) => tracing::debug!(%error, "peer not kept"),
                other => other?,
            }
            self.peers.pop_front();
        }
        Ok(())
    }

    fn write_all(&mut self) -> bool {
        let result = self.write_records().and_then(|()| self.write_peers());
        self.note(result)
    }

    fn prune(&mut self) {
        let Some(epoch_length) = self.epoch_length else { return };
        let oldest = oldest_kept(epoch_length, self.clock.now());
        let result = self.store.prune_nullifiers_before(oldest.number());
        self.note(result.map(drop));
    }

    fn note(&mut self, result: Result<(), StoreError>) -> bool {
        match result {
            Ok(()) => {
                if self.last_error.take().is_some() {
                    tracing::info!("the state store can be written again");
                }
                true
            }
            Err(error) => {
                let text = error.to_string();
                if self.last_error.as_ref() != Some(&text) {
                    tracing::error!(error = text, "the state store cannot be written; relaying goes on");
                }
                self.metrics.write_errors.inc();
                self.last_error = Some(text);
                false
            }
        }
    }

    fn arm(&mut self, delay: Duration, ctx: &mut Context<Self>) {
        if self.timer.is_none() {
            self.timer = Some(ctx.run_later(delay, |actor, ctx| {
                actor.timer = None;
                if !actor.write_all() {
                    actor.arm(RETRY_DELAY, ctx);
                } else if !actor.peers.is_empty() {
                    actor.arm(BATCH_DELAY, ctx);
                }
            }));
        }
    }

    /// Writes at once, unless the disk was full a moment ago.
    fn write_now(&mut self) {
        if self.last_error.is_none() {
            let result = self.write_records();
            self.note(result);
        }
    }

    fn peer_changed(&mut self, change: PeerChange, ctx: &mut Context<Self>) {
        if self.peers.len() < MAX_WAITING_PEERS {
            self.peers.push_back(change);
        } else {
            self.metrics.peers_lost.inc();
        }
        self.arm(BATCH_DELAY, ctx);
    }
}

impl Bounded for JournalActor {
    const MAILBOX: usize = MAILBOX;
}

impl Actor for JournalActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(PRUNE_INTERVAL, |actor, _| actor.prune());
    }
}

/// Counts what dies with the actor: nothing after a stop in order.
impl Drop for JournalActor {
    fn drop(&mut self) {
        self.metrics.nullifiers_lost.inc_by(self.nullifiers.len() as u64);
        self.metrics.evidence_lost.inc_by(self.evidence.len() as u64);
    }
}

/// The oldest epoch whose nullifiers are kept on disk: a message of it could still be accepted
/// after the clock was set back by [`CLOCK_STEP`].
pub(crate) fn oldest_kept(epoch_length: EpochLength, now: Timestamp) -> Epoch {
    epoch_length.of(now.saturating_sub(CLOCK_STEP))
}

impl Handler<RecordNullifier> for JournalActor {
    type Result = ();

    fn handle(&mut self, RecordNullifier(record): RecordNullifier, ctx: &mut Self::Context) {
        if self.nullifiers.len() == MAX_WAITING_NULLIFIERS {
            self.nullifiers.pop_front();
            self.metrics.nullifiers_lost.inc();
        }
        self.nullifiers.push_back(record);
        if self.nullifiers.len() >= BATCH {
            self.write_now();
        }
        self.arm(BATCH_DELAY, ctx);
    }
}

impl Handler<RecordEvidence> for JournalActor {
    type Result = ();

    fn handle(&mut self, RecordEvidence(record): RecordEvidence, ctx: &mut Self::Context) {
        if self.evidence.len() == MAX_WAITING_EVIDENCE {
            self.evidence.pop_front();
            self.metrics.evidence_lost.inc();
        }
        self.evidence.push_back(*record);
        self.write_now();
        self.arm(BATCH_DELAY, ctx);
    }
}

impl Handler<RememberPeer> for JournalActor {
    type Result = ();

    fn handle(&mut self, RememberPeer(record): RememberPeer, ctx: &mut Self::Context) {
        self.peer_changed(PeerChange::Remember(record), ctx);
    }
}

impl Handler<ForgetPeer> for JournalActor {
    type Result = ();

    fn handle(&mut self, ForgetPeer(peer): ForgetPeer, ctx: &mut Self::Context) {
        self.peer_changed(PeerChange::Forget(peer), ctx);
    }
}

#[cfg(test)]
impl Handler<JournalState> for JournalActor {
    type Result = ();

    fn handle(&mut self, JournalState(reply): JournalState, _: &mut Self::Context) {
        reply.give(self.last_error.clone());
    }
}

impl Handler<DrainJournal> for JournalActor {
    type Result = ();

    fn handle(&mut self, DrainJournal(reply): DrainJournal, ctx: &mut Self::Context) {
        reply.give(self.write_all());
        self.lease.finish();
        ctx.stop();
    }
}
