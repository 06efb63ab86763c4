//! The size syntax of `--max-msg-size`.

use std::str::FromStr;

/// A size in bytes, written as a decimal number and a unit: `150KiB` (1024), `150KB` (1000), `900B`.
///
/// As nwaku reads it: case does not matter, a space may stand before the unit, a comma may be the
/// decimal point, and the unit may not be left out. Fractions of a byte are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageSize(pub usize);

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageSizeError {
    /// The unit is missing or none of the three.
    #[error("the unit must be B, KB or KiB, as in 150KiB")]
    Unit,
    /// What stands before the unit is not a decimal number.
    #[error("`{0}` is not a decimal number")]
    Number(String),
}

impl FromStr for MessageSize {
    type Err = MessageSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().to_ascii_lowercase();
        let end = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(MessageSizeError::Unit)?;
        let (number, unit) = text.split_at(end);
        let scale = match unit {
            "b" => 1.0,
            "kb" => 1000.0,
            "kib" => 1024.0,
            _ => return Err(MessageSizeError::Unit),
        };
        let number = number.trim_end();
        let decimal = number.starts_with(|c: char| c.is_ascii_digit())
            && number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','));
        let value: f64 = Some(number.replace(',', "."))
            .filter(|_| decimal)
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| MessageSizeError::Number(number.to_owned()))?;
        // Saturates, and never below zero: the sign was refused above.
        Ok(Self((value * scale) as usize))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whole_sizes_are_exact_in_every_unit(number in 0usize..1 << 32) {
            for (unit, scale) in [("B", 1), ("KB", 1000), ("KiB", 1024)] {
                prop_assert_eq!(format!("{number}{unit}").parse(), Ok(MessageSize(number * scale)));
            }
        }

        #[test]
        fn any_text_is_a_size_or_breaks_a_rule(text in "[0-9.,+ eKkIiBb-]{0,24}") {
            prop_assert!(text.parse::<MessageSize>().is_err() || text.trim().starts_with(|c: char| c.is_ascii_digit()));
        }
    }

    #[test]
    fn sizes_are_read_as_nwaku_reads_them() {
        for (text, bytes) in [
            ("150KiB", 153_600),
            ("150 kib", 153_600),
            ("150KB", 150_000),
            ("900b", 900),
            ("1.5KiB", 1536),
            ("1,5KiB", 1536),
            (" 0B ", 0),
        ] {
            assert_eq!(text.parse(), Ok(MessageSize(bytes)), "{text}");
        }
    }

    #[test]
    fn each_malformed_size_names_its_rule() {
        for text in ["", "150", "150iB", "150MiB", "150KiBs"] {
            assert_eq!(text.parse::<MessageSize>(), Err(MessageSizeError::Unit), "{text}");
        }
        for (text, number) in
            [("-1KiB", "-1"), ("KiB", ""), ("1.2.3B", "1.2.3"), ("+1B", "+1"), (".5KiB", ".5")]
        {
            assert_eq!(text.parse::<MessageSize>(), Err(MessageSizeError::Number(number.into())), "{text}");
        }
    }
}
