//! `weir bench store`: how fast this machine's archive is.
//!
//! The measurement itself is [`weir_bench_store`]'s.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use weir_bench_store::{BenchError, Place, Progress, Settings, Stage};
use weir_storage::archive::LocationError;

use crate::{
    cli::{BenchBackend, BenchStoreArgs},
    output::{
        self,
        progress::{self, Unit},
    },
};

/// Why the archive could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchStoreError {
    /// PostgreSQL without a database.
    #[error(
        "--backend=postgres needs --db-url=postgres://user:password@host:port/database, of an empty database; \
         docs/store.md has the commands that make one"
    )]
    NoDatabase,
    /// A database that nothing is kept in.
    #[error("--db-url has no effect with --backend=redb; set --backend=postgres or remove it")]
    DatabaseWithRedb,
    /// A folder that nothing is kept in.
    #[error("--dir has no effect with --backend=postgres; remove it")]
    FolderWithPostgres,
    /// A database that is none.
    #[error("--db-url: {0}")]
    Url(#[from] LocationError),
    /// The measurement failed.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Measures and answers.
pub(super) fn run(arguments: &BenchStoreArgs) -> Result<(), BenchStoreError> {
    let settings = Settings {
        place: place(arguments)?,
        messages: arguments.messages,
        queries: arguments.queries,
        ingest_per_s: arguments.ingest_rate,
        seed: arguments.seed,
        keep: arguments.keep,
    };
    let shown = Shown::default();
    let report = weir_bench_store::run(&settings, |progress| shown.show(progress));
    drop(shown);
    let report = report?;
    if let Some(folder) = &report.kept_in {
        output::note(format_args!("the archive is left in {}", folder.display()));
    }
    Ok(output::print(report.to_text(arguments.format.into()))?)
}

fn place(arguments: &BenchStoreArgs) -> Result<Place, BenchStoreError> {
    match (arguments.backend, &arguments.db_url) {
        (BenchBackend::Redb, Some(_)) => Err(BenchStoreError::DatabaseWithRedb),
        (BenchBackend::Redb, None) => Ok(Place::Folder(arguments.dir.clone())),
        (BenchBackend::Postgres, _) if arguments.dir.is_some() => Err(BenchStoreError::FolderWithPostgres),
        (BenchBackend::Postgres, None) => Err(BenchStoreError::NoDatabase),
        (BenchBackend::Postgres, Some(url)) => Ok(Place::Postgres(url.expose().parse()?)),
    }
}

/// How far the measurement is, one stage after the other.
#[derive(Debug, Default)]
struct Shown(Mutex<Option<(Stage, progress::Progress)>>);

impl Shown {
    fn show(&self, Progress { stage, done, of }: Progress) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, progress)) = shown.as_mut().filter(|(known, _)| *known == stage) {
            return progress.set(done);
        }
        // The bar of the stage before goes away first.
        drop(shown.take());
        let (label, unit) = match stage {
            Stage::Filling => ("filling the archive", Unit::Messages),
            Stage::Idle => ("asking it, with nothing else to do", Unit::Queries),
            Stage::Ingesting => ("asking it while messages come in", Unit::Queries),
            Stage::CleaningUp => ("removing what was put in", Unit::Messages),
        };
        output::note(label);
        *shown = Some((stage, progress::Progress::new(unit, Some(of))));
    }
}
