//! The quota ledger with a store that survives and a process that does not.
//!
//! The store is a map that lives through a crash. A crash strikes before the write, after the write
//! but before its answer, or after the answer; whatever was only in the ledger is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    ops::Range,
};

use proptest::prelude::*;
use weir_rln::{
    Epoch, MessageId, UserMessageLimit,
    quota::{GrantError, QuotaLedger, Step},
};

fn limit(limit: u32) -> UserMessageLimit {
    UserMessageLimit::new(limit).expect("in range")
}

fn count(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("not zero")
}

/// What is on disk: ids below the number are taken.
#[derive(Debug, Default, Clone)]
struct Store(BTreeMap<Epoch, u32>);

impl Store {
    fn reserve(&mut self, epoch: Epoch, count: NonZeroU32, limit: UserMessageLimit) -> Range<u32> {
        let taken = self.0.entry(epoch).or_default();
        let end = taken.saturating_add(count.get()).min(limit.get()).max(*taken);
        std::mem::replace(taken, end)..end
    }
}

/// Where in a reservation the process dies.
#[derive(Debug, Clone, Copy)]
enum Kill {
    BeforeWrite,
    AfterWrite,
    AfterGrant,
}

#[derive(Debug, Clone)]
enum Event {
    /// The clock reads this epoch and a message is to be sent.
    Send { epoch: u64, limit: u32 },
    /// The process dies at the next reservation, or at once when none comes first.
    Crash(Kill),
}

#[derive(Debug)]
struct World {
    store: Store,
    ledger: QuotaLedger,
    batch: NonZeroU32,
    sent: BTreeSet<(Epoch, MessageId)>,
    crashes: usize,
    /// A store that acknowledges before it writes: what tests must be able to catch.
    loses_acknowledged_writes: bool,
}

impl World {
    fn new(batch: u32) -> Self {
        let batch = count(batch);
        Self {
            store: Store::default(),
            ledger: QuotaLedger::new(batch),
            batch,
            sent: BTreeSet::new(),
            crashes: 0,
            loses_acknowledged_writes: false,
        }
    }

    fn crash(&mut self) {
        self.ledger = QuotaLedger::new(self.batch);
        self.crashes += 1;
    }

    /// Sends one message, dying on the way if told to. Returns whether an id was used twice.
    fn send(&mut self, epoch: Epoch, limit: UserMessageLimit, kill: Option<Kill>) -> bool {
        for _ in 0..3 {
            match self.ledger.next(epoch, limit) {
                Step::Use(id) => {
                    assert!(id.0 < limit.get());
                    let reused = !self.sent.insert((epoch, id));
                    if kill.is_some() {
                        self.crash();
                    }
                    return reused;
                }
                Step::Exhausted | Step::Forgotten => return false,
                Step::Reserve { epoch, count } => {
                    if !self.reserve(epoch, count, limit, kill) {
                        self.crash();
                        return false;
                    }
                }
            }
        }
        panic!("a granted range is not handed out");
    }

    /// Returns whether the process is still alive.
    fn reserve(
        &mut self,
        epoch: Epoch,
        count: NonZeroU32,
        limit: UserMessageLimit,
        kill: Option<Kill>,
    ) -> bool {
        if let Some(Kill::BeforeWrite) = kill {
            return false;
        }
        let before = self.store.clone();
        let range = self.store.reserve(epoch, count, limit);
        if self.loses_acknowledged_writes {
            self.store = before;
        }
        if let Some(Kill::AfterWrite) = kill {
            return false;
        }
        match self.ledger.granted(epoch, limit, range) {
            Ok(()) => {}
            Err(error) => assert!(self.loses_acknowledged_writes, "{error}"),
        }
        !matches!(kill, Some(Kill::AfterGrant))
    }
}

