//! A Merkle tree on disk, so that a start need not hash it again.
//!
//! A flat file and no database: it is written as a whole, read as a whole, and worth nothing by itself.
//! What it holds can always be computed again, so anything wrong with it is a reason to do that
//! ([`TreeFileError`]) and never a reason to stop. It is put in place by a rename, so a process that is
//! killed at any moment leaves the old file or the new one.
//!
//! ```text
//!  0  8  magic "weir-tre"          then  32 each  the newest roots, oldest first
//!  8  2  version, 1                      32 each  the nodes, level by level from the leaves up
//! 10  2  depth                           32       SHA-256 of all bytes before
//! 12  4  used leaves
//! 16  8  changes the tree was built from
//! 24  4  number of roots           all numbers little-endian; a level has half the nodes of the one
//! 28  4  zero                      below, rounded up, so the header tells the file's length
//! 32 32  digest of these changes
//! ```

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::file::{parent, sync_directory, with_suffix};

const MAGIC: &[u8; 8] = b"weir-tre";
const VERSION: u16 = 1;

/// The most roots a file holds; a node's window has 50.
pub const MAX_TREE_ROOTS: u32 = 256;

const HEADER: usize = 64;

/// Bytes of a root, a node and the checksum.
const WORD: u64 = 32;

/// Read or written at once: many words, few system calls.
const BUFFER: usize = 256 * 1024;

/// A node, a root or a digest; what its bytes mean is the caller's.
pub type TreeWord = [u8; 32];

/// What a file says of its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeHeader {
    /// Levels between leaf and root.
    pub depth: u16,
    /// Leaves up to the last one in use.
    pub leaves: u32,
    /// Changes the tree was built from.
    pub changes: u64,
    /// Digest of these changes.
    pub source: TreeWord,
    /// The roots after the newest changes, oldest first, at most [`MAX_TREE_ROOTS`].
    pub roots: Vec<TreeWord>,
}

/// Why a file cannot be used. Whoever gets one builds the tree anew.
#[derive(Debug, thiserror::Error)]
pub enum TreeFileError {
    /// There is none.
    #[error("there is no {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is something else.
    #[error("the file is no tree of weir's")]
    Foreign,
    /// Another weir wrote it.
    #[error("the file has format {found}, this weir reads {VERSION}")]
    Version {
        /// The format it has.
        found: u16,
    },
    /// It is of another tree.
    #[error("the tree has depth {found}, not {expected}")]
    Depth {
        /// The depth it has.
        found: u16,
        /// The depth asked for.
        expected: u16,
    },
    /// A number in the header is out of range.
    #[error("the header's {0} is out of range")]
    Range(&'static str),
    /// It is cut short, or something follows.
    #[error("the file has {found} bytes where its header asks for {expected}")]
    Length {
        /// Bytes it has.
        found: u64,
        /// Bytes it should have.
        expected: u64,
    },
    /// A byte was changed.
    #[error("the checksum does not match")]
    Checksum,
}

/// Where a tree is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    path: PathBuf,
}

/// An open file: an iterator over its nodes, then [`TreeReader::finish`].
///
/// Nothing it gave is to be believed before that: the checksum stands at the end, and an iterator that
/// meets an error just ends.
#[derive(Debug)]
pub struct TreeReader {
    path: PathBuf,
    header: TreeHeader,
    summed: Summed<BufReader<File>>,
    nodes_left: u64,
    failure: Option<io::Error>,
}

impl TreeFile {
    /// The file at `path`, whether or not it is there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Replaces the file with a tree whose nodes are given level by level, from the leaves up.
    ///
    /// On disk when it returns. After a failure the old file is there as it was.
    ///
    /// # Panics
    ///
    /// When the number of nodes or roots is not what the header promises: a reader would refuse it.
    pub fn write(&self, header: &TreeHeader, nodes: impl Iterator<Item = TreeWord>) -> io::Result<()> {
        assert!(header.roots.len() <= MAX_TREE_ROOTS as usize, "more roots than a reader takes");
        let new = with_suffix(&self.path, ".new");
        let result = write_tree(&new, header, nodes).and_then(|()| fs::rename(&new, &self.path));
        if result.is_err() {
            // What is left of it is only a nuisance: the next attempt starts it anew.
            let _ = fs::remove_file(&new);
        }
        result.and_then(|()| sync_directory(parent(&self.path)))
    }

