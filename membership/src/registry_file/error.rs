//! What can be wrong with a registry file, always with its name and, for content, the place.

use std::{io, path::PathBuf};

/// Why a registry file cannot be used. The file is left as it is in every case.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The operating system refused.
    #[error("cannot {action} registry {}: {source}", path.display())]
    Io {
        /// The registry.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is something else; it is never overwritten.
    #[error("{} is not a weir registry; name another file or move this one away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a later weir.
    #[error("registry {} has format version {found}, this node knows only 1; update the node", path.display())]
    UnsupportedVersion {
        /// The registry.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// Bytes that no writer leaves behind, not even one that was cut off.
    #[error(
        "registry {} is corrupt at byte {offset}: {reason}; restore it from a copy or from a node that shares it",
        path.display()
    )]
    Corrupt {
        /// The registry.
        path: PathBuf,
        /// Where the damaged header or record begins.
        offset: u64,
        /// What is wrong there.
        reason: CorruptReason,
    },
    /// The file lost records this process has read.
    #[error("registry {} shrank from {known} to {found} bytes; it may only grow", path.display())]
    Shrunk {
        /// The registry.
        path: PathBuf,
        /// Bytes that were read and checked.
        known: u64,
        /// Bytes there are now.
        found: u64,
    },
    /// Another file was put in its place.
    #[error("registry {} was replaced by another file; restart the node to use that one", path.display())]
    Replaced {
        /// The registry.
        path: PathBuf,
    },
    /// The file was removed or renamed.
    #[error("registry {} is gone; put it back and restart the node", path.display())]
    Missing {
        /// The registry.
        path: PathBuf,
    },
}

/// What is wrong with a header or a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptReason {
    /// The file ends within the header, which is never written in parts.
    #[error("the header is cut short")]
    HeaderCutShort,
    /// The checksum is not that of the bytes, or of another predecessor.
    #[error("the checksum does not match")]
    Checksum,
    /// Bytes that must be zero are not.
    #[error("reserved bytes are not zero")]
    ReservedBytes,
    /// The header's bounds are not the rules of a ledger.
    #[error("the rules in the header are out of range")]
    Rules,
    /// A record of a kind there is not.
    #[error("there is no record of kind {0}")]
    UnknownKind(u8),
    /// The commitment is not a reduced field element.
    #[error("the commitment is not a field element")]
    CommitmentNotCanonical,
    /// A registration or erasure that the records before do not allow.
    #[error("the record breaks the rules of registration")]
    AgainstRules,
}
