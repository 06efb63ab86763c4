//! The password of a keystore that a node made for itself: 256 random bits in a file beside it.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use crate::durable::{Access, Staged};

/// Longest password file that is read, in bytes.
const MAX_LENGTH: u64 = 4096;

/// Why a password file was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFileError {
    /// The operating system refused; `AlreadyExists` when a new one would replace a file.
    #[error("cannot {action} password file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Empty, too long or not UTF-8.
    #[error("password file {} must hold one line of UTF-8, at most {MAX_LENGTH} bytes", path.display())]
    NotPassword {
        /// The file.
        path: PathBuf,
    },
}

/// Writes a new random password, 64 hex digits and a newline, readable by its owner alone.
/// An existing file is refused.
pub fn create_password_file(
    path: &Path,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Zeroizing<String>, PasswordFileError> {
    let mut bits = Zeroizing::new([0; 32]);
    rng.fill_bytes(bits.as_mut());
    let line = Zeroizing::new(format!("{}\n", Zeroizing::new(hex::encode(*bits)).as_str()));
    Staged::write(path, line.as_bytes(), Access::Owner)
        .and_then(|staged| staged.publish_new(path))
        .map_err(io_error(path, "create"))?;
    Ok(Zeroizing::new(line.trim_end().to_owned()))
}

/// Reads a password: the file without the line break at its end.
pub fn read_password_file(path: &Path) -> Result<Zeroizing<String>, PasswordFileError> {
    let file = File::open(path).map_err(io_error(path, "open"))?;
    // Room from the start, so that no copy stays behind where the vector was before it grew.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LENGTH as usize + 1));
    file.take(MAX_LENGTH + 1).read_to_end(&mut bytes).map_err(io_error(path, "read"))?;
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.len() as u64 <= MAX_LENGTH);
    let password = text.map(|text| text.trim_end_matches(['\r', '\n']));
    match password {
        Some(password) if !password.is_empty() && !password.contains('\n') => {
            Ok(Zeroizing::new(password.to_owned()))
        }
        _ => Err(PasswordFileError::NotPassword { path: path.to_owned() }),
    }
}

fn io_error(path: &Path, action: &'static str) -> impl Fn(io::Error) -> PasswordFileError {
    move |source| PasswordFileError::Io { path: path.to_owned(), action, source }
}

impl PasswordFileError {
    /// Whether there simply is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == ErrorKind::NotFound)
    }
}
