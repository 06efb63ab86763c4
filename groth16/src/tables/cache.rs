//! Tables in a file, so that they are calculated once for a key and a kind of backend.
//!
//! # Layout
//!
//! Numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `weirtabl` |
//! | 4 | version of this layout and of the tables: [`VERSION`] |
//! | 4 | whose rows these are: 1 portable, 2 IFMA |
//! | 32 | SHA-256 of the key file |
//! | 4 | how many tables there are |
//! | 24 for each table | group (4; 1 or 2), bits of a window (4), bases (8), rows (8) |
//! | 64 for each row | the tables' rows one after another, eight words each |
//! | 32 | SHA-256 of everything before |
//!
//! All but the rows and the last hash follows from the key. So a reader knows every byte of the header and
//! the length of the file beforehand, and reads nothing of a file that has another length.
//!
//! The hash is there to find damage. It does not keep out who may write the file: they could as well
//! change the program. Tables that are wrong give proofs that do not verify, nothing worse.

mod error;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::lanes::{BackendKind, Row};
use crate::large_pages::rows_with_capacity;
use crate::msm::TableShape;
pub use error::{CacheMiss, TableOrigin};

/// Raised when the layout changes, or what rows or shapes mean.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"weirtabl";
const HASH_BYTES: usize = 32;
const ROW_BYTES: usize = 64;

/// So much is read or written at once.
const BUFFER_BYTES: usize = 1 << 18;

/// What the tables of a file are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheIdentity {
    /// SHA-256 of the key file.
    pub key_sha256: [u8; 32],
    /// Which kind of backend the rows are for.
    pub kind: BackendKind,
    /// What the tables look like, in their order.
    pub shapes: Vec<TableShape>,
}

/// Reads the tables from the file at `path`. If it is not there or anything about it is wrong, calculates
/// them and writes the file anew.
///
/// `from_rows` gets the rows of each table, `rows_of` gives them. A file that cannot be written is told
/// in the origin and is no error: the tables are there.
pub fn read_or_rebuild<T>(
    path: &Path,
    identity: &CacheIdentity,
    from_rows: impl FnOnce(Vec<Vec<Row>>) -> T,
    build: impl FnOnce() -> T,
    rows_of: impl FnOnce(&T) -> Vec<&[Row]>,
) -> (T, TableOrigin) {
    match read(path, identity) {
        Ok(rows) => (from_rows(rows), TableOrigin::Cache),
        Err(miss) => {
            let tables = build();
            let write_error = write(path, identity, &rows_of(&tables)).err();
            (tables, TableOrigin::Built { miss, write_error })
        }
    }
}

/// Reads the rows of each table.
///
/// # Errors
///
/// Says what is wrong with the file, if anything is.
pub fn read(path: &Path, identity: &CacheIdentity) -> Result<Vec<Vec<Row>>, CacheMiss> {
    let metadata = fs::metadata(path).map_err(CacheMiss::from_io)?;
    // Anything else might be endless, or wait for somebody.
    if !metadata.is_file() {
        return Err(CacheMiss::NotAFile);
    }
    let header = identity.header();
    let expected = identity.file_bytes();
    if metadata.len() != expected {
        return Err(CacheMiss::Length { expected, found: metadata.len() });
    }

    let file = File::open(path).map_err(CacheMiss::from_io)?;
    let mut file = Hashed::new(file);
    let mut found = vec![0; header.len()];
    file.read_exact(&mut found).map_err(CacheMiss::from_io)?;
    identity.compare_header(&found)?;
    let mut tables = Vec::with_capacity(identity.shapes.len());
    for shape in &identity.shapes {
        tables.push(read_rows(&mut file, shape.rows).map_err(CacheMiss::from_io)?);
    }

    let (mut rest, hash) = file.finish();
    let mut expected_hash = [0; HASH_BYTES];
    rest.read_exact(&mut expected_hash).map_err(CacheMiss::from_io)?;
    if hash != expected_hash {
        return Err(CacheMiss::Checksum);
    }
    Ok(tables)
}

/// Writes the file. Readers see the old file or the whole new one; of writers at the same time the last
/// one stays.
///
/// # Errors
///
/// When the directory or the file cannot be written.
///
/// # Panics
///
/// Unless the rows have the identity's shapes.
pub fn write(path: &Path, identity: &CacheIdentity, tables: &[&[Row]]) -> io::Result<()> {
    assert!(
        tables.iter().map(|rows| rows.len()).eq(identity.shapes.iter().map(|shape| shape.rows)),
        "tables have the shapes of their identity"
    );
    let temporary = temporary_path(path)?;
    let written = write_new(&temporary, identity, tables).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What matters is the first error; this is tidying up.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    // The new name is on disk only when the directory is.
    File::open(directory(path))?.sync_all()
}

