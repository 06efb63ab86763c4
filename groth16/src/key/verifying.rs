//! What a verifier knows about a circuit.

use ark_bn254::{G1Affine, G2Affine};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};

use super::error::{KeyError, KeyPart};

/// The verifying key of one circuit, in the names of ark and of the Groth16 paper (eprint 2016/260).
///
/// Every point is in its group of prime order; whoever reads a key checks that, or trusts its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// `alpha * G`.
    pub alpha_g1: G1Affine,
    /// `beta * H`.
    pub beta_g2: G2Affine,
    /// `gamma * H`.
    pub gamma_g2: G2Affine,
    /// `delta * H`.
    pub delta_g2: G2Affine,
    /// One point for the constant 1, then one for each public input.
    pub gamma_abc_g1: Vec<G1Affine>,
}

/// Compressed bytes of a point of G1.
const G1_BYTES: usize = 32;

/// Compressed bytes of the single points, one in G1 and three in G2, and of the count behind them.
const FIXED_BYTES: usize = G1_BYTES + 3 * 2 * G1_BYTES + 8;

impl VerifyingKey {
    /// The file that zerokit and nwaku know a key by: ark's compressed encoding, 424 bytes for RLN.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + G1_BYTES * self.gamma_abc_g1.len());
        self.alpha_g1.serialize_compressed(&mut bytes).expect(MEMORY);
        for point in [&self.beta_g2, &self.gamma_g2, &self.delta_g2] {
            point.serialize_compressed(&mut bytes).expect(MEMORY);
        }
        self.gamma_abc_g1.serialize_compressed(&mut bytes).expect(MEMORY);
        bytes
    }

    /// Reads such a file. Every point is checked to be in its group.
    ///
    /// # Errors
    ///
    /// [`KeyError::Truncated`], [`KeyError::TrailingBytes`] when there are not as many points as the
    /// file says, [`KeyError::NotInGroup`] when one is not a point.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let needed = FIXED_BYTES as u64;
        let truncated = KeyError::Truncated { part: KeyPart::SinglePoints, needed, left: bytes.len() };
        let (fixed, mut rest) = bytes.split_at_checked(FIXED_BYTES).ok_or(truncated)?;
        let (mut singles, count) = fixed.split_at(FIXED_BYTES - 8);
        let count = u64::from_le_bytes(count.try_into().expect("split off as eight bytes"));
        let needed = count.saturating_mul(G1_BYTES as u64);
        let part = KeyPart::PublicInputs;
        let count = match needed.cmp(&(rest.len() as u64)) {
            std::cmp::Ordering::Greater => {
                return Err(KeyError::Truncated { part, needed, left: rest.len() });
            }
            std::cmp::Ordering::Less => {
                return Err(KeyError::TrailingBytes { part, count: rest.len() - needed as usize });
            }
            std::cmp::Ordering::Equal => rest.len() / G1_BYTES,
        };
        Ok(Self {
            alpha_g1: point(&mut singles, KeyPart::SinglePoints, 0)?,
            beta_g2: point(&mut singles, KeyPart::SinglePoints, 1)?,
            gamma_g2: point(&mut singles, KeyPart::SinglePoints, 2)?,
            delta_g2: point(&mut singles, KeyPart::SinglePoints, 3)?,
            gamma_abc_g1: (0..count).map(|index| point(&mut rest, part, index)).collect::<Result<_, _>>()?,
        })
    }
}

const MEMORY: &str = "writing to memory does not fail";

fn point<P: CanonicalDeserialize>(bytes: &mut &[u8], part: KeyPart, index: usize) -> Result<P, KeyError> {
    P::deserialize_compressed(bytes).map_err(|_| KeyError::NotInGroup { part, index })
}

#[cfg(test)]
mod tests {
    use ark_ec::AffineRepr;

    use super::*;

    fn key() -> VerifyingKey {
        let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
        VerifyingKey {
            alpha_g1: g1,
            beta_g2: g2,
            gamma_g2: g2,
            delta_g2: g2,
            gamma_abc_g1: vec![g1, G1Affine::identity()],
        }
    }

    #[test]
    fn a_key_reads_back_and_one_byte_more_or_less_is_refused() {
        let bytes = key().to_bytes();
        assert_eq!(bytes.len(), 232 + 2 * 32);
        assert_eq!(VerifyingKey::from_bytes(&bytes), Ok(key()));
        let part = KeyPart::PublicInputs;
        let shorter = VerifyingKey::from_bytes(&bytes[..bytes.len() - 1]);
        assert_eq!(shorter, Err(KeyError::Truncated { part, needed: 64, left: 63 }));
        let longer = VerifyingKey::from_bytes(&[&bytes[..], &[0]].concat());
        assert_eq!(longer, Err(KeyError::TrailingBytes { part, count: 1 }));
    }

    #[test]
    fn a_count_without_points_and_a_wrong_point_are_refused() {
        let mut bytes = key().to_bytes();
        bytes[FIXED_BYTES - 1] = 0xff;
        assert!(matches!(VerifyingKey::from_bytes(&bytes), Err(KeyError::Truncated { .. })));
        let mut bytes = key().to_bytes();
        bytes[G1_BYTES] ^= 1;
        let error = Err(KeyError::NotInGroup { part: KeyPart::SinglePoints, index: 1 });
        assert_eq!(VerifyingKey::from_bytes(&bytes), error);
    }
}
