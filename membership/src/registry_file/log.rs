//! Reading and appending the records of one registry file.
//!
//! Readers take no lock. That is sound because a writer extends the file by one whole record at a
//! time and only ever cuts off what no reader takes: an incomplete or blank last record.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{
    CorruptReason, RegistryError,
    format::{self, Block, Header, HeaderError, RECORD},
};
use crate::ledger::{Change, MembershipTable};

/// Read at once when catching up: 1024 records.
const READ_BUFFER: usize = 1024 * RECORD;

const RECORD_LENGTH: u64 = RECORD as u64;

/// A registry file as far as it was read.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    identity: FileIdentity,
    header: Header,
    table: MembershipTable,
    /// Where the next record begins; everything before was read and checked.
    end: u64,
    /// Checksum of the block before `end`.
    checksum: u32,
}

/// A file open for writing, locked until dropped, and not replaced before the lock was got.
pub(super) struct Writer(File);

impl Log {
    /// Opens an existing registry and reads its header.
    pub(super) fn open(path: &Path) -> Result<Self, RegistryError> {
        let failed = |action| io_error(path, action);
        let mut file = File::open(path).map_err(missing_or(path, "open"))?;
        let identity = FileIdentity::of(&file.metadata().map_err(failed("look at"))?);
        let mut bytes = Vec::with_capacity(RECORD);
        (&mut file).take(RECORD_LENGTH).read_to_end(&mut bytes).map_err(failed("read"))?;
        let (header, checksum) = parse_header(path, &bytes)?;
        let table = MembershipTable::new(header.rules);
        Ok(Self { path: path.to_owned(), file, identity, header, table, end: RECORD_LENGTH, checksum })
    }

    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    pub(super) const fn table(&self) -> &MembershipTable {
        &self.table
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what other processes appended and hands each change to `on_change`, in order.
    ///
    /// One look at the file's metadata when there is nothing new. A damaged record is read again
    /// under the lock before it is called so: not every file system shows other processes a
    /// record's length and its bytes at the same moment.
    pub(super) fn catch_up(&mut self, mut on_change: impl FnMut(Change)) -> Result<(), RegistryError> {
        match self.read_new(&mut on_change) {
            Err(RegistryError::Corrupt { .. }) => {
                self.file.lock_shared().map_err(io_error(&self.path, "lock"))?;
                let second = self.read_new(&mut on_change);
                self.file.unlock().map_err(io_error(&self.path, "unlock"))?;
                second
            }
            result => result,
        }
    }

    /// Waits for the writers' lock. Each holds it for one append, so the wait is short.
    pub(super) fn lock(&self) -> Result<Writer, RegistryError> {
        let failed = |action| io_error(&self.path, action);
        let file = OpenOptions::new().read(true).write(true).open(&self.path);
        let file = file.map_err(missing_or(&self.path, "open for writing"))?;
        file.lock().map_err(failed("lock"))?;
        if FileIdentity::of(&file.metadata().map_err(failed("look at"))?) != self.identity {
            return Err(RegistryError::Replaced { path: self.path.clone() });
        }
        Ok(Writer(file))
    }

    /// As [`Log::catch_up`], for the holder of the lock.
    pub(super) fn catch_up_locked(
        &mut self,
        _writer: &Writer,
        mut on_change: impl FnMut(Change),
    ) -> Result<(), RegistryError> {
        self.read_new(&mut on_change)
    }

    /// Appends one change that [`Log::table`] found lawful after [`Log::catch_up_locked`] under
    /// this lock, cutting off first what a writer left that did not finish. On disk when it returns.
    ///
    /// After a failed write nothing is left of the record. After a failed sync it may be there or
    /// not; the next [`Log::catch_up`] tells.
    pub(super) fn append(&mut self, writer: &mut Writer, change: Change) -> Result<(), RegistryError> {
        let failed = |action| io_error(&self.path, action);
        let block = format::encode(change, self.checksum);
        let file = &mut writer.0;
        if file.metadata().map_err(failed("look at"))?.len() != self.end {
            file.set_len(self.end).map_err(failed("cut the unfinished record off"))?;
        }
        let written = file.seek(SeekFrom::Start(self.end)).and_then(|_| file.write_all(&block));
        if let Err(error) = written {
            // If this fails as well, the next writer does it.
            let _ = file.set_len(self.end);
            return Err(failed("write to")(error));
        }
        file.sync_data().map_err(failed("sync"))?;
        self.advance(&block, change);
        Ok(())
    }

    fn read_new(&mut self, on_change: &mut impl FnMut(Change)) -> Result<(), RegistryError> {
        let length = self.checked_length()?;
        if length < self.end + RECORD_LENGTH {
            return Ok(());
        }
        // A second handle on the same open file, because reading changes `self`.
        let file = self.file.try_clone().map_err(io_error(&self.path, "read"))?;
        let mut reader = BufReader::with_capacity(READ_BUFFER, file);
        reader.seek(SeekFrom::Start(self.end)).map_err(io_error(&self.path, "read"))?;
        while self.end + RECORD_LENGTH <= length {
            let mut block = [0; RECORD];
            match reader.read_exact(&mut block) {
                // A writer cut its own failed record off after we saw the length.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                result => result.map_err(io_error(&self.path, "read"))?,
            }
            if format::is_blank(&block) && self.end + RECORD_LENGTH == length {
                return Ok(());
            }
            let change = format::decode(&block, self.checksum, &self.table)
                .map_err(|reason| corrupt(&self.path, self.end, reason))?;
            self.advance(&block, change);
            on_change(change);
        }
        Ok(())
    }

    /// The file's length, if it still is the file that was opened and has all that was read.
    fn checked_length(&self) -> Result<u64, RegistryError> {
        let path = || self.path.clone();
        let metadata = fs::metadata(&self.path).map_err(missing_or(&self.path, "look at"))?;
        if FileIdentity::of(&metadata) != self.identity {
            return Err(RegistryError::Replaced { path: path() });
        }
        let (known, found) = (self.end, metadata.len());
        if found < known {
            return Err(RegistryError::Shrunk { path: path(), known, found });
        }
        Ok(found)
    }

    fn advance(&mut self, block: &Block, change: Change) {
        self.table.apply(change);
        self.checksum = format::checksum_of(block);
        self.end += RECORD_LENGTH;
    }
}

/// Which file a path leads to. Elsewhere than on Unix a replaced file shows only in its length or
/// in the checksum of its next record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileIdentity {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl FileIdentity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device_and_inode: (metadata.dev(), metadata.ino()) }
    }

    #[cfg(not(unix))]
    fn of(_metadata: &Metadata) -> Self {
        Self {}
    }
}

