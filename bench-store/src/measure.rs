//! Filling, asking, and asking while messages come in.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use futures::future::join_all;
use serde::Serialize;
use strum::VariantArray;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::MissedTickBehavior,
};
use weir_core::{Timestamp, store::StoredMessage};
use weir_storage::archive::MAX_BATCH;

use crate::{
    Answers, BenchError, Kind,
    question::{Questions, check},
    report::Samples,
    subject::{Subject, Way},
    workload::Workload,
};

/// Rounds before those that count, in which caches fill.
const WARM_UP: u64 = 20;

/// Batches that are made ahead while others are being written.
const BATCHES_AHEAD: usize = 4;

/// Batches that are with the archive at a time, so that its writer has the next one when it is done.
const BATCHES_UNDER_WAY: usize = 4;

/// How often messages are published.
const BEAT: Duration = Duration::from_millis(10);

/// Publishes at a time; a node takes 512.
const PUBLISHES_UNDER_WAY: u64 = 256;

/// How often it is looked whether all that was published is in the archive: for 10 s.
const LOOKS: u32 = 200;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Fills the archive, and tells how long it took until everything was on disk.
pub(crate) async fn fill(
    subject: &Subject,
    workload: &Workload,
    mut progress: impl FnMut(u64),
) -> Result<Duration, BenchError> {
    let mut batches = batches(workload.clone());
    let mut under_way = JoinSet::new();
    let started = Instant::now();
    let mut kept = 0;
    loop {
        let more = batches.recv().await;
        let ended = more.is_none();
        if let Some(batch) = more {
            let (archive, length) = (subject.archive().clone(), batch.len() as u64);
            under_way.spawn(async move { archive.keep(batch).await.map(|_| length) });
        }
        while under_way.len() >= BATCHES_UNDER_WAY || (ended && !under_way.is_empty()) {
            let Some(done) = under_way.join_next().await else { break };
            kept += done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
            progress(kept);
        }
        if ended {
            return Ok(started.elapsed());
        }
    }
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

/// Asks `queries` queries of each kind each way, one after the other and kind by kind in turn.
pub(crate) async fn ask(
    subject: &Subject,
    askers: &mut [Asker<'_>],
    queries: u64,
    mut progress: impl FnMut(u64),
) -> Result<BTreeMap<Way, Answers>, BenchError> {
    let mut samples: BTreeMap<Way, BTreeMap<Kind, Samples>> = BTreeMap::new();
    let mut asked = 0;
    for round in 0..WARM_UP + queries {
        for &kind in Kind::VARIANTS {
            for Asker { way, questions } in &mut *askers {
                let query = questions.next(kind);
                let asking = Instant::now();
                let page = subject.ask(*way, query.clone()).await?;
                let taken = asking.elapsed();
                check(&query, &page).map_err(|source| BenchError::WrongAnswer { kind, source })?;
                if kind == Kind::Page100 {
                    questions.went_on(&page);
                }
                if round >= WARM_UP {
                    samples.entry(*way).or_default().entry(kind).or_default().push(taken, page.rows.len());
                    asked += 1;
                    progress(asked);
                }
            }
        }
    }
    let spreads = |samples: BTreeMap<Kind, Samples>| {
        samples.into_iter().filter_map(|(kind, samples)| Some((kind, samples.spread()?))).collect()
    };
    Ok(samples.into_iter().map(|(way, samples)| (way, spreads(samples))).collect())
}

/// Somebody who asks one way. Each asks other questions, since the pages of an answer are in memory after it.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) way: Way,
    pub(crate) questions: Questions<'a>,
}

/// Messages that a peer publishes at a steady rate, until it is ended or dropped.
#[derive(Debug)]
pub(crate) struct Inflow {
    task: JoinHandle<u64>,
    end: watch::Sender<bool>,
    started: Instant,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Relayed {
    /// Messages a second that were to be published.
    pub asked_per_s: f64,
    /// Messages a second that the peer published.
    pub published_per_s: f64,
    /// Messages it published.
    pub published: u64,
    /// Messages of these that are in the archive.
    pub archived: u64,
}

impl Inflow {
    /// `first` is the number of its first message.
    pub(crate) fn start(subject: &Subject, workload: &Workload, first: u64, per_second: u32) -> Self {
        let (end, ended) = watch::channel(false);
        let (relay, workload) = (subject.relay_of_peer().clone(), workload.clone());
        let started = Instant::now();
        let task = tokio::spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            // What was not sent in time is made up for at once: the rate holds on average.
            beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let (mut sent, mut published) = (0, 0);
            while !*ended.borrow() {
                beat.tick().await;
                let due = (started.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
                let (now, due) = (now(), due.min(sent + PUBLISHES_UNDER_WAY));
                let publishes = (sent..due).map(|number| {
                    let StoredMessage { topic, message, .. } = workload.message_arriving(first + number, now);
                    relay.publish(topic, message)
                });
                let answers = join_all(publishes).await;
                published += answers.iter().filter(|answer| answer.is_ok()).count() as u64;
                sent = due;
            }
            published
        });
        Self { task, end, started }
    }

    /// Ends it, and waits until everything that was published is in the archive, but not for ever. Without it
    /// there are `without` messages in there.
    pub(crate) async fn end(
        self,
        subject: &Subject,
        per_second: u32,
        without: u64,
    ) -> Result<Relayed, BenchError> {
        let _ = self.end.send(true);
        let published = self.task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        let seconds = self.started.elapsed().as_secs_f64();
        let mut archived = 0;
        for _ in 0..LOOKS {
            archived = subject.summary().await?.messages.saturating_sub(without);
            if archived >= published {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Relayed {
            asked_per_s: per_second.into(),
            published_per_s: published as f64 / seconds,
            published,
            archived,
        })
    }
}

/// The wall's clock, which timestamps of messages are of.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::ZERO.saturating_add(since)
}