    /// Opens the file if it is a tree of this depth and as long as it should be.
    pub fn open(&self, depth: u16) -> Result<TreeReader, TreeFileError> {
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => TreeFileError::Missing { path: self.path.clone() },
            _ => self.failed(source),
        };
        let file = File::open(&self.path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        let mut summed = Summed::new(BufReader::with_capacity(BUFFER, file));
        let mut bytes = [0; HEADER];
        summed.read_exact(&mut bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => TreeFileError::Foreign,
            _ => self.failed(error),
        })?;
        let (mut header, roots) = TreeHeader::from_bytes(&bytes, depth)?;
        let expected = header.file_length(roots);
        if found != expected {
            return Err(TreeFileError::Length { found, expected });
        }
        for _ in 0..roots {
            let mut root = [0; WORD as usize];
            summed.read_exact(&mut root).map_err(|error| self.failed(error))?;
            header.roots.push(root);
        }
        let nodes_left = header.nodes();
        Ok(TreeReader { path: self.path.clone(), header, summed, nodes_left, failure: None })
    }

    fn failed(&self, source: io::Error) -> TreeFileError {
        TreeFileError::Io { path: self.path.clone(), source }
    }
}

impl TreeReader {
    /// What the file says of its tree.
    pub const fn header(&self) -> &TreeHeader {
        &self.header
    }

    /// Whether all that was read is what was written.
    pub fn finish(mut self) -> Result<(), TreeFileError> {
        // A caller that stopped early believes what it has; the checksum covers the rest too.
        while self.next().is_some() {}
        let failed = |source| TreeFileError::Io { path: self.path.clone(), source };
        if let Some(error) = self.failure {
            return Err(failed(error));
        }
        let mut checksum = [0; WORD as usize];
        self.summed.inner.read_exact(&mut checksum).map_err(failed)?;
        if checksum[..] == self.summed.hasher.finalize()[..] { Ok(()) } else { Err(TreeFileError::Checksum) }
    }
}

impl Iterator for TreeReader {
    type Item = TreeWord;

    fn next(&mut self) -> Option<TreeWord> {
        self.nodes_left = self.nodes_left.checked_sub(1)?;
        let mut node = [0; WORD as usize];
        if let Err(error) = self.summed.read_exact(&mut node) {
            (self.failure, self.nodes_left) = (Some(error), 0);
            return None;
        }
        Some(node)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.nodes_left).ok();
        (0, left)
    }
}

impl TreeHeader {
    /// Nodes of all levels.
    fn nodes(&self) -> u64 {
        let level = |leaves: u64, height: u32| leaves.div_ceil(1 << height);
        (0..=u32::from(self.depth)).map(|height| level(self.leaves.into(), height)).sum()
    }

    fn file_length(&self, roots: u32) -> u64 {
        HEADER as u64 + (u64::from(roots) + self.nodes() + 1) * WORD
    }

    fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.depth.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.leaves.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.changes.to_le_bytes());
        // At most 256, see `TreeFile::write`.
        bytes[24..28].copy_from_slice(&(self.roots.len() as u32).to_le_bytes());
        bytes[32..].copy_from_slice(&self.source);
        bytes
    }

    /// The header still without its roots, and how many follow.
    fn from_bytes(bytes: &[u8; HEADER], expected: u16) -> Result<(Self, u32), TreeFileError> {
        if &bytes[..8] != MAGIC {
            return Err(TreeFileError::Foreign);
        }
        let (words, _) = bytes.as_chunks::<4>();
        let number = |at: usize| u32::from_le_bytes(words[at / 4]);
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version != VERSION {
            return Err(TreeFileError::Version { found: version });
        }
        let depth = u16::from_le_bytes([bytes[10], bytes[11]]);
        if depth != expected {
            return Err(TreeFileError::Depth { found: depth, expected });
        }
        let leaves = number(12);
        if u64::from(leaves) > 1_u64.checked_shl(depth.into()).unwrap_or(0) {
            return Err(TreeFileError::Range("number of leaves"));
        }
        let roots = number(24);
        if roots > MAX_TREE_ROOTS {
            return Err(TreeFileError::Range("number of roots"));
        }
        let changes = u64::from(number(16)) | u64::from(number(20)) << 32;
        let mut source = [0; WORD as usize];
        source.copy_from_slice(&bytes[32..]);
        Ok((Self { depth, leaves, changes, source, roots: Vec::with_capacity(roots as usize) }, roots))
    }
}

fn write_tree(path: &Path, header: &TreeHeader, nodes: impl Iterator<Item = TreeWord>) -> io::Result<()> {
    let mut summed = Summed::new(BufWriter::with_capacity(BUFFER, File::create(path)?));
    summed.write_all(&header.to_bytes())?;
    header.roots.iter().try_for_each(|root| summed.write_all(root))?;
    let mut written = 0;
    for node in nodes {
        summed.write_all(&node)?;
        written += 1;
    }
    assert_eq!(written, header.nodes(), "a header that tells another number of nodes");
    let Summed { inner: mut writer, hasher } = summed;
    writer.write_all(&hasher.finalize())?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Reads or writes, and hashes what passed.
#[derive(Debug)]
struct Summed<T> {
    inner: T,
    hasher: Sha256,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: Sha256::new() }
    }
}

impl<R: Read> Summed<R> {
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }
}

impl<W: Write> Summed<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.inner.write_all(bytes)
    }
}

#[cfg(test)]
mod tests;
