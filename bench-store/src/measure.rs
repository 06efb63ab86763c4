//! Filling, asking, and asking while messages come in.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use strum::VariantArray;
use tokio::{sync::mpsc, task::JoinHandle, time::MissedTickBehavior};
use weir_core::{Timestamp, store::StoredMessage};
use weir_storage::archive::MAX_BATCH;

use crate::{
    Answers, BenchError, Kind,
    question::{Questions, check},
    report::Samples,
    subject::Subject,
    workload::Workload,
};

/// Rounds before those that count, in which caches fill.
const WARM_UP: u64 = 20;

/// Batches that are made ahead while one is being written.
const BATCHES_AHEAD: usize = 4;

/// How often messages come in.
const BEAT: Duration = Duration::from_millis(10);

/// Fills the archive, and tells how long it took until everything was on disk.
pub(crate) async fn fill(
    subject: &Subject,
    workload: &Workload,
    mut progress: impl FnMut(u64),
) -> Result<Duration, BenchError> {
    let mut batches = batches(workload.clone());
    let started = Instant::now();
    let mut kept = 0;
    while let Some(batch) = batches.recv().await {
        let length = batch.len() as u64;
        subject.keep(batch).await?;
        kept += length;
        progress(kept);
    }
    Ok(started.elapsed())
}

/// The messages of the day, made by another thread.
fn batches(workload: Workload) -> mpsc::Receiver<Vec<StoredMessage>> {
    let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut next = 0;
        while next < workload.len() {
            let end = workload.len().min(next + MAX_BATCH as u64);
            let batch = (next..end).map(|number| workload.message(number)).collect();
            if sender.blocking_send(batch).is_err() {
                // Nobody fills any more.
                return;
            }
            next = end;
        }
    });
    batches
}

/// Asks `queries` queries of each kind, one after the other and kind by kind in turn.
pub(crate) async fn ask(
    subject: &Subject,
    questions: &mut Questions<'_>,
    queries: u64,
    mut progress: impl FnMut(u64),
) -> Result<Answers, BenchError> {
    let mut samples: BTreeMap<Kind, Samples> = BTreeMap::new();
    for round in 0..WARM_UP + queries {
        for &kind in Kind::VARIANTS {
            let query = questions.next(kind);
            let asking = Instant::now();
            let page = subject.ask(query.clone()).await?;
            let taken = asking.elapsed();
            check(&query, &page).map_err(|source| BenchError::WrongAnswer { kind, source })?;
            if kind == Kind::Page100 {
                questions.went_on(&page);
            }
            if round >= WARM_UP {
                samples.entry(kind).or_default().push(taken, page.rows.len());
            }
        }
        progress((round + 1).saturating_sub(WARM_UP) * Kind::VARIANTS.len() as u64);
    }
    Ok(samples.into_iter().filter_map(|(kind, samples)| Some((kind, samples.spread()?))).collect())
}

/// Messages that come in at a steady rate until it is dropped or ended.
#[derive(Debug)]
pub(crate) struct Inflow {
    task: JoinHandle<Result<u64, BenchError>>,
    end: tokio::sync::watch::Sender<bool>,
    started: Instant,
}

impl Inflow {
    pub(crate) fn start(subject: &Subject, workload: &Workload, per_second: u32) -> Self {
        let (end, ended) = tokio::sync::watch::channel(false);
        let (subject, workload) = (subject.clone(), workload.clone());
        let started = Instant::now();
        let task = tokio::spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            // What was not taken in time is made up for at once: the rate holds on average.
            beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut kept: u64 = 0;
            while !*ended.borrow() {
                beat.tick().await;
                let due = (started.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
                let now = now();
                let end = due.min(kept + MAX_BATCH as u64);
                let batch: Vec<StoredMessage> = (kept..end)
                    .map(|number| workload.message_arriving(workload.len() + number, now))
                    .collect();
                if !batch.is_empty() {
                    subject.keep(batch).await?;
                }
                kept = end.max(kept);
            }
            Ok(kept)
        });
        Self { task, end, started }
    }

    /// Ends it and tells how many messages a second were kept.
    pub(crate) async fn end(self) -> Result<f64, BenchError> {
        let _ = self.end.send(true);
        let kept = self.task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        Ok(kept as f64 / self.started.elapsed().as_secs_f64())
    }
}

/// The wall's clock, which timestamps of messages are of.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::ZERO.saturating_add(since)
}
