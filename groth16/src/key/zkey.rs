//! snarkjs's `.zkey` for Groth16: numbered sections, each with its length.
//!
//! ```text
//!  "zkey"  version: u32  sections: u32, then for each  number: u32  length: u64  content
//!   1  protocol: u32, which is 1 for Groth16
//!   2  bytes of q: u32, q, bytes of r: u32, r, wires: u32, public inputs: u32, domain: u32,
//!      alpha_1 beta_1 beta_2 gamma_2 delta_1 delta_2
//!   3  a point for the constant and each public input      4  terms: u32, then the terms of A and B
//!   5  A query    6  B query in G1    7  B query in G2     8  L query    9  H query
//!  10  the ceremony's contributions, which a prover does not need
//! ```
//!
//! A term is matrix: u32 (A is 0, B is 1), row: u32, wire: u32, coefficient. Points are in Montgomery
//! form; coefficients are in it twice over, that is multiplied by 2^512.

use ark_bn254::{Fq, Fr};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{Field, PrimeField};

use super::error::{KeyError, KeyPart};
use super::points::{Coordinate, PointFormat, PointReader, words};
use super::reader::Reader;
use super::rows::RowsBuilder;
use super::{KeyParts, SparseRows, Trust, VerifyingKey, expect_count};

const MAGIC: &[u8; 4] = b"zkey";
const VERSION: u32 = 1;
const GROTH16: u32 = 1;

/// Matrix, row, wire and coefficient.
const TERM_BYTES: usize = 3 * 4 + 32;

pub(super) fn read(file: &[u8], trust: Trust) -> Result<KeyParts, KeyError> {
    let sections = Sections::split(file)?;
    let protocol = Reader::new(sections.get(1)?).u32(KeyPart::CircuitHeader)?;
    if protocol != GROTH16 {
        return Err(KeyError::OtherProtocol(protocol));
    }
    let check = trust == Trust::Checked;
    let mut reader = Reader::new(sections.get(2)?);
    let header = Header::read(&mut reader)?;
    let mut points = PointReader { reader: &mut reader, format: PointFormat::Snarkjs, check };
    let alpha_g1 = points.point(KeyPart::SinglePoints)?;
    let beta_g1 = points.point(KeyPart::SinglePoints)?;
    let beta_g2 = points.point(KeyPart::SinglePoints)?;
    let gamma_g2 = points.point(KeyPart::SinglePoints)?;
    let delta_g1 = points.point(KeyPart::SinglePoints)?;
    let delta_g2 = points.point(KeyPart::SinglePoints)?;
    reader.finish(KeyPart::SinglePoints)?;

    let public = header.public_inputs as usize + 1;
    let wires = header.wires as usize;
    let private = wires.checked_sub(public).ok_or(KeyError::Count {
        part: KeyPart::PublicInputs,
        expected: wires,
        found: public,
    })?;
    let gamma_abc_g1 = sections.points(3, KeyPart::PublicInputs, public, check)?;
    let domain = header.domain as usize;
    // Read before the rows, so that the domain bounds them by what is really in the file.
    let h_query = sections.points(9, KeyPart::HQuery, domain, check)?;
    let (a_rows, b_rows) = rows(sections.get(4)?, domain, public)?;
    Ok(KeyParts {
        verifying_key: VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 },
        beta_g1,
        delta_g1,
        a_query: sections.points(5, KeyPart::AQuery, wires, check)?,
        b_g1_query: sections.points(6, KeyPart::BG1Query, wires, check)?,
        b_g2_query: sections.points(7, KeyPart::BG2Query, wires, check)?,
        l_query: sections.points(8, KeyPart::LQuery, private, check)?,
        h_query,
        a_rows,
        b_rows,
    })
}

/// The contents of sections 1 to 10. Others, of which there are none yet, are passed over.
struct Sections<'a>([Option<&'a [u8]>; 11]);

impl<'a> Sections<'a> {
    fn split(file: &'a [u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(file);
        if reader.array::<4>(KeyPart::Preamble)? != MAGIC {
            return Err(KeyError::NotAZkey);
        }
        let version = reader.u32(KeyPart::Preamble)?;
        if version != VERSION {
            return Err(KeyError::Version(version));
        }
        let count = reader.u32(KeyPart::Preamble)?;
        let mut sections = Self([None; 11]);
        for _ in 0..count {
            let number = reader.u32(KeyPart::Preamble)?;
            let length = reader.u64(KeyPart::Preamble)?;
            let content = reader.bytes(KeyPart::Preamble, length)?;
            if let Some(section) = sections.0.get_mut(number as usize)
                && section.replace(content).is_some()
            {
                return Err(KeyError::RepeatedSection(number));
            }
        }
        reader.finish(KeyPart::Preamble)?;
        Ok(sections)
    }

