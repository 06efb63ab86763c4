//! The quota under every kind of fault: each test that grants ids checks that none came twice.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::faulty_disk::FaultyDisk;

const MEMBER: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

#[test]
fn ranges_follow_each_other_up_to_the_limit_and_are_then_empty() {
    let store = open(&FaultyDisk::new());
    assert_eq!(store.reserve(&MEMBER, 5, 40, 100).unwrap(), 0..40);
    assert_eq!(store.reserve(&MEMBER, 5, 40, 100).unwrap(), 40..80);
    assert_eq!(store.reserve(&MEMBER, 5, 40, 100).unwrap(), 80..100);
    assert!(store.reserve(&MEMBER, 5, 40, 100).unwrap().is_empty());
    assert!(store.reserve(&MEMBER, 5, 40, 50).unwrap().is_empty(), "a lowered limit grants nothing");
    assert_eq!(store.reserve(&MEMBER, 5, 1, 200).unwrap(), 100..101);
    assert_eq!(store.used(&MEMBER, 5).unwrap(), 101);
}

#[test]
fn the_last_id_of_the_widest_limit_is_not_granted_twice() {
    let store = open(&FaultyDisk::new());
    assert_eq!(store.reserve(&MEMBER, 0, u32::MAX, u32::MAX).unwrap(), 0..u32::MAX);
    assert!(store.reserve(&MEMBER, 0, u32::MAX, u32::MAX).unwrap().is_empty());
    assert!(store.reserve(&MEMBER, u64::MAX, 0, 10).unwrap().is_empty());
}

#[test]
fn a_membership_is_known_once_it_was_introduced_and_stays_so() {
    let disk = FaultyDisk::new();
    let store = open(&disk);
    store.reserve(&OTHER, 5, 3, 10).unwrap();
    assert!(!store.knows(&MEMBER).unwrap(), "the file of another identity says nothing about this one");
    store.refuse_below(&MEMBER, 0).unwrap();
    drop(store);
    let store = open(&disk);
    assert!(store.knows(&MEMBER).unwrap());
    assert_eq!(store.reserve(&MEMBER, 0, 1, 10).unwrap(), 0..1, "an introduction with 0 refuses nothing");
}

#[test]
fn epochs_and_memberships_have_quotas_of_their_own() {
    let store = open(&FaultyDisk::new());
    assert_eq!(store.reserve(&MEMBER, 5, 3, 10).unwrap(), 0..3);
    assert_eq!(store.reserve(&MEMBER, 6, 3, 10).unwrap(), 0..3);
    assert_eq!(store.reserve(&OTHER, 5, 3, 10).unwrap(), 0..3);
    assert_eq!(store.used(&OTHER, 6).unwrap(), 0);
}

#[test]
fn a_clock_that_steps_back_goes_on_where_the_epoch_stood() {
    let store = open(&FaultyDisk::new());
    store.reserve(&MEMBER, 100, 3, 10).unwrap();
    store.reserve(&MEMBER, 101, 3, 10).unwrap();
    assert_eq!(store.reserve(&MEMBER, 100, 3, 10).unwrap(), 3..6);
}

#[test]
fn an_epoch_that_is_no_longer_on_record_is_refused_for_good() {
    let disk = FaultyDisk::new();
    let store = open(&disk);
    for epoch in 10..=10 + EPOCHS_KEPT {
        assert_eq!(store.reserve(&MEMBER, epoch, 1, 10).unwrap(), 0..1);
    }
    drop(store);
    let store = open(&disk);
    assert!(matches!(
        store.reserve(&MEMBER, 10, 1, 10),
        Err(StoreError::EpochForgotten { epoch: 10, floor: 11 })
    ));
    assert!(matches!(store.used(&MEMBER, 10), Err(StoreError::EpochForgotten { .. })));
    assert_eq!(store.reserve(&MEMBER, 11, 1, 10).unwrap(), 1..2, "the oldest kept epoch goes on");
    assert_eq!(store.reserve(&OTHER, 10, 1, 10).unwrap(), 0..1, "another membership has its own floor");
}

#[test]
fn one_moment_in_the_far_future_does_not_refuse_the_present() {
    let store = open(&FaultyDisk::new());
    store.reserve(&MEMBER, u64::MAX, 1, 10).unwrap();
    for epoch in 0..2 * EPOCHS_KEPT {
        assert_eq!(store.reserve(&MEMBER, epoch, 1, 10).unwrap(), 0..1);
        assert_eq!(store.reserve(&MEMBER, epoch, 1, 10).unwrap(), 1..2);
    }
    assert_eq!(store.reserve(&MEMBER, u64::MAX, 1, 10).unwrap(), 1..2);
}

#[test]
fn refused_epochs_stay_refused_and_later_ones_keep_their_count() {
    let disk = FaultyDisk::new();
    let store = open(&disk);
    store.reserve(&MEMBER, 7, 4, 10).unwrap();
    store.reserve(&MEMBER, 8, 4, 10).unwrap();
    store.refuse_below(&MEMBER, 8).unwrap();
    store.refuse_below(&MEMBER, 3).unwrap();
    drop(store);
    let store = open(&disk);
    assert!(matches!(
        store.reserve(&MEMBER, 7, 1, 10),
        Err(StoreError::EpochForgotten { epoch: 7, floor: 8 })
    ));
    assert_eq!(store.reserve(&MEMBER, 8, 1, 10).unwrap(), 4..5);
}

