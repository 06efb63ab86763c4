//! What is known of the archive's state, for the log, `/health` and whoever asks.
//!
//! ```text
//!            an insert fails             there is no room left
//!   well ────────────────────> failing ────────────────────────> refusing
//!    ^                            │                                 │
//!    └────── an insert works ─────┴── and half of the room is free ─┘
//! ```
//!
//! Each change is one line in the log, however many messages are concerned.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use weir_storage::archive::{ArchiveError, Summary};

use super::room::Room;
use crate::handles::ArchiveReport;

/// Shared by everything that meets the archive.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    state: Arc<Mutex<State>>,
    stored: Arc<AtomicU64>,
    room: Arc<Room>,
}

#[derive(Debug, Default)]
struct State {
    writing: Writing,
    /// Why the last insert failed, if it did.
    write_error: Option<String>,
    /// Why the archive cannot be read now, if so.
    read_error: Option<String>,
    summary: Option<Summary>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Writing {
    #[default]
    Well,
    Failing {
        lost_before: u64,
    },
    Refusing {
        lost_before: u64,
    },
}

impl Condition {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self { state: Arc::default(), stored: Arc::default(), room }
    }

    /// A batch is in the archive, with so many messages that were not there before.
    pub(super) fn wrote(&self, new: usize) {
        self.stored.fetch_add(new as u64, Ordering::Relaxed);
        let mut state = self.state();
        state.write_error = None;
        match state.writing {
            Writing::Well => {}
            Writing::Refusing { .. } if !self.room.is_half_empty() => {}
            Writing::Failing { lost_before } | Writing::Refusing { lost_before } => {
                state.writing = Writing::Well;
                let lost = self.room.lost() - lost_before;
                tracing::info!(lost, "the archive takes messages again");
            }
        }
    }

    /// A batch could not be written.
    pub(super) fn could_not_write(&self, error: &ArchiveError) {
        let mut state = self.state();
        let error = error.to_string();
        if state.writing == Writing::Well {
            state.writing = Writing::Failing { lost_before: self.room.lost() };
            tracing::error!(error, "the archive cannot be written; messages wait and relaying goes on");
        }
        state.write_error = Some(error);
    }

    /// A message found no room.
    pub(super) fn had_no_room(&self) {
        let mut state = self.state();
        let lost_before = match state.writing {
            Writing::Refusing { .. } => return,
            Writing::Failing { lost_before } => lost_before,
            // Messages come faster than they can be written. The one at hand is lost already.
            Writing::Well => self.room.lost().saturating_sub(1),
        };
        state.writing = Writing::Refusing { lost_before };
        let (waiting, bytes) = self.room.waiting();
        tracing::error!(
            waiting,
            bytes,
            "as many messages wait for the archive as may; others are lost to it"
        );
    }

    /// The archive answered, or could not be read.
    pub(super) fn read<T>(&self, answer: &Result<T, ArchiveError>) {
        let error = match answer {
            Err(
                error @ (ArchiveError::Unavailable(_) | ArchiveError::Full(_) | ArchiveError::Damaged(_)),
            ) => Some(error.to_string()),
            // Says nothing of the archive.
            Err(ArchiveError::Cancelled) => return,
            Ok(_)
            | Err(
                ArchiveError::CursorNotFound
                | ArchiveError::TooManyContentTopics(_)
                | ArchiveError::TooManyHashes(_),
            ) => None,
        };
        let mut state = self.state();
        match (&state.read_error, &error) {
            (None, Some(error)) => tracing::error!(error, "the archive cannot be read"),
            (Some(_), None) => tracing::info!("the archive can be read again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        state.read_error = error;
    }

    pub(super) fn set_summary(&self, summary: Summary) {
        self.state().summary = Some(summary);
    }

    pub(crate) fn report(&self) -> ArchiveReport {
        let (waiting_messages, waiting_bytes) = self.room.waiting();
        let state = self.state();
        ArchiveReport {
            summary: state.summary.clone(),
            waiting_messages,
            waiting_bytes,
            stored: self.stored.load(Ordering::Relaxed),
            dropped: self.room.lost(),
            unavailable: state.write_error.clone().or_else(|| state.read_error.clone()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Fields that do not depend on each other.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
