//! The reader of `.r1cs` files takes what circom writes and nothing that breaks the format's rules.

mod common;

use ark_ff::{BigInteger, PrimeField};
use proptest::prelude::*;
use weir_circuits::{
    Fr, R1cs, RLN_V2_DEPTH_20, RLN_V2_DEPTH_20_MULTI_4,
    r1cs::{Part, R1csError},
};

/// A circuit `w1 * w2 = 3 * w1`, with an output, a public and a private input.
struct Small {
    order: Vec<u8>,
    /// Wires, outputs, public inputs, private inputs.
    counts: [u32; 4],
    constraints: u32,
    terms: [(u32, [u8; 32]); 3],
}

impl Small {
    fn valid() -> Self {
        let coefficient = |value: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&value.to_le_bytes());
            bytes
        };
        Self {
            order: Fr::MODULUS.to_bytes_le(),
            counts: [4, 1, 1, 1],
            constraints: 1,
            terms: [(1, coefficient(1)), (2, coefficient(1)), (1, coefficient(3))],
        }
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = (self.order.len() as u32).to_le_bytes().to_vec();
        bytes.extend(&self.order);
        bytes.extend(self.counts.iter().flat_map(|count| count.to_le_bytes()));
        bytes.extend(4u64.to_le_bytes());
        bytes.extend(self.constraints.to_le_bytes());
        bytes
    }

    fn body(&self) -> Vec<u8> {
        let side = |(wire, coefficient): &(u32, [u8; 32])| {
            [&1u32.to_le_bytes()[..], &wire.to_le_bytes(), coefficient].concat()
        };
        self.terms.iter().flat_map(side).collect()
    }

    fn file(&self) -> Vec<u8> {
        file(&[(1, self.header()), (2, self.body()), (3, vec![0; 32])])
    }
}

fn file(sections: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"r1cs".to_vec();
    bytes.extend(1u32.to_le_bytes());
    bytes.extend((sections.len() as u32).to_le_bytes());
    for (kind, content) in sections {
        bytes.extend(kind.to_le_bytes());
        bytes.extend((content.len() as u64).to_le_bytes());
        bytes.extend(content);
    }
    bytes
}

#[test]
fn the_compiled_circuits_have_the_published_shape() {
    assert_eq!(common::SINGLE.shape(), RLN_V2_DEPTH_20.shape);
    assert_eq!(common::SINGLE.matrices_digest(), RLN_V2_DEPTH_20.matrices);
    assert_eq!(common::MULTI.shape(), RLN_V2_DEPTH_20_MULTI_4.shape);
    assert_eq!(common::MULTI.matrices_digest(), RLN_V2_DEPTH_20_MULTI_4.matrices);
    assert_eq!(RLN_V2_DEPTH_20.shape.domain(), 8192);
}

#[test]
fn a_small_file_is_read_whatever_the_order_of_its_sections() {
    let small = Small::valid();
    let read = R1cs::from_bytes(&small.file()).expect("valid");
    assert_eq!(read.constraints[0].c, [(1, Fr::from(3))]);
    let shuffled = file(&[(3, Vec::new()), (2, small.body()), (1, small.header())]);
    assert_eq!(R1cs::from_bytes(&shuffled), Ok(read.clone()));
    let wires = [1, 5, 3, 9].map(Fr::from);
    assert_eq!(read.first_unsatisfied(&wires), None);
    assert_eq!(read.first_unsatisfied(&[1, 5, 4, 9].map(Fr::from)), Some(0));
}

#[test]
fn each_rule_of_the_format_has_its_error() {
    let small = Small::valid();
    let (header, body) = (small.header(), small.body());
    let with = |change: fn(&mut Small)| {
        let mut small = Small::valid();
        change(&mut small);
        small.file()
    };
    let mut version_2 = small.file();
    version_2[4] = 2;
    let mut trailing = small.file();
    trailing.push(0);
    for (bytes, error) in [
        (Vec::new(), R1csError::Magic),
        (b"zkey".to_vec(), R1csError::Magic),
        (b"r1cs\x01\0".to_vec(), R1csError::Truncated(Part::Preamble)),
        (version_2, R1csError::Version(2)),
        (trailing, R1csError::Trailing { part: Part::Preamble, bytes: 1 }),
        (file(&[(2, body.clone())]), R1csError::Missing(Part::Header)),
        (file(&[(1, header.clone())]), R1csError::Missing(Part::Constraints)),
        (
            file(&[(1, header.clone()), (1, header.clone()), (2, body.clone())]),
            R1csError::Repeated(Part::Header),
        ),
        (file(&[(4, Vec::new())]), R1csError::UnknownSection(4)),
        (file(&[(1, header[..20].to_vec()), (2, body.clone())]), R1csError::Truncated(Part::Header)),
        (
            file(&[(1, [&header[..], &[0]].concat()), (2, body.clone())]),
            R1csError::Trailing { part: Part::Header, bytes: 1 },
        ),
        (
            file(&[(1, header.clone()), (2, body[..body.len() - 1].to_vec())]),
            R1csError::Truncated(Part::Constraints),
        ),
        (
            file(&[(1, header), (2, [&body[..], &[0, 0]].concat())]),
            R1csError::Trailing { part: Part::Constraints, bytes: 2 },
        ),
        (with(|small| small.order[0] ^= 1), R1csError::Field),
        (with(|small| small.order.truncate(8)), R1csError::Field),
        (with(|small| small.counts = [3, 1, 1, 1]), R1csError::Wires { wires: 3 }),
        (with(|small| small.counts = [4, u32::MAX, u32::MAX, 0]), R1csError::Wires { wires: 4 }),
        (with(|small| small.terms[2].0 = 4), R1csError::WireOutOfRange { constraint: 0, wire: 4 }),
        (
            with(|small| small.terms[1].1 = Fr::MODULUS.to_bytes_le().try_into().expect("32 bytes")),
            R1csError::Coefficient { constraint: 0 },
        ),
        (with(|small| small.constraints = u32::MAX), R1csError::Truncated(Part::Constraints)),
    ] {
        assert_eq!(R1cs::from_bytes(&bytes), Err(error));
    }
}

#[test]
fn a_count_without_its_bytes_allocates_nothing() {
    let mut body = u32::MAX.to_le_bytes().to_vec();
    body.extend([0; 64]);
    let bytes = file(&[(1, Small::valid().header()), (2, body)]);
    assert_eq!(R1cs::from_bytes(&bytes), Err(R1csError::Truncated(Part::Constraints)));
}

proptest! {
    #[test]
    fn nothing_makes_the_reader_panic(at in 0usize..200, byte: u8, length in 0usize..300) {
        let mut bytes = Small::valid().file();
        let at = at.min(bytes.len() - 1);
        bytes[at] = byte;
        bytes.truncate(length);
        let _ = R1cs::from_bytes(&bytes);
    }
}
