//! Which segments there are: one small file that changes in one commit.
//!
//! | table | key | value |
//! |---|---|---|
//! | `starts` | segment | where its range begins |
//! | `dropped` | segment, pubsub topic | messages of it below that |
//! | `sealed` | segment | first place, last place, weight, bytes of its file |
//! | `counts` | sealed segment, pubsub topic | messages |
//!
//! A range ends where the next one begins; the last has no end. What is below the first belongs to no segment.
//! A segment that is not in `sealed` may have been written to since the catalog was, and tells its counts
//! itself.

use std::collections::BTreeMap;

use redb::{Table as OpenTable, WriteTransaction};

use super::format::{Counts, Key, Row, Table};
use crate::{
    StoreError,
    engine::{Change, Engine, existing},
    schema::Kind,
};

const STARTS: Table<u32, &Key> = Table::new("starts");
const DROPPED: Table<(u32, u32), u64> = Table::new("dropped");
const SEALED: Table<u32, (&Key, &Key, u64, u64)> = Table::new("sealed");
const COUNTS: Table<(u32, u32), u64> = Table::new("counts");

pub(super) static KIND: Kind = Kind {
    name: "catalog of an archive",
    application: "weir-archive-catalog",
    migrations: &[],
    remedy: "restore the archive's folder from a backup, or move it away to begin with an empty archive",
    // 4,000 segments, 250 GB, take 1 MB here.
    cache: 2 << 20,
    verified: true,
    scattered: false,
};

#[derive(Debug)]
pub(super) struct Catalog(Engine);

/// A segment as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) start: Key,
    pub(super) dropped: Counts,
    pub(super) sealed: Option<Sealed>,
}

/// What is known of a segment that is not written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) tally: Tally,
    /// Bytes of its file.
    pub(super) length: u64,
}

/// What a segment's file has, dropped messages among it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    /// See [`super::format::Row::weight`].
    pub(super) weight: u64,
    /// The first and the last place; none when it is empty.
    pub(super) ends: Option<(Key, Key)>,
}

impl Tally {
    pub(super) fn add(&mut self, row: &Row) {
        *self.counts.entry(row.topic).or_default() += 1;
        self.weight += row.weight();
        let (first, last) = self.ends.unwrap_or((row.key, row.key));
        self.ends = Some((first.min(row.key), last.max(row.key)));
    }
}

/// A change of one segment.
#[derive(Debug)]
pub(super) enum Edit<'a> {
    /// Begins its range here; makes it if it was not there.
    Start(u32, Key),
    /// Counts its dropped messages.
    Dropped(u32, &'a Counts),
    /// It is not written to any more.
    Seal(u32, &'a Sealed),
    /// It will be written to.
    Unseal(u32),
    /// It is gone.
    Remove(u32),
}

impl Catalog {
    pub(super) const fn new(engine: Engine) -> Self {
        Self(engine)
    }

    /// All segments by number.
    pub(super) fn entries(&self) -> Result<BTreeMap<u32, Entry>, StoreError> {
        self.0.read(|read| {
            let mut entries = BTreeMap::new();
            if let Some(starts) = existing(read.open_table(STARTS))? {
                for row in starts.range::<u32>(..)? {
                    let (id, start) = row?;
                    let entry = Entry { start: *start.value(), dropped: Counts::new(), sealed: None };
                    entries.insert(id.value(), entry);
                }
            }
            if let Some(dropped) = existing(read.open_table(DROPPED))? {
                for row in dropped.range::<(u32, u32)>(..)? {
                    let (key, count) = row?;
                    let (id, topic) = key.value();
                    if let Some(entry) = entries.get_mut(&id) {
                        entry.dropped.insert(topic, count.value());
                    }
                }
            }
            if let Some(sealed) = existing(read.open_table(SEALED))? {
                for row in sealed.range::<u32>(..)? {
                    let (id, value) = row?;
                    let (first, last, weight, length) = value.value();
                    let tally = Tally { counts: Counts::new(), weight, ends: Some((*first, *last)) };
                    if let Some(entry) = entries.get_mut(&id.value()) {
                        entry.sealed = Some(Sealed { tally, length });
                    }
                }
            }
            if let Some(counts) = existing(read.open_table(COUNTS))? {
                for row in counts.range::<(u32, u32)>(..)? {
                    let (key, count) = row?;
                    let (id, topic) = key.value();
                    if let Some(sealed) = entries.get_mut(&id).and_then(|entry| entry.sealed.as_mut()) {
                        sealed.tally.counts.insert(topic, count.value());
                    }
                }
            }
            Ok(entries)
        })
    }

    /// Makes all `edits` at once.
    pub(super) fn apply(&self, edits: &[Edit<'_>]) -> Result<(), StoreError> {
        self.0.write(|write| {
            for edit in edits {
                edit.apply(write)?;
            }
            Ok(Change::Commit(()))
        })
    }
}

impl Edit<'_> {
    fn apply(&self, write: &WriteTransaction) -> Result<(), redb::Error> {
        match *self {
            Self::Start(id, start) => {
                write.open_table(STARTS)?.insert(id, &start)?;
            }
            Self::Dropped(id, counts) => replace(&mut write.open_table(DROPPED)?, id, counts)?,
            Self::Seal(id, Sealed { tally, length }) => {
                if let Some((first, last)) = &tally.ends {
                    write.open_table(SEALED)?.insert(id, (first, last, tally.weight, *length))?;
                    replace(&mut write.open_table(COUNTS)?, id, &tally.counts)?;
                }
            }
            Self::Unseal(id) => {
                write.open_table(SEALED)?.remove(id)?;
                replace(&mut write.open_table(COUNTS)?, id, &Counts::new())?;
            }
            Self::Remove(id) => {
                write.open_table(STARTS)?.remove(id)?;
                replace(&mut write.open_table(DROPPED)?, id, &Counts::new())?;
                Self::Unseal(id).apply(write)?;
            }
        }
        Ok(())
    }
}

/// Makes `counts` those of segment `id`.
fn replace(table: &mut OpenTable<'_, (u32, u32), u64>, id: u32, counts: &Counts) -> Result<(), redb::Error> {
    table.retain_in((id, 0)..=(id, u32::MAX), |_, _| false)?;
    for (topic, count) in counts {
        table.insert((id, *topic), *count)?;
    }
    Ok(())
}
