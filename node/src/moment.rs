//! Moments as operators write and read them: RFC 3339, or nanoseconds as messages carry them.

use std::{fmt, str::FromStr};

use toml::value::{Datetime, Offset};
use weir_core::Timestamp;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A moment. Shown in RFC 3339, in UTC and to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

/// Why a text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// Neither of the two forms.
    #[error("expected a time as 2026-11-25T09:30:00Z, or nanoseconds since 1970")]
    Form,
    /// Nanoseconds in 64 bits do not reach so far.
    #[error("the time is not between the years 1677 and 2262")]
    Range,
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(nanos) = text.parse() {
            return Ok(Self(Timestamp::from_nanos(nanos)));
        }
        let parsed: Datetime = text.parse().map_err(|_| MomentError::Form)?;
        let (Some(date), Some(time), Some(offset)) = (parsed.date, parsed.time, parsed.offset) else {
            return Err(MomentError::Form);
        };
        let minutes_east = match offset {
            Offset::Z => 0,
            Offset::Custom { minutes } => i64::from(minutes),
        };
        let minutes = i64::from(time.hour) * 60 + i64::from(time.minute) - minutes_east;
        let days = days_from_civil(date.year.into(), date.month.into(), date.day.into());
        let seconds = days * SECONDS_PER_DAY + minutes * 60 + i64::from(time.second);
        let nanos = i128::from(seconds) * NANOS_PER_SECOND + i128::from(time.nanosecond);
        i64::try_from(nanos).map(Timestamp::from_nanos).map(Self).map_err(|_| MomentError::Range)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let nanos = i128::from(self.0.as_nanos()) - i128::from(seconds) * NANOS_PER_SECOND;
        let (days, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    }
}

// Days since 1970 in the Gregorian calendar, after Howard Hinnant, "chrono-Compatible Low-Level Date
// Algorithms": years begin in March, so that the leap day is their last, and repeat every 400 of them.

const DAYS_PER_ERA: i64 = 146_097;
/// From the first of March of the year 0 to 1970.
const DAYS_TO_1970: i64 = 719_468;

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * DAYS_PER_ERA + year * 365 + year / 4 - year / 100 + day_of_year - DAYS_TO_1970
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let (era, day) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_mean_the_same_moment() {
        for (text, nanos) in [
            ("1970-01-01T00:00:00Z", 0),
            ("0", 0),
            ("-1", -1),
            ("2023-04-20T04:20:42Z", 1_681_964_442_000_000_000),
            ("2023-04-20T06:20:42+02:00", 1_681_964_442_000_000_000),
            ("2023-04-19 22:50:42.000000007-05:30", 1_681_964_442_000_000_007),
            ("2000-02-29T23:59:59Z", 951_868_799_000_000_000),
            ("1969-12-31T23:59:59.999999999Z", -1),
        ] {
            assert_eq!(text.parse(), Ok(Moment(Timestamp::from_nanos(nanos))), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "now", "2023-04-20", "04:20:42", "2023-04-20T04:20:42", "2023-02-30T00:00:00Z"] {
            assert_eq!(text.parse::<Moment>(), Err(MomentError::Form), "{text}");
        }
        for text in ["2263-01-01T00:00:00Z", "1600-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            assert_eq!(text.parse::<Moment>(), Err(MomentError::Range), "{text}");
        }
        assert_eq!("9223372036854775808".parse::<Moment>(), Err(MomentError::Form));
    }

    #[test]
    fn moments_are_shown_in_utc() {
        let shown = |nanos| Moment(Timestamp::from_nanos(nanos)).to_string();
        assert_eq!(shown(1_681_964_442_000_000_007), "2023-04-20T04:20:42.000000007Z");
        assert_eq!(shown(i64::MIN), "1677-09-21T00:12:43.145224192Z");
        assert_eq!(shown(i64::MAX), "2262-04-11T23:47:16.854775807Z");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(nanos: i64) {
            let moment = Moment(Timestamp::from_nanos(nanos));
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        }
    }
}
