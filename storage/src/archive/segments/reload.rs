//! From the catalog to the shelf: when an archive is opened, and after a change of the catalog failed.
//!
//! A commit that failed may be on the disk or not. So what is in memory is then brought to what the catalog
//! says before anything else is written, and no file is removed before that.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Segments,
    catalog::{Edit, Entry},
    segment::Segment,
    shelf::Slot,
    write::Writer,
};
use crate::{OpenError, StoreError, archive::ArchiveError};

impl Segments {
    /// Sees to it that memory agrees with the catalog before anything else is written.
    pub(super) fn ensure_certain(&self, writer: &mut Writer) -> Result<(), ArchiveError> {
        if !writer.certain {
            self.reload(writer)?;
        }
        Ok(())
    }

    /// Makes the shelf what the catalog says, and removes the files of segments it does not name.
    pub(super) fn reload(&self, writer: &mut Writer) -> Result<(), OpenError> {
        let failed = |error| match error {
            StoreError::Reopen(error) => error,
            StoreError::DiskFull { path } => OpenError::DiskFull { path },
            error => OpenError::from_io(&self.folder.segment(0), std::io::Error::other(error)),
        };
        let entries = writer.catalog.entries().map_err(failed)?;
        let shelf = self.shelf();
        let mut known: BTreeMap<u32, Arc<Segment>> =
            shelf.slots.iter().map(|slot| (slot.segment.id, Arc::clone(&slot.segment))).collect();
        let files = self.folder.list().map_err(|error| OpenError::from_io(&self.folder.segment(0), error))?;
        for id in files.keys().filter(|id| !entries.contains_key(id)) {
            let removed = self.folder.remove_all(*id);
            removed.map_err(|error| OpenError::from_io(&self.folder.segment(*id), error))?;
        }
        writer.next = files.keys().chain(entries.keys()).max().map_or(0, |last| last + 1).max(writer.next);
        writer.open.clear();
        let mut slots = Vec::with_capacity(entries.len());
        for (id, Entry { start, dropped, sealed }) in entries {
            if sealed.is_none() {
                writer.open.push(id);
            }
            let segment = match known.remove(&id) {
                Some(segment) => {
                    match (sealed.is_some(), segment.is_sealed()) {
                        (true, false) => {
                            writer.catalog.apply(&[Edit::Unseal(id)]).map_err(failed)?;
                            writer.open.push(id);
                        }
                        (false, true) => segment.unsealed().map_err(|error| {
                            OpenError::from_io(&segment.path(), std::io::Error::other(error))
                        })?,
                        _ => {}
                    }
                    segment
                }
                None => Arc::new(Segment::open(id, &self.folder, &self.handles, sealed)?),
            };
            slots.push(Slot { start, dropped, segment });
        }
        self.set_shelf(slots);
        writer.certain = true;
        Ok(())
    }
}
