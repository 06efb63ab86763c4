//! The one thread that writes to the archive.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use weir_core::{Timestamp, store::StoredMessage};
use weir_protocols::archive::{NotArchived, Source, admit};
use weir_storage::archive::{Archive, ArchiveError, Inserted, MAX_BATCH};

use super::{condition::Condition, room::Place};
use crate::{
    handles::{KeepError, Kept},
    metrics::ArchiveMetrics,
    port::Reply,
};

/// What the thread is asked for.
#[derive(Debug)]
pub(crate) enum WriteJob {
    /// Messages of the relay.
    Batch { batch: Batch, reply: Reply<BatchOutcome> },
    /// Messages that somebody brought, at most [`MAX_BATCH`].
    Keep { messages: Vec<StoredMessage>, reply: Reply<Result<Kept, KeepError>> },
}

/// Messages that are written together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(super) messages: Vec<StoredMessage>,
    pub(super) place: Place,
}

/// What became of a batch. No answer at all means that the backend panicked and the batch is lost.
#[derive(Debug)]
pub(crate) enum BatchOutcome {
    /// It is durable.
    Written,
    /// It is not there; here it is back.
    Failed { batch: Batch, error: ArchiveError },
}

/// The thread's work, one job at a time.
pub(super) struct Writer {
    pub(super) archive: Arc<dyn Archive>,
    pub(super) condition: Condition,
    pub(super) metrics: ArchiveMetrics,
}

impl Writer {
    pub(super) fn work(&self, job: WriteJob) {
        match job {
            WriteJob::Batch { batch, reply } => match self.insert(&batch.messages) {
                Ok(_) => {
                    batch.place.stored();
                    reply.give(BatchOutcome::Written);
                }
                Err(Some(error)) => reply.give(BatchOutcome::Failed { batch, error }),
                // The place counts what is lost, and the reply that is dropped tells the actor.
                Err(None) => {}
            },
            WriteJob::Keep { messages, reply } => {
                if reply.is_awaited() {
                    reply.give(self.keep(messages));
                }
            }
        }
    }

    fn keep(&self, mut messages: Vec<StoredMessage>) -> Result<Kept, KeepError> {
        let all = messages.len();
        if all > MAX_BATCH {
            return Err(KeepError::TooMany(all));
        }
        // What another archive had is not judged by the clock.
        let is_kept = |stored: &StoredMessage| {
            admit(&stored.message, Source::Archive, Timestamp::ZERO) != Err(NotArchived::Ephemeral)
        };
        messages.retain(is_kept);
        let ephemeral = all - messages.len();
        if messages.is_empty() {
            return Ok(Kept { ephemeral, ..Kept::default() });
        }
        match self.insert(&messages) {
            Ok(Inserted { new, known }) => Ok(Kept { new, known, ephemeral }),
            Err(Some(error)) => Err(KeepError::Archive(error)),
            Err(None) => Err(KeepError::Down),
        }
    }

    /// Inserts; an error of `None` is a panic of the backend.
    fn insert(&self, messages: &[StoredMessage]) -> Result<Inserted, Option<ArchiveError>> {
        let started = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| self.archive.insert(messages)));
        self.metrics.insert_duration.observe(started.elapsed().as_secs_f64());
        match result {
            Ok(Ok(inserted)) => {
                self.metrics.batch_size.observe(messages.len() as f64);
                self.metrics.stored.inc_by(inserted.new as u64);
                self.condition.wrote(inserted.new);
                Ok(inserted)
            }
            Ok(Err(error)) => {
                self.metrics.write_failed(&error);
                self.condition.could_not_write(&error);
                Err(Some(error))
            }
            Err(_) => {
                tracing::error!(messages = messages.len(), "the archive panicked while it wrote");
                Err(None)
            }
        }
    }
}
