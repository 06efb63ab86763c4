//! Archive actor: keeps accepted messages for whoever asks for them later.
//!
//! Owns      the batches; its thread is the only one that writes to the archive.
//! Receives  [`Keep`], [`DrainArchive`]; [`Persist`] on the way in, where it is judged and gets a place.
//! Sends     nothing; beside it are the reader pool ([`RunQuery`]) and the thread that drops old messages.
//! Bounds    20,000 messages or 64 MiB wait, wherever they are: see [`room`]. A batch has 512 messages or
//!           4 MiB, or what came in 20 ms.
//! On fault  what waits is lost and counted; the actor is rebuilt and the threads go on.
//! Stops     on [`DrainArchive`]: everything is written, then it replies.
//!
//! ```text
//!                    place           512, or 20 ms
//!  relay ── Persist ───────> actor ───────────────> writer thread ──┐
//!  resume ── keep ───────────────────────────────────> │            v
//!                                                                 archive
//!  store server, REST ── RunQuery ──────────────> reader threads ───^ ^
//!                                                  retention thread ──┘
//! ```
//!
//! Nothing here makes the relay wait: a message without a place is refused at once, and a batch that cannot
//! be written is tried again beside the relay's work.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use actix_rt::ArbiterHandle;
use prometheus_client::registry::Registry;
use tokio::sync::{
    mpsc,
    oneshot::{self, error::RecvError},
};
use weir_core::store::StoredMessage;
use weir_protocols::{
    archive::{Batcher, Limits, Source, Write, admit},
    relay::Accepted,
};
use weir_storage::archive::{Archive, ArchiveError, MAX_BATCH, Retention};

use crate::{
    Clock,
    deadline::DeadlineTimer,
    handles::ArchiveHandle,
    metrics::{ArchiveMetrics, Loss},
    port::{Port, Refusal, Refused, Reply},
    supervision::{Bounded, FactoryError, Fault, Handle, Lease, Vacancy},
    workers::Workers,
};

mod condition;
mod keeper;
mod readers;
mod room;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use condition::Condition;
pub(crate) use readers::RunQuery;
pub(crate) use writer::WriteJob;

use room::{MAX_WAITING_MESSAGES, Place, Room};
use writer::{Batch, BatchOutcome, Writer};

/// Large messages make smaller batches: 4 MiB are written in well under a second by a slow disk.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How long a message waits for others. At one message a second it is all that an fsync each costs in
/// delay; at 25,000 a second a batch is full before.
const BATCH_DELAY: Duration = Duration::from_millis(20);

/// What a message takes beside its bytes: its struct, its proof, its place.
const OVERHEAD: usize = 768;

/// Batches that may be with the writer, the actor's one and those that are brought.
const WRITER_QUEUE: usize = 1 + BROUGHT_AT_ONCE;

/// How many may bring messages at one time: a resume brings one page after the other, a bench a few.
pub(crate) const BROUGHT_AT_ONCE: usize = 16;

/// How long the threads may take to end when they were told to: a step of retention, a page, a batch.
const THREADS_END: Duration = Duration::from_millis(250);

/// Asks for an accepted message to be kept.
#[derive(Debug)]
pub(crate) struct Persist(pub(crate) Accepted);

/// A message that is kept, with its place.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Keep {
    message: StoredMessage,
    place: Place,
}

/// Asks to write everything and stop; answers whether all was written.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct DrainArchive(pub(crate) Reply<bool>);

/// What an archive of a node is made of.
#[derive(Debug)]
pub struct ArchiveSettings {
    /// The archive, open.
    pub archive: Arc<dyn Archive>,
    /// How long messages are kept.
    pub retention: Retention,
    /// Threads that answer queries, at least 1.
    pub readers: usize,
}

/// The archive of a running node.
pub(crate) struct Service {
    pub(crate) actor: Handle<ArchiveActor>,
    pub(crate) persist: Port<Persist>,
    pub(crate) queries: Port<RunQuery>,
    pub(crate) handle: ArchiveHandle,
    threads: Threads,
}

/// The threads that hold the archive open.
struct Threads {
    writer: Workers<WriteJob>,
    readers: Workers<RunQuery>,
    closing: Arc<AtomicBool>,
    keeper: (keeper::Leash, JoinHandle<()>),
}

pub(crate) struct ArchiveActor {
    batcher: Batcher<Keep>,
    /// The batch that failed, until it is written again.
    failed: Option<Batch>,
    writer: Port<WriteJob>,
    timer: DeadlineTimer,
    draining: Option<Reply<bool>>,
    room: Arc<Room>,
    clock: Clock,
    lease: Lease,
}

