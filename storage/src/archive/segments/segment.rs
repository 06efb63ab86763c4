//! One segment: its file, open or not, and what is known of it without looking.
//!
//! A *sealed* segment is opened for reading alone, so its file stays as it is and needs no repair after a
//! crash. Any other is open for writing, and read through the same handle. Every commit records what redb
//! needs to open the file after a crash without reading all of it (quick repair).

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{Database, Durability, ReadableDatabase, ReadableTable, StorageBackend, WriteTransaction};

use super::{
    catalog::{Sealed, Tally},
    filter::{Asked, Filter, FilterKeys},
    folder::{Folder, damaged},
    format::{COUNTS, Counts, OPEN, PLACES, Row, SEALED, WEIGHT, hash_of},
    handles::Handles,
    tables::Tables,
    trouble,
    view::View,
};
use crate::{
    OpenError,
    archive::ArchiveError,
    engine::{existing, open_checked, open_in_memory, open_read_only, refusal, rehearse},
    file,
    schema::Kind,
};

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) id: u32,
    folder: Arc<Folder>,
    handles: Arc<Handles>,
    /// Queries hold it while they look into the segment; it is taken alone to open and close.
    handle: RwLock<Option<Handle>>,
    tally: Mutex<Tally>,
    knowledge: RwLock<Knowledge>,
    /// Since [`Segment::close_if_idle`] asked last.
    looked_at: AtomicBool,
}

enum Handle {
    Read {
        /// Its tables, opened once because nothing changes any more; they keep the database open.
        view: Option<Box<View>>,
        /// What the database reads from.
        backend: Arc<dyn StorageBackend>,
    },
    Write(Database),
    /// It is not sealed, and the disk takes no writes: what opening it would write stays in memory.
    Stuck(Database),
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read { .. } => "Read",
            Self::Write(_) => "Write",
            Self::Stuck(_) => "Stuck",
        })
    }
}

/// What is known of what the segment does not have.
#[derive(Debug)]
enum Knowledge {
    /// It is written to. Without keys it is always asked. Keys of messages that were not committed may be among
    /// them.
    Open(Option<FilterKeys>),
    /// It is sealed; its filter was not read yet.
    OnDisk,
    /// It is sealed.
    Here(Filter),
    /// It is sealed, and its filter is not what it was.
    Lost,
}

impl Segment {
    /// An empty one that was not there.
    pub(super) fn create(id: u32, folder: &Arc<Folder>, handles: &Arc<Handles>) -> Result<Self, OpenError> {
        folder.create_segment(id)?;
        Ok(Self::new(id, folder, handles, Tally::default(), Knowledge::Open(None)))
    }

