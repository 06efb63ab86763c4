//! Reading from several places of the disk at once.
//!
//! A message that is not in memory costs one read of the disk, 0.1 to 0.2 milliseconds on common ones, and a page
//! has up to 100. A disk answers many readers in the time of one, so a page is read by several threads.

use rayon::{ThreadPool, ThreadPoolBuilder, iter::ParallelIterator, slice::ParallelSlice};

/// Threads that read for all queries together. Common disks answer 8 reads at once in the time of two; they mostly
/// wait, so a machine needs no processors for them.
const THREADS: usize = 8;

/// Fewer places than these are read one after the other, as to wake a thread takes as long as a read from memory.
const WORTH_SHARING: usize = 4;

/// The threads.
#[derive(Debug)]
pub(super) struct Fetchers(ThreadPool);

impl Fetchers {
    pub(super) fn start() -> std::io::Result<Self> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(THREADS)
            .thread_name(|number| format!("archive-read-{number}"))
            .build();
        pool.map(Self).map_err(std::io::Error::other)
    }

    /// What `read` makes of each of `places`, in their order.
    pub(super) fn read<P: Sync, T: Send>(&self, places: &[P], read: impl Fn(&P) -> T + Sync) -> Vec<T> {
        if places.len() < WORTH_SHARING {
            return places.iter().map(read).collect();
        }
        // Neighbours are often in one page of the disk, so a thread takes some in a row.
        let share = places.len().div_ceil(THREADS);
        let shares = || -> Vec<Vec<T>> {
            places.par_chunks(share).map(|share| share.iter().map(&read).collect()).collect()
        };
        self.0.install(shares).into_iter().flatten().collect()
    }
}
