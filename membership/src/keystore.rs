//! A member's identity on disk, in the keystore format nwaku and js-waku share.
//!
//! One JSON line that names the application and holds entries, each encrypted under a password of
//! its own ([`Keystore`]). What nwaku writes is read, what weir writes nwaku reads. A new file
//! appears whole or not at all; a changed one keeps its old content as `.bkp` until the new one is
//! safe.
//!
//! # Security
//! The file may come from elsewhere: its size and the cost of its key derivation are bounded before
//! anything is computed. Secrets are erased from memory when dropped and printed by nothing here.
//!
//! Spec: 72/WAKU-RLN-KEYSTORE as nwaku has it. Deviation: the `id` of an entry, empty in nwaku and
//! read by nobody, holds a checksum; by it damage and a wrong password are told apart.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_rln::MembershipIndex;

use crate::{
    Contract,
    durable::{Access, Staged, sync_directory_of},
};

mod credential;
mod error;
mod kdf;
mod keyfile;
mod password_file;
mod scrypt;

pub use credential::{Credential, CredentialError, credential_key};
pub use error::KeystoreError;
pub use kdf::Kdf;
use keyfile::Keyfile;
pub use keyfile::KeyfileError;
pub use password_file::{PasswordFileError, create_password_file, read_password_file};

const APPLICATION: &str = "waku-rln-relay";
const APP_IDENTIFIER: &str = "01234567890abcdef";
const VERSION: &str = "0.2";

/// Largest keystore that is read: an entry has about 2.5 KiB, so some 400 of them.
const MAX_FILE_SIZE: u64 = 1 << 20;

/// A keystore file that was read; its entries are decrypted one by one, on request.
///
/// One process writes a keystore. Two that add entries at the same moment can lose one of them.
#[derive(Debug)]
pub struct Keystore {
    path: PathBuf,
    document: Document,
}

/// The file, fields in nwaku's order. Entries stay as they are, so that adding one changes no other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    application: String,
    app_identifier: String,
    version: String,
    credentials: BTreeMap<String, Value>,
}

