//! What a circuit's constraints are, in one number.

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};
use sha2::{Digest, Sha256};

/// SHA-256, in lowercase hex, of the left and right factors of a circuit's constraints, in their order.
///
/// A Groth16 proving key holds these two matrices and no others: a prover needs the products' one
/// only in the form that the key's points have of it. Two keys with one digest are keys of one
/// circuit as far as that can be seen from the key.
///
/// A row is its terms as (wire, coefficient). Hashed are the number of rows, then for each its number
/// of terms and the terms by ascending wire, left factors first: numbers as 8 bytes and coefficients
/// as 32, little-endian.
pub fn matrices_digest<L, R>(
    left: impl ExactSizeIterator<Item = L>,
    right: impl ExactSizeIterator<Item = R>,
) -> String
where
    L: IntoIterator<Item = (usize, Fr)>,
    R: IntoIterator<Item = (usize, Fr)>,
{
    let mut hasher = Sha256::new();
    absorb(&mut hasher, left);
    absorb(&mut hasher, right);
    hex::encode(hasher.finalize())
}

fn absorb<Row>(hasher: &mut Sha256, rows: impl ExactSizeIterator<Item = Row>)
where
    Row: IntoIterator<Item = (usize, Fr)>,
{
    hasher.update((rows.len() as u64).to_le_bytes());
    for row in rows {
        let mut terms: Vec<(usize, Fr)> = row.into_iter().collect();
        terms.sort_by_key(|(wire, _)| *wire);
        hasher.update((terms.len() as u64).to_le_bytes());
        for (wire, coefficient) in terms {
            hasher.update((wire as u64).to_le_bytes());
            hasher.update(coefficient.into_bigint().to_bytes_le());
        }
    }
}
