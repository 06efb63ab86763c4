//! Hex text of fixed-size byte values.

/// Why a hex text is not the value it should be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HexError {
    /// A character outside `0-9a-fA-F`, or an odd number of them.
    #[error("not hexadecimal: {0}")]
    NotHex(#[from] hex::FromHexError),
    /// The value has another number of bytes.
    #[error("{actual} bytes where {expected} are needed")]
    Length {
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
}

/// Parses hex, with or without a `0x` prefix, into exactly `N` bytes.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text))?;
    let actual = bytes.len();
    bytes.try_into().map_err(|_| HexError::Length { expected: N, actual })
}
