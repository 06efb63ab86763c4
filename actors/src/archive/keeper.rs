//! Keeps count of what the archive holds, and drops what retention says.
//!
//! A thread of its own, since both touch the disk. It works in small steps with pauses as long as the steps
//! were, so that inserts and queries get at least half of the disk and of the locks meanwhile.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use weir_core::Timestamp;
use weir_storage::archive::{Archive, ArchiveError, Retention, Summary, Trim};

use super::condition::Condition;
use crate::{Clock, metrics::ArchiveMetrics};

/// Between two looks. At 10,000 messages a second of 1.4 KB an archive grows by 70 MB in that time, less
/// than 5 % of a cap of 1.5 GB.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Dropping by age may wait: nobody notices a message that is there a minute longer, and fewer, larger
/// steps write less.
const AGE_INTERVAL: Duration = Duration::from_secs(60);

/// Pauses between steps.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What the thread works with.
pub(super) struct Keeper {
    pub(super) archive: Arc<dyn Archive>,
    pub(super) retention: Retention,
    pub(super) condition: Condition,
    pub(super) clock: Clock,
    pub(super) metrics: ArchiveMetrics,
}

/// Ends the thread when it is dropped.
#[derive(Debug)]
pub(super) struct Leash(Stop);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[derive(Debug, Clone, Default)]
struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    fn stop(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Waits for so long, or until it is time to stop; tells whether it is.
    fn wait(&self, pause: Duration) -> bool {
        let stopped = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(stopped, pause, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Keeper {
    pub(super) fn start(self) -> io::Result<(Leash, JoinHandle<()>)> {
        let stop = Stop::default();
        let leash = Leash(stop.clone());
        let thread = thread::Builder::new().name("weir-retention".into()).spawn(move || {
            let mut next_by_age = Timestamp::ZERO;
            loop {
                if catch_unwind(AssertUnwindSafe(|| self.look(&mut next_by_age, &stop))).is_err() {
                    self.metrics.retention_failed();
                    tracing::error!("retention panicked");
                }
                if stop.wait(LOOK_INTERVAL) {
                    return;
                }
            }
        })?;
        Ok((leash, thread))
    }

    /// Counts, and drops what is too much.
    fn look(&self, next_by_age: &mut Timestamp, stop: &Stop) {
        let Some(summary) = self.count() else { return };
        let now = self.clock.now();
        let mut trimmed = false;
        for trim in self.retention.trims(&summary, now) {
            if matches!(trim, Trim::OlderThan(_)) {
                if now < *next_by_age {
                    continue;
                }
                *next_by_age = now.saturating_add(AGE_INTERVAL);
            }
            trimmed = true;
            if let Err(error) = self.trim(trim, stop) {
                self.metrics.retention_failed();
                tracing::warn!(%error, "retention failed; it is tried again");
                break;
            }
        }
        if trimmed {
            self.count();
        }
    }

    fn count(&self) -> Option<Summary> {
        let counted = self.archive.summary();
        self.condition.read(&counted);
        let summary = counted.ok()?;
        self.metrics.show(&summary);
        self.condition.set_summary(summary.clone());
        Some(summary)
    }

    fn trim(&self, trim: Trim, stop: &Stop) -> Result<(), ArchiveError> {
        let mut removed = 0;
        loop {
            let started = Instant::now();
            let step = self.archive.trim(trim)?;
            self.metrics.trimmed.inc_by(step.removed);
            removed += step.removed;
            if !step.more || stop.wait(started.elapsed().clamp(SHORTEST_PAUSE, LONGEST_PAUSE)) {
                tracing::debug!(?trim, removed, "old messages were dropped");
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use weir_core::store::StoredMessage;
    use weir_rln::test_utils;
    use weir_storage::archive::oracle::Oracle;

    use super::*;
    use crate::{
        archive::room::Room,
        probe::{NOON, topic},
    };

    fn keeper(retention: &str, messages: u32) -> Keeper {
        let archive = Oracle::default();
        let stored: Vec<StoredMessage> = (0..messages)
            .map(|age| {
                let timestamp = NOON.saturating_sub(Duration::from_secs(age.into()));
                StoredMessage::new(topic(3), test_utils::message("old", timestamp))
            })
            .collect();
        archive.insert(&stored).expect("a list");
        let metrics = ArchiveMetrics::register(&mut Registry::default());
        Keeper {
            archive: Arc::new(archive),
            retention: retention.parse().expect("a policy"),
            condition: Condition::new(Room::new(metrics.clone())),
            clock: Clock::from_fn(|| NOON),
            metrics,
        }
    }

    fn kept_after_a_look(keeper: &Keeper, next_by_age: &mut Timestamp) -> u64 {
        keeper.look(next_by_age, &Stop::default());
        keeper.condition.report().summary.expect("counted").messages
    }

    #[test]
    fn each_look_drops_what_a_rule_says_and_counts_what_is_left() {
        for (retention, left) in
            [("none", 100), ("capacity:60", 60), ("time:29", 30), ("time:29;capacity:9", 9)]
        {
            let keeper = keeper(retention, 100);
            assert_eq!(kept_after_a_look(&keeper, &mut Timestamp::default()), left, "{retention}");
            assert_eq!(keeper.metrics.trimmed.get(), 100 - left);
        }
    }

    #[test]
    fn age_is_looked_at_once_a_minute_and_numbers_each_time() {
        let mut next_by_age = NOON.saturating_add(Duration::from_secs(1));
        let keeper = keeper("time:29;capacity:60", 100);
        assert_eq!(kept_after_a_look(&keeper, &mut next_by_age), 60);
        next_by_age = NOON;
        assert_eq!(kept_after_a_look(&keeper, &mut next_by_age), 30);
        assert_eq!(next_by_age, NOON.saturating_add(AGE_INTERVAL));
    }

    #[test]
    fn a_thread_that_is_let_go_ends() {
        let (leash, thread) = keeper("none", 0).start().expect("a thread");
        drop(leash);
        thread.join().expect("ends");
    }
}
