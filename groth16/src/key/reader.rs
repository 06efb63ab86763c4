//! A slice of a key file that is read from front to back and never beyond its end.

use super::error::{KeyError, KeyPart};

/// What is left to read.
pub(super) struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// The next `count` bytes.
    pub(super) fn bytes(&mut self, part: KeyPart, count: u64) -> Result<&'a [u8], KeyError> {
        let fits = usize::try_from(count).ok().and_then(|count| self.left.split_at_checked(count));
        let (taken, left) = fits.ok_or(KeyError::Truncated { part, needed: count, left: self.left.len() })?;
        self.left = left;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, part: KeyPart) -> Result<&'a [u8; N], KeyError> {
        let bytes = self.bytes(part, N as u64)?;
        Ok(bytes.try_into().expect("exactly N bytes were taken"))
    }

    pub(super) fn u32(&mut self, part: KeyPart) -> Result<u32, KeyError> {
        self.array(part).map(|bytes| u32::from_le_bytes(*bytes))
    }

    pub(super) fn u64(&mut self, part: KeyPart) -> Result<u64, KeyError> {
        self.array(part).map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// A count of elements that follow and take at least `each` bytes. What it returns can be allocated:
    /// it is bounded by the bytes that are really there.
    pub(super) fn count(&mut self, part: KeyPart, each: u64) -> Result<usize, KeyError> {
        let count = self.u64(part)?;
        let needed = count.saturating_mul(each);
        if needed > self.left.len() as u64 {
            return Err(KeyError::Truncated { part, needed, left: self.left.len() });
        }
        Ok(usize::try_from(count).expect("no more than there are bytes, as each takes one or more"))
    }

    /// Refuses bytes after `last`.
    pub(super) fn finish(self, last: KeyPart) -> Result<(), KeyError> {
        match self.left.len() {
            0 => Ok(()),
            count => Err(KeyError::TrailingBytes { part: last, count }),
        }
    }
}