    /// One that is there. What is sealed is looked at when it is asked; any other is opened.
    pub(super) fn open(
        id: u32,
        folder: &Arc<Folder>,
        handles: &Arc<Handles>,
        sealed: Option<Sealed>,
    ) -> Result<Self, OpenError> {
        let Some(sealed) = sealed else {
            let segment = Self::new(id, folder, handles, Tally::default(), Knowledge::Open(None));
            segment.open_for_writing(&mut segment.handle_alone())?;
            return Ok(segment);
        };
        let path = folder.segment(id);
        match folder.length(&path) {
            Ok(length) if length == sealed.length => {
                Ok(Self::new(id, folder, handles, sealed.tally, Knowledge::OnDisk))
            }
            Ok(length) => {
                Err(damaged(path, &format!("it has {length} bytes and was closed with {}", sealed.length)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(damaged(path, "it is not there"))
            }
            Err(error) => Err(OpenError::from_io(&path, error)),
        }
    }

    fn new(
        id: u32,
        folder: &Arc<Folder>,
        handles: &Arc<Handles>,
        tally: Tally,
        knowledge: Knowledge,
    ) -> Self {
        Self {
            id,
            folder: Arc::clone(folder),
            handles: Arc::clone(handles),
            handle: RwLock::new(None),
            tally: Mutex::new(tally),
            knowledge: RwLock::new(knowledge),
            looked_at: AtomicBool::new(false),
        }
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally_mut().clone()
    }

    pub(super) fn weight(&self) -> u64 {
        self.tally_mut().weight
    }

    fn tally_mut(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.segment(self.id)
    }

    /// Bytes on disk.
    pub(super) fn space(&self) -> std::io::Result<u64> {
        let filter = self.folder.space(&self.folder.filter(self.id)).unwrap_or(0);
        Ok(self.folder.space(&self.path())? + filter)
    }

    /// Whether it has messages on this pubsub topic, dropped ones among them.
    pub(super) fn has_topic(&self, topic: u32) -> bool {
        self.tally_mut().counts.contains_key(&topic)
    }

    /// Whether it may have a message of this hash, or messages with this content topic.
    pub(super) fn may_have(&self, asked: Asked) -> bool {
        let ask = |knowledge: &Knowledge| match knowledge {
            Knowledge::Open(keys) => keys.as_ref().is_none_or(|keys| keys.may_have(asked)),
            Knowledge::Here(filter) => filter.may_have(asked),
            Knowledge::OnDisk | Knowledge::Lost => true,
        };
        let knowledge = self.knowledge.read().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*knowledge, Knowledge::OnDisk) {
            return ask(&knowledge);
        }
        drop(knowledge);
        let mut knowledge = self.knowledge_mut();
        // Another thread may have been here first, or the segment is written to again.
        if matches!(*knowledge, Knowledge::OnDisk) {
            let bytes = self.folder.read(&self.folder.filter(self.id)).ok();
            // Without its filter a segment is always asked.
            *knowledge = match bytes.and_then(|bytes| Filter::decode(&bytes)) {
                Some(filter) => Knowledge::Here(filter),
                None => {
                    tracing::warn!(segment = self.id, "the filter of a segment of the archive is damaged");
                    Knowledge::Lost
                }
            };
        }
        ask(&knowledge)
    }

    fn knowledge_mut(&self) -> RwLockWriteGuard<'_, Knowledge> {
        self.knowledge.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_sealed(&self) -> bool {
        !matches!(*self.knowledge.read().unwrap_or_else(PoisonError::into_inner), Knowledge::Open(_))
    }

    /// Looks into it; `None` when nothing was ever written. Where redb panics on what it finds, the segment is
    /// damaged.
    pub(super) fn look<T>(
        self: &Arc<Self>,
        look: impl FnOnce(&View) -> Result<T, ArchiveError>,
    ) -> Result<Option<T>, ArchiveError> {
        let handle = self.handle_for_reading()?;
        self.look_through(&handle, look)
    }

    fn look_through<T>(
        &self,
        handle: &Option<Handle>,
        look: impl FnOnce(&View) -> Result<T, ArchiveError>,
    ) -> Result<Option<T>, ArchiveError> {
        self.careful(|| match handle {
            Some(Handle::Read { view, .. }) => view.as_deref().map(look).transpose(),
            Some(Handle::Write(database) | Handle::Stuck(database)) => {
                self.view(database)?.as_ref().map(look).transpose()
            }
            None => Err(trouble::damaged(&self.path(), "it is closed")),
        })
    }

    fn view(&self, database: &impl ReadableDatabase) -> Result<Option<View>, ArchiveError> {
        let read = database.begin_read().map_err(|error| self.trouble(error))?;
        View::open(&read, self.path()).map_err(|error| self.trouble(error))
    }

    /// redb asserts some of what it reads.
    fn careful<T>(&self, run: impl FnOnce() -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
        catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err(trouble::damaged(&self.path(), "its contents contradict each other")))
    }

    /// Verifies every page of a sealed segment's file. One that is written to changes meanwhile; its messages
    /// are verified alone.
    pub(super) fn verify_pages(self: &Arc<Self>) -> Result<(), ArchiveError> {
        let handle = self.handle_for_reading()?;
        if let Some(Handle::Read { backend, .. }) = &*handle {
            file::preload(&self.path());
            rehearse(Arc::clone(backend), &self.path(), &Kind { verified: true, ..SEALED })?;
        }
        Ok(())
    }