    fn get(&self, number: u32) -> Result<&'a [u8], KeyError> {
        self.0[number as usize].ok_or(KeyError::MissingSection(number))
    }

    /// A section that is `count` points and nothing else.
    fn points<P>(
        &self,
        number: u32,
        part: KeyPart,
        count: usize,
        check: bool,
    ) -> Result<Vec<Affine<P>>, KeyError>
    where
        P: SWCurveConfig<BaseField: Coordinate>,
    {
        let mut reader = Reader::new(self.get(number)?);
        let mut points = PointReader { reader: &mut reader, format: PointFormat::Snarkjs, check };
        let points = points.points(part, count)?;
        reader.finish(part)?;
        Ok(points)
    }
}

struct Header {
    wires: u32,
    public_inputs: u32,
    domain: u32,
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Self, KeyError> {
        let part = KeyPart::CircuitHeader;
        for modulus in [Fq::MODULUS, Fr::MODULUS] {
            if reader.u32(part)? != 32 || words(reader.array(part)?) != modulus {
                return Err(KeyError::OtherCurve);
            }
        }
        Ok(Self { wires: reader.u32(part)?, public_inputs: reader.u32(part)?, domain: reader.u32(part)? })
    }
}

/// A term of either matrix, as it stands in the file.
struct Term {
    row: u32,
    wire: u32,
    coefficient: Fr,
}

/// The rows of A and B, those of the public wires included.
fn rows(section: &[u8], domain: usize, public: usize) -> Result<(SparseRows, SparseRows), KeyError> {
    let [mut a, mut b] = terms(section, domain)?;
    // Stable, and nearly nothing to do: snarkjs writes row after row.
    a.sort_by_key(|term| term.row);
    b.sort_by_key(|term| term.row);
    // The last row of all takes the last public wire into A.
    let count = a.last().map_or(0, |term| term.row as usize + 1);
    let first_public = count.checked_sub(public).ok_or(KeyError::NoPublicRows)?;
    if b.last().is_some_and(|term| term.row as usize >= first_public) {
        return Err(KeyError::NoPublicRows);
    }
    let tail = a.len().checked_sub(public).ok_or(KeyError::NoPublicRows)?;
    for (wire, term) in a[tail..].iter().enumerate() {
        let takes_wire = term.wire as usize == wire && term.coefficient == Fr::ONE;
        if term.row as usize != first_public + wire || !takes_wire {
            return Err(KeyError::NoPublicRows);
        }
    }
    Ok((collect(&a, count), collect(&b, count)))
}

fn terms(section: &[u8], domain: usize) -> Result<[Vec<Term>; 2], KeyError> {
    let part = KeyPart::Coefficients;
    let mut reader = Reader::new(section);
    let count = reader.u32(part)? as usize;
    expect_count(part, count, section[4..].len() / TERM_BYTES)?;
    let unscale = montgomery_radix_inverse();
    let mut matrices = [Vec::new(), Vec::new()];
    for index in 0..count {
        let (matrix, row, wire) = (reader.u32(part)?, reader.u32(part)?, reader.u32(part)?);
        let scaled = words(reader.array(part)?);
        if scaled >= Fr::MODULUS {
            return Err(KeyError::NotCanonical { part, index });
        }
        // Taking the words for Montgomery form undoes the first of the two factors.
        let coefficient = Fr::new_unchecked(scaled) * unscale;
        if row as usize >= domain {
            return Err(KeyError::NoSuchRow { row, rows: domain });
        }
        let terms = matrices.get_mut(matrix as usize).ok_or(KeyError::NoSuchMatrix(matrix))?;
        terms.push(Term { row, wire, coefficient });
    }
    reader.finish(part)?;
    Ok(matrices)
}

/// 2^-256.
fn montgomery_radix_inverse() -> Fr {
    Fr::from(2u64).pow([256]).inverse().expect("a power of two is not zero modulo an odd prime")
}

/// `count` rows from terms in the order of rows, all below `count`.
fn collect(terms: &[Term], count: usize) -> SparseRows {
    let mut rows = RowsBuilder::new();
    let mut terms = terms.iter().peekable();
    for row in 0..count {
        while let Some(term) = terms.next_if(|term| term.row as usize == row) {
            rows.term(term.wire, term.coefficient);
        }
        rows.end_row();
    }
    rows.finish()
}
