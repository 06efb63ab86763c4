//! Key and witness files: what snarkjs writes is read, what is damaged is refused and nothing more.

use std::str::FromStr;
use std::sync::Arc;

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_groth16::{Groth16, prepare_verifying_key};
use oracle::{Chain, arkzkey, set_up};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use weir_groth16::key::{KeyError, KeyPart, ProvingKey, Trust, VerifyingKey};
use weir_groth16::lanes::BackendKind;
use weir_groth16::prover::{Prover, Randomizers, Tables, WtnsError, read_wtns};
use weir_groth16::verifier::Verifier;

mod oracle;

const ZKEY: &[u8] = include_bytes!("fixtures/product.zkey");
const WTNS: &[u8] = include_bytes!("fixtures/product.wtns");
const SNARKJS_PROOF: &str = include_str!("fixtures/product_proof.json");

/// Outputs, then the public input, as snarkjs has them in `public.json`.
fn public_inputs() -> Vec<Fr> {
    let witness = read_wtns(WTNS).expect("a witness file");
    witness[1..4].to_vec()
}

fn small_arkzkey() -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let chain = Chain::random(1, 1, &mut rng);
    arkzkey(&set_up(chain, &mut rng).0)
}

fn ark_verifying_key(key: &VerifyingKey) -> ark_groth16::VerifyingKey<Bn254> {
    let VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 } = key.clone();
    ark_groth16::VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 }
}

#[test]
fn a_key_and_a_witness_of_snarkjs_give_a_proof_that_is_accepted() {
    let key = ProvingKey::from_zkey(ZKEY, Trust::Checked).unwrap();
    let verifier = Verifier::new(key.verifying_key(), BackendKind::detect());
    assert_eq!((key.wire_count(), key.public_wire_count(), key.domain_size()), (7, 4, 8));
    assert_eq!(key.constraint_count(), 3);
    let prover = Prover::new(Tables::build(Arc::new(key), BackendKind::detect()));
    let randomizers = Randomizers::sample(&mut ChaCha20Rng::seed_from_u64(4));
    let proof = prover.prove(&read_wtns(WTNS).unwrap(), &randomizers).unwrap();
    assert_eq!(verifier.verify_one(&proof.to_bytes(), &public_inputs()), Ok(()));
}

#[test]
fn the_proof_that_snarkjs_made_is_accepted_with_the_key_that_was_read() {
    let key = ProvingKey::from_zkey(ZKEY, Trust::Checked).unwrap();
    let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    let numbers: Vec<Fq> =
        SNARKJS_PROOF.split('"').filter(is_number).map(|text| Fq::from_str(text).unwrap()).collect();
    let [ax, ay, _, bx0, bx1, by0, by1, _, _, cx, cy, _] = numbers[..] else { panic!("twelve numbers") };
    let proof = ark_groth16::Proof::<Bn254> {
        a: G1Affine::new(ax, ay),
        b: G2Affine::new(Fq2::new(bx0, bx1), Fq2::new(by0, by1)),
        c: G1Affine::new(cx, cy),
    };
    let key = prepare_verifying_key(&ark_verifying_key(key.verifying_key()));
    assert!(Groth16::<Bn254>::verify_proof(&key, &proof, &public_inputs()).unwrap());
}

#[test]
fn a_pinned_key_must_have_its_hash() {
    let found = ProvingKey::from_zkey(ZKEY, Trust::Checked).unwrap().sha256();
    assert!(ProvingKey::from_zkey(ZKEY, Trust::Pinned(found)).is_ok());
    let expected = [7; 32];
    let refused = ProvingKey::from_zkey(ZKEY, Trust::Pinned(expected)).unwrap_err();
    assert_eq!(refused, KeyError::OtherFile { expected, found });
}

