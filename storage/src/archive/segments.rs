//! The embedded archive: a folder of files, each with the messages of one range of time.
//!
//! One file for everything would grow for ever, repair for seconds after a crash and give nothing back when old
//! messages go. So messages are kept in *segments* of some 64 MB. The oldest one is dropped by removing its
//! file; after a crash only the few that were written to are looked at; and a query goes through those of its
//! range alone.
//!
//! ```text
//!            shelf: segments by range, each may be asked what it does not have
//!      ┌─────────┬─────────┬─────────┬─────────────┐
//!      │ sealed  │ sealed  │ open    │ open      ──┼──▶ no end
//!      └─────────┴─────────┴─────────┴─────────────┘
//!      ▲ below the first there is nothing: it was dropped, or nothing came
//! ```
//!
//! # Invariants
//!
//! - Ranges follow each other without a gap and without overlap, so a message has one segment.
//! - A segment holds at most some 96 MB, whatever the order in which messages come: at 64 MB the newest and the
//!   oldest one are followed by another, and any other is split in two at 96 MB.
//! - The catalog names a segment before its first message, and forgets it before its file is removed. Files it
//!   does not name are what a crash left, and are removed.
//! - Only one thread writes. Readers share a list that is replaced and never changed, and each of them sees a
//!   segment as of one commit.
//!
//! # Files, from the bottom up
//!
//! [`folder`] files and names; [`format`] tables of a segment; [`catalog`]; [`filter`]; [`tables`] and [`view`]
//! one segment for writing and for reading; [`fetchers`] reads at once; [`segment`] its life; [`shelf`] all of them; [`search`] queries;
//! [`write`](mod@write) where messages go; [`trim`] how they leave; [`reload`] from catalog to shelf; [`check`]
//! whether all is well.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use weir_core::store::{Page, Query, StoredMessage};

use super::{
    Archive, ArchiveError, Inserted, OpenArchiveError, Options, Place, Summary, Trim, Trimmed, Verified,
    check_bounds,
};
use crate::{OpenError, file};
use catalog::Catalog;
use fetchers::Fetchers;
use folder::Folder;
use handles::Handles;
use shelf::{Shelf, Slot};
use write::Writer;

mod catalog;
mod check;
mod fetchers;
mod filter;
mod folder;
mod format;
mod handles;
mod reload;
mod search;
mod segment;
mod shelf;
mod tables;
mod trim;
mod trouble;
mod view;
mod write;

#[cfg(test)]
mod tests;

/// An archive in a folder.
#[derive(Debug)]
struct Segments {
    folder: Arc<Folder>,
    handles: Arc<Handles>,
    fetchers: Fetchers,
    shelf: RwLock<Arc<Shelf>>,
    writer: Mutex<Writer>,
    limits: Limits,
}

/// How large things become.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Bytes of a segment that is full.
    segment: u64,
    /// Segments that are open for writing. More than one, because messages are late: those of one moment come
    /// within 20 seconds of each other, and after an absence the past is fetched while the present goes on.
    open: usize,
    /// Sealed segments that are open.
    handles: usize,
    /// Messages that one step of trimming looks at.
    trim_step: usize,
}

impl Limits {
    /// A segment of 64 MB opens in less than a millisecond, and 250 GB have 4,000 of them.
    const SEGMENT: u64 = 64 << 20;
    /// Below it, what a file takes by itself and what its last pages leave empty would count.
    const SMALLEST_SEGMENT: u64 = 4 << 20;

    fn new(options: Options) -> Self {
        // One twentieth, because the size is to stay within 5 % of what retention asks for.
        let segment = options
            .size_cap
            .map_or(Self::SEGMENT, |cap| (cap / 20).clamp(Self::SMALLEST_SEGMENT, Self::SEGMENT));
        Self { segment, open: 4, handles: handles::MAX_OPEN, trim_step: 4096 }
    }
}

/// Whether there is certainly no archive in `folder`.
pub(super) fn is_vacant(folder: &Path) -> bool {
    folder.join(folder::CATALOG).try_exists().is_ok_and(|there| !there)
}

pub(super) fn open(folder: &Path, options: Options) -> Result<Arc<dyn Archive>, OpenArchiveError> {
    file::create_directory(folder).map_err(|error| OpenError::from_io(folder, error))?;
    Ok(Arc::new(Segments::open(Folder::Disk(folder.to_owned()), Limits::new(options))?))
}

impl Segments {
    fn open(folder: Folder, limits: Limits) -> Result<Self, OpenError> {
        let fetchers = Fetchers::start().map_err(|error| OpenError::from_io(&folder.segment(0), error))?;
        let folder = Arc::new(folder);
        let catalog = Catalog::new(folder.open_catalog()?);
        let handles = Arc::new(Handles::new(limits.handles));
        let archive = Self {
            folder,
            handles,
            fetchers,
            shelf: RwLock::new(Arc::new(Shelf::new(Vec::new()))),
            writer: Mutex::new(Writer::new(catalog)),
            limits,
        };
        archive.reload(&mut archive.writer())?;
        Ok(archive)
    }

    /// The segments as they are now.
    fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.shelf.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_shelf(&self, slots: Vec<Slot>) {
        *self.shelf.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Shelf::new(slots));
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `read` on the segments, and again if one of them was replaced while it ran.
    fn read<T>(&self, mut read: impl FnMut(&Shelf) -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
        loop {
            let shelf = self.shelf();
            match read(&shelf) {
                // The file of a dropped or split segment is gone when it was not open.
                Err(ArchiveError::Damaged(_)) if !Arc::ptr_eq(&shelf, &self.shelf()) => {}
                answer => return answer,
            }
        }
    }
}

impl Archive for Segments {
    fn insert(&self, messages: &[StoredMessage]) -> Result<Inserted, ArchiveError> {
        let new = self.insert_all(&mut self.writer(), messages)?;
        Ok(Inserted { new, known: messages.len() - new })
    }

    fn query(&self, query: &Query, wanted: &(dyn Fn() -> bool + Sync)) -> Result<Page, ArchiveError> {
        check_bounds(query)?;
        self.read(|shelf| search::page(shelf, &self.fetchers, query, wanted))
    }

    fn summary(&self) -> Result<Summary, ArchiveError> {
        self.shelf().summary()
    }

    fn trim(&self, trim: Trim) -> Result<Trimmed, ArchiveError> {
        self.trim_step(&mut self.writer(), trim)
    }

    fn read_on(&self, after: Option<Place>) -> Result<Vec<StoredMessage>, ArchiveError> {
        self.read(|shelf| search::read_on(shelf, &self.fetchers, after))
    }

    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Verified, ArchiveError> {
        check::verify(&self.shelf(), progress)
    }
}
