//! A whole measurement, and what it leaves behind: nothing, unless it is told otherwise.

use std::{fmt, io, path::PathBuf, time::Instant};

use serde::Serialize;
use strum::VariantArray;
use tempfile::TempDir;
use weir_actors::{
    handles::{KeepError, QueryError, StoreQueryError},
    system,
};
use weir_bench_kit::{Machine, load, peak_rss_kib};
use weir_storage::archive::{ArchiveError, Location, OpenArchiveError, PostgresUrl};

use crate::{
    Kind, Report, WrongAnswer,
    measure::{Asker, Inflow, ask, fill, now},
    question::Questions,
    report::OverLibp2p,
    subject::{Subject, Way},
    workload::Workload,
};

/// Threads of the nodes beside those of their actors, as `weir run` has them.
const POOL_THREADS: usize = 2;

/// Messages a second that pass through the relay while the archive is filled, and are archived as well.
const RELAYED_WHILE_FILLING: u32 = 100;

/// What is measured, and how much.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the archive is made.
    pub place: Place,
    /// Messages to fill it with, at least 1.
    pub messages: u64,
    /// Queries of each kind, once idle and once while messages come in; at least 1.
    pub queries: u64,
    /// Messages a second that come in meanwhile.
    pub ingest_per_s: u32,
    /// Another one makes other messages and queries.
    pub seed: u64,
    /// Whether the archive is left behind.
    pub keep: bool,
}

/// Where an archive is made.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a new folder within this one, or within the system's folder for temporary files.
    Folder(Option<PathBuf>),
    /// In this database, which must hold no messages.
    Postgres(PostgresUrl),
}

/// What keeps the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Files of our own.
    Redb,
    /// A PostgreSQL server.
    Postgres,
}

