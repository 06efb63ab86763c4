//! Reading from several places of the disk at once.
//!
//! A message that is not in memory costs one read of the disk, 0.1 to 0.2 milliseconds on common ones, and a page
//! has up to 100. A disk answers many readers in the time of one, so a page that is not in memory is read by several
//! threads. One that is in memory is not: waking them takes longer, and while others run they wait for a processor.

use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder, iter::ParallelIterator, slice::ParallelSlice};

/// Threads that read for all queries together. Common disks answer 8 reads at once in the time of two; they mostly
/// wait, so a machine needs no processors for them.
const THREADS: usize = 8;

/// Fewer places than these are read one after the other.
const WORTH_SHARING: usize = 3;

/// A read that took longer was one of the disk: those from memory take some 10 microseconds, the fastest disks 60.
const FROM_MEMORY: Duration = Duration::from_micros(40);

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
        let mut all = Vec::with_capacity(places.len());
        let mut left = places;
        while let [place, others @ ..] = left {
            let started = Instant::now();
            all.push(read(place));
            left = others;
            if left.len() >= WORTH_SHARING && started.elapsed() > FROM_MEMORY {
                all.extend(self.read_at_once(left, &read));
                break;
            }
        }
        all
    }

    fn read_at_once<P: Sync, T: Send>(&self, places: &[P], read: &(impl Fn(&P) -> T + Sync)) -> Vec<T> {
        // Neighbours are often in one page of the disk, so a thread takes some in a row.
        let share = places.len().div_ceil(THREADS);
        let shares = || -> Vec<Vec<T>> {
            places.par_chunks(share).map(|share| share.iter().map(read).collect()).collect()
        };
        self.0.install(shares).into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn what_is_read_is_in_order_whoever_read_it() {
        let fetchers = Fetchers::start().unwrap();
        let places: Vec<u32> = (0..100).collect();
        let doubled: Vec<u32> = places.iter().map(|place| place * 2).collect();
        assert_eq!(fetchers.read(&places, |place| place * 2), doubled);
        // As a disk does.
        let slow = |place: &u32| {
            sleep(FROM_MEMORY * 2);
            place * 2
        };
        assert_eq!(fetchers.read(&places, slow), doubled);
        assert_eq!(fetchers.read_at_once(&places, &|place| place * 2), doubled);
        assert_eq!(fetchers.read(&[], |place: &u32| *place), []);
    }
}
