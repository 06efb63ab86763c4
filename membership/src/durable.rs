//! Putting a whole file in place, so that a crash leaves the old one, the new one or none.
//!
//! The bytes are written and synced under a temporary name beside the target, which then gets its
//! name in one step, and the directory is synced so that the name survives as well.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Its owner alone (mode 0600).
    Owner,
    /// Whoever the process's umask says.
    Default,
}

/// A written and synced file that waits for its name; removed when dropped without getting one.
#[derive(Debug)]
pub(crate) struct Staged {
    path: PathBuf,
}

impl Staged {
    /// Writes `bytes` beside `target`.
    pub(crate) fn write(target: &Path, bytes: &[u8], access: Access) -> io::Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.{:016x}.tmp", rand::random::<u64>()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if access == Access::Owner {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(&path)?;
        let staged = Self { path };
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(staged)
    }

    /// Gives the file its name; `AlreadyExists` if another file has it. A hard link does this
    /// where a rename would replace what another process put there a moment ago.
    pub(crate) fn publish_new(self, target: &Path) -> io::Result<()> {
        fs::hard_link(&self.path, target)?;
        sync_directory_of(target)
    }

    /// Gives the file its name, replacing the file that has it.
    pub(crate) fn replace(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        sync_directory_of(target)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove; a leftover is harmless.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes names given or taken in `path`'s directory survive a power cut. Only Unix lets a
/// directory be synced.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
