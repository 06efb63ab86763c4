//! A folder whose files are disks that fail on purpose.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::StorageBackend;

use crate::{OpenError, faulty_disk::FaultyDisk, schema::Kind};

/// The files by name. Clones are the same folder. Making and removing files is never lost.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Disks(Arc<Mutex<BTreeMap<String, FaultyDisk>>>);

impl Disks {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, FaultyDisk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of this name; a new one is empty.
    pub(in super::super) fn disk(&self, name: &str) -> FaultyDisk {
        self.all().entry(name.to_owned()).or_default().clone()
    }

    pub(in super::super) fn names(&self) -> Vec<String> {
        self.all().keys().cloned().collect()
    }

    pub(in super::super) fn create(&self, path: &Path, kind: &Kind) -> Result<(), OpenError> {
        if self.all().values().any(|disk| disk.backend().len().is_err()) {
            return Err(OpenError::from_io(path, io::Error::other("the power is off")));
        }
        let image = kind.new_image().expect("made in memory");
        self.all().insert(name(path), FaultyDisk::from_image(image));
        Ok(())
    }

    pub(in super::super) fn open(&self, path: &Path) -> Option<Arc<dyn StorageBackend>> {
        Some(Arc::new(self.all().get(&name(path))?.backend()))
    }

    pub(in super::super) fn remove(&self, path: &Path) {
        self.all().remove(&name(path));
    }

    pub(in super::super) fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(self.read(path)?.len() as u64)
    }

    pub(in super::super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.all().get(&name(path)).map(FaultyDisk::image).ok_or(io::ErrorKind::NotFound.into())
    }

    pub(in super::super) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.all().insert(name(path), FaultyDisk::from_image(bytes.to_vec()));
        Ok(())
    }

    /// Lets each file take `count` more operations, then loses the power.
    pub(in super::super) fn lose_power_after(&self, count: u64) {
        self.all().values().for_each(|disk| disk.lose_power_after(count));
    }

    /// Lets each file take `count` more operations, then refuses writes for want of room.
    pub(in super::super) fn fill_up_after(&self, count: u64) {
        self.all().values().for_each(|disk| disk.fill_up_after(count));
    }

    /// Ends all faults.
    pub(in super::super) fn heal(&self) {
        self.all().values().for_each(FaultyDisk::heal);
    }

    /// The folder as it is after a power loss.
    pub(in super::super) fn after_power_loss(&self, seed: u64) -> Self {
        let disk = |(name, disk): (&String, &FaultyDisk)| {
            (name.clone(), FaultyDisk::from_image(disk.image_after_power_loss(seed)))
        };
        Self(Arc::new(Mutex::new(self.all().iter().map(disk).collect())))
    }
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_str().expect("ours").to_owned()
}
