//! Reader pool: answers queries on threads of its own.
//!
//! Owns      its threads; no state.
//! Receives  [`RunQuery`], from the store server and from local clients.
//! Sends     the page to the query's [`Reply`].
//! Bounds    [`WAITING`] queries wait; one for each thread is being answered.
//! On fault  a backend that panics costs the query its answer; the thread goes on.
//! Stops     when it is closed: what runs is cancelled, what waits is answered with `Down`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use weir_core::{
    Timestamp,
    store::{Page, Query},
};
use weir_storage::archive::{Archive, ArchiveError};

use super::condition::Condition;
use crate::{
    Clock,
    handles::QueryError,
    metrics::{ArchiveMetrics, QueryKind, word_of},
    port::Reply,
};

/// Queries that may wait: at 10 ms each, with four threads, 160 ms. Who comes later is told so at once, which
/// is better than an answer after its patience.
pub(super) const WAITING: usize = 64;

/// Asks for a page. Dropping the receiver of `reply` cancels it, waiting or running.
#[derive(Debug)]
pub(crate) struct RunQuery {
    pub(crate) query: Query,
    /// After this moment nobody waits for the page.
    pub(crate) not_after: Timestamp,
    /// Where the page goes.
    pub(crate) reply: Reply<Result<Page, QueryError>>,
}

/// What each thread does.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) archive: Arc<dyn Archive>,
    pub(super) condition: Condition,
    pub(super) closing: Arc<AtomicBool>,
    pub(super) clock: Clock,
    pub(super) metrics: ArchiveMetrics,
}

impl Reader {
    pub(super) fn work(&self, job: RunQuery) {
        let RunQuery { query, not_after, reply } = job;
        let in_time = || self.clock.now() <= not_after;
        let closing = || self.closing.load(Ordering::Relaxed);
        if let Some(outcome) = unanswered(&reply, in_time(), closing()) {
            self.end(reply, outcome);
            return;
        }
        let wanted = || reply.is_awaited() && !closing() && in_time();
        let started = Instant::now();
        let answer = self.archive.query(&query, &wanted);
        let seconds = started.elapsed().as_secs_f64();
        self.condition.read(&answer);
        let outcome = match answer {
            Ok(page) => Ok(page),
            Err(ArchiveError::Cancelled) => {
                Err(unanswered(&reply, in_time(), closing()).unwrap_or(QueryError::Timeout))
            }
            Err(error) => Err(QueryError::Archive(error)),
        };
        self.metrics.queried(QueryKind::of(&query), seconds, outcome_word(&reply, &outcome));
        reply.give(outcome);
    }

    /// Ends a query that was not begun.
    fn end(&self, reply: Reply<Result<Page, QueryError>>, error: QueryError) {
        let outcome = Err(error);
        self.metrics.query_ended(outcome_word(&reply, &outcome));
        reply.give(outcome);
    }
}

/// Why a query gets no page, if nobody wants it any more.
fn unanswered<T>(reply: &Reply<T>, in_time: bool, closing: bool) -> Option<QueryError> {
    if closing {
        Some(QueryError::Down)
    } else if !in_time || !reply.is_awaited() {
        Some(QueryError::Timeout)
    } else {
        None
    }
}

fn outcome_word<T>(reply: &Reply<T>, outcome: &Result<Page, QueryError>) -> &'static str {
    match outcome {
        Ok(_) => "answered",
        Err(QueryError::Archive(error)) => word_of(error),
        Err(QueryError::Timeout) if !reply.is_awaited() => "cancelled",
        Err(QueryError::Timeout) => "timeout",
        Err(QueryError::Busy | QueryError::Down) => "down",
    }
}
