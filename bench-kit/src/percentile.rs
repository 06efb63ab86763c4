//! Percentiles by the nearest rank: a value that was measured, never one between two.

use std::time::Duration;

/// The times in order, as [`percentile`] needs them.
pub fn sorted(times: impl IntoIterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<Duration> = times.into_iter().collect();
    times.sort_unstable();
    times
}

/// The smallest value that is not below `percent` of the sorted values; `None` when there are none.
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// A time in milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let of = |values: &[u64], percent| {
            percentile(&sorted(values.iter().copied().map(Duration::from_millis)), percent).map(ms)
        };
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(
            [0, 50, 90, 99, 100].map(|percent| of(&hundred, percent)),
            [1., 50., 90., 99., 100.].map(Some)
        );
        assert_eq!([0, 50, 99].map(|percent| of(&[7], percent)), [Some(7.); 3]);
        assert_eq!(of(&[1, 2], 51), Some(2.));
        assert_eq!(of(&[], 50), None);
    }
}
