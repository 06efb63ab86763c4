//! Decompression against ark's, on every backend.

use ark_bn254::{G1Affine, G2Affine, g1, g2};
use ark_ff::{MontFp, UniformRand};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::pairing::tests::backends;

fn compressed<const N: usize>(point: &impl CanonicalSerialize) -> [u8; N] {
    let mut bytes = [0; N];
    point.serialize_compressed(&mut bytes[..]).expect("the size of a point");
    bytes
}

/// Decompresses each encoding, and all together on each backend, and compares with ark.
fn check<P, const N: usize>(encodings: &[[u8; N]], parse: fn(&[u8; N]) -> Option<Parsed<P::BaseField>>)
where
    P: SWCurveConfig<BaseField: Coordinate>,
{
    let expected: Vec<Option<Affine<P>>> =
        encodings.iter().map(|bytes| Affine::deserialize_compressed_unchecked(&bytes[..]).ok()).collect();
    let parsed: Vec<_> = encodings.iter().map(parse).collect();
    let well_encoded: Vec<_> = parsed.iter().copied().flatten().collect();
    for kind in backends() {
        let mut decompressed = points::<P>(kind, &well_encoded).into_iter();
        for (i, parsed) in parsed.iter().enumerate() {
            let point = parsed.and_then(|_| decompressed.next().expect("one for each"));
            assert_eq!(point, expected[i], "{kind}: {:x?}", encodings[i]);
        }
    }
}

#[test]
fn points_come_back_on_every_backend() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for count in [1, 2, 3, 8, 17] {
        let mut g1: Vec<G1Affine> = (0..count).map(|_| G1Affine::rand(&mut rng)).collect();
        let mut g2: Vec<G2Affine> = (0..count).map(|_| G2Affine::rand(&mut rng)).collect();
        (g1[count / 2], g2[count / 3]) = (G1Affine::identity(), G2Affine::identity());
        check::<g1::Config, 32>(&g1.iter().map(compressed).collect::<Vec<_>>(), parse_g1);
        check::<g2::Config, 64>(&g2.iter().map(compressed).collect::<Vec<_>>(), parse_g2);
    }
}

/// Points of the twist with y = 4 and y = 2u: the square of y is in Fq, where the sum of its real part
/// and the root of its norm can be zero.
const POINTS_WITH_SIMPLE_Y: [(Fq2, Fq2); 2] = [
    (
        Fq2::new(
            MontFp!("16860447915893908144745022668869170094024604054612144315750478855813820146550"),
            MontFp!("18807563779788613928316331866962986488771121879176364591366657151207493717790"),
        ),
        Fq2::new(MontFp!("4"), Fq::ZERO),
    ),
    (
        Fq2::new(
            MontFp!("2347429907930942971111655353872146944288676477812883217018820075284184868097"),
            MontFp!("14411806371211556537412764382325190848789206122849649094465435622260654449378"),
        ),
        Fq2::new(Fq::ZERO, MontFp!("2")),
    ),
];

#[test]
fn roots_of_elements_of_the_base_field_are_found() {
    let mut encodings = Vec::new();
    for (x, y) in POINTS_WITH_SIMPLE_Y {
        let point = G2Affine::new_unchecked(x, y);
        assert!(point.is_on_curve());
        encodings.extend([compressed(&point), compressed(&-point)]);
    }
    check::<g2::Config, 64>(&encodings, parse_g2);
}

proptest! {
    #[test]
    fn any_bytes_are_judged_as_by_ark(
        g1 in prop::collection::vec(prop::array::uniform32(any::<u8>()), 1..12),
        g2 in prop::collection::vec(prop::array::uniform32(any::<u8>()), 2..20),
        small in any::<bool>(),
    ) {
        // Below 2^253 most are below the modulus.
        let lowered = |mut bytes: [u8; 32]| { if small { bytes[31] &= 0b1101_1111; } bytes };
        let g1: Vec<[u8; 32]> = g1.into_iter().map(lowered).collect();
        let g2: Vec<[u8; 64]> = g2
            .chunks_exact(2)
            .map(|halves| {
                let mut bytes = [0; 64];
                bytes[..32].copy_from_slice(&halves[0]);
                bytes[31] &= if small { 0b0001_1111 } else { 0b0011_1111 };
                bytes[32..].copy_from_slice(&lowered(halves[1]));
                bytes
            })
            .collect();
        check::<g1::Config, 32>(&g1, parse_g1);
        check::<g2::Config, 64>(&g2, parse_g2);
    }
}