impl Service {
    /// Starts the threads, and the actor on `arbiter`.
    pub(crate) async fn start(
        settings: ArchiveSettings,
        place: Vacancy<ArchiveActor>,
        (arbiter, notices): (&ArbiterHandle, &mpsc::Sender<Fault>),
        clock: &Clock,
        registry: &mut Registry,
    ) -> Result<Self, FactoryError> {
        let metrics = ArchiveMetrics::register(registry);
        let room = Room::new(metrics.clone());
        let condition = Condition::new(Arc::clone(&room));
        let threads = Threads::start(settings, &condition, clock, &metrics)?;
        let (writer, actor) = (threads.writer.port(), place.handle());
        let queries = counting_refusals(threads.readers.port(), metrics.clone());
        let handle = ArchiveHandle::new(queries.clone(), writer.clone(), condition.clone(), clock.clone());
        let persist = entrance(actor.port(), Arc::clone(&room), condition, clock.clone(), metrics);
        let clock = clock.clone();
        let factory =
            move |lease| Ok(ArchiveActor::new(writer.clone(), Arc::clone(&room), clock.clone(), lease));
        place.supervise(arbiter, notices.clone(), factory).await?;
        Ok(Self { actor, persist, queries, handle, threads })
    }

    /// Closes the archive, whoever still has a port to it; waits for at most [`THREADS_END`]. The actor was
    /// drained before.
    pub(crate) async fn close(self) {
        let Threads { writer, readers, closing, keeper: (leash, keeper) } = self.threads;
        closing.store(true, Ordering::Relaxed);
        drop(leash);
        let (ended, all_ended) = oneshot::channel();
        let joining = thread::Builder::new().name("weir-join".into()).spawn(move || {
            for thread in writer.close().into_iter().chain(readers.close()).chain([keeper]) {
                drop(thread.join());
            }
            // Whoever waited may have given up.
            let _ = ended.send(());
        });
        if joining.is_ok() {
            drop(tokio::time::timeout(THREADS_END, all_ended).await);
        }
    }
}