fn arb_event() -> impl Strategy<Value = Event> {
    let kill = prop_oneof![Just(Kill::BeforeWrite), Just(Kill::AfterWrite), Just(Kill::AfterGrant)];
    prop_oneof![
        // The clock wanders over a few epochs, back as well as forth, and the limit changes.
        6 => (100u64..108, prop_oneof![Just(5u32), Just(40), Just(100)])
            .prop_map(|(epoch, limit)| Event::Send { epoch, limit }),
        1 => kill.prop_map(Event::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_crash_and_no_clock_step_makes_an_id_be_used_twice(
        batch in 1u32..12,
        events in prop::collection::vec(arb_event(), 1..200),
        last_kill in 0usize..200,
    ) {
        let mut world = World::new(batch);
        let mut kill = None;
        for (step, event) in events.into_iter().enumerate() {
            match event {
                // Each history has at least one kill, at a place of its own.
                Event::Send { epoch, limit: messages } => {
                    let kill = kill.take().or((step == last_kill).then_some(Kill::AfterWrite));
                    prop_assert!(!world.send(Epoch::new(epoch), limit(messages), kill));
                }
                Event::Crash(at) => kill = Some(at),
            }
        }
    }
}

/// Two hundred and more kills in one long life.
#[test]
fn a_node_that_dies_at_every_third_message_never_uses_an_id_twice() {
    let mut world = World::new(4);
    let kills = [Kill::BeforeWrite, Kill::AfterWrite, Kill::AfterGrant];
    for step in 0..900_usize {
        let kill = step.is_multiple_of(3).then_some(kills[step / 3 % 3]);
        let epoch = Epoch::new(100 + step as u64 / 50);
        assert!(!world.send(epoch, limit(1000), kill), "step {step}");
    }
    assert!(world.crashes >= 200, "{} crashes", world.crashes);
    assert!(world.sent.len() > 500, "most messages were sent: {}", world.sent.len());
}

/// The property above can fail: it does when the store forgets what it acknowledged.
#[test]
fn a_store_that_loses_acknowledged_writes_is_caught() {
    let mut world = World { loses_acknowledged_writes: true, ..World::new(4) };
    let epoch = Epoch::new(1);
    assert!(!world.send(epoch, limit(100), None));
    world.crash();
    assert!(world.send(epoch, limit(100), None), "id 0 was handed out twice");
}

#[test]
fn a_quota_is_used_up_id_by_id_and_renewed_by_the_next_epoch() {
    let mut world = World::new(4);
    let (first, second) = (Epoch::new(7), Epoch::new(8));
    (0..12).for_each(|_| assert!(!world.send(first, limit(10), None)));
    let ids: Vec<u32> = world.sent.iter().map(|(_, id)| id.0).collect();
    assert_eq!(ids, (0..10).collect::<Vec<_>>());
    assert_eq!(world.ledger.used(first), 10);
    assert_eq!(world.ledger.next(first, limit(10)), Step::Exhausted);
    assert_eq!(world.ledger.next(second, limit(10)), Step::Reserve { epoch: second, count: count(4) });
}

#[test]
fn what_is_left_of_a_range_is_skipped_after_a_crash() {
    let mut world = World::new(4);
    let epoch = Epoch::new(7);
    world.send(epoch, limit(10), None);
    world.crash();
    world.send(epoch, limit(10), None);
    assert_eq!(world.sent, BTreeSet::from([(epoch, MessageId(0)), (epoch, MessageId(4))]));
    assert_eq!(world.ledger.used(epoch), 5);
}

#[test]
fn an_empty_grant_means_exhausted_until_the_limit_is_raised() {
    let (mut ledger, epoch) = (QuotaLedger::new(count(4)), Epoch::new(7));
    assert_eq!(ledger.next(epoch, limit(10)), Step::Reserve { epoch, count: count(4) });
    ledger.granted(epoch, limit(10), 10..10).expect("empty");
    assert_eq!(ledger.next(epoch, limit(10)), Step::Exhausted);
    assert_eq!(ledger.next(epoch, limit(12)), Step::Reserve { epoch, count: count(2) });
}

#[test]
fn ids_above_a_lowered_limit_are_not_used() {
    let (mut ledger, epoch) = (QuotaLedger::new(count(10)), Epoch::new(7));
    ledger.granted(epoch, limit(10), 0..10).expect("first");
    (0..5).for_each(|id| assert_eq!(ledger.next(epoch, limit(5)), Step::Use(MessageId(id))));
    assert_eq!(ledger.next(epoch, limit(5)), Step::Exhausted);
}

#[test]
fn a_range_that_was_granted_before_is_refused_whole() {
    let (mut ledger, epoch) = (QuotaLedger::new(count(4)), Epoch::new(7));
    ledger.granted(epoch, limit(10), 0..4).expect("first");
    let overlap = GrantError::Overlap { epoch, start: 3, end: 4 };
    assert_eq!(ledger.granted(epoch, limit(10), 3..8), Err(overlap));
    (0..4).for_each(|id| assert_eq!(ledger.next(epoch, limit(10)), Step::Use(MessageId(id))));
    assert_eq!(ledger.next(epoch, limit(10)), Step::Reserve { epoch, count: count(4) });
}

/// Two reservations in flight at once: the ranges are joined, or the older one is skipped.
#[test]
fn a_second_range_is_appended_or_replaces_the_rest_of_the_first() {
    let (mut ledger, epoch) = (QuotaLedger::new(count(2)), Epoch::new(7));
    ledger.granted(epoch, limit(100), 0..2).expect("first");
    ledger.granted(epoch, limit(100), 2..4).expect("adjacent");
    assert_eq!(ledger.next(epoch, limit(100)), Step::Use(MessageId(0)));
    ledger.granted(epoch, limit(100), 10..12).expect("apart");
    assert_eq!(ledger.next(epoch, limit(100)), Step::Use(MessageId(10)));
}

#[test]
fn an_epoch_that_was_forgotten_is_not_opened_again() {
    let mut ledger = QuotaLedger::new(count(4));
    for number in 1..=5 {
        assert!(matches!(ledger.next(Epoch::new(number), limit(10)), Step::Reserve { .. }));
    }
    assert_eq!(ledger.next(Epoch::new(1), limit(10)), Step::Forgotten);
    assert_eq!(ledger.granted(Epoch::new(1), limit(10), 0..4), Err(GrantError::Forgotten(Epoch::new(1))));
    assert_eq!(ledger.used(Epoch::new(1)), 0);
    // A clock that jumps far ahead and back costs nothing: only the oldest epochs are forgotten.
    assert!(matches!(ledger.next(Epoch::new(1_000_000), limit(10)), Step::Reserve { .. }));
    assert!(matches!(ledger.next(Epoch::new(6), limit(10)), Step::Reserve { .. }));
}
