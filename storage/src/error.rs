//! Why a store could not be opened, and why a call on it failed.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a store could not be opened. What it holds is as before the attempt; a file that is refused as
/// foreign, corrupt or too new has not been written to at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle of this one, has it open.
    #[error(
        "{path} is in use by another process; stop the other node, or give this one its own --data-dir \
         and keystore"
    )]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// The file was not made by weir, or is another kind of weir's stores.
    #[error("{path} is not weir's {store}; move it away or choose another path")]
    Foreign {
        /// The store's file.
        path: PathBuf,
        /// What was expected there.
        store: &'static str,
    },
    /// The file was ours and is damaged: cut short, altered, or the disk lost what it had confirmed.
    #[error("{path} is damaged ({detail}); {remedy}")]
    Corrupt {
        /// The store's file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
        /// What the operator can do, and what it costs.
        remedy: &'static str,
    },
    /// A newer weir wrote the file.
    #[error("{path} has format {found}, this weir reads up to {supported}; use the newer weir")]
    Schema {
        /// The store's file.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The newest format this build knows.
        supported: u32,
    },
    /// The file or its directory cannot be made or written.
    #[error("cannot write {path} ({source}); give the node's user write access to the directory")]
    Unwritable {
        /// The file or directory that was refused.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No room to make or repair the file.
    #[error("no space left on the disk of {path}; make room and start again")]
    DiskFull {
        /// The store's file.
        path: PathBuf,
    },
    /// The disk failed in another way.
    #[error("cannot open {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a call on an open store failed. Nothing of the call was stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room for the write. The store works again when there is.
    #[error("no space left on the disk of {path}; make room")]
    DiskFull {
        /// The store's file.
        path: PathBuf,
    },
    /// The quota of an epoch so old that its use is no longer on record. Usually the clock went back.
    #[error(
        "the quota of epoch {epoch} is no longer on record, nothing is granted before epoch {floor}; \
         check the system clock"
    )]
    EpochForgotten {
        /// The epoch asked for.
        epoch: u64,
        /// The first epoch that may still be granted.
        floor: u64,
    },
    /// The address of a peer is over [`crate::MAX_ADDRESS_LENGTH`] bytes.
    #[error("a peer address of {length} bytes is not stored; the limit is {limit}")]
    AddressTooLong {
        /// Bytes of the address.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The store failed before and could not be opened again.
    #[error(transparent)]
    Reopen(OpenError),
    /// The disk failed in another way.
    #[error("{path}: {source}")]
    Io {
        /// The store's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refused, which a sound file and disk do not cause.
    #[error("{path}: {detail}")]
    Database {
        /// The store's file.
        path: PathBuf,
        /// What redb said.
        detail: String,
    },
}

impl OpenError {
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory => Self::Unwritable { path, source },
            _ => Self::Io { path, source },
        }
    }
}

impl StoreError {
    pub(crate) fn from_redb(path: &Path, error: redb::Error) -> Self {
        let path = path.to_owned();
        match error {
            redb::Error::Io(source) => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
                _ => Self::Io { path, source },
            },
            other => Self::Database { path, detail: other.to_string() },
        }
    }

    pub(crate) fn from_open(error: OpenError) -> Self {
        match error {
            OpenError::DiskFull { path } => Self::DiskFull { path },
            other => Self::Reopen(other),
        }
    }
}