#[test]
fn a_key_that_ends_too_early_is_refused_wherever_it_ends() {
    let ark = small_arkzkey();
    for length in 0..ark.len() {
        assert!(ProvingKey::from_arkzkey(&ark[..length], Trust::Checked).is_err(), "{length} bytes");
    }
    for length in 0..ZKEY.len() {
        assert!(ProvingKey::from_zkey(&ZKEY[..length], Trust::Checked).is_err(), "{length} bytes");
    }
}

#[test]
fn a_key_with_bytes_after_its_end_is_refused() {
    let ark = [small_arkzkey(), vec![0]].concat();
    let refused = ProvingKey::from_arkzkey(&ark, Trust::Checked).unwrap_err();
    assert_eq!(refused, KeyError::TrailingBytes { part: KeyPart::CRows, count: 1 });
    let refused = ProvingKey::from_zkey(&[ZKEY, &[0]].concat(), Trust::Checked).unwrap_err();
    assert_eq!(refused, KeyError::TrailingBytes { part: KeyPart::Preamble, count: 1 });
}

#[test]
fn a_count_beyond_the_file_is_refused_before_anything_is_allocated() {
    let mut ark = small_arkzkey();
    // After alpha, beta, gamma and delta: how many public inputs there are.
    ark[448..456].copy_from_slice(&u64::MAX.to_le_bytes());
    let refused = ProvingKey::from_arkzkey(&ark, Trust::Checked).unwrap_err();
    let left = ark.len() - 456;
    assert_eq!(refused, KeyError::Truncated { part: KeyPart::PublicInputs, needed: u64::MAX, left });
}

#[test]
fn a_point_off_the_curve_is_refused_unless_the_file_is_pinned() {
    let mut ark = small_arkzkey();
    ark[0] ^= 1;
    let refused = ProvingKey::from_arkzkey(&ark, Trust::Checked).unwrap_err();
    assert_eq!(refused, KeyError::NotInGroup { part: KeyPart::SinglePoints, index: 0 });
}

#[test]
fn what_is_not_a_zkey_of_groth16_over_this_curve_is_named() {
    let with = |position: usize, byte: u8| {
        let mut file = ZKEY.to_vec();
        file[position] = byte;
        ProvingKey::from_zkey(&file, Trust::Checked).unwrap_err()
    };
    assert_eq!(with(0, b'Z'), KeyError::NotAZkey);
    assert_eq!(with(4, 2), KeyError::Version(2));
    // The first section's content, the protocol, comes after twelve bytes of preamble and twelve of
    // section; the second section's after four more and twelve again.
    assert_eq!(with(24, 2), KeyError::OtherProtocol(2));
    assert_eq!(with(44, 0), KeyError::OtherCurve);
}

#[test]
fn a_damaged_witness_file_is_refused() {
    assert_eq!(read_wtns(&WTNS[..75]), Err(WtnsError::Header));
    assert_eq!(read_wtns(b"wtns"), Err(WtnsError::Header));
    let expected = WTNS.len() as u64;
    let refused = WtnsError::Length { wires: 7, expected, found: WTNS.len() - 1 };
    assert_eq!(read_wtns(&WTNS[..WTNS.len() - 1]), Err(refused));
    let mut file = WTNS.to_vec();
    file[76 + 32..76 + 64].fill(0xff);
    assert_eq!(read_wtns(&file), Err(WtnsError::NotCanonical { wire: 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_damaged_key_is_refused_or_read_without_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut ark = small_arkzkey();
        let mut zkey = ZKEY.to_vec();
        for (index, value) in changes {
            let position = index.index(ark.len());
            ark[position] = value;
            let position = index.index(zkey.len());
            zkey[position] = value;
        }
        // Checks of points would hide what comes after them.
        for file in [&ark, &zkey] {
            let pinned = Trust::Pinned(sha256(file));
            let _ = ProvingKey::from_arkzkey(file, pinned);
            let _ = ProvingKey::from_zkey(file, pinned);
        }
    }
}

fn sha256(file: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(file).into()
}
