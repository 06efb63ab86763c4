//! Errors of files as errors of the archive.

use std::{io::ErrorKind, path::Path};

use crate::{OpenError, StoreError, archive::ArchiveError};

pub(super) fn of_redb(path: &Path, error: impl Into<redb::Error>) -> ArchiveError {
    StoreError::from_redb(path, error.into()).into()
}

pub(super) fn of_io(path: &Path, error: std::io::Error) -> ArchiveError {
    of_redb(path, redb::Error::Io(error))
}

pub(super) fn damaged(path: &Path, what: &str) -> ArchiveError {
    ArchiveError::Damaged(format!("{}: {what}", path.display()))
}

impl From<StoreError> for ArchiveError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Reopen(error) => error.into(),
            StoreError::DiskFull { .. } => Self::Full(error.to_string()),
            StoreError::Io { ref source, .. }
                if !matches!(source.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) =>
            {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Damaged(error.to_string()),
        }
    }
}

impl From<OpenError> for ArchiveError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::DiskFull { .. } => Self::Full(error.to_string()),
            OpenError::Foreign { .. } | OpenError::Corrupt { .. } | OpenError::Schema { .. } => {
                Self::Damaged(error.to_string())
            }
            OpenError::InUse { .. } | OpenError::Unwritable { .. } | OpenError::Io { .. } => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}
