//! Time as a number.

use std::{fmt, time::Duration};

/// Nanoseconds since the Unix epoch, as Waku messages carry it; negative before 1970.
///
/// The one time type of the node. Pure code gets it as an argument; only the shells read a clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl Timestamp {
    /// The value a message has that carries no timestamp.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From whole seconds since the Unix epoch, saturating in the year 2262.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded towards the past.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    /// Whether the message carried a timestamp at all.
    pub const fn is_set(self) -> bool {
        self.0 != 0
    }

    /// The distance between two moments, whichever is earlier.
    pub const fn distance(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }

    /// The time passed since `earlier`, zero when `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        if self.0 > earlier.0 { self.distance(earlier) } else { Duration::ZERO }
    }

    /// This moment plus `duration`, saturating.
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// This moment minus `duration`, saturating.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_towards_the_past_on_both_sides_of_1970() {
        assert_eq!(Timestamp::from_nanos(1_999_999_999).as_secs(), 1);
        assert_eq!(Timestamp::from_nanos(-1).as_secs(), -1);
    }

    #[test]
    fn distance_of_the_extremes_does_not_overflow() {
        let (min, max) = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
        assert_eq!(min.distance(max), Duration::from_nanos(u64::MAX));
        assert_eq!(min.saturating_since(max), Duration::ZERO);
        assert_eq!(max.saturating_add(Duration::from_secs(1)), max);
        assert_eq!(min.saturating_sub(Duration::from_secs(1)), min);
    }
}
