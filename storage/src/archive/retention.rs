//! How long messages are kept: the operator's rules, and what follows from them for an archive as it is.
//!
//! | rule | what is dropped |
//! |---|---|
//! | `time:<seconds>` | what is older |
//! | `capacity:<messages>` | the oldest, when there are more |
//! | `size:<number><unit>` | the oldest, when the archive takes more; B, KB, MB, GB, KiB, MiB, GiB |
//! | `none` | nothing |
//!
//! Several rules are separated by `;`, at most one of each kind; whatever one of them drops is dropped.

use std::{fmt, str::FromStr, time::Duration};

use weir_core::Timestamp;

use super::Summary;

/// The rules. The default of live nodes is two days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    time: Option<Duration>,
    capacity: Option<u64>,
    size: Option<u64>,
}

/// What to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trim {
    /// Messages from before this moment.
    OlderThan(Timestamp),
    /// The oldest, until so many are left.
    ToCount(u64),
    /// The oldest, until the archive takes so many bytes.
    ToBytes(u64),
}

/// Why a text is not a retention policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// There is no rule of this name.
    #[error(
        "unknown retention policy `{0}`: expected time:<seconds>, capacity:<messages>, size:<number><unit> or none"
    )]
    Unknown(String),
    /// Two rules of one kind.
    #[error("retention policy `{0}` is given twice")]
    Twice(&'static str),
    /// `none` beside rules.
    #[error("retention policy `none` stands alone")]
    NoneAmongOthers,
    /// Not a positive whole number.
    #[error("`{value}` in retention policy `{rule}` is not a whole number above 0")]
    Number {
        /// The rule.
        rule: &'static str,
        /// What was written.
        value: String,
    },
    /// Not a unit of sizes.
    #[error("`{0}` is no size: expected a number above 0 and B, KB, MB, GB, KiB, MiB or GiB, as in 25GB")]
    Size(String),
}

impl Retention {
    /// Two days, as live nodes have it.
    pub const DEFAULT: Self = Self { time: Some(Duration::from_secs(172_800)), capacity: None, size: None };

    /// The size in bytes that `size:` names.
    pub const fn size_cap(&self) -> Option<u64> {
        self.size
    }

    /// What to drop of an archive that is as `summary` says, if anything.
    pub fn trims(&self, summary: &Summary, now: Timestamp) -> Vec<Trim> {
        let limit = self.time.map(|time| now.saturating_sub(time));
        let too_old = limit.filter(|limit| summary.oldest.is_some_and(|oldest| oldest < *limit));
        let too_many = self.capacity.filter(|capacity| summary.messages > *capacity);
        let too_large = self.size.filter(|size| summary.bytes > *size);
        let trims = [too_old.map(Trim::OlderThan), too_many.map(Trim::ToCount), too_large.map(Trim::ToBytes)];
        trims.into_iter().flatten().collect()
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for Retention {
    /// As an operator would write it, sizes in bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = [
            self.time.map(|time| format!("time:{}", time.as_secs())),
            self.capacity.map(|capacity| format!("capacity:{capacity}")),
            self.size.map(|size| format!("size:{size}B")),
        ];
        let rules: Vec<String> = rules.into_iter().flatten().collect();
        f.write_str(if rules.is_empty() { "none" } else { "" })?;
        f.write_str(&rules.join(";"))
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut retention = Self { time: None, capacity: None, size: None };
        let rules: Vec<&str> = text.split(';').map(str::trim).filter(|rule| !rule.is_empty()).collect();
        if rules.as_slice() == ["none"] {
            return Ok(retention);
        }
        if rules.is_empty() {
            return Err(RetentionError::Unknown(text.to_owned()));
        }
        for rule in rules {
            match rule.split_once(':') {
                Some(("time", value)) => {
                    once("time", &mut retention.time, Duration::from_secs(number("time", value)?))?;
                }
                Some(("capacity", value)) => {
                    once("capacity", &mut retention.capacity, number("capacity", value)?)?;
                }
                Some(("size", value)) => once("size", &mut retention.size, bytes(value)?)?,
                None if rule == "none" => return Err(RetentionError::NoneAmongOthers),
                _ => return Err(RetentionError::Unknown(rule.to_owned())),
            }
        }
        Ok(retention)
    }
}

fn once<T>(rule: &'static str, place: &mut Option<T>, value: T) -> Result<(), RetentionError> {
    if place.replace(value).is_some() { Err(RetentionError::Twice(rule)) } else { Ok(()) }
}

fn number(rule: &'static str, value: &str) -> Result<u64, RetentionError> {
    let parsed = value.trim().parse().ok().filter(|number| *number > 0);
    parsed.ok_or_else(|| RetentionError::Number { rule, value: value.to_owned() })
}

fn bytes(value: &str) -> Result<u64, RetentionError> {
    let wrong = || RetentionError::Size(value.to_owned());
    let value = value.trim();
    let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Retention, RetentionError> {
        text.parse()
    }

    #[test]
    fn rules_are_read_as_operators_write_them() {
        let day = Some(Duration::from_secs(86_400));
        let (none, size) = (None, Some(25_000_000_000));
        assert_eq!(parse("none"), Ok(Retention { time: None, capacity: None, size: None }));
        assert_eq!(parse("time:86400"), Ok(Retention { time: day, capacity: none, size: None }));
        assert_eq!(
            parse("time:86400; size:25GB;capacity:1000"),
            Ok(Retention { time: day, capacity: Some(1000), size })
        );
        assert_eq!(parse("size:5MiB").map(|retention| retention.size_cap()), Ok(Some(5 << 20)));
    }

    #[test]
    fn rules_are_shown_as_they_are_read() {
        for text in ["none", "time:86400", "time:1;capacity:2;size:3B"] {
            assert_eq!(parse(text).map(|retention| retention.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Retention::DEFAULT.to_string(), "time:172800");
    }

    #[test]
    fn what_is_no_rule_is_named() {
        use RetentionError::*;
        let number = |rule, value: &str| Number { rule, value: value.to_owned() };
        for (text, error) in [
            ("", Unknown(String::new())),
            ("forever", Unknown("forever".to_owned())),
            ("age:5", Unknown("age:5".to_owned())),
            ("time:0", number("time", "0")),
            ("time:-5", number("time", "-5")),
            ("capacity:many", number("capacity", "many")),
            ("time:5;time:6", Twice("time")),
            ("time:5;none", NoneAmongOthers),
            ("size:5", Size("5".to_owned())),
            ("size:5XB", Size("5XB".to_owned())),
            ("size:99999999999GB", Size("99999999999GB".to_owned())),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn nothing_is_dropped_before_a_rule_is_broken() {
        let rules = parse("time:100;capacity:10;size:1KB").expect("well formed");
        let summary = |oldest, messages, bytes| Summary {
            messages,
            bytes,
            oldest: Some(Timestamp::from_secs(oldest)),
            ..Summary::default()
        };
        let now = Timestamp::from_secs(1_000);
        assert_eq!(rules.trims(&summary(900, 10, 1_000), now), []);
        assert_eq!(
            rules.trims(&summary(899, 11, 1_001), now),
            [Trim::OlderThan(Timestamp::from_secs(900)), Trim::ToCount(10), Trim::ToBytes(1_000)]
        );
        assert_eq!(rules.trims(&Summary::default(), now), []);
    }
}
