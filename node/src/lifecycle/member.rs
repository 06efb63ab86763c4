//! The node's own membership: found in its keystore, or made at the first start.
//!
//! ```text
//!  keystore there ──> password (given, or the file beside it) ──> identity
//!  not there, may be made ──> random password ─> keystore ─> quota file ─> identity
//!  identity ──> registered? ── no, and made by the node itself ──> register
//! ```
//!
//! The identity is on disk before the registry hears of it: a crash in between leaves an identity
//! that the next start registers.

use std::{
    io,
    path::{Path, PathBuf},
};

use rand::rngs::OsRng;
use weir_actors::{Clock, node::MemberSettings};
use weir_core::Timestamp;
use weir_membership::{
    Ledger, LedgerError, RegistryError, RegistryFile,
    keystore::{Kdf, Keystore, KeystoreError, PasswordFileError, create_password_file, read_password_file},
};
use weir_rln::Identity;
use weir_storage::{OpenError, QuotaStore, StoreError};
use zeroize::Zeroizing;

use crate::{
    commands::rln::{quota_path, unregistered_credential},
    config::{CredentialSource, RlnConfig},
    folders,
};

/// Why the node's own membership cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The keystore cannot be read, or the password is wrong.
    #[error("--rln-relay-cred-path, --rln-relay-cred-password: {0}")]
    Keystore(#[from] KeystoreError),
    /// The keystore the operator named is not there.
    #[error(
        "--rln-relay-cred-path: there is no keystore at {path}; make one with weir rln keygen",
        path = .0.display()
    )]
    NoKeystore(PathBuf),
    /// The password of a keystore the node made itself is gone.
    #[error(
        "{source}; the keystore {keystore} needs its password: give it with --rln-relay-cred-password",
        keystore = keystore.display()
    )]
    Password {
        /// The keystore.
        keystore: PathBuf,
        /// What is wrong with the password file.
        source: PasswordFileError,
    },
    /// The quota file beside the keystore cannot be used; a second process with this keystore is the
    /// usual reason.
    #[error("--rln-relay-cred-path: {0}")]
    Quota(#[from] OpenError),
    /// The quota file cannot be written.
    #[error("the quota file beside the keystore: {0}")]
    QuotaStore(#[from] StoreError),
    /// The registry cannot be opened.
    #[error("--rln-relay-registry-path: {0}")]
    Registry(#[from] RegistryError),
    /// The registry refuses the node.
    #[error("--rln-relay-registry-path: {0}")]
    Ledger(#[from] LedgerError),
    /// A folder cannot be made.
    #[error("cannot make the folder of {path}: {source}", path = path.display())]
    Folder {
        /// The file whose folder it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Opens the membership, or makes it; none when the node shall only judge the messages of others.
pub(super) fn open(rln: &RlnConfig, clock: &Clock) -> Result<Option<MemberSettings>, MemberError> {
    let source = &rln.credential;
    make_folder_of(&rln.registry_path)?;
    let mut registry = RegistryFile::open(&rln.registry_path)?;
    if !source.path.exists() {
        if !source.auto_create {
            return Err(MemberError::NoKeystore(source.path.clone()));
        }
        if quota_path(&source.path).exists() {
            tracing::warn!(
                path = %source.path.display(),
                "the keystore is gone though its quota file is there; making a new identity, which counts as \
                 another member"
            );
        }
        create(source)?;
    }
    let identity = identity(source)?;
    if source.auto_create && registry.membership(&identity.commitment())?.is_none() {
        let membership = registry.register(identity.commitment(), rln.user_message_limit)?;
        tracing::info!(index = membership.index.get(), limit = membership.limit.get(), "registered");
    }
    let quota = quota(source, &identity, rln, clock.now())?;
    Ok(Some(MemberSettings { identity, quota }))
}

fn create(source: &CredentialSource) -> Result<(), MemberError> {
    make_folder_of(&source.path)?;
    let made;
    let (password, kdf) = match &source.password {
        Some(password) => (password.expose(), Kdf::Interactive),
        None => {
            let path = password_path(&source.path);
            made = match read_password_file(&path) {
                // Left by a start that was interrupted before it made the keystore.
                Ok(password) => password,
                Err(_) => create_password_file(&path, &mut OsRng).map_err(|error| MemberError::Password {
                    keystore: source.path.clone(),
                    source: error,
                })?,
            };
            (made.as_str(), Kdf::RandomPassword)
        }
    };
    let credential = unregistered_credential(Identity::generate(&mut OsRng));
    Keystore::create(&source.path, &credential, password, kdf, &mut OsRng)?;
    // No message id of a new identity has been used.
    QuotaStore::open(quota_path(&source.path))?
        .refuse_below(&credential.identity.commitment().to_bytes(), 0)?;
    Ok(())
}

fn identity(source: &CredentialSource) -> Result<Identity, MemberError> {
    let password = match &source.password {
        Some(password) => Zeroizing::new(password.expose().to_owned()),
        None => read_password_file(&password_path(&source.path))
            .map_err(|error| MemberError::Password { keystore: source.path.clone(), source: error })?,
    };
    Ok(Keystore::open(&source.path)?.credential(&password, None)?.identity)
}

/// The quota file beside the keystore. An identity that it does not know may have published elsewhere
/// in this epoch: it waits for the next one.
fn quota(
    source: &CredentialSource,
    identity: &Identity,
    rln: &RlnConfig,
    now: Timestamp,
) -> Result<QuotaStore, MemberError> {
    let quota = QuotaStore::open(quota_path(&source.path))?;
    let membership = identity.commitment().to_bytes();
    if !quota.knows(&membership)? {
        let next = rln.epoch_length.of(now).number().saturating_add(1);
        quota.refuse_below(&membership, next)?;
        tracing::warn!(
            epoch = next,
            "the quota file beside the keystore does not know this identity; publishing waits for the next \
             epoch, since message ids of this one may have been used elsewhere"
        );
    }
    Ok(quota)
}

fn password_path(keystore: &Path) -> PathBuf {
    keystore.with_extension("password")
}

fn make_folder_of(path: &Path) -> Result<(), MemberError> {
    folders::make_folder_of(path).map_err(|source| MemberError::Folder { path: path.to_owned(), source })
}
