//! Epochs: the periods in which messages are counted.

use std::{fmt, num::NonZeroU64};

use weir_core::Timestamp;

/// Seconds by which clocks of honest nodes may differ (17/WAKU2-RLN-RELAY, `MAX_CLOCK_GAP_SECONDS`).
pub(crate) const MAX_CLOCK_GAP_SECS: u64 = 20;

/// Number of an epoch: whole epoch lengths since 1970. Comparable only under one [`EpochLength`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

/// 32 bytes with something other than a u64 in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an epoch: a number in the first 8 bytes, little-endian, and 24 zero bytes are needed")]
pub struct NotAnEpoch;

/// How long an epoch lasts, in whole seconds, at least one. The same in the whole cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochLength(NonZeroU64);

/// An epoch of no length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an epoch must last at least one second")]
pub struct ZeroEpochLength;

impl Epoch {
    /// The epoch with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// As proofs carry it: the number in 8 bytes little-endian, then 24 zero bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.0.to_le_bytes());
        bytes
    }

    /// Reads what [`Epoch::to_bytes`] writes and nothing else.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, NotAnEpoch> {
        let ([number, rest @ ..], _) = bytes.as_chunks::<8>() else { return Err(NotAnEpoch) };
        if rest.as_flattened().iter().any(|&byte| byte != 0) {
            return Err(NotAnEpoch);
        }
        Ok(Self(u64::from_le_bytes(*number)))
    }
}

impl EpochLength {
    /// A length of `secs` seconds.
    pub fn new(secs: u64) -> Result<Self, ZeroEpochLength> {
        NonZeroU64::new(secs).map(Self).ok_or(ZeroEpochLength)
    }

    /// The length in seconds.
    pub const fn as_secs(self) -> u64 {
        self.0.get()
    }

    /// The epoch of a moment, rounded down as nwaku does (the RFC rounds up). Moments before 1970
    /// belong to epoch 0.
    pub fn of(self, time: Timestamp) -> Epoch {
        Epoch(u64::try_from(time.as_secs()).unwrap_or(0) / self.0)
    }

    /// The first moment of `epoch`, saturating in the year 2262.
    pub fn start(self, epoch: Epoch) -> Timestamp {
        let secs = epoch.0.saturating_mul(self.0.get());
        Timestamp::from_secs(i64::try_from(secs).unwrap_or(i64::MAX))
    }

    /// The first moment after `epoch`, when quotas reset.
    pub fn end(self, epoch: Epoch) -> Timestamp {
        self.start(Epoch(epoch.0.saturating_add(1)))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn length(secs: u64) -> EpochLength {
        EpochLength::new(secs).expect("not zero")
    }

    #[test]
    fn an_epoch_starts_on_its_first_nanosecond_and_ends_before_the_next() {
        let ten_minutes = length(600);
        let epoch = Epoch::new(2_900_000);
        let start = ten_minutes.start(epoch);
        assert_eq!(start, Timestamp::from_secs(1_740_000_000));
        assert_eq!(ten_minutes.of(start), epoch);
        assert_eq!(ten_minutes.of(Timestamp::from_nanos(start.as_nanos() - 1)), Epoch::new(2_899_999));
        assert_eq!(ten_minutes.of(Timestamp::from_nanos(ten_minutes.end(epoch).as_nanos() - 1)), epoch);
    }

    #[test]
    fn extreme_times_and_numbers_saturate() {
        assert_eq!(length(1).of(Timestamp::from_nanos(i64::MIN)), Epoch::new(0));
        assert_eq!(length(u64::MAX).of(Timestamp::from_nanos(i64::MAX)), Epoch::new(0));
        assert_eq!(length(2).end(Epoch::new(u64::MAX)), Timestamp::from_secs(i64::MAX));
        assert_eq!(EpochLength::new(0), Err(ZeroEpochLength));
    }

    #[test]
    fn bytes_beyond_the_eighth_make_it_no_epoch() {
        let mut bytes = Epoch::new(0x0102).to_bytes();
        assert_eq!(bytes[..3], [2, 1, 0]);
        bytes[8] = 1;
        assert_eq!(Epoch::from_bytes(&bytes), Err(NotAnEpoch));
        bytes = [0; 32];
        bytes[31] = 0x80;
        assert_eq!(Epoch::from_bytes(&bytes), Err(NotAnEpoch));
    }

    proptest! {
        #[test]
        fn bytes_round_trip(number: u64) {
            let epoch = Epoch::new(number);
            prop_assert_eq!(Epoch::from_bytes(&epoch.to_bytes()), Ok(epoch));
        }

        #[test]
        fn every_moment_lies_inside_its_epoch(nanos in 0..i64::MAX, secs in 1u64..100_000) {
            let (time, length) = (Timestamp::from_nanos(nanos), length(secs));
            let epoch = length.of(time);
            prop_assert!(length.start(epoch) <= time && time < length.end(epoch));
        }
    }
}