    /// Keeps `rows` in one commit, and tells how many are new. The segment must not be sealed.
    pub(super) fn insert(
        &self,
        rows: impl Iterator<Item = Result<Row, ArchiveError>>,
    ) -> Result<usize, ArchiveError> {
        let handle = self.handle_for_writing()?;
        let inserted = self.careful(|| match &*handle {
            Some(Handle::Write(database)) => self.insert_into(database, rows),
            _ => Err(trouble::damaged(&self.path(), "it is closed")),
        });
        drop(handle);
        if inserted.is_err() {
            // redb refuses everything after a failed write; the next use opens the file anew.
            *self.handle_alone() = None;
        }
        inserted
    }

    fn insert_into(
        &self,
        database: &Database,
        rows: impl Iterator<Item = Result<Row, ArchiveError>>,
    ) -> Result<usize, ArchiveError> {
        let mut write = database.begin_write().map_err(|error| self.trouble(error))?;
        write.set_durability(Durability::Immediate).map_err(|error| self.trouble(error))?;
        write.set_quick_repair(true);
        let mut tally = self.tally();
        let mut entries = Vec::new();
        let new = self.put_all(&write, &mut tally, &mut entries, rows)?;
        if new == 0 {
            write.abort().map_err(|error| self.trouble(error))?;
        } else {
            // Before the commit, so that whoever could see these messages is not told that they are not here.
            if let Knowledge::Open(Some(keys)) = &mut *self.knowledge_mut() {
                entries.into_iter().for_each(|entry| keys.add(entry));
            }
            write.commit().map_err(|error| self.trouble(error))?;
            *self.tally_mut() = tally;
        }
        Ok(new)
    }

    /// Puts what is new of `rows` into all tables.
    fn put_all(
        &self,
        write: &WriteTransaction,
        tally: &mut Tally,
        entries: &mut Vec<Asked>,
        rows: impl Iterator<Item = Result<Row, ArchiveError>>,
    ) -> Result<usize, ArchiveError> {
        let mut tables = Tables::open(write).map_err(|error| self.trouble(error))?;
        let mut new = 0;
        for row in rows {
            let row = row?;
            if tables.put(&row).map_err(|error| self.trouble(error))? {
                new += 1;
                tally.add(&row);
                entries.extend([Asked::hash(&hash_of(&row.key)), Asked::content(row.content.as_str())]);
            }
        }
        let count = || -> Result<(), redb::Error> {
            let mut counts = write.open_table(COUNTS)?;
            for (topic, count) in &tally.counts {
                counts.insert(topic, count)?;
            }
            write.open_table(WEIGHT)?.insert((), tally.weight)?;
            Ok(())
        };
        count().map_err(|error| self.trouble(error))?;
        Ok(new)
    }

    /// Closes it for writing and tells `record`, the catalog, what it is then. Who looks into it waits.
    pub(super) fn seal(
        self: &Arc<Self>,
        record: impl FnOnce(&Sealed) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        // Only this handle can close the file such that it needs no repair.
        drop(self.handle_for_writing()?);
        let mut handle = self.handle_alone();
        match handle.take() {
            Some(Handle::Write(database)) => {
                self.careful(|| database.close().map_err(|error| self.trouble(error)))?;
            }
            _ => return Err(trouble::damaged(&self.path(), "it is closed")),
        }
        let at = |error| trouble::of_io(&self.path(), error);
        let length = self.folder.length(&self.path()).map_err(at)?;
        let filter = match &*self.knowledge_mut() {
            Knowledge::Open(Some(keys)) => keys.filter(),
            _ => None,
        };
        if let Some(filter) = &filter {
            self.folder.write(&self.folder.filter(self.id), &filter.encode()).map_err(at)?;
        }
        // Whatever comes of the record, the file stays as it is until the record is read again.
        *self.knowledge_mut() = filter.map_or(Knowledge::Lost, Knowledge::Here);
        record(&Sealed { tally: self.tally(), length })
    }

    /// It is opened for writing from now on. The catalog says so already.
    pub(super) fn unsealed(&self) -> Result<(), ArchiveError> {
        *self.knowledge_mut() = Knowledge::Open(None);
        let filter = self.folder.filter(self.id);
        self.folder.remove(&filter).map_err(|error| trouble::of_io(&filter, error))?;
        *self.handle_alone() = None;
        Ok(())
    }

    /// Removes its files. Who looks into it goes on.
    pub(super) fn remove_files(&self) -> Result<(), ArchiveError> {
        self.folder.remove_all(self.id).map_err(|error| trouble::of_io(&self.path(), error))
    }

