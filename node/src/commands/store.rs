//! `weir store`: looking at an archive, taking it along, and taking over nwaku's.
//!
//! An archive in a folder belongs to one process at a time, so the node has to be stopped for these commands; one
//! in PostgreSQL is shared with nodes that run.
//!
//! ```text
//! count, stats, verify ── read            what is asked for
//! export ── selection ──> records ──> a file or a pipe
//! import ── records ────┐
//! migrate ─ nwaku ──────┴──> intake ──> insert, in batches
//! ```

use std::{io, path::PathBuf, sync::Arc};

use weir_storage::{
    OpenError,
    archive::{
        self, Archive, ArchiveError, Location, LocationError, OpenArchiveError, Options,
        nwaku::{NotASource, NwakuError},
    },
};

use crate::{
    cli::{ArchiveArgs, StoreCommand},
    config::Secret,
};

mod export;
mod import;
mod intake;
mod migrate;
mod records;
mod selection;
mod stats;
mod verify;

use records::RecordsError;

/// Why a command of `weir store` failed. What it had stored until then stays.
#[derive(Debug, thiserror::Error)]
pub enum StoreCommandError {
    /// The URL of the archive is none.
    #[error("--store-message-db-url: {0}")]
    Url(#[from] LocationError),
    /// The URL of nwaku's archive is none.
    #[error("--from: {0}")]
    Source(#[from] NotASource),
    /// There is nothing to read.
    #[error("there is no archive in {path}; check --data-dir", path = .0.display())]
    Missing(PathBuf),
    /// A node has the archive.
    #[error(
        "the archive in {path} is in use, by a node that runs or by another command; stop it first, or ask the \
         node over REST (/store/v3/messages)",
        path = .0.display()
    )]
    InUse(PathBuf),
    /// The archive could not be opened.
    #[error(transparent)]
    Open(OpenArchiveError),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Nothing can be taken in, or no more.
    #[error("{source}; {kept} messages were stored. Run the command again to go on: none is stored twice")]
    Interrupted {
        /// Messages that are stored.
        kept: u64,
        /// What failed.
        source: ArchiveError,
    },
    /// nwaku's archive cannot be read.
    #[error(transparent)]
    Nwaku(#[from] NwakuError),
    /// The export that is imported is none.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A file could not be opened or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Bytes would be written to or read from a terminal.
    #[error("an export is not text: name a file with {0}, or use a pipe")]
    Terminal(&'static str),
    /// Whoever read the export did not want all of it.
    #[error("the export was not read to its end, {0} messages were written")]
    ReaderLeft(u64),
    /// Some of what was there to be taken in is no message.
    #[error("messages refused: {0}; they are not in the archive")]
    Refused(u64),
    /// The archive contradicts itself.
    #[error("the archive is damaged: {0} errors")]
    Damaged(u64),
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command of `weir store`.
pub fn run(command: &StoreCommand) -> Result<(), StoreCommandError> {
    match command {
        StoreCommand::Count(arguments) => stats::count(arguments),
        StoreCommand::Stats(arguments) => stats::stats(arguments),
        StoreCommand::Export(arguments) => export::export(arguments),
        StoreCommand::Import(arguments) => import::import(arguments),
        StoreCommand::Verify(arguments) => verify::verify(arguments),
        StoreCommand::Migrate(arguments) => migrate::migrate(arguments),
    }
}

/// Connections to PostgreSQL: these commands do one thing after another, and an archive needs two.
const OPTIONS: Options = Options { connections: 2, size_cap: None };

/// Opens an archive that has to be there.
fn open(arguments: &ArchiveArgs) -> Result<Arc<dyn Archive>, StoreCommandError> {
    let location = location(arguments)?;
    match &location {
        Location::Folder(folder) if location.is_vacant() => Err(StoreCommandError::Missing(folder.clone())),
        location => open_at(location),
    }
}

/// Opens an archive, or makes it.
fn open_or_make(arguments: &ArchiveArgs) -> Result<Arc<dyn Archive>, StoreCommandError> {
    open_at(&location(arguments)?)
}

fn open_at(location: &Location) -> Result<Arc<dyn Archive>, StoreCommandError> {
    archive::open(location, OPTIONS).map_err(|error| match (error, location) {
        (OpenArchiveError::File(OpenError::InUse { .. }), Location::Folder(folder)) => {
            StoreCommandError::InUse(folder.clone())
        }
        (error, _) => StoreCommandError::Open(error),
    })
}

/// Where the archive is: the same as `weir run` has it.
fn location(arguments: &ArchiveArgs) -> Result<Location, LocationError> {
    let url = arguments.store_message_db_url.as_ref().map_or("", Secret::expose);
    Location::named(url, &arguments.data_dir)
}
