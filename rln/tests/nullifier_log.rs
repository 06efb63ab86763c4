//! The nullifier log against a model that keeps everything.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_rln::{Epoch, Nullifier, NullifierLog, Share, ShareX, ShareY, Sighting};

const MAX_EPOCHS: usize = 3;
const MAX_LINES: usize = 4;

fn bytes(number: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = number;
    bytes
}

fn nullifier(number: u8) -> Nullifier {
    Nullifier::from_bytes(&bytes(number)).expect("small")
}

fn share(number: u8) -> Share {
    Share {
        x: ShareX::from_bytes(&bytes(number)).expect("small"),
        y: ShareY::from_bytes(&bytes(number)).expect("small"),
    }
}

/// All shares ever taken, by epoch and line, and the epochs that were pruned.
#[derive(Debug, Default)]
struct Model {
    lines: BTreeMap<(u64, u8), (u8, bool)>,
    forgotten_below: u64,
}

impl Model {
    fn lines_in(&self, epoch: u64) -> usize {
        self.lines.keys().filter(|(e, _)| *e == epoch).count()
    }

    fn epochs(&self) -> usize {
        let mut epochs: Vec<u64> = self.lines.keys().map(|(epoch, _)| *epoch).collect();
        epochs.dedup();
        epochs.len()
    }

    fn observe(&mut self, epoch: u64, line: u8, x: u8) -> Sighting {
        if epoch < self.forgotten_below {
            return Sighting::Forgotten;
        }
        if let Some((first, breached)) = self.lines.get_mut(&(epoch, line)) {
            if *first == x {
                return Sighting::Duplicate;
            }
            let again = std::mem::replace(breached, true);
            return Sighting::DoubleSignal { first: share(*first), again };
        }
        let in_epoch = self.lines_in(epoch);
        if in_epoch >= MAX_LINES || in_epoch == 0 && self.epochs() >= MAX_EPOCHS {
            return Sighting::Full;
        }
        self.lines.insert((epoch, line), (x, false));
        Sighting::New
    }

    fn prune_before(&mut self, epoch: u64) -> usize {
        let kept = self.lines.split_off(&(epoch, 0));
        let pruned = std::mem::replace(&mut self.lines, kept);
        if let Some(((last, _), _)) = pruned.last_key_value() {
            self.forgotten_below = self.forgotten_below.max(last + 1);
        }
        pruned.len()
    }
}

#[derive(Debug, Clone)]
enum Action {
    Observe { epoch: u64, line: u8, x: u8 },
    Prune(u64),
}

fn arb_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0u64..8, 0u8..6, 0u8..3).prop_map(|(epoch, line, x)| Action::Observe { epoch, line, x }),
        1 => (0u64..8).prop_map(Action::Prune),
    ]
}

proptest! {
    #[test]
    fn the_log_knows_what_the_model_knows(actions in prop::collection::vec(arb_action(), 1..80)) {
        let (mut log, mut model) = (NullifierLog::new(MAX_EPOCHS, MAX_LINES), Model::default());
        for action in actions {
            match action {
                Action::Observe { epoch, line, x } => prop_assert_eq!(
                    log.observe(Epoch::new(epoch), nullifier(line), share(x)),
                    model.observe(epoch, line, x)
                ),
                Action::Prune(epoch) => {
                    prop_assert_eq!(log.prune_before(Epoch::new(epoch)), model.prune_before(epoch));
                }
            }
            prop_assert_eq!(log.len(), model.lines.len());
            prop_assert!(log.len() <= MAX_EPOCHS * MAX_LINES);
        }
        for (&(epoch, line), &(x, breached)) in &model.lines {
            prop_assert_eq!(log.lookup(Epoch::new(epoch), nullifier(line)), Some(share(x)));
            prop_assert_eq!(log.is_breached(Epoch::new(epoch), nullifier(line)), breached);
        }
    }
}

#[test]
fn a_share_with_another_height_at_the_same_x_is_not_a_duplicate() {
    let mut log = NullifierLog::new(1, 1);
    let first = share(1);
    assert_eq!(log.observe(Epoch::new(1), nullifier(1), first), Sighting::New);
    let forged = Share { y: share(2).y, ..first };
    let sighting = Sighting::DoubleSignal { first, again: false };
    assert_eq!(log.observe(Epoch::new(1), nullifier(1), forged), sighting);
}

#[test]
fn a_pruned_epoch_stays_closed_and_an_unused_one_before_it_too() {
    let mut log = NullifierLog::new(8, 8);
    log.observe(Epoch::new(10), nullifier(1), share(1));
    assert_eq!(log.prune_before(Epoch::new(1000)), 1);
    assert_eq!(log.observe(Epoch::new(10), nullifier(1), share(2)), Sighting::Forgotten);
    assert_eq!(log.observe(Epoch::new(9), nullifier(1), share(2)), Sighting::Forgotten);
    assert!(log.is_forgotten(Epoch::new(10)));
    assert_eq!(
        log.observe(Epoch::new(11), nullifier(1), share(1)),
        Sighting::New,
        "a clock that had jumped to 1000 costs only what was really forgotten"
    );
}

#[test]
fn what_is_restored_first_are_the_newest_epochs() {
    let mut log = NullifierLog::new(2, 8);
    let records = [10, 11, 12, 13].map(|epoch| (Epoch::new(epoch), nullifier(1), share(1)));
    assert_eq!(log.restore(records), 2);
    assert_eq!(log.lookup(Epoch::new(13), nullifier(1)), Some(share(1)));
    assert_eq!(log.lookup(Epoch::new(12), nullifier(1)), Some(share(1)));
    assert!(log.is_forgotten(Epoch::new(11)), "a breach in it would go unseen");
    assert_eq!(log.observe(Epoch::new(13), nullifier(1), share(1)), Sighting::Duplicate);
}
