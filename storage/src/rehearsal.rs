//! A backend over a file whose writes stay in memory.
//!
//! redb writes to a file while it opens it: it marks it as being in use and repairs it after a
//! crash, in part before it has found out whether the file is sound. Opening through this backend
//! first shows whether all that would succeed, and leaves the file as it is.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::StorageBackend;

/// redb's page size, so that one of its writes is one block here.
const BLOCK: u64 = 4096;

/// Reads from `base`, writes to memory. Memory use is bounded by what redb writes while opening: the
/// header and the pages of one small commit.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    base: Arc<dyn StorageBackend>,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    length: u64,
    /// Where the base stops counting: below its own length once the rehearsal has cut it shorter.
    base_length: u64,
    blocks: HashMap<u64, Box<[u8]>>,
}

impl Rehearsal {
    pub(crate) fn new(base: Arc<dyn StorageBackend>) -> io::Result<Self> {
        let length = base.len()?;
        let written = Written { length, base_length: length, blocks: HashMap::new() };
        Ok(Self { base, written: Mutex::new(written) })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block as the base has it, zero past its end.
    fn base_block(&self, block: u64, base_length: u64) -> io::Result<Box<[u8]>> {
        let mut bytes = vec![0; BLOCK as usize].into_boxed_slice();
        let start = block * BLOCK;
        let present = base_length.saturating_sub(start).min(BLOCK) as usize;
        if present > 0 {
            self.base.read(start, &mut bytes[..present])?;
        }
        Ok(bytes)
    }
}

impl StorageBackend for Rehearsal {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        let end = offset.checked_add(out.len() as u64).filter(|end| *end <= written.length);
        if end.is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (block, within, part) in blocks(offset, out.len()) {
            match written.blocks.get(&block) {
                Some(bytes) => out[part].copy_from_slice(&bytes[within]),
                None => out[part].copy_from_slice(&self.base_block(block, written.base_length)?[within]),
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut written = self.written();
        if length < written.length {
            written.base_length = written.base_length.min(length);
            written.blocks.retain(|block, _| block * BLOCK < length);
            if let Some(bytes) = written.blocks.get_mut(&(length / BLOCK)) {
                bytes[(length % BLOCK) as usize..].fill(0);
            }
        }
        written.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        for (block, within, part) in blocks(offset, data.len()) {
            if !written.blocks.contains_key(&block) {
                let bytes = self.base_block(block, written.base_length)?;
                written.blocks.insert(block, bytes);
            }
            if let Some(bytes) = written.blocks.get_mut(&block) {
                bytes[within].copy_from_slice(&data[part]);
            }
        }
        written.length = written.length.max(offset + data.len() as u64);
        Ok(())
    }
}

/// Splits `length` bytes at `offset` into (block, range within it, range of the caller's buffer).
fn blocks(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        (done < length).then(|| {
            let position = offset + done as u64;
            let within = (position % BLOCK) as usize;
            let count = (BLOCK as usize - within).min(length - done);
            let part = done..done + count;
            done += count;
            (position / BLOCK, within..within + count, part)
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::faulty_disk::FaultyDisk;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLength(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u64..20_000, proptest::collection::vec(any::<u8>(), 1..9000))
                .prop_map(|(at, data)| Step::Write(at, data)),
            (0_u64..30_000).prop_map(Step::SetLength),
        ]
    }

    proptest! {
        #[test]
        fn reads_what_a_file_would_and_leaves_the_base_alone(
            base in proptest::collection::vec(any::<u8>(), 0..20_000),
            steps in proptest::collection::vec(step(), 0..12),
        ) {
            let disk = FaultyDisk::from_image(base.clone());
            let rehearsal = Rehearsal::new(Arc::new(disk.backend()))?;
            let mut model = base.clone();
            for step in steps {
                match step {
                    Step::Write(at, data) => {
                        let end = at as usize + data.len();
                        model.resize(model.len().max(end), 0);
                        model[at as usize..end].copy_from_slice(&data);
                        rehearsal.write(at, &data)?;
                    }
                    Step::SetLength(length) => {
                        model.resize(length as usize, 0);
                        rehearsal.set_len(length)?;
                    }
                }
            }
            prop_assert_eq!(rehearsal.len()?, model.len() as u64);
            let mut read = vec![0; model.len()];
            rehearsal.read(0, &mut read)?;
            prop_assert!(read == model);
            prop_assert!(rehearsal.read(1, &mut read).is_err() || model.is_empty());
            prop_assert!(disk.image() == base);
        }
    }
}
