//! zerokit's `.arkzkey`: ark-groth16's `ProvingKey`, then ark-relations' constraint matrices, both in
//! ark's uncompressed encoding. Counts are 64-bit, everything is little endian.
//!
//! ```text
//!  alpha_1 beta_2 gamma_2 delta_2   n, public inputs   beta_1 delta_1
//!  n, A query   n, B query in G1   n, B query in G2   n, H query   n, L query
//!  instance wires, witness wires, constraints, terms of A, of B, of C
//!  for A, B and C:  n rows, each  n terms, each  coefficient, wire
//! ```

use ark_bn254::Fr;
use ark_ff::{Field, PrimeField};

use super::error::{KeyError, KeyPart};
use super::points::{PointFormat, PointReader, words};
use super::reader::Reader;
use super::rows::RowsBuilder;
use super::{KeyParts, SparseRows, Trust, VerifyingKey, expect_count};

/// A coefficient and a wire.
const TERM_BYTES: u64 = 32 + 8;

/// A row of no terms is its count alone.
const SMALLEST_ROW_BYTES: u64 = 8;

pub(super) fn read(file: &[u8], trust: Trust) -> Result<KeyParts, KeyError> {
    let mut reader = Reader::new(file);
    let mut points =
        PointReader { reader: &mut reader, format: PointFormat::Ark, check: trust == Trust::Checked };

    let verifying_key = VerifyingKey {
        alpha_g1: points.point(KeyPart::SinglePoints)?,
        beta_g2: points.point(KeyPart::SinglePoints)?,
        gamma_g2: points.point(KeyPart::SinglePoints)?,
        delta_g2: points.point(KeyPart::SinglePoints)?,
        gamma_abc_g1: points.counted(KeyPart::PublicInputs)?,
    };
    let beta_g1 = points.point(KeyPart::SinglePoints)?;
    let delta_g1 = points.point(KeyPart::SinglePoints)?;
    let a_query = points.counted(KeyPart::AQuery)?;
    let b_g1_query = points.counted(KeyPart::BG1Query)?;
    let b_g2_query = points.counted(KeyPart::BG2Query)?;
    let h_query = points.counted(KeyPart::HQuery)?;
    let l_query = points.counted(KeyPart::LQuery)?;

    let mut header = Header::read(&mut reader)?;
    expect_count(KeyPart::PublicInputs, header.instance_wires, verifying_key.gamma_abc_g1.len())?;
    // Keys that ark-circom converted, the published one of RLN among them, count the constant both as a
    // public and as a private wire.
    if header.witness_wires == l_query.len() + 1 {
        header.witness_wires -= 1;
    }
    expect_count(KeyPart::LQuery, header.witness_wires, l_query.len())?;
    let a_rows = header.rows(&mut reader, KeyPart::ARows, PublicRows::EachTakesItsWire)?;
    let b_rows = header.rows(&mut reader, KeyPart::BRows, PublicRows::Empty)?;
    // Circom's prover multiplies the two sides and has no use for the third.
    header.rows(&mut reader, KeyPart::CRows, PublicRows::Empty)?;
    reader.finish(KeyPart::CRows)?;

    Ok(KeyParts {
        verifying_key,
        beta_g1,
        delta_g1,
        a_query,
        b_g1_query,
        b_g2_query,
        h_query,
        l_query,
        a_rows,
        b_rows,
    })
}

/// The rows of the public wires, which ark's matrices leave to the prover to add.
enum PublicRows {
    EachTakesItsWire,
    Empty,
}

struct Header {
    instance_wires: usize,
    witness_wires: usize,
    constraints: usize,
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Self, KeyError> {
        let mut number = || {
            let number = reader.u64(KeyPart::CircuitHeader)?;
            // Compared with what is really there before it is used, so that saturation does no harm.
            Ok(usize::try_from(number).unwrap_or(usize::MAX))
        };
        let (instance_wires, witness_wires, constraints) = (number()?, number()?, number()?);
        // The numbers of terms, for which the matrices speak themselves.
        let _ = (number()?, number()?, number()?);
        Ok(Self { instance_wires, witness_wires, constraints })
    }

    fn rows(
        &self,
        reader: &mut Reader<'_>,
        part: KeyPart,
        public: PublicRows,
    ) -> Result<SparseRows, KeyError> {
        let count = reader.count(part, SMALLEST_ROW_BYTES)?;
        // ark-circom leaves the third matrix out.
        if count != 0 || part != KeyPart::CRows {
            expect_count(part, self.constraints, count)?;
        }
        let mut rows = RowsBuilder::new();
        for _ in 0..count {
            for _ in 0..reader.count(part, TERM_BYTES)? {
                let coefficient = words(reader.array(part)?);
                let coefficient =
                    Fr::from_bigint(coefficient).ok_or(KeyError::NotCanonical { part, index: rows.len() })?;
                let wire = reader.u64(part)?;
                let wires = self.instance_wires.saturating_add(self.witness_wires);
                let wire = u32::try_from(wire).map_err(|_| KeyError::NoSuchWire { part, wire, wires })?;
                rows.term(wire, coefficient);
            }
            rows.end_row();
        }
        // Bounded: as many public inputs were found in the file.
        for wire in 0..self.instance_wires as u32 {
            if matches!(public, PublicRows::EachTakesItsWire) {
                rows.term(wire, Fr::ONE);
            }
            rows.end_row();
        }
        Ok(rows.finish())
    }
}