fn parse_header(path: &Path, bytes: &[u8]) -> Result<(Header, u32), RegistryError> {
    let Ok(block) = Block::try_from(bytes) else {
        return Err(if format::begins_like_a_registry(bytes) {
            corrupt(path, 0, CorruptReason::HeaderCutShort)
        } else {
            RegistryError::Foreign { path: path.to_owned() }
        });
    };
    match Header::from_bytes(&block) {
        Ok(header) => Ok((header, format::checksum_of(&block))),
        Err(HeaderError::Foreign) => Err(RegistryError::Foreign { path: path.to_owned() }),
        Err(HeaderError::Version(found)) => {
            Err(RegistryError::UnsupportedVersion { path: path.to_owned(), found })
        }
        Err(HeaderError::Corrupt(reason)) => Err(corrupt(path, 0, reason)),
    }
}

fn corrupt(path: &Path, offset: u64, reason: CorruptReason) -> RegistryError {
    RegistryError::Corrupt { path: path.to_owned(), offset, reason }
}

pub(super) fn io_error(path: &Path, action: &'static str) -> impl Fn(io::Error) -> RegistryError {
    move |source| RegistryError::Io { path: path.to_owned(), action, source }
}

/// As [`io_error`], with a name for the file that is not there.
fn missing_or(path: &Path, action: &'static str) -> impl Fn(io::Error) -> RegistryError {
    move |source| match source.kind() {
        ErrorKind::NotFound => RegistryError::Missing { path: path.to_owned() },
        _ => io_error(path, action)(source),
    }
}