impl Keystore {
    /// Makes a keystore with one entry, readable by its owner alone. An existing file is refused.
    ///
    /// Deriving the key takes up to a second with [`Kdf::Interactive`].
    pub fn create(
        path: &Path,
        credential: &Credential,
        password: &str,
        kdf: Kdf,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Self, KeystoreError> {
        if path.exists() {
            return Err(KeystoreError::AlreadyExists { path: path.to_owned() });
        }
        let mut keystore = Self { path: path.to_owned(), document: Document::empty() };
        keystore.document.insert(credential, password, kdf, rng);
        Staged::write(path, &keystore.document.to_bytes(), Access::Owner)
            .and_then(|staged| staged.publish_new(path))
            .map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => KeystoreError::AlreadyExists { path: path.to_owned() },
                _ => keystore.io_error("create")(error),
            })?;
        Ok(keystore)
    }

    /// Reads a keystore; nothing is decrypted yet.
    pub fn open(path: &Path) -> Result<Self, KeystoreError> {
        Ok(Self { path: path.to_owned(), document: Document::read(path)? })
    }

    /// Adds an entry under its own password, keeping the file's others.
    pub fn add(
        &mut self,
        credential: &Credential,
        password: &str,
        kdf: Kdf,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(), KeystoreError> {
        // What is on disk counts, not what was there when this was opened.
        let mut document = Document::read(&self.path)?;
        let key = credential.key();
        if document.credentials.contains_key(&key) {
            return Err(KeystoreError::AlreadyPresent { path: self.path.clone(), key });
        }
        document.insert(credential, password, kdf, rng);
        self.replace_file(&document.to_bytes()).map_err(self.io_error("write"))?;
        self.document = document;
        Ok(())
    }

    /// Decrypts a credential. A keystore with one entry gives that one whatever is wanted, as nwaku
    /// does; one with several needs to be told which.
    ///
    /// Takes as long as the entry's key derivation asks for, at most some ten seconds.
    pub fn credential(
        &self,
        password: &str,
        wanted: Option<(&Contract, MembershipIndex)>,
    ) -> Result<Credential, KeystoreError> {
        let (key, entry) = self.find(wanted)?;
        let (path, key) = (self.path.clone(), key.to_owned());
        match Keyfile::from_json(entry).and_then(|keyfile| keyfile.decrypt(password)) {
            Ok(plaintext) => Credential::from_plaintext(&plaintext)
                .map_err(|source| KeystoreError::Credential { path, key, source }),
            Err(KeyfileError::WrongPassword) => Err(KeystoreError::WrongPassword { path }),
            Err(source) => Err(KeystoreError::Entry { path, key, source }),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.document.credentials.len()
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.document.credentials.is_empty()
    }

    fn find(&self, wanted: Option<(&Contract, MembershipIndex)>) -> Result<(&String, &Value), KeystoreError> {
        let credentials = &self.document.credentials;
        let path = || self.path.clone();
        match (credentials.len(), wanted) {
            (0, _) => Err(KeystoreError::Empty { path: path() }),
            (1, _) => credentials.iter().next().ok_or_else(|| KeystoreError::Empty { path: path() }),
            (count, None) => Err(KeystoreError::Several { path: path(), count }),
            (count, Some((contract, index))) => {
                let key = credential_key(contract, index);
                let found = credentials.get_key_value(&key);
                found.ok_or_else(|| KeystoreError::NotAmong { path: path(), count, key })
            }
        }
    }

    /// Puts new content in place of the old. The old stays as `.bkp` until the new is safe.
    fn replace_file(&self, bytes: &[u8]) -> io::Result<()> {
        let staged = Staged::write(&self.path, bytes, Access::Owner)?;
        let backup = backup_path(&self.path);
        remove_if_there(&backup)?;
        fs::hard_link(&self.path, &backup)?;
        staged.replace(&self.path)?;
        remove_if_there(&backup)?;
        sync_directory_of(&self.path)
    }

    fn io_error(&self, action: &'static str) -> impl Fn(io::Error) -> KeystoreError + use<> {
        let path = self.path.clone();
        move |source| KeystoreError::Io { path: path.clone(), action, source }
    }
}

impl Document {
    fn empty() -> Self {
        Self {
            application: APPLICATION.to_owned(),
            app_identifier: APP_IDENTIFIER.to_owned(),
            version: VERSION.to_owned(),
            credentials: BTreeMap::new(),
        }
    }

    fn read(path: &Path) -> Result<Self, KeystoreError> {
        let io_error = |source| KeystoreError::Io { path: path.to_owned(), action: "read", source };
        let file = File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => KeystoreError::missing(path, backup_path(path)),
            _ => io_error(error),
        })?;
        let mut text = Vec::new();
        file.take(MAX_FILE_SIZE + 1).read_to_end(&mut text).map_err(io_error)?;
        if text.len() as u64 > MAX_FILE_SIZE {
            return Err(KeystoreError::TooLarge { path: path.to_owned(), max: MAX_FILE_SIZE });
        }
        // As nwaku does; it makes a wrapped or indented file one line.
        text.retain(|byte| !matches!(byte, b' ' | b'\n'));
        let document: Self = serde_json::from_slice(&text)
            .map_err(|source| KeystoreError::NotKeystore { path: path.to_owned(), source })?;
        document.check_application(path)?;
        Ok(document)
    }

    fn check_application(&self, path: &Path) -> Result<(), KeystoreError> {
        let fields = [
            ("application", &self.application, APPLICATION),
            ("appIdentifier", &self.app_identifier, APP_IDENTIFIER),
            ("version", &self.version, VERSION),
        ];
        for (field, found, expected) in fields {
            if found != expected {
                let (path, found) = (path.to_owned(), found.clone());
                return Err(KeystoreError::Foreign { path, field, expected, found });
            }
        }
        Ok(())
    }

    fn insert(
        &mut self,
        credential: &Credential,
        password: &str,
        kdf: Kdf,
        rng: &mut (impl RngCore + CryptoRng),
    ) {
        let keyfile = Keyfile::encrypt(&credential.to_plaintext(), password, kdf, rng);
        self.credentials.insert(credential.key(), keyfile.to_json());
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("strings and JSON values have a JSON form");
        bytes.push(b'\n');
        bytes
    }
}

fn backup_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".bkp");
    name.into()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
