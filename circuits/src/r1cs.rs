//! Circom's `.r1cs` files: the constraints of a compiled circuit, `(a·w)(b·w) = c·w` for its wires w.
//!
//! Reading is total and bounded: a count is believed only as far as the bytes for it are there, so a
//! file cannot make the reader allocate more than a small multiple of its own length.
//!
//! Spec: `r1cs_bin_format.md` of iden3/r1csfile, version 1. All numbers are little-endian.

mod reader;

use ark_bn254::Fr;
use ark_ff::PrimeField;

use crate::{Shape, matrices_digest};
use reader::Reader;

/// A sum of wires: (wire, coefficient), each wire below the circuit's number of wires.
pub type Combination = Vec<(usize, Fr)>;

/// One equation: the product of the values of `a` and `b` is the value of `c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Left factor.
    pub a: Combination,
    /// Right factor.
    pub b: Combination,
    /// Their product.
    pub c: Combination,
}

/// The constraints of a circuit over BN254's scalar field.
///
/// Wire 0 is one; outputs, public inputs, private inputs and inner wires follow in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct R1cs {
    /// Number of wires, the constant one among them.
    pub wires: usize,
    /// Public wires that the circuit computes.
    pub outputs: usize,
    /// Public wires that are given to it.
    pub public_inputs: usize,
    /// Private wires that are given to it.
    pub private_inputs: usize,
    /// The equations, in the file's order.
    pub constraints: Vec<Constraint>,
}

/// Why bytes are not an R1CS of ours. Each variant is one rule of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum R1csError {
    /// Something else, or nothing.
    #[error("does not begin with the magic bytes of an .r1cs file")]
    Magic,
    /// A version of the format that this reader does not know.
    #[error("has version {0} of the .r1cs format; version 1 is known")]
    Version(u32),
    /// The bytes end too early.
    #[error("ends in the middle of its {0}")]
    Truncated(Part),
    /// A part is longer than what it holds.
    #[error("has {bytes} bytes too many behind its {part}")]
    Trailing {
        /// The part.
        part: Part,
        /// The bytes nobody reads.
        bytes: usize,
    },
    /// A needed part is not there.
    #[error("has no {0}")]
    Missing(Part),
    /// A part is there twice.
    #[error("has its {0} twice")]
    Repeated(Part),
    /// Custom gates, or parts of a later version.
    #[error("has a section of type {0}; Groth16 circuits have none")]
    UnknownSection(u32),
    /// The circuit was compiled for another curve.
    #[error("is not over BN254's scalar field")]
    Field,
    /// More public and private wires than wires.
    #[error("has {wires} wires, too few for its inputs and outputs")]
    Wires {
        /// What the header says.
        wires: usize,
    },
    /// A constraint is about a wire that is not there.
    #[error("constraint {constraint} names wire {wire}")]
    WireOutOfRange {
        /// The constraint, from 0.
        constraint: usize,
        /// The wire it names.
        wire: usize,
    },
    /// A coefficient is not below the field's order.
    #[error("constraint {constraint} has a coefficient that is not reduced")]
    Coefficient {
        /// The constraint, from 0.
        constraint: usize,
    },
}

/// A part of the file, for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Part {
    /// Magic, version and the list of sections.
    Preamble,
    /// Section 1: field and counts.
    Header,
    /// Section 2.
    Constraints,
    /// Section 3: the signal behind each wire. Only its length is looked at.
    Labels,
}

