//! Proofs from bytes.

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine, g1, g2};

use super::{ProofBytes, ProofPoint, Rejection};
use crate::decompress::{self, Parsed};
use crate::lanes::BackendKind;

/// A proof whose points are on their curves. Whether B is in its subgroup is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoded {
    pub(super) a: G1Affine,
    pub(super) b: G2Affine,
    pub(super) c: G1Affine,
}

/// Decodes each proof.
pub(super) fn decode(kind: BackendKind, proofs: &[&ProofBytes]) -> Vec<Result<Decoded, Rejection>> {
    let parsed: Vec<_> = proofs.iter().map(|bytes| parse(bytes)).collect();
    let (mut in_g1, mut in_g2) = (Vec::with_capacity(2 * proofs.len()), Vec::with_capacity(proofs.len()));
    for proof in parsed.iter().flatten() {
        in_g1.extend([proof.a, proof.c]);
        in_g2.push(proof.b);
    }
    let in_g1 = decompress::points::<g1::Config>(kind, &in_g1);
    let in_g2 = decompress::points::<g2::Config>(kind, &in_g2);
    let mut decompressed = in_g1.chunks_exact(2).zip(in_g2);
    let decode = |parsed: Result<_, Rejection>| {
        parsed?;
        let (in_g1, b) = decompressed.next().expect("as many as parsed");
        Ok(Decoded {
            a: in_g1[0].ok_or(Rejection::NotOnCurve(ProofPoint::A))?,
            b: b.ok_or(Rejection::NotOnCurve(ProofPoint::B))?,
            c: in_g1[1].ok_or(Rejection::NotOnCurve(ProofPoint::C))?,
        })
    };
    parsed.into_iter().map(decode).collect()
}

/// What the bytes of A, B and C say.
#[derive(Clone, Copy)]
struct ParsedProof {
    a: Parsed<Fq>,
    b: Parsed<Fq2>,
    c: Parsed<Fq>,
}

fn parse(bytes: &ProofBytes) -> Result<ParsedProof, Rejection> {
    let (a, rest) = bytes.split_first_chunk().expect("128 bytes hold 32");
    let (b, rest) = rest.split_first_chunk().expect("96 bytes hold 64");
    let c = rest.first_chunk().expect("32 bytes hold 32");
    Ok(ParsedProof {
        a: decompress::parse_g1(a).ok_or(Rejection::Encoding(ProofPoint::A))?,
        b: decompress::parse_g2(b).ok_or(Rejection::Encoding(ProofPoint::B))?,
        c: decompress::parse_g1(c).ok_or(Rejection::Encoding(ProofPoint::C))?,
    })
}
