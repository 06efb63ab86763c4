//! What can be wrong with a keystore.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{CredentialError, KeyfileError};

/// Why a keystore was not read or written. A file that cannot be used is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// There is no such file.
    #[error("there is no keystore {}{}", path.display(), backup_hint(backup.as_deref()))]
    Missing {
        /// The keystore.
        path: PathBuf,
        /// A copy that an interrupted nwaku left.
        backup: Option<PathBuf>,
    },
    /// A new keystore would replace a file.
    #[error("{} exists; a new keystore never replaces a file", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} keystore {}: {source}", path.display())]
    Io {
        /// The keystore.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// No keystore is that large.
    #[error("{} has more than {max} bytes; it is no keystore", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that are read at most.
        max: u64,
    },
    /// Not the JSON of a keystore: another file, or a damaged one.
    #[error("{} is not a keystore, or is damaged: {source}", path.display())]
    NotKeystore {
        /// The file.
        path: PathBuf,
        /// Where the JSON breaks off.
        source: serde_json::Error,
    },
    /// A keystore of another application or version.
    #[error("keystore {} has {field} `{found}`, not `{expected}`", path.display())]
    Foreign {
        /// The keystore.
        path: PathBuf,
        /// The field that differs.
        field: &'static str,
        /// What it has to be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A keystore without entries.
    #[error("keystore {} holds no credential", path.display())]
    Empty {
        /// The keystore.
        path: PathBuf,
    },
    /// Several entries, and none was named.
    #[error("keystore {} holds {count} credentials; say which by contract and index", path.display())]
    Several {
        /// The keystore.
        path: PathBuf,
        /// Entries it has.
        count: usize,
    },
    /// Several entries, and none is the one that was named.
    #[error("none of the {count} credentials in keystore {} is for that contract and index ({key})", path.display())]
    NotAmong {
        /// The keystore.
        path: PathBuf,
        /// Entries it has.
        count: usize,
        /// The key that was looked for.
        key: String,
    },
    /// The keystore has an entry for this contract and index.
    #[error("keystore {} holds a credential for this contract and index already ({key})", path.display())]
    AlreadyPresent {
        /// The keystore.
        path: PathBuf,
        /// The entry's key.
        key: String,
    },
    /// The password is not the entry's; for an entry that nwaku wrote, perhaps its ciphertext is
    /// damaged.
    #[error("the password does not open keystore {}", path.display())]
    WrongPassword {
        /// The keystore.
        path: PathBuf,
    },
    /// The entry is damaged or of a kind that is not read.
    #[error("entry {key} of keystore {} cannot be read: {source}", path.display())]
    Entry {
        /// The keystore.
        path: PathBuf,
        /// The entry's key.
        key: String,
        /// What is wrong with it.
        source: KeyfileError,
    },
    /// The entry was decrypted but holds no usable credential.
    #[error("entry {key} of keystore {} was decrypted, but {source}", path.display())]
    Credential {
        /// The keystore.
        path: PathBuf,
        /// The entry's key.
        key: String,
        /// What is wrong with it.
        source: CredentialError,
    },
}

impl KeystoreError {
    pub(super) fn missing(path: &Path, backup: PathBuf) -> Self {
        Self::Missing { path: path.to_owned(), backup: backup.exists().then_some(backup) }
    }
}

fn backup_hint(backup: Option<&Path>) -> String {
    backup.map_or_else(String::new, |backup| {
        format!("; an interrupted write left {}, rename it to restore the keystore", backup.display())
    })
}
