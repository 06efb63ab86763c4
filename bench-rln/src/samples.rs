//! Repeated measurements of one thing, and what they say together.

use serde::Serialize;
use weir_bench_kit::{ms, percentile, sorted};

use crate::clock::Elapsed;

/// What was measured of one task with one engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Samples {
    taken: Vec<Elapsed>,
}

/// How measurements lie around their median, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Measurements.
    pub samples: usize,
    /// Median of the processor time: the figure that ratios are made of.
    pub cpu_p50_ms: f64,
    /// Shortest.
    pub cpu_min_ms: f64,
    /// One in ten is not above.
    pub cpu_p10_ms: f64,
    /// Nine in ten are not above.
    pub cpu_p90_ms: f64,
    /// Longest.
    pub cpu_max_ms: f64,
    /// Median of the distances from the median.
    pub cpu_mad_ms: f64,
    /// Median of the wall time.
    pub wall_p50_ms: f64,
    /// Nine in ten wall times are not above.
    pub wall_p90_ms: f64,
}

impl Samples {
    pub(crate) fn push(&mut self, elapsed: Elapsed) {
        self.taken.push(elapsed);
    }

    /// `None` when nothing was measured.
    pub(crate) fn spread(&self) -> Option<Spread> {
        let cpu = sorted(self.taken.iter().map(|elapsed| elapsed.cpu));
        let wall = sorted(self.taken.iter().map(|elapsed| elapsed.wall));
        let median = percentile(&cpu, 50)?;
        let distances = sorted(cpu.iter().map(|cpu| cpu.abs_diff(median)));
        Some(Spread {
            samples: cpu.len(),
            cpu_p50_ms: ms(median),
            cpu_min_ms: ms(percentile(&cpu, 0)?),
            cpu_p10_ms: ms(percentile(&cpu, 10)?),
            cpu_p90_ms: ms(percentile(&cpu, 90)?),
            cpu_max_ms: ms(percentile(&cpu, 100)?),
            cpu_mad_ms: ms(percentile(&distances, 50)?),
            wall_p50_ms: ms(percentile(&wall, 50)?),
            wall_p90_ms: ms(percentile(&wall, 90)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn samples(cpu_ms: impl IntoIterator<Item = u64>) -> Samples {
        let elapsed = |ms| Elapsed { wall: Duration::from_millis(ms * 2), cpu: Duration::from_millis(ms) };
        Samples { taken: cpu_ms.into_iter().map(elapsed).collect() }
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let spread = samples((1..=200).rev()).spread().expect("200 values");
        assert_eq!((spread.samples, spread.cpu_min_ms, spread.cpu_max_ms), (200, 1.0, 200.0));
        assert_eq!((spread.cpu_p10_ms, spread.cpu_p50_ms, spread.cpu_p90_ms), (20.0, 100.0, 180.0));
        assert_eq!((spread.wall_p50_ms, spread.wall_p90_ms), (200.0, 360.0));
        assert_eq!(
            samples([7]).spread().map(|spread| (spread.cpu_p10_ms, spread.cpu_p90_ms)),
            Some((7.0, 7.0))
        );
        assert_eq!(samples([]).spread(), None);
    }

    #[test]
    fn one_outlier_moves_neither_the_median_nor_its_deviation() {
        let spread = samples([10, 11, 12, 13, 900]).spread().expect("5 values");
        assert_eq!((spread.cpu_p50_ms, spread.cpu_mad_ms, spread.cpu_max_ms), (12.0, 1.0, 900.0));
    }
}
