//! A ledger in one local file, which several nodes on one machine may share.
//!
//! The file is append-only: a header, then one 64-byte record a registration or erasure, each
//! synced before the call returns. The layout is in `registry_file/format.rs` and, with its reasons,
//! in `docs/registry-format.md`. Writers hold the file's lock (`flock` on Unix) for one append;
//! readers take no lock and ignore a last record that is not whole.
//!
//! # Invariants
//! Records are never changed. Only an unfinished last record is ever cut off, by the next writer
//! under the lock. Whatever else is wrong with the file is an error that names file and offset,
//! and leaves every byte as it is: [`RegistryError`].
//!
//! # Security
//! The file holds no secrets, and whoever may write it decides who may publish. The checksums find
//! damage, not malice.

use std::{fmt, io::ErrorKind, path::Path};

use rand::{RngCore, rngs::OsRng};
use weir_rln::{IdentityCommitment, UserMessageLimit};

use crate::{
    durable::{Access, Staged},
    ledger::{Change, Contract, Ledger, LedgerError, LedgerEvent, Membership, MembershipTable, Rules},
};

mod error;
mod format;
mod log;

pub use error::{CorruptReason, RegistryError};
use format::Header;
use log::{Log, io_error};

/// A membership registry in a file.
pub struct RegistryFile {
    log: Log,
    unpolled: Vec<LedgerEvent>,
}

impl RegistryFile {
    /// Opens the registry at `path` and reads all of it, or makes one with default [`Rules`].
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        Self::open_with_rules(path, Rules::default())
    }

    /// As [`RegistryFile::open`]; a registry that has to be made gets `rules`, one that exists
    /// keeps its own.
    pub fn open_with_rules(path: &Path, rules: Rules) -> Result<Self, RegistryError> {
        let log = match Log::open(path) {
            Err(RegistryError::Missing { .. }) => {
                create(path, rules)?;
                Log::open(path)?
            }
            result => result?,
        };
        let mut registry = Self { log, unpolled: Vec::new() };
        registry.catch_up()?;
        Ok(registry)
    }

    fn catch_up(&mut self) -> Result<(), RegistryError> {
        let unpolled = &mut self.unpolled;
        self.log.catch_up(|change| unpolled.push(change.event()))
    }

    /// Decides on the newest state and appends, all under the writers' lock.
    fn append(
        &mut self,
        decide: impl FnOnce(&MembershipTable) -> Result<Change, LedgerError>,
    ) -> Result<Membership, LedgerError> {
        let mut writer = self.log.lock()?;
        let unpolled = &mut self.unpolled;
        self.log.catch_up_locked(&writer, |change| unpolled.push(change.event()))?;
        let change = decide(self.log.table())?;
        self.log.append(&mut writer, change)?;
        self.unpolled.push(change.event());
        Ok(change.membership())
    }
}

impl Ledger for RegistryFile {
    /// Chain id `0` and, as the address, the 20 random bytes the registry got when it was made.
    fn contract(&self) -> Contract {
        Contract::local(&self.log.header().id)
    }

    fn rules(&self) -> Rules {
        self.log.header().rules
    }

    fn register(
        &mut self,
        commitment: IdentityCommitment,
        limit: UserMessageLimit,
    ) -> Result<Membership, LedgerError> {
        self.append(|table| table.admit(commitment, limit))
    }

    fn membership(&mut self, commitment: &IdentityCommitment) -> Result<Option<Membership>, LedgerError> {
        self.catch_up()?;
        Ok(self.log.table().membership(commitment))
    }

    fn memberships(&mut self) -> Result<Vec<Membership>, LedgerError> {
        self.catch_up()?;
        Ok(self.log.table().memberships().to_vec())
    }

    fn erase(&mut self, commitment: &IdentityCommitment) -> Result<Membership, LedgerError> {
        self.append(|table| table.dismiss(commitment))
    }

    fn poll(&mut self) -> Result<Vec<LedgerEvent>, LedgerError> {
        self.catch_up()?;
        Ok(std::mem::take(&mut self.unpolled))
    }
}

impl fmt::Debug for RegistryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryFile")
            .field("path", &self.log.path())
            .field("header", self.log.header())
            .field("memberships", &self.log.table().memberships().len())
            .finish()
    }
}

/// Makes an empty registry, unless another process makes one at the same moment: then that one is
/// as good.
fn create(path: &Path, rules: Rules) -> Result<(), RegistryError> {
    let mut id = [0; 20];
    OsRng.fill_bytes(&mut id);
    let created = Staged::write(path, &Header { id, rules }.to_bytes(), Access::Default)
        .and_then(|staged| staged.publish_new(path));
    match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result.map_err(io_error(path, "create")),
    }
}
