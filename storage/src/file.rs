//! Making, locking and protecting a store's file.
//!
//! A file appears under its name only when it is complete: it is made as `<name>.new`, synced and
//! renamed, and the directory is synced. So an empty or half-made file under the name is damage,
//! never a crash of ours, and a quota file cannot vanish in a power loss after its first grant.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use redb::backends::FileBackend;
use rustix::fs::Advice;

use crate::{OpenError, schema::Kind};

/// What every redb file begins with.
const REDB_MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// Only the owner may read the node's key, its evidence and its habits.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// The locked file as a backend; made if it was not there.
pub(crate) fn open(path: &Path, kind: &Kind) -> Result<FileBackend, OpenError> {
    create_if_absent(path, kind)?;
    open_existing(path, kind)
}

/// The locked file as a backend, which has to be there.
pub(crate) fn open_existing(path: &Path, kind: &Kind) -> Result<FileBackend, OpenError> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(path).map_err(|error| OpenError::from_io(path, error))?;
    lock(&file, path)?;
    sniff(&file, path, kind)?;
    if kind.scattered {
        advise(&file, Advice::Random);
    }
    backend(file, path)
}

/// Has the system read all of a file soon, because all of it will be asked for.
pub(crate) fn preload(path: &Path) {
    // Where it cannot be read, whoever reads it next says so.
    if let Ok(file) = File::open(path) {
        advise(&file, Advice::WillNeed);
    }
}

/// Tells the system how a file will be read. A system that does not care reads as well as before.
fn advise(file: &File, advice: Advice) {
    let _ = rustix::fs::fadvise(file, 0, None, advice);
}

/// Takes group and world access away from a file that turned out to be ours.
pub(crate) fn protect(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o777 != FILE_MODE {
        fs::set_permissions(path, Permissions::from_mode(FILE_MODE))?;
    }
    Ok(())
}

/// Makes the file unless something is there. Whoever holds the lock of `<name>.new` is the one who
/// makes it, so two processes cannot replace each other's file.
pub(crate) fn create_if_absent(path: &Path, kind: &Kind) -> Result<(), OpenError> {
    let at = |error| OpenError::from_io(path, error);
    if exists(path)? {
        return Ok(());
    }
    let parent = parent(path);
    create_directory(parent).map_err(|error| OpenError::from_io(parent, error))?;
    let new = with_suffix(path, ".new");
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&new).map_err(at)?;
    lock(&file, path)?;
    if exists(path)? {
        return Ok(());
    }
    let made = fill(&file, path, kind).and_then(|()| {
        fs::rename(&new, path).map_err(at)?;
        sync_directory(parent).map_err(at)
    });
    if made.is_err() {
        // What is left of it is only a nuisance: the next attempt starts it anew.
        let _ = fs::remove_file(&new);
    }
    made
}

/// Writes an initialized and cleanly closed store and syncs it. It is made in memory first: redb
/// would give the file's lock away when it closes it, before it has its name.
fn fill(mut file: &File, path: &Path, kind: &Kind) -> Result<(), OpenError> {
    let at = |error| OpenError::from_io(path, error);
    let image = kind.new_image().map_err(|error| at(io::Error::other(error)))?;
    file.set_len(0).map_err(at)?;
    file.write_all(&image).map_err(at)?;
    file.sync_all().map_err(at)
}

/// Writes a new file that only its owner may read, and syncs it.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn exists(path: &Path) -> Result<bool, OpenError> {
    path.try_exists().map_err(|error| OpenError::from_io(path, error))
}

/// Locks before the first byte is read: what another process is writing would look damaged. The lock
/// is the open file's and ends with it, also when the process is killed.
fn lock(file: &File, path: &Path) -> Result<(), OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(OpenError::from_io(path, error)),
    }
}

/// Refuses what is not a redb file after reading nine bytes of it.
fn sniff(file: &File, path: &Path, kind: &Kind) -> Result<(), OpenError> {
    let mut start = Vec::with_capacity(REDB_MAGIC.len());
    file.take(REDB_MAGIC.len() as u64)
        .read_to_end(&mut start)
        .map_err(|error| OpenError::from_io(path, error))?;
    if start.is_empty() {
        let detail = "the file is empty".to_owned();
        return Err(OpenError::Corrupt { path: path.to_owned(), detail, remedy: kind.remedy });
    }
    if start != REDB_MAGIC {
        return Err(OpenError::Foreign { path: path.to_owned(), store: kind.name });
    }
    Ok(())
}

fn backend(file: File, path: &Path) -> Result<FileBackend, OpenError> {
    FileBackend::new(file).map_err(|error| OpenError::from_io(path, io::Error::other(error)))
}

/// Makes the directory and what is missing above it, each synced into its parent.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let above = parent(directory);
    create_directory(above)?;
    match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !directory.is_dir() => Err(error),
        _ => sync_directory(above),
    }
}

pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