#[test]
fn a_full_disk_grants_nothing_and_the_store_works_again_when_there_is_room() {
    let disk = FaultyDisk::new();
    let store = open(&disk);
    assert_eq!(store.reserve(&MEMBER, 1, 10, 100).unwrap(), 0..10);
    disk.fill_up_after(0);
    for _ in 0..3 {
        assert!(matches!(store.reserve(&MEMBER, 1, 10, 100), Err(StoreError::DiskFull { .. })));
    }
    disk.heal();
    assert_eq!(store.reserve(&MEMBER, 1, 10, 100).unwrap(), 10..20);
}

/// More calls than the operations before a fault allow, so that a test ends even if none comes.
const MOST_CALLS: usize = 100;

/// Ids granted so far; a second grant of one fails the test.
#[derive(Default)]
struct Ledger(HashSet<([u8; 32], u64, u32)>);

impl Ledger {
    fn add(&mut self, membership: [u8; 32], epoch: u64, ids: Range<u32>) -> Result<(), TestCaseError> {
        for id in ids {
            prop_assert!(self.0.insert((membership, epoch, id)), "id {id} of epoch {epoch} granted twice");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_id_is_granted_twice_whatever_the_clock_does(
        calls in proptest::collection::vec((any::<bool>(), clock(), 0_u32..20, 0_u32..60, 0_u8..8), 1..120),
    ) {
        let disk = FaultyDisk::new();
        let mut store = open(&disk);
        let mut ledger = Ledger::default();
        for (other, epoch, count, limit, chance) in calls {
            let membership = if other { OTHER } else { MEMBER };
            match store.reserve(&membership, epoch, count, limit) {
                Ok(ids) => {
                    prop_assert!(ids.end <= limit || ids.is_empty());
                    ledger.add(membership, epoch, ids)?;
                }
                Err(StoreError::EpochForgotten { .. }) => {}
                Err(other) => prop_assert!(false, "{other}"),
            }
            match chance {
                0 => {
                    drop(store);
                    store = open(&disk);
                }
                1 => store.refuse_below(&membership, epoch)?,
                _ => {}
            }
        }
    }
}

proptest! {
    // One power loss a round and three rounds a case: over 200 kill points.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_was_granted_before_a_power_loss_is_never_granted_after(
        rounds in proptest::collection::vec((0_u64..80, any::<u64>()), 3),
        epochs in proptest::collection::vec(0_u64..4, 1..8),
    ) {
        let mut image = sound_image();
        let mut ledger = Ledger::default();
        for (kill_point, survivors) in rounds {
            let disk = FaultyDisk::from_image(image);
            disk.lose_power_after(kill_point);
            let handle = disk.clone();
            // The power may go while the file is being opened and repaired, too.
            if let Ok(store) = QuotaStore::open_with_backend(move || handle.backend()) {
                for epoch in epochs.iter().cycle().take(MOST_CALLS) {
                    match store.reserve(&MEMBER, *epoch, 3, u32::MAX) {
                        Ok(ids) => ledger.add(MEMBER, *epoch, ids)?,
                        Err(_) => break,
                    }
                }
            }
            image = disk.image_after_power_loss(survivors);
        }
        let store = open(&FaultyDisk::from_image(image));
        for epoch in 0..4 {
            ledger.add(MEMBER, epoch, store.reserve(&MEMBER, epoch, 3, u32::MAX)?)?;
        }
    }

    #[test]
    fn a_disk_that_fills_up_anywhere_costs_ids_at_most_and_never_one_twice(
        fill_points in proptest::collection::vec(0_u64..40, 1..6),
    ) {
        let disk = FaultyDisk::new();
        let store = open(&disk);
        let mut ledger = Ledger::default();
        for point in fill_points {
            disk.fill_up_after(point);
            for _ in 0..MOST_CALLS {
                match store.reserve(&MEMBER, 9, 3, u32::MAX) {
                    Ok(ids) => ledger.add(MEMBER, 9, ids)?,
                    Err(error) => {
                        prop_assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
                        break;
                    }
                }
            }
            disk.heal();
            ledger.add(MEMBER, 9, store.reserve(&MEMBER, 9, 3, u32::MAX)?)?;
        }
    }
}

/// Times a clock may show: about now, some steps back, far off.
fn clock() -> impl Strategy<Value = u64> {
    prop_oneof![1000_u64..1010, 700_u64..1300, Just(0), Just(u64::MAX), any::<u64>()]
}

fn open(disk: &FaultyDisk) -> QuotaStore {
    let disk = disk.clone();
    QuotaStore::open_with_backend(move || disk.backend()).unwrap()
}

fn sound_image() -> Vec<u8> {
    let disk = FaultyDisk::new();
    drop(open(&disk));
    disk.image()
}
