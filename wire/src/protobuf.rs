//! Protobuf as nwaku reads and writes it: fields with explicit presence.
//!
//! A value is encoded by listing its fields, which are written in that order whether they are empty
//! or not, into one buffer of exactly the right size. It is decoded by walking over the fields of
//! the input, of which the callers pick those they know by number *and* wire type: what they do not
//! match is skipped, and of two occurrences they keep the last.
//!
//! # Security
//! [`Fields`] borrows from the input and never allocates; each step consumes at least two bytes.

use bytes::Bytes;

use crate::{
    DecodeError,
    varint::{self, VarintError},
};

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

/// A field to write: its number and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field<'a> {
    /// An unsigned number.
    Varint(u64, u64),
    /// Bytes or text.
    Bytes(u64, &'a [u8]),
    /// A nested message.
    Message(u64, &'a [Self]),
}

/// Writes `fields` in their order.
pub(crate) fn encode(fields: &[Field<'_>]) -> Bytes {
    let mut out = Vec::with_capacity(body_length(fields));
    write_body(fields, &mut out);
    out.into()
}

/// The number that stands for `value` in a `sint64` field.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

impl Field<'_> {
    fn length(&self) -> usize {
        match *self {
            Self::Varint(number, value) => tag_length(number) + varint::length(value),
            Self::Bytes(number, bytes) => delimited_length(number, bytes.len()),
            Self::Message(number, fields) => delimited_length(number, body_length(fields)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Varint(number, value) => {
                varint::write(tag(number, VARINT), out);
                varint::write(value, out);
            }
            Self::Bytes(number, bytes) => {
                write_delimiter(number, bytes.len(), out);
                out.extend_from_slice(bytes);
            }
            Self::Message(number, fields) => {
                write_delimiter(number, body_length(fields), out);
                write_body(fields, out);
            }
        }
    }
}

/// Bytes that [`encode`] writes for `fields`.
pub(crate) fn body_length(fields: &[Field<'_>]) -> usize {
    fields.iter().map(Field::length).sum()
}

fn write_body(fields: &[Field<'_>], out: &mut Vec<u8>) {
    for field in fields {
        field.write(out);
    }
}

const fn tag(number: u64, wire_type: u64) -> u64 {
    number << 3 | wire_type
}

const fn tag_length(number: u64) -> usize {
    varint::length(tag(number, 0))
}

const fn delimited_length(number: u64, length: usize) -> usize {
    tag_length(number) + varint::length(length as u64) + length
}

fn write_delimiter(number: u64, length: usize, out: &mut Vec<u8>) {
    varint::write(tag(number, DELIMITED), out);
    varint::write(length as u64, out);
}

/// A field that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire types 1 and 5, which no Waku message uses.
    Fixed,
}

/// Walks over the fields of an encoded message and ends after the first error.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn read_field(&mut self) -> Result<(u64, Value<'a>), DecodeError> {
        let tag = read_varint(&mut self.rest)?;
        let value = match tag & 7 {
            VARINT => Value::Varint(read_varint(&mut self.rest)?),
            FIXED64 => self.take(8).map(|_| Value::Fixed)?,
            DELIMITED => {
                let length = read_varint(&mut self.rest)?;
                Value::Bytes(self.take(length)?)
            }
            FIXED32 => self.take(4).map(|_| Value::Fixed)?,
            wire_type => return Err(DecodeError::WireType(wire_type as u8)),
        };
        Ok((tag >> 3, value))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).map_err(|_| DecodeError::Truncated)?;
        let (head, tail) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = tail;
        Ok(head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read_field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// A number in the type its field has, of which `max` is the highest value.
///
/// protoc would take the low bits; nwaku refuses varints beyond the field's width, and a message that
/// others refuse must not be forwarded to them.
pub(crate) fn narrow<T>(value: u64, field: &'static str, max: T) -> Result<T, DecodeError>
where
    T: TryFrom<u64> + Into<u64>,
{
    T::try_from(value).map_err(|_| DecodeError::Range { field, max: max.into(), value })
}

/// Takes one varint off the front of `bytes`.
pub(crate) fn read_varint(bytes: &mut &[u8]) -> Result<u64, DecodeError> {
    let (value, length) = varint::read(bytes, varint::MAX_LENGTH).map_err(|error| match error {
        VarintError::Incomplete => DecodeError::Truncated,
        VarintError::TooLong => DecodeError::VarintTooLong,
    })?;
    *bytes = &bytes[length..];
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zigzag_puts_small_numbers_of_both_signs_first() {
        let pairs = [(0, 0), (-1, 1), (1, 2), (-2, 3), (i64::MAX, u64::MAX - 1), (i64::MIN, u64::MAX)];
        for (signed, unsigned) in pairs {
            assert_eq!(zigzag(signed), unsigned);
            assert_eq!(unzigzag(unsigned), signed);
        }
    }

    #[test]
    fn the_walk_ends_after_its_first_error() {
        let mut fields = Fields::new(&[0x08, 0x01, 0x0b, 0x08, 0x01]);
        assert_eq!(fields.next(), Some(Ok((1, Value::Varint(1)))));
        assert_eq!(fields.next(), Some(Err(DecodeError::WireType(3))));
        assert_eq!(fields.next(), None);
    }

    proptest! {
        #[test]
        fn the_buffer_is_reserved_in_its_final_size(
            number in 1u64..1 << 29,
            varint: u64,
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let inner = [Field::Varint(number, varint), Field::Bytes(number, &bytes)];
            let fields = [inner[0], inner[1], Field::Message(number, &inner)];
            prop_assert_eq!(encode(&fields).len(), body_length(&fields));
        }
    }
}
