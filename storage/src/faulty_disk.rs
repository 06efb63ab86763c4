//! A disk in memory that fails on purpose.
//!
//! It runs out of space or loses its power after a chosen number of operations, and what is on it
//! after a power loss is what was synced plus an arbitrary part of what was not, sector by sector.
//!
//! ```
//! use weir_storage::{QuotaStore, StoreError, faulty_disk::FaultyDisk};
//!
//! let disk = FaultyDisk::new();
//! let handle = disk.clone();
//! let store = QuotaStore::open_with_backend(move || handle.backend()).expect("the disk has room");
//! disk.fill_up_after(0);
//! assert!(matches!(store.reserve(&[1; 32], 7, 10, 100), Err(StoreError::DiskFull { .. })));
//! disk.heal();
//! assert_eq!(store.reserve(&[1; 32], 7, 10, 100).expect("there is room again").len(), 10);
//! ```

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::StorageBackend;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// The disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    /// As a reader of the running system sees it.
    current: Vec<u8>,
    /// As of the last sync.
    synced: Vec<u8>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Operation>,
    /// Writes, length changes and syncs so far.
    operations: u64,
    fault: Option<Fault>,
}

#[derive(Debug)]
enum Operation {
    Write { offset: u64, data: Vec<u8> },
    SetLength(u64),
}

#[derive(Debug, Clone, Copy)]
struct Fault {
    /// The first operation that fails.
    at: u64,
    kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FaultKind {
    /// Changes fail with `StorageFull`, reads go on.
    Full,
    /// Nothing works any more.
    Dead,
}

impl FaultyDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that holds `image`, synced.
    pub fn from_image(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Disk { current: image.clone(), synced: image, ..Disk::default() })))
    }

    /// A handle for redb. It takes no lock: the disk has one user, who may open it again.
    pub fn backend(&self) -> impl StorageBackend + use<> {
        Handle(self.clone())
    }

    /// Writes, length changes and syncs so far.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// Lets `count` more operations pass, then fails every one with `StorageFull`.
    pub fn fill_up_after(&self, count: u64) {
        self.break_after(count, FaultKind::Full);
    }

    /// Lets `count` more operations pass, then fails everything, reads too.
    pub fn lose_power_after(&self, count: u64) {
        self.break_after(count, FaultKind::Dead);
    }

    /// Ends the fault.
    pub fn heal(&self) {
        self.disk().fault = None;
    }

    /// What a reader sees now.
    pub fn image(&self) -> Vec<u8> {
        self.disk().current.clone()
    }

    /// What is on the disk if the power is lost now: everything synced, and of the rest what `seed`
    /// chooses. Length changes survive in order, as file systems keep them; sectors in any.
    pub fn image_after_power_loss(&self, seed: u64) -> Vec<u8> {
        let disk = self.disk();
        let mut random = SplitMix(seed);
        let mut image = disk.synced.clone();
        let lengths = disk.unsynced.iter().filter(|step| matches!(step, Operation::SetLength(_))).count();
        let mut lengths_left = random.next() as usize % (lengths + 1);
        for operation in &disk.unsynced {
            match operation {
                Operation::SetLength(length) if lengths_left > 0 => {
                    lengths_left -= 1;
                    image.resize(*length as usize, 0);
                }
                Operation::SetLength(_) => {}
                Operation::Write { offset, data } => {
                    for (sector, start) in data.chunks(SECTOR).zip((*offset as usize..).step_by(SECTOR)) {
                        let end = start + sector.len();
                        if end <= image.len() && random.next() & 1 == 1 {
                            image[start..end].copy_from_slice(sector);
                        }
                    }
                }
            }
        }
        image
    }

    fn break_after(&self, count: u64, kind: FaultKind) {
        let mut disk = self.disk();
        disk.fault = Some(Fault { at: disk.operations + count, kind });
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// Counts a change. A write that fails has still written its first half.
    fn change(&mut self, operation: Operation) -> io::Result<()> {
        self.operations += 1;
        let failure = self.failure();
        let operation = match (failure, operation) {
            (None, operation) => operation,
            (Some(FaultKind::Full), Operation::Write { offset, mut data }) => {
                data.truncate(data.len() / 2);
                Operation::Write { offset, data }
            }
            (Some(kind), _) => return Err(kind.error()),
        };
        match &operation {
            Operation::SetLength(length) => self.current.resize(*length as usize, 0),
            Operation::Write { offset, data } => {
                let (start, end) = (*offset as usize, *offset as usize + data.len());
                if end > self.current.len() {
                    self.current.resize(end, 0);
                    self.unsynced.push(Operation::SetLength(end as u64));
                }
                self.current[start..end].copy_from_slice(data);
            }
        }
        self.unsynced.push(operation);
        failure.map_or(Ok(()), |kind| Err(kind.error()))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.operations += 1;
        if let Some(kind) = self.failure() {
            return Err(kind.error());
        }
        self.synced.clone_from(&self.current);
        self.unsynced.clear();
        Ok(())
    }

    fn failure(&self) -> Option<FaultKind> {
        self.fault.filter(|fault| self.operations > fault.at).map(|fault| fault.kind)
    }

    fn check_alive(&self) -> io::Result<()> {
        match self.fault {
            Some(fault) if fault.kind == FaultKind::Dead && self.operations > fault.at => {
                Err(fault.kind.error())
            }
            _ => Ok(()),
        }
    }
}

impl FaultKind {
    fn error(self) -> io::Error {
        match self {
            Self::Full => io::ErrorKind::StorageFull.into(),
            Self::Dead => io::Error::other("the power is off"),
        }
    }
}

#[derive(Debug)]
struct Handle(FaultyDisk);

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        let disk = self.0.disk();
        disk.check_alive()?;
        Ok(disk.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.0.disk();
        disk.check_alive()?;
        let bytes = disk.current.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.disk().change(Operation::SetLength(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.disk().sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.disk().change(Operation::Write { offset, data: data.to_vec() })
    }
}

/// The SplitMix64 generator: a seed names a power loss.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
