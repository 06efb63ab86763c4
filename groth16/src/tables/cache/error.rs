//! Why tables were not taken from a file, and where they came from instead.

use std::io;

use thiserror::Error;

/// Why a file gives no tables. None of them is the fault of a peer; each leads to a new file.
#[derive(Debug, Error)]
pub enum CacheMiss {
    /// There is no file yet.
    #[error("there is no table cache yet")]
    Absent,
    /// The path names a directory, a device or the like.
    #[error("the table cache is no regular file")]
    NotAFile,
    /// The file cannot be read.
    #[error("the table cache cannot be read")]
    Unreadable(#[source] io::Error),
    /// The file was cut off, grew, or has tables of another key.
    #[error("the table cache has {found} bytes where {expected} were expected")]
    Length {
        /// How long the file has to be.
        expected: u64,
        /// How long it is.
        found: u64,
    },
    /// It begins like some other file.
    #[error("the file is no table cache")]
    Magic,
    /// Another version of this program wrote it.
    #[error("the table cache has another version")]
    Version,
    /// Its rows are for another kind of backend.
    #[error("the table cache is for another backend")]
    Backend,
    /// Its tables are for another key.
    #[error("the table cache is for another key")]
    ForeignKey,
    /// Its tables have other shapes than the key asks for.
    #[error("the table cache has tables of other shapes")]
    Shapes,
    /// Some byte of it is not what was written.
    #[error("the table cache is damaged")]
    Checksum,
}

impl CacheMiss {
    pub(super) fn from_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Absent,
            _ => Self::Unreadable(error),
        }
    }
}

/// Where tables came from.
#[derive(Debug)]
pub enum TableOrigin {
    /// From the file.
    Cache,
    /// They were calculated.
    Built {
        /// Why the file did not do.
        miss: CacheMiss,
        /// Why the new file could not be written, if so. They will be calculated again next time.
        write_error: Option<io::Error>,
    },
}