impl R1cs {
    /// Reads a whole file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, R1csError> {
        let sections = Sections::split(bytes)?;
        let header = Header::read(sections.header)?;
        let constraints = read_constraints(sections.constraints, &header)?;
        let Header { wires, outputs, public_inputs, private_inputs, .. } = header;
        Ok(Self { wires, outputs, public_inputs, private_inputs, constraints })
    }

    /// The first constraint that `wires` do not satisfy, from 0. `None` when they satisfy the circuit.
    ///
    /// # Panics
    ///
    /// When there are not as many wires as the circuit has, or the first is not one.
    pub fn first_unsatisfied(&self, wires: &[Fr]) -> Option<usize> {
        assert_eq!(wires.len(), self.wires, "one value a wire");
        assert_eq!(wires.first(), Some(&Fr::from(1)), "the first wire is one");
        let value =
            |sum: &Combination| -> Fr { sum.iter().map(|&(wire, factor)| wires[wire] * factor).sum() };
        self.constraints.iter().position(|row| value(&row.a) * value(&row.b) != value(&row.c))
    }

    /// What the circuit has in common with every proving key made for it, see [`matrices_digest`].
    pub fn matrices_digest(&self) -> String {
        let rows = self.constraints.iter();
        matrices_digest(rows.clone().map(|row| row.a.iter().copied()), rows.map(|row| row.b.iter().copied()))
    }

    /// The circuit's size.
    pub fn shape(&self) -> Shape {
        let count = |side: fn(&Constraint) -> &Combination| {
            self.constraints.iter().map(|constraint| side(constraint).len()).sum()
        };
        Shape {
            constraints: self.constraints.len(),
            wires: self.wires,
            public: self.outputs + self.public_inputs,
            non_zeros: [count(|row| &row.a), count(|row| &row.b), count(|row| &row.c)],
        }
    }
}

/// The bytes of the two sections that are read.
struct Sections<'a> {
    header: &'a [u8],
    constraints: &'a [u8],
}

impl<'a> Sections<'a> {
    fn split(bytes: &'a [u8]) -> Result<Self, R1csError> {
        if !bytes.starts_with(b"r1cs") {
            return Err(R1csError::Magic);
        }
        let mut reader = Reader::new(&bytes[4..], Part::Preamble);
        let version = reader.u32()?;
        if version != 1 {
            return Err(R1csError::Version(version));
        }
        let (mut header, mut constraints, mut labels) = (None, None, None);
        for _ in 0..reader.u32()? {
            let kind = reader.u32()?;
            let length = reader.u64()?;
            let (part, slot) = match kind {
                1 => (Part::Header, &mut header),
                2 => (Part::Constraints, &mut constraints),
                3 => (Part::Labels, &mut labels),
                other => return Err(R1csError::UnknownSection(other)),
            };
            let section = reader.take(length).ok_or(R1csError::Truncated(part))?;
            if slot.replace(section).is_some() {
                return Err(R1csError::Repeated(part));
            }
        }
        reader.end()?;
        Ok(Self {
            header: header.ok_or(R1csError::Missing(Part::Header))?,
            constraints: constraints.ok_or(R1csError::Missing(Part::Constraints))?,
        })
    }
}

struct Header {
    wires: usize,
    outputs: usize,
    public_inputs: usize,
    private_inputs: usize,
    constraints: usize,
}

impl Header {
    fn read(section: &[u8]) -> Result<Self, R1csError> {
        let mut reader = Reader::new(section, Part::Header);
        let width = u64::from(reader.u32()?);
        let order = reader.take(width).ok_or(R1csError::Truncated(Part::Header))?;
        if order != order_bytes() {
            return Err(R1csError::Field);
        }
        let wires = reader.u32()? as usize;
        let outputs = reader.u32()? as usize;
        let public_inputs = reader.u32()? as usize;
        let private_inputs = reader.u32()? as usize;
        let _labels = reader.u64()?;
        let constraints = reader.u32()? as usize;
        reader.end()?;
        // Three 32-bit numbers and one do not overflow 64 bits; usize has 64 wherever weir runs.
        if outputs + public_inputs + private_inputs + 1 > wires {
            return Err(R1csError::Wires { wires });
        }
        Ok(Self { wires, outputs, public_inputs, private_inputs, constraints })
    }
}

fn read_constraints(section: &[u8], header: &Header) -> Result<Vec<Constraint>, R1csError> {
    let mut reader = Reader::new(section, Part::Constraints);
    // Three counts are the least a constraint takes.
    let mut constraints = Vec::with_capacity(header.constraints.min(reader.remaining() / 12));
    for constraint in 0..header.constraints {
        constraints.push(Constraint {
            a: reader.combination(constraint, header.wires)?,
            b: reader.combination(constraint, header.wires)?,
            c: reader.combination(constraint, header.wires)?,
        });
    }
    reader.end()?;
    Ok(constraints)
}

/// The order of BN254's scalar field, 32 bytes.
fn order_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, limb) in bytes.chunks_exact_mut(8).zip(Fr::MODULUS.0) {
        place.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}
