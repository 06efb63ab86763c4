use proptest::prelude::*;
use zerokit_utils::poseidon::Poseidon;

use super::*;

fn from_big_endian_hex(text: &str) -> Fr {
    Fr::from_be_bytes_mod_order(&hex::decode(text).expect("hex"))
}

/// zerokit's implementation, which works round by round as the paper does: (width, full rounds, partial
/// rounds, matrices to skip).
static ZEROKIT: LazyLock<Poseidon<Fr>> =
    LazyLock::new(|| Poseidon::from(&[(2, 8, 56, 0), (3, 8, 57, 0), (4, 8, 56, 0)]));

/// Poseidon as it is published, by its parameters.
fn hash_as_published(parameters: &Parameters, inputs: &[Fr]) -> Fr {
    let mut state = [&[Fr::from(0)], inputs].concat();
    let half = grain::FULL_ROUNDS / 2;
    let partial = half..parameters.constants.len() - half;
    for (round, constants) in parameters.constants.iter().enumerate() {
        for (i, (element, constant)) in state.iter_mut().zip(constants).enumerate() {
            *element += constant;
            if i == 0 || !partial.contains(&round) {
                *element = ark_ff::Field::pow(element, [5]);
            }
        }
        let mixed = parameters.matrix.iter();
        state = mixed.map(|row| row.iter().zip(&state).map(|(a, b)| *a * b).sum()).collect();
    }
    state[0]
}

fn field() -> impl Strategy<Value = Fr> {
    let edges = [Fr::from(0), Fr::from(1), -Fr::from(1)];
    prop_oneof![
        1 => prop::sample::select(edges.to_vec()),
        6 => any::<[u8; 32]>().prop_map(|bytes| Fr::from_le_bytes_mod_order(&bytes)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn poseidon_is_zerokits_for_every_number_of_inputs(a in field(), b in field(), c in field()) {
        let zerokit = |inputs: &[Fr]| ZEROKIT.hash(inputs).expect("parameters exist");
        prop_assert_eq!(poseidon(&[a]), zerokit(&[a]));
        prop_assert_eq!(poseidon(&[a, b]), zerokit(&[a, b]));
        prop_assert_eq!(poseidon(&[a, b, c]), zerokit(&[a, b, c]));
    }
}

#[test]
fn the_generator_gives_zerokits_parameters() {
    for parameters in ZEROKIT.get_parameters() {
        let ours = Parameters::circomlib(parameters.t, parameters.n_rounds_p);
        assert_eq!(ours.constants.concat(), parameters.c);
        assert_eq!(ours.matrix, parameters.m);
    }
}

/// The rewriting holds for any width, so also where nobody else's implementation is at hand.
#[test]
fn a_schedule_is_the_published_function() {
    fn compare<const N: usize>(partial_rounds: usize) {
        let parameters = || Parameters::circomlib(N + 1, partial_rounds);
        let schedule = parameters().schedule::<N>();
        for seed in 0..4 {
            let inputs = std::array::from_fn(|i| Fr::from(seed * 1000 + i as u64));
            assert_eq!(schedule.hash(&inputs), hash_as_published(&parameters(), &inputs));
        }
    }
    compare::<1>(56);
    compare::<2>(57);
    compare::<3>(56);
    compare::<4>(60);
    compare::<5>(60);
}

#[test]
fn poseidon_of_a_pair_agrees_with_the_vector_of_nwaku() {
    let left = from_big_endian_hex("126f4c026cd731979365f79bd345a46d673c5a3f6f588bdc718e6356d02b6fdc");
    let right = from_big_endian_hex("1f0e5db2b69d599166ab16219a97b82b662085c93220382b39f9f911d3b943b1");
    let hash = from_big_endian_hex("180543bc9afb81d9c2282df9c9946f87b4596cf6d3fec2cc32b6637427685353");
    assert_eq!(poseidon(&[left, right]), hash);
    assert_ne!(poseidon(&[right, left]), hash);
}

/// Circomlib's own test values (`test/poseidoncircuit.js` and poseidon-lite).
#[test]
fn poseidon_agrees_with_circomlib() {
    let one = from_big_endian_hex("29176100eaa962bdc1fe6c654d6a3c130e96a4d1168b33848b897dc502820133");
    let two = from_big_endian_hex("115cc0f5e7d690413df64c6b9662e9cf2a3617f2743245519e19607a4417189a");
    let three = from_big_endian_hex("0e7732d89e6939c0ff03d5e58dab6302f3230e269dc5b968f725df34ab36d732");
    assert_eq!(poseidon(&[Fr::from(1)]), one);
    assert_eq!(poseidon(&[Fr::from(1), Fr::from(2)]), two);
    assert_eq!(poseidon(&[Fr::from(1), Fr::from(2), Fr::from(3)]), three);
}

#[test]
fn a_digest_above_the_field_order_is_reduced_and_read_little_endian() {
    // Keccak-256 of nothing: c5d24601 … 5d85a470, last byte the most significant.
    let digest = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
    let bytes = hex::decode(digest).expect("hex");
    assert_eq!(hash_to_field(&[]), Fr::from_le_bytes_mod_order(&bytes));
    assert_ne!(hash_to_field(&[]), Fr::from_be_bytes_mod_order(&bytes));
}