/// How far a measurement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// How much of it is done.
    pub done: u64,
    /// Of how much.
    pub of: u64,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Messages are put in.
    Filling,
    /// Queries, while nothing else is done.
    Idle,
    /// Queries, while messages come in.
    Ingesting,
    /// What was put in is removed.
    CleaningUp,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The database is somebody's.
    #[error(
        "the database holds {0} messages already; give an empty one, as what is measured is removed afterwards"
    )]
    NotEmpty(u64),
    /// No folder could be made.
    #[error("cannot make a folder in {}: {source}", path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The archive could not be opened.
    #[error(transparent)]
    Open(#[from] OpenArchiveError),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A query of the node itself was not answered.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A query over the network was not answered.
    #[error("the node did not answer its peer: {0}")]
    PeerQuery(#[from] StoreQueryError),
    /// Messages were not kept.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// One of the two nodes could not be started, or did not find the other.
    #[error("the node to be measured could not be started: {0}")]
    Node(String),
    /// An answer that cannot be right.
    #[error("wrong answer to a query of kind {}: {source}; the figures would mean nothing", kind.key())]
    WrongAnswer {
        /// To what.
        kind: Kind,
        /// What is wrong.
        source: WrongAnswer,
    },
    /// The runtime could not be started.
    #[error("cannot start the threads: {0}")]
    Threads(#[source] io::Error),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Measures, telling `progress` how far it is. Ctrl-C and SIGTERM end it in order, with nothing left behind.
pub fn run(settings: &Settings, progress: impl Fn(Progress) + Send + Sync) -> Result<Report, BenchError> {
    let done = system::run(POOL_THREADS, async |arbiters| {
        let home = Home::make(settings)?;
        let began = Instant::now();
        let subject = Subject::start(&arbiters, home.location.clone(), home.folder.path()).await?;
        let measured = tokio::select! {
            measured = measure(settings, &subject, &progress) => measured,
            () = interrupted() => Err(BenchError::Interrupted),
        };
        let empty = matches!(settings.place, Place::Postgres(_)) && !settings.keep;
        progress(Progress { stage: Stage::CleaningUp, done: 0, of: settings.messages });
        subject.stop(empty).await?;
        let mut report = measured?;
        report.total_s = began.elapsed().as_secs_f64();
        report.kept_in = home.leave(settings);
        Ok(report)
    });
    done.map_err(BenchError::Threads)?
}

async fn measure(
    settings: &Settings,
    subject: &Subject,
    progress: &(impl Fn(Progress) + Send + Sync),
) -> Result<Report, BenchError> {
    let load_before = load();
    let Settings { messages, queries, ingest_per_s, seed, .. } = *settings;
    let workload = Workload::new(seed, messages, now());
    let tell = |stage, of| move |done| progress(Progress { stage, done, of });
    let all_queries = queries * (Kind::VARIANTS.len() * Way::VARIANTS.len()) as u64;

    let inflow = Inflow::start(subject, &workload, messages, RELAYED_WHILE_FILLING);
    let filling = fill(subject, &workload, tell(Stage::Filling, messages)).await?;
    let relayed_while_filling = inflow.end(subject, RELAYED_WHILE_FILLING, messages).await?;
    let filled = subject.summary().await?;

    let askers = Way::VARIANTS.iter().zip(1..).map(|(&way, number)| {
        let questions = Questions::new(&workload, seed.wrapping_add(number));
        Asker { way, questions }
    });
    let mut askers: Vec<Asker<'_>> = askers.collect();
    let mut idle = ask(subject, &mut askers, queries, tell(Stage::Idle, all_queries)).await?;
    let next = messages + relayed_while_filling.published;
    let inflow = Inflow::start(subject, &workload, next, ingest_per_s);
    let mut ingesting = ask(subject, &mut askers, queries, tell(Stage::Ingesting, all_queries)).await?;
    let relayed_while_asking = inflow.end(subject, ingest_per_s, filled.messages).await?;

    Ok(Report {
        backend: settings.place.backend(),
        messages,
        seed,
        machine: Machine::here(),
        load_before,
        ingest_per_s: messages as f64 / filling.as_secs_f64(),
        fill_s: filling.as_secs_f64(),
        relayed_while_filling,
        bytes: filled.bytes,
        bytes_per_message: filled.bytes as f64 / filled.messages as f64,
        peak_rss_kib: peak_rss_kib(),
        idle: idle.remove(&Way::Service).unwrap_or_default(),
        ingesting: ingesting.remove(&Way::Service).unwrap_or_default(),
        over_libp2p: OverLibp2p {
            idle: idle.remove(&Way::Network).unwrap_or_default(),
            ingesting: ingesting.remove(&Way::Network).unwrap_or_default(),
        },
        relayed_while_asking,
        total_s: 0.0,
        kept_in: None,
    })
}

/// Resolves when the process is told to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() { std::future::pending::<()>().await },
        _ = terminate.recv() => {}
    }
}

/// The room of a measurement. What was made in it is gone when it is dropped.
struct Home {
    location: Location,
    folder: TempDir,
}

impl Home {
    fn make(settings: &Settings) -> Result<Self, BenchError> {
        let within = match &settings.place {
            Place::Folder(Some(within)) => within.clone(),
            Place::Folder(None) | Place::Postgres(_) => std::env::temp_dir(),
        };
        let made = std::fs::create_dir_all(&within)
            .and_then(|()| tempfile::Builder::new().prefix("weir-bench-store-").tempdir_in(&within));
        let folder = made.map_err(|source| BenchError::Folder { path: within, source })?;
        let location = match &settings.place {
            Place::Folder(_) => Location::Folder(folder.path().join("archive")),
            Place::Postgres(url) => Location::Postgres(url.clone()),
        };
        Ok(Self { location, folder })
    }

    /// Tells what was left behind, if it was to be.
    fn leave(self, settings: &Settings) -> Option<PathBuf> {
        (settings.keep && matches!(settings.place, Place::Folder(_))).then(|| self.folder.keep())
    }
}

impl Place {
    const fn backend(&self) -> Backend {
        match self {
            Self::Folder(_) => Backend::Redb,
            Self::Postgres(_) => Backend::Postgres,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redb => "redb",
            Self::Postgres => "PostgreSQL",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(within: PathBuf) -> Settings {
        Settings {
            place: Place::Folder(Some(within)),
            messages: 300,
            queries: 3,
            ingest_per_s: 500,
            seed: 1,
            keep: false,
        }
    }

    #[test]
    fn every_kind_is_measured_in_both_phases_and_nothing_is_left() {
        let folder = TempDir::new().expect("a folder");
        let report = run(&settings(folder.path().to_owned()), |_| {}).expect("measures");
        for answers in
            [&report.idle, &report.ingesting, &report.over_libp2p.idle, &report.over_libp2p.ingesting]
        {
            let rows: Vec<(&str, f64)> =
                answers.iter().map(|(kind, spread)| (kind.key(), spread.mean_rows)).collect();
            assert_eq!(rows[..2], [("hash_1", 1.0), ("hash_10", 10.0)]);
            assert_eq!(rows[3], ("newest_20", 20.0));
            assert_eq!(rows.len(), 6);
        }
        for relayed in [report.relayed_while_filling, report.relayed_while_asking] {
            assert_eq!(relayed.archived, relayed.published);
        }
        assert_eq!(folder.path().read_dir().expect("readable").count(), 0);
    }

    #[test]
    fn what_is_to_be_kept_is_kept() {
        let folder = TempDir::new().expect("a folder");
        let settings = Settings { keep: true, ..settings(folder.path().to_owned()) };
        let kept = run(&settings, |_| {}).expect("measures").kept_in.expect("told");
        assert!(kept.is_dir() && kept.starts_with(folder.path()));
    }
}
