//! Points as the two formats write them.
//!
//! ark: coordinates as little-endian integers, with "infinity" and the sign of y in the two highest
//! bits of y. snarkjs: coordinates as little-endian integers in Montgomery form, infinity as zeros.

use ark_bn254::{Fq, Fq2};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{BigInt, Field, PrimeField, Zero};
use ark_serialize::{CanonicalDeserialize, Compress, Validate};

use super::error::{KeyError, KeyPart};
use super::reader::Reader;

/// Points of one group in one format, read one after another.
pub(super) struct PointReader<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) format: PointFormat,
    /// Whether points are checked to be in their group.
    pub(super) check: bool,
}

/// How coordinates are written.
#[derive(Clone, Copy)]
pub(super) enum PointFormat {
    Ark,
    Snarkjs,
}

impl PointReader<'_, '_> {
    /// `count` points and their bytes.
    pub(super) fn points<P>(&mut self, part: KeyPart, count: usize) -> Result<Vec<Affine<P>>, KeyError>
    where
        P: SWCurveConfig<BaseField: Coordinate>,
    {
        let size = point_bytes::<P>();
        let bytes = self.reader.bytes(part, (count as u64).saturating_mul(size as u64))?;
        let chunks = bytes.chunks_exact(size).enumerate();
        chunks.map(|(index, bytes)| self.decode(part, index, bytes)).collect()
    }

    /// One point.
    pub(super) fn point<P>(&mut self, part: KeyPart) -> Result<Affine<P>, KeyError>
    where
        P: SWCurveConfig<BaseField: Coordinate>,
    {
        let bytes = self.reader.bytes(part, point_bytes::<P>() as u64)?;
        self.decode(part, 0, bytes)
    }

    /// A count, then that many points.
    pub(super) fn counted<P>(&mut self, part: KeyPart) -> Result<Vec<Affine<P>>, KeyError>
    where
        P: SWCurveConfig<BaseField: Coordinate>,
    {
        let count = self.reader.count(part, point_bytes::<P>() as u64)?;
        self.points(part, count)
    }

    fn decode<P>(&self, part: KeyPart, index: usize, bytes: &[u8]) -> Result<Affine<P>, KeyError>
    where
        P: SWCurveConfig<BaseField: Coordinate>,
    {
        let point = match self.format {
            PointFormat::Ark => Affine::deserialize_with_mode(bytes, Compress::No, Validate::No).ok(),
            PointFormat::Snarkjs => from_montgomery(bytes),
        };
        let point: Affine<P> = point.ok_or(KeyError::NotCanonical { part, index })?;
        // All of G1's curve is in the group; for G2 ark multiplies by the cofactor's endomorphism.
        if self.check && !(point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve()) {
            return Err(KeyError::NotInGroup { part, index });
        }
        Ok(point)
    }
}

/// Two coordinates.
fn point_bytes<P: SWCurveConfig<BaseField: Coordinate>>() -> usize {
    2 * P::BaseField::BYTES
}

/// A coordinate: of G1 an element of the base field, of G2 of its quadratic extension.
pub(super) trait Coordinate: Field {
    /// How long it is, in either format.
    const BYTES: usize;

    /// Reads snarkjs's form from exactly [`Self::BYTES`] bytes.
    fn from_montgomery(bytes: &[u8]) -> Option<Self>;
}

impl Coordinate for Fq {
    const BYTES: usize = 32;

    fn from_montgomery(bytes: &[u8]) -> Option<Self> {
        let words = words(bytes.try_into().ok()?);
        (words < Self::MODULUS).then(|| Self::new_unchecked(words))
    }
}

impl Coordinate for Fq2 {
    const BYTES: usize = 64;

    fn from_montgomery(bytes: &[u8]) -> Option<Self> {
        let (c0, c1) = bytes.split_at_checked(32)?;
        Some(Self::new(Fq::from_montgomery(c0)?, Fq::from_montgomery(c1)?))
    }
}

fn from_montgomery<P>(bytes: &[u8]) -> Option<Affine<P>>
where
    P: SWCurveConfig<BaseField: Coordinate>,
{
    let (x, y) = bytes.split_at_checked(P::BaseField::BYTES)?;
    let (x, y) = (P::BaseField::from_montgomery(x)?, P::BaseField::from_montgomery(y)?);
    let infinity = x.is_zero() && y.is_zero();
    Some(if infinity { Affine::identity() } else { Affine::new_unchecked(x, y) })
}

/// 32 bytes as a little-endian integer.
pub(super) fn words(bytes: &[u8; 32]) -> BigInt<4> {
    let word = |index: usize| {
        let word = bytes[8 * index..8 * index + 8].try_into();
        u64::from_le_bytes(word.expect("eight bytes"))
    };
    BigInt::new([word(0), word(1), word(2), word(3)])
}