fn write_new(path: &Path, identity: &CacheIdentity, tables: &[&[Row]]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let mut file = Hashed::new(BufWriter::with_capacity(BUFFER_BYTES, file));
    file.write_all(&identity.header())?;
    for row in tables.iter().flat_map(|rows| rows.iter()) {
        file.write_all(&row_to_bytes(row))?;
    }
    let (mut file, hash) = file.finish();
    file.write_all(&hash)?;
    file.into_inner()?.sync_all()
}

/// A name next to `path` that no other writer takes.
fn temporary_path(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
    let mut temporary = name.to_os_string();
    temporary.push(format!(".{:016x}.tmp", rand::random::<u64>()));
    Ok(path.with_file_name(temporary))
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn read_rows(file: &mut impl Read, count: usize) -> io::Result<Vec<Row>> {
    let mut rows = rows_with_capacity(count);
    let mut buffer = vec![0; BUFFER_BYTES];
    while rows.len() < count {
        let wanted = (count - rows.len()).min(BUFFER_BYTES / ROW_BYTES);
        let bytes = &mut buffer[..wanted * ROW_BYTES];
        file.read_exact(bytes)?;
        rows.extend(bytes.as_chunks().0.iter().map(row_from_bytes));
    }
    Ok(rows)
}

fn row_to_bytes(row: &Row) -> [u8; ROW_BYTES] {
    let mut bytes = [0; ROW_BYTES];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(row.0) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn row_from_bytes(bytes: &[u8; ROW_BYTES]) -> Row {
    let mut row = Row::default();
    for (word, bytes) in row.0.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    row
}

impl CacheIdentity {
    /// Where the header's fields begin.
    const VERSION_AT: usize = 8;
    const KIND_AT: usize = 12;
    const KEY_AT: usize = 16;
    const SHAPES_AT: usize = 48;

    fn header(&self) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend(VERSION.to_le_bytes());
        header.extend(kind_number(self.kind).to_le_bytes());
        header.extend(self.key_sha256);
        header.extend((self.shapes.len() as u32).to_le_bytes());
        for shape in &self.shapes {
            header.extend((shape.group as u32).to_le_bytes());
            header.extend(shape.window_bits.to_le_bytes());
            header.extend((shape.columns as u64).to_le_bytes());
            header.extend((shape.rows as u64).to_le_bytes());
        }
        header
    }

    /// How long the file is, to the byte.
    fn file_bytes(&self) -> u64 {
        let rows: usize = self.shapes.iter().map(|shape| shape.rows).sum();
        (self.header().len() + rows * ROW_BYTES + HASH_BYTES) as u64
    }

    /// Says which part of a header of the right length is another than it should be.
    fn compare_header(&self, found: &[u8]) -> Result<(), CacheMiss> {
        let expected = self.header();
        let is_same = |start, end| expected[start..end] == found[start..end];
        if !is_same(0, Self::VERSION_AT) {
            Err(CacheMiss::Magic)
        } else if !is_same(Self::VERSION_AT, Self::KIND_AT) {
            Err(CacheMiss::Version)
        } else if !is_same(Self::KIND_AT, Self::KEY_AT) {
            Err(CacheMiss::Backend)
        } else if !is_same(Self::KEY_AT, Self::SHAPES_AT) {
            Err(CacheMiss::ForeignKey)
        } else if !is_same(Self::SHAPES_AT, expected.len()) {
            Err(CacheMiss::Shapes)
        } else {
            Ok(())
        }
    }
}

fn kind_number(kind: BackendKind) -> u32 {
    match kind {
        BackendKind::Portable => 1,
        BackendKind::Ifma => 2,
        // The rows are those of IFMA, but tests alone make them.
        #[cfg(any(test, feature = "test-utils"))]
        BackendKind::Emulated => 3,
    }
}

/// A reader or writer that hashes what goes through.
struct Hashed<T> {
    inner: T,
    hasher: Sha256,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: Sha256::new() }
    }

    fn finish(self) -> (T, [u8; HASH_BYTES]) {
        (self.inner, self.hasher.finalize().into())
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