    /// Closes it if it is only read and nobody looks into it now. Tells whether it is closed.
    pub(super) fn close_if_idle(&self) -> bool {
        if self.looked_at.swap(false, Ordering::Relaxed) {
            return false;
        }
        match self.handle.try_write() {
            Ok(mut handle) => {
                handle.take_if(|handle| matches!(handle, Handle::Read { .. }));
                true
            }
            Err(_) => false,
        }
    }

    fn handle_for_reading(self: &Arc<Self>) -> Result<RwLockReadGuard<'_, Option<Handle>>, ArchiveError> {
        self.looked_at.store(true, Ordering::Relaxed);
        loop {
            let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
            if handle.is_some() {
                return Ok(handle);
            }
            drop(handle);
            let mut handle = self.handle_alone();
            if handle.is_some() {
                continue;
            }
            if self.is_sealed() {
                let path = self.path();
                let backend = self.folder.open_segment(self.id, &SEALED)?;
                let database = open_read_only(Arc::clone(&backend), &path, &SEALED)?;
                let database =
                    database.ok_or_else(|| trouble::damaged(&path, "it was sealed and is not closed"))?;
                let view = self.careful(|| self.view(&database))?.map(Box::new);
                *handle = Some(Handle::Read { view, backend });
                drop(handle);
                self.handles.opened(self);
            } else if let Err(error) = self.open_for_writing(&mut handle) {
                match error {
                    OpenError::DiskFull { .. } | OpenError::Unwritable { .. } => {
                        let backend = self.folder.open_segment(self.id, &OPEN)?;
                        *handle = Some(Handle::Stuck(open_in_memory(backend, &self.path(), &OPEN)?));
                    }
                    error => return Err(error.into()),
                }
            }
        }
    }

    fn handle_for_writing(&self) -> Result<RwLockReadGuard<'_, Option<Handle>>, ArchiveError> {
        loop {
            let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
            if matches!(*handle, Some(Handle::Write(_))) {
                return Ok(handle);
            }
            drop(handle);
            let mut handle = self.handle_alone();
            *handle = None;
            self.open_for_writing(&mut handle)?;
        }
    }

    fn open_for_writing(&self, handle: &mut Option<Handle>) -> Result<(), OpenError> {
        let path = self.path();
        let backend = self.folder.open_segment(self.id, &OPEN)?;
        let database = open_checked(backend, &path, &OPEN)?;
        let tally = read_tally(&database).map_err(|error| refusal(error, &path, &OPEN))?;
        *self.tally_mut() = tally;
        self.learn_keys(&database);
        *handle = Some(Handle::Write(database));
        Ok(())
    }

    /// Reads the keys of what is there: 10 milliseconds for a full segment. Where that fails, whoever looks for a
    /// message meets the same trouble and reports it.
    fn learn_keys(&self, database: &Database) {
        if matches!(*self.knowledge_mut(), Knowledge::Open(None)) {
            let keys = self.careful(|| self.view(database)?.as_ref().map(View::filter_keys).transpose());
            if let Ok(keys) = keys {
                *self.knowledge_mut() = Knowledge::Open(Some(keys.unwrap_or_default()));
            }
        }
    }

    fn handle_alone(&self) -> RwLockWriteGuard<'_, Option<Handle>> {
        self.handle.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self, error: impl Into<redb::Error>) -> ArchiveError {
        trouble::of_redb(&self.path(), error)
    }
}

fn read_tally(database: &Database) -> Result<Tally, redb::Error> {
    let read = database.begin_read()?;
    let Some(places) = existing(read.open_table(PLACES))? else { return Ok(Tally::default()) };
    let first = places.first()?.map(|(key, _)| *key.value());
    let last = places.last()?.map(|(key, _)| *key.value());
    let mut counts = Counts::new();
    for row in read.open_table(COUNTS)?.range::<u32>(..)? {
        let (topic, count) = row?;
        counts.insert(topic.value(), count.value());
    }
    let weight = read.open_table(WEIGHT)?.get(())?.map_or(0, |weight| weight.value());
    Ok(Tally { counts, weight, ends: first.zip(last) })
}
