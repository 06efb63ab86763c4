//! Field elements as bytes and text, and the newtypes that give each its meaning.

use ark_ff::PrimeField;
use weir_circuits::Fr;
use weir_core::HexError;

/// Bytes that are not the canonical encoding of a field element.
///
/// Accepting them would give one value several spellings, so that one nullifier could be logged
/// twice without being recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a canonical field element: 32 little-endian bytes must be a number below the BN254 group order")]
pub struct NotCanonical;

/// Why a text is not a field element.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FieldTextError {
    /// Not 64 hex digits, with or without `0x`.
    #[error(transparent)]
    Hex(#[from] HexError),
    /// The bytes are not canonical.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

/// Reads 32 little-endian bytes.
pub(crate) fn field_from_bytes(bytes: &[u8; 32]) -> Result<Fr, NotCanonical> {
    let (limbs, _) = bytes.as_chunks::<8>();
    let limbs = std::array::from_fn(|i| u64::from_le_bytes(limbs[i]));
    // `from_bigint` is `None` exactly for numbers that are not below the modulus.
    Fr::from_bigint(ark_ff::BigInt(limbs)).ok_or(NotCanonical)
}

/// Writes 32 little-endian bytes.
pub(crate) fn field_to_bytes(value: &Fr) -> [u8; 32] {
    let mut bytes = [0; 32];
    // No heap in between: some of these are secrets, and only what is returned gets erased.
    for (chunk, limb) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(value.into_bigint().0) {
        *chunk = limb.to_le_bytes();
    }
    bytes
}

/// Reads 64 hex digits of little-endian bytes, with or without `0x`.
pub(crate) fn field_from_hex(text: &str) -> Result<Fr, FieldTextError> {
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(HexError::from)?;
    let actual = bytes.len();
    let bytes = bytes.try_into().map_err(|_| HexError::Length { expected: 32, actual })?;
    Ok(field_from_bytes(&bytes)?)
}

/// Declares a public value that is one field element: bytes, text (lower-case hex of the bytes)
/// and order, no arithmetic.
macro_rules! field_value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) weir_circuits::Fr);

        impl $name {
            /// From 32 little-endian bytes, refused when not canonical.
            pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, $crate::NotCanonical> {
                $crate::field::field_from_bytes(bytes).map(Self)
            }

            /// 32 little-endian bytes.
            pub fn to_bytes(&self) -> [u8; 32] {
                $crate::field::field_to_bytes(&self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.to_bytes()))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::FieldTextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::field::field_from_hex(text).map(Self)
            }
        }
    };
}
pub(crate) use field_value;

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, BigInteger, Field};

    use super::*;
    use crate::Nullifier;

    /// The group order, little-endian: the smallest number that is not canonical.
    fn modulus() -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&Fr::MODULUS.to_bytes_le());
        bytes
    }

    #[test]
    fn the_order_and_everything_above_is_refused_and_one_less_is_not() {
        assert_eq!(field_from_bytes(&modulus()), Err(NotCanonical));
        assert_eq!(field_from_bytes(&[0xff; 32]), Err(NotCanonical));
        let mut below = modulus();
        below[0] -= 1;
        assert_eq!(field_from_bytes(&below), Ok(-Fr::ONE));
        assert_eq!(field_from_bytes(&[0; 32]), Ok(Fr::ZERO));
    }

    #[test]
    fn bytes_are_little_endian_and_round_trip() {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        bytes[8] = 2;
        let value = field_from_bytes(&bytes).expect("small");
        assert_eq!(value, Fr::from(1u64) + Fr::from(2u128 << 64));
        assert_eq!(field_to_bytes(&value), bytes);
    }

    #[test]
    fn text_is_lower_case_hex_of_the_bytes() {
        let text = format!("0a{}", "00".repeat(31));
        let value: Nullifier = text.parse().expect("ten");
        assert_eq!(value.to_string(), text);
        assert_eq!(format!("0x{text}").parse(), Ok(value));
        assert_eq!(
            "0a".parse::<Nullifier>(),
            Err(FieldTextError::Hex(HexError::Length { expected: 32, actual: 1 }))
        );
        assert!(matches!("zz".parse::<Nullifier>(), Err(FieldTextError::Hex(HexError::NotHex(_)))));
        assert_eq!(
            hex::encode(modulus()).parse::<Nullifier>(),
            Err(FieldTextError::NotCanonical(NotCanonical))
        );
    }
}
