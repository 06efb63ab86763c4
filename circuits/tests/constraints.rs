//! Every constraint of the relation has a test that breaks it and nothing else. That the circuit
//! agrees with the relation is tested in `agreement.rs`.

use proptest::prelude::*;
use weir_circuits::{Fr, MerkleBranch, Statement, TREE_DEPTH, Violation, Witness, check, evaluate};

fn field() -> impl Strategy<Value = Fr> {
    // Two 128-bit halves reach every part of the field.
    (any::<u128>(), any::<u128>()).prop_map(|(low, high)| Fr::from(low) * Fr::from(high) + Fr::from(low))
}

fn arb_branch() -> impl Strategy<Value = MerkleBranch> {
    (prop::collection::vec(field(), TREE_DEPTH), any::<[bool; TREE_DEPTH]>()).prop_map(
        |(siblings, is_right)| MerkleBranch { siblings: siblings.try_into().expect("20"), is_right },
    )
}

/// The witness with one thing changed.
fn with(witness: &Witness, change: impl FnOnce(&mut Witness)) -> Witness {
    let mut witness = witness.clone();
    change(&mut witness);
    witness
}

prop_compose! {
    fn arb_valid()(
        secret in field(),
        (limit, message_id) in (1u32..=65_535).prop_flat_map(|limit| (Just(limit), 0..limit)),
        path in arb_branch(),
        external_nullifier in field(),
        x in field(),
    ) -> (Statement, Witness) {
        let witness = Witness { secret, limit, message_id, path };
        (evaluate(&witness, external_nullifier, x), witness)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_witness_evaluates_to_is_what_it_proves((statement, witness) in arb_valid()) {
        prop_assert_eq!(check(&statement, &witness), Ok(()));
    }

    #[test]
    fn another_root_breaks_the_root((mut statement, witness) in arb_valid(), other in field()) {
        prop_assume!(other != statement.root);
        statement.root = other;
        prop_assert_eq!(check(&statement, &witness), Err(Violation::Root));
    }

    #[test]
    fn another_limit_breaks_the_root((statement, witness) in arb_valid(), more in 1u32..1000) {
        let limit = witness.limit + more;
        prop_assume!(limit - witness.message_id <= 1 << 16);
        let witness = with(&witness, |w| w.limit = limit);
        prop_assert_eq!(check(&statement, &witness), Err(Violation::Root));
    }

    #[test]
    fn another_place_or_sibling_breaks_the_root((statement, witness) in arb_valid(), level in 0..TREE_DEPTH) {
        let mut moved = witness.clone();
        moved.path.is_right[level] ^= true;
        prop_assert_eq!(check(&statement, &moved), Err(Violation::Root));
        let mut replaced = witness;
        replaced.path.siblings[level] += Fr::from(1);
        prop_assert_eq!(check(&statement, &replaced), Err(Violation::Root));
    }

    #[test]
    fn another_height_breaks_the_share((mut statement, witness) in arb_valid(), by in 1u64..) {
        statement.y += Fr::from(by);
        prop_assert_eq!(check(&statement, &witness), Err(Violation::Share));
    }

    #[test]
    fn another_signal_or_epoch_breaks_the_share((statement, witness) in arb_valid(), by in 1u64..) {
        let signal = Statement { x: statement.x + Fr::from(by), ..statement };
        prop_assert_eq!(check(&signal, &witness), Err(Violation::Share));
        let epoch = Statement { external_nullifier: statement.external_nullifier + Fr::from(by), ..statement };
        prop_assert_eq!(check(&epoch, &witness), Err(Violation::Share));
    }

    #[test]
    fn another_nullifier_breaks_the_nullifier((mut statement, witness) in arb_valid(), by in 1u64..) {
        statement.nullifier += Fr::from(by);
        prop_assert_eq!(check(&statement, &witness), Err(Violation::Nullifier));
    }

    #[test]
    fn a_message_id_from_the_limit_on_is_refused((_, witness) in arb_valid(), beyond in 0u32..100) {
        let message_id = (witness.limit + beyond).min(65_535);
        let witness = with(&witness, |w| w.message_id = message_id);
        let statement = evaluate(&witness, Fr::from(1), Fr::from(2));
        let limit = witness.limit;
        prop_assert_eq!(check(&statement, &witness), Err(Violation::MessageIdAtLimit { message_id, limit }));
    }

    #[test]
    fn a_message_id_of_17_bits_is_refused((_, witness) in arb_valid(), message_id in 65_536u32..) {
        let witness = with(&witness, |w| (w.message_id, w.limit) = (message_id, u32::MAX));
        let statement = evaluate(&witness, Fr::from(1), Fr::from(2));
        prop_assert_eq!(check(&statement, &witness), Err(Violation::MessageIdTooWide(message_id)));
    }

    #[test]
    fn a_limit_too_far_above_the_message_id_is_refused((_, witness) in arb_valid(), beyond in 0u32..1000) {
        let too_wide = (1 << 16) + witness.message_id + 1 + beyond;
        let witness = with(&witness, |w| w.limit = too_wide);
        let statement = evaluate(&witness, Fr::from(1), Fr::from(2));
        prop_assert_eq!(check(&statement, &witness), Err(Violation::LimitTooWide(too_wide)));
    }
}

/// Two messages with one id of one epoch are on one line; anything else about them being different
/// puts them on different ones.
#[test]
fn the_nullifier_depends_on_secret_epoch_and_message_id_and_nothing_else() {
    let witness = Witness { secret: Fr::from(7), limit: 10, message_id: 3, path: MerkleBranch::default() };
    let nullifier =
        |witness: &Witness, epoch: u64, x: u64| evaluate(witness, Fr::from(epoch), Fr::from(x)).nullifier;
    let base = nullifier(&witness, 1, 1);
    assert_eq!(base, nullifier(&witness, 1, 2));
    assert_eq!(base, nullifier(&with(&witness, |w| w.limit = 11), 1, 1));
    assert_ne!(base, nullifier(&witness, 2, 1));
    assert_ne!(base, nullifier(&with(&witness, |w| w.message_id = 4), 1, 1));
    assert_ne!(base, nullifier(&with(&witness, |w| w.secret = Fr::from(8)), 1, 1));
}

#[test]
fn a_witness_prints_nothing_of_itself() {
    let witness = Witness { secret: Fr::from(7), limit: 10, message_id: 3, path: MerkleBranch::default() };
    assert_eq!(format!("{witness:?}"), "Witness([REDACTED])");
}
