//! Base-128 varints: least significant group first, high bit set on all bytes but the last.

/// Longest varint of protobuf: ten groups of 7 bits hold 64.
pub(crate) const MAX_LENGTH: usize = 10;

/// Why bytes are not a varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VarintError {
    /// The input ends before the varint does.
    Incomplete,
    /// The varint does not end within the allowed number of bytes.
    TooLong,
}

/// Reads one varint of at most `max_length` bytes and tells how many it took.
///
/// Groups of zeros at the end are allowed, and bits beyond 64 are dropped, as protoc and nwaku do.
#[inline]
pub(crate) fn read(bytes: &[u8], max_length: usize) -> Result<(u64, usize), VarintError> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(max_length).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((value, index + 1));
        }
    }
    Err(if bytes.len() < max_length { VarintError::Incomplete } else { VarintError::TooLong })
}

/// Appends the shortest varint of `value`.
#[inline]
pub(crate) fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes [`write`] takes: one for each 7 bits begun, and one for zero.
#[inline]
pub(crate) const fn length(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write(value, &mut out);
        out
    }

    #[test]
    fn length_is_right_on_both_sides_of_every_group() {
        for bits in 0..64 {
            for value in [(1u64 << bits) - 1, 1 << bits] {
                assert_eq!(length(value), written(value).len(), "{value}");
            }
        }
        assert_eq!(length(u64::MAX), MAX_LENGTH);
    }

    #[test]
    fn eleven_bytes_are_too_long_and_ten_open_ones_already_are() {
        assert_eq!(read(&[0x80; 9], MAX_LENGTH), Err(VarintError::Incomplete));
        assert_eq!(read(&[0x80; 10], MAX_LENGTH), Err(VarintError::TooLong));
        let mut padded = [0x80; 10];
        padded[0] = 0x87;
        padded[9] = 0;
        assert_eq!(read(&padded, MAX_LENGTH), Ok((7, 10)));
        assert_eq!(read(&padded, 9), Err(VarintError::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_with_anything_behind_it(value: u64, behind: Vec<u8>) {
            let mut bytes = written(value);
            let length = bytes.len();
            bytes.extend(behind);
            prop_assert_eq!(read(&bytes, MAX_LENGTH), Ok((value, length)));
            prop_assert_eq!(read(&bytes[..length - 1], MAX_LENGTH), Err(VarintError::Incomplete));
        }
    }
}