impl Threads {
    fn start(
        settings: ArchiveSettings,
        condition: &Condition,
        clock: &Clock,
        metrics: &ArchiveMetrics,
    ) -> io::Result<Self> {
        let ArchiveSettings { archive, retention, readers } = settings;
        let closing = Arc::new(AtomicBool::new(false));
        let reader = readers::Reader {
            archive: Arc::clone(&archive),
            condition: condition.clone(),
            closing: Arc::clone(&closing),
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        let reading = (0..readers.max(1)).map(|_| {
            let reader = reader.clone();
            move |job| reader.work(job)
        });
        let readers = Workers::start("weir-archive-read", readers::WAITING, reading.collect())?;
        drop(reader);
        let writer =
            Writer { archive: Arc::clone(&archive), condition: condition.clone(), metrics: metrics.clone() };
        let writing = move |job| writer.work(job);
        let writer = Workers::start("weir-archive-write", WRITER_QUEUE, vec![writing])?;
        let keeper = keeper::Keeper {
            archive,
            retention,
            condition: condition.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        Ok(Self { writer, readers, closing, keeper: keeper.start()? })
    }
}

/// Counts the queries that find no place in the queue.
#[expect(clippy::result_large_err, reason = "a refusal gives the message back by value, as every port does")]
fn counting_refusals(queries: Port<RunQuery>, metrics: ArchiveMetrics) -> Port<RunQuery> {
    Port::from_fn(move |query| {
        queries.tell(query).inspect_err(|refused| {
            metrics.query_ended(match refused.why {
                Refusal::Busy => "busy",
                Refusal::Down => "down",
            });
        })
    })
}

/// The way in: what is to be kept gets a place, the rest ends here.
#[expect(clippy::result_large_err, reason = "a refusal gives the message back by value, as every port does")]
fn entrance(
    actor: Port<Keep>,
    room: Arc<Room>,
    condition: Condition,
    clock: Clock,
    metrics: ArchiveMetrics,
) -> Port<Persist> {
    Port::from_fn(move |Persist(accepted)| {
        if let Err(reason) = admit(accepted.message(), Source::Relay, clock.now()) {
            metrics.refused(reason);
            return Ok(());
        }
        let Some(place) = room.take(size_of(&accepted)) else {
            condition.had_no_room();
            return Err(Refused { message: Persist(accepted), why: Refusal::Busy });
        };
        // The mailbox has a slot for each place, so the actor is being rebuilt if it refuses; the place
        // that is dropped counts what is lost. Nobody can do anything with the message, so it is not
        // given back.
        drop(actor.tell(Keep { message: accepted.into_stored(), place }));
        Ok(())
    })
}

/// Bytes a message holds in memory while it waits.
fn size_of(accepted: &Accepted) -> usize {
    let message = accepted.message();
    OVERHEAD + message.payload.len() + message.content_topic.as_str().len() + message.meta.as_bytes().len()
}

impl ArchiveActor {
    fn new(writer: Port<WriteJob>, room: Arc<Room>, clock: Clock, lease: Lease) -> Self {
        let limits = Limits { messages: MAX_BATCH, bytes: BATCH_BYTES, delay: BATCH_DELAY };
        Self {
            batcher: Batcher::new(limits),
            failed: None,
            writer,
            timer: DeadlineTimer::default(),
            draining: None,
            room,
            clock,
            lease,
        }
    }

    fn step(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.now();
        match self.batcher.next_write(now) {
            Some(Write::New(kept)) => match Batch::of(kept) {
                Some(batch) => self.write(batch, ctx),
                None => self.batcher.written(),
            },
            Some(Write::Again) => match self.failed.take() {
                Some(batch) => self.write(batch, ctx),
                None => self.batcher.written(),
            },
            None => {}
        }
        self.timer.arm(self.batcher.next_deadline(), now, ctx, |actor, ctx| {
            actor.timer.fired();
            actor.step(ctx);
        });
        if self.batcher.is_idle() {
            self.end_drain(true, ctx);
        }
    }

    /// Hands a batch to the writer, and awaits what becomes of it.
    fn write(&mut self, batch: Batch, ctx: &mut Context<Self>) {
        let (reply, outcome) = Reply::channel();
        match self.writer.tell(WriteJob::Batch { batch, reply }) {
            Ok(()) => {
                let outcome = outcome.into_actor(self);
                ctx.spawn(outcome.map(|outcome, actor, ctx| actor.learn(outcome, ctx)));
            }
            // Those who bring messages take turns with the actor, and have the queue to themselves for
            // a moment.
            Err(Refused { message: WriteJob::Batch { batch, .. }, .. }) => self.try_again(batch, ctx),
            Err(Refused { message: WriteJob::Keep { .. }, .. }) => {}
        }
    }

    fn learn(&mut self, outcome: Result<BatchOutcome, RecvError>, ctx: &mut Context<Self>) {
        match outcome {
            Ok(BatchOutcome::Written) | Err(_) => self.batcher.written(),
            Ok(BatchOutcome::Failed {
                batch,
                error: ArchiveError::Full(_) | ArchiveError::Unavailable(_),
            }) => {
                self.try_again(batch, ctx);
            }
            // Another attempt would not mend it, and everything that comes would wait for it.
            Ok(BatchOutcome::Failed { batch, error }) => {
                tracing::error!(%error, messages = batch.messages.len(), "a batch was given up");
                batch.place.lose(Loss::Refused);
                self.batcher.written();
            }
        }
        self.step(ctx);
    }

    /// Keeps a batch that was not written for another attempt. A stop does not wait for one.
    fn try_again(&mut self, batch: Batch, ctx: &mut Context<Self>) {
        self.failed = Some(batch);
        self.batcher.failed(self.clock.now());
        self.end_drain(false, ctx);
    }

    fn end_drain(&mut self, all_written: bool, ctx: &mut Context<Self>) {
        if let Some(reply) = self.draining.take() {
            reply.give(all_written);
            self.lease.finish();
            ctx.stop();
        }
    }
}

impl Batch {
    /// The messages and one place for them all; none when there is no message.
    fn of(kept: Vec<Keep>) -> Option<Self> {
        let mut messages = Vec::with_capacity(kept.len());
        let mut all: Option<Place> = None;
        for Keep { message, place } in kept {
            messages.push(message);
            match &mut all {
                Some(all) => all.join(place),
                None => all = Some(place),
            }
        }
        all.map(|place| Self { messages, place })
    }
}

impl Bounded for ArchiveActor {
    /// A slot for every message that has a place, and the drain.
    const MAILBOX: usize = MAX_WAITING_MESSAGES + 64;
}

impl Actor for ArchiveActor {
    type Context = Context<Self>;
}

impl Handler<Keep> for ArchiveActor {
    type Result = ();

    fn handle(&mut self, keep: Keep, ctx: &mut Self::Context) {
        let bytes = keep.place.bytes();
        self.batcher.push(keep, bytes, self.clock.now());
        self.step(ctx);
    }
}

impl Handler<DrainArchive> for ArchiveActor {
    type Result = ();

    fn handle(&mut self, DrainArchive(reply): DrainArchive, ctx: &mut Self::Context) {
        self.room.stop();
        self.draining = Some(reply);
        self.batcher.drain();
        self.step(ctx);
    }
}
