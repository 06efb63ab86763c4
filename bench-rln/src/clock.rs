//! Two clocks at once: the wall's, and the processor time of this process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How long something took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elapsed {
    /// By the wall's clock.
    pub(crate) wall: Duration,
    /// On processors, all threads of the process together.
    pub(crate) cpu: Duration,
}

/// Does `work` and tells how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Elapsed) {
    let (cpu, wall) = (process_cpu_time(), Instant::now());
    let result = work();
    (result, Elapsed { wall: wall.elapsed(), cpu: process_cpu_time().saturating_sub(cpu) })
}

impl Elapsed {
    /// The same for one of `units` equal parts.
    pub(crate) fn per(self, units: u32) -> Self {
        Self { wall: self.wall / units.max(1), cpu: self.cpu / units.max(1) }
    }
}

fn process_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // Both parts of a processor time are positive.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn work_takes_processor_time_and_sleep_does_not() {
        let (_, busy) = timed(|| (0..3_000_000u64).fold(1, |sum, n| black_box(sum ^ n)));
        assert!(busy.cpu > Duration::from_micros(100));
        let before = process_cpu_time();
        assert!(process_cpu_time() >= before);
        assert_eq!(busy.per(1), busy);
        assert_eq!(busy.per(2).wall, busy.wall / 2);
    }
}
