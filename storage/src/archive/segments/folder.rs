//! The files of an archive: which there are, and how they are made and removed.
//!
//! ```text
//! catalog.redb        which segments there are; its lock is the archive's
//! 00000007.segment    messages of one range
//! 00000007.filter     what that segment certainly does not have, once it is sealed
//! ```
//!
//! Files with other names are left alone.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::StorageBackend;

use super::{catalog, format};
use crate::{
    OpenError,
    engine::Engine,
    file::{self, sync_directory, with_suffix},
    schema::Kind,
};

pub(super) const CATALOG: &str = "catalog.redb";
const SEGMENT: &str = "segment";
const FILTER: &str = "filter";
/// What a file is called until it is complete.
const UNFINISHED: &str = ".new";

/// Where the files are.
#[derive(Debug)]
pub(super) enum Folder {
    Disk(PathBuf),
    #[cfg(test)]
    Faulty(super::tests::disks::Disks),
}

/// Files that an archive has for one segment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) segment: bool,
    pub(super) filter: bool,
}

impl Folder {
    /// The catalog, made if there is none. Segments without one are not taken for an empty archive.
    pub(super) fn open_catalog(&self) -> Result<Engine, OpenError> {
        match self {
            Self::Disk(folder) => {
                let path = folder.join(CATALOG);
                let known = path.try_exists().map_err(|error| OpenError::from_io(&path, error))?;
                let files = self.list().map_err(|error| OpenError::from_io(folder, error))?;
                if !known && files.values().any(|files| files.segment) {
                    return Err(missing(path));
                }
                Engine::open(&path, &catalog::KIND)
            }
            #[cfg(test)]
            Self::Faulty(disks) => {
                let disk = disks.disk(CATALOG);
                Engine::open_with_backend(move || disk.backend(), &catalog::KIND)
            }
        }
    }

    pub(super) fn segment(&self, id: u32) -> PathBuf {
        self.path(id, SEGMENT)
    }

    pub(super) fn filter(&self, id: u32) -> PathBuf {
        self.path(id, FILTER)
    }

    fn path(&self, id: u32, extension: &str) -> PathBuf {
        let name = format!("{id:08}.{extension}");
        match self {
            Self::Disk(folder) => folder.join(name),
            #[cfg(test)]
            Self::Faulty(_) => name.into(),
        }
    }

    /// Makes an empty segment.
    pub(super) fn create_segment(&self, id: u32) -> Result<(), OpenError> {
        let path = self.segment(id);
        match self {
            Self::Disk(_) => file::create_if_absent(&path, &format::OPEN),
            #[cfg(test)]
            Self::Faulty(disks) => disks.create(&path, &format::OPEN),
        }
    }

    /// The file of a segment, which has to be there.
    pub(super) fn open_segment(&self, id: u32, kind: &Kind) -> Result<Arc<dyn StorageBackend>, OpenError> {
        let path = self.segment(id);
        match self {
            Self::Disk(_) => match file::open_existing(&path, kind) {
                Ok(backend) => Ok(Arc::new(backend)),
                Err(OpenError::Io { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                    Err(missing(path))
                }
                Err(error) => Err(error),
            },
            #[cfg(test)]
            Self::Faulty(disks) => disks.open(&path).ok_or_else(|| missing(path)),
        }
    }

    /// Segments with files here, by number.
    pub(super) fn list(&self) -> io::Result<BTreeMap<u32, Files>> {
        let mut found = BTreeMap::<u32, Files>::new();
        for name in self.names()? {
            // What was never finished counts as a file of its segment: it is removed with it.
            let name = name.strip_suffix(UNFINISHED).unwrap_or(&name);
            let Some((id, extension)) = name.split_once('.') else { continue };
            let Some(id) = Some(id).filter(|id| id.len() == 8).and_then(|id| id.parse().ok()) else {
                continue;
            };
            match extension {
                SEGMENT => found.entry(id).or_default().segment = true,
                FILTER => found.entry(id).or_default().filter = true,
                _ => {}
            }
        }
        Ok(found)
    }

    /// Removes all files of a segment, which need not be there.
    pub(super) fn remove_all(&self, id: u32) -> io::Result<()> {
        for path in [self.segment(id), self.filter(id)] {
            self.remove(&path)?;
            self.remove(&with_suffix(&path, UNFINISHED))?;
        }
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        match self {
            Self::Disk(folder) => {
                let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
                Ok(names.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
            }
            #[cfg(test)]
            Self::Faulty(disks) => Ok(disks.names()),
        }
    }

    /// Removes a file, which need not be there.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Disk(_) => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            #[cfg(test)]
            Self::Faulty(disks) => {
                disks.remove(path);
                Ok(())
            }
        }
    }

    /// Bytes of a file.
    pub(super) fn length(&self, path: &Path) -> io::Result<u64> {
        match self {
            Self::Disk(_) => Ok(fs::metadata(path)?.len()),
            #[cfg(test)]
            Self::Faulty(disks) => disks.length(path),
        }
    }

    /// Bytes that a file takes on the disk. A file that is written to is longer: redb doubles it when it is
    /// full, and what was never written takes no space.
    pub(super) fn space(&self, path: &Path) -> io::Result<u64> {
        /// What `st_blocks` counts in, whatever the file system's blocks are.
        const BLOCK: u64 = 512;
        match self {
            Self::Disk(_) => Ok(fs::metadata(path)?.blocks() * BLOCK),
            #[cfg(test)]
            Self::Faulty(disks) => disks.length(path),
        }
    }

    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk(_) => fs::read(path),
            #[cfg(test)]
            Self::Faulty(disks) => disks.read(path),
        }
    }

    /// Puts a whole file in place.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Disk(folder) => {
                let new = with_suffix(path, UNFINISHED);
                file::write_new(&new, bytes)?;
                fs::rename(&new, path)?;
                sync_directory(folder)
            }
            #[cfg(test)]
            Self::Faulty(disks) => disks.write(path, bytes),
        }
    }
}

pub(super) fn damaged(path: PathBuf, detail: &str) -> OpenError {
    OpenError::Corrupt { path, detail: detail.to_owned(), remedy: format::OPEN.remedy }
}

fn missing(path: PathBuf) -> OpenError {
    damaged(path, "it is not there")
}
