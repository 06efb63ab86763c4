use std::time::Duration;

use proptest::prelude::*;
use weir_core::store::{Direction, PageSize, Query};

use super::*;
use crate::store::{ATTEMPTS, Outcome, Resume, ResumeEffect, ResumeInput};

struct Rig {
    resume: Resume,
    now: Timestamp,
}

impl Rig {
    /// A node that was online until `at(0)` and comes back at `at(1000)`.
    fn new() -> Self {
        let (mut effects, now) = (Vec::new(), at(1000));
        let resume = Resume::new(CLUSTER, Some(at(0)), now, &mut effects);
        assert_eq!(effects, [ResumeEffect::FindPeers]);
        Self { resume, now }
    }

    fn give(&mut self, input: ResumeInput) -> Vec<ResumeEffect> {
        let mut effects = Vec::new();
        self.resume.handle(input, self.now, &mut effects);
        effects
    }

    fn pass(&mut self, seconds: u64) -> Vec<ResumeEffect> {
        self.now = self.now.saturating_add(Duration::from_secs(seconds));
        self.give(ResumeInput::Tick)
    }

    fn peers(&mut self, numbers: &[u8]) -> Vec<ResumeEffect> {
        self.give(ResumeInput::Peers(numbers.iter().copied().map(address).collect()))
    }

    fn answer(&mut self, page: Page) -> Vec<ResumeEffect> {
        self.give(ResumeInput::Answered(Ok(page)))
    }

    fn refuse(&mut self) -> Vec<ResumeEffect> {
        self.give(ResumeInput::Answered(Err("no".to_owned())))
    }

    fn kept(&mut self) -> Vec<ResumeEffect> {
        self.give(ResumeInput::Kept(Ok(())))
    }
}

fn ask(n: u8, start: Timestamp, cursor: Option<MessageHash>) -> ResumeEffect {
    let query = Query {
        include_data: true,
        start: Some(start),
        end: Some(at(1000)),
        cursor,
        direction: Direction::Forward,
        page_size: PageSize::MAX,
        ..Query::default()
    };
    ResumeEffect::Ask { peer: address(n), query: Box::new(query) }
}

/// 20 s before it was last online.
fn from() -> Timestamp {
    at(-20_000)
}

fn complete(fetched: u64) -> ResumeEffect {
    ResumeEffect::Finished(Outcome::Complete { fetched })
}

#[test]
fn all_pages_are_fetched_one_after_the_other_has_been_kept() {
    let mut rig = Rig::new();
    assert_eq!(rig.peers(&[1, 2]), [ask(1, from(), None)]);
    let end = Some(stored(2).hash);
    assert_eq!(
        rig.answer(page([stored(1), stored(2)], end)),
        [ResumeEffect::Keep(vec![stored(1), stored(2)])]
    );
    assert_eq!(rig.kept(), [ask(1, at(2), end)]);
    assert_eq!(rig.answer(page([stored(3)], None)), [ResumeEffect::Keep(vec![stored(3)])]);
    assert_eq!(rig.kept(), [complete(3)]);
    assert_eq!(rig.resume.next_deadline(), None);
}

#[test]
fn no_more_than_six_hours_are_fetched() {
    for online in [None, Some(Timestamp::ZERO)] {
        let resume = Resume::new(CLUSTER, online, at(0), &mut Vec::new());
        assert_eq!(resume.from(), at(-6 * 60 * 60 * 1000));
    }
}

#[test]
fn the_next_peer_goes_on_where_the_one_before_stopped() {
    let mut rig = Rig::new();
    rig.peers(&[1, 2]);
    rig.answer(page([stored(1), stored(2)], Some(stored(2).hash)));
    rig.kept();
    assert_eq!(rig.refuse(), [ask(2, at(2), None)]);
    assert_eq!(
        rig.answer(page([stored(2), stored(3)], None)),
        [ResumeEffect::Keep(vec![stored(2), stored(3)])]
    );
    assert_eq!(rig.kept(), [complete(4)]);
}

#[test]
fn a_peer_that_lies_is_left_for_the_next() {
    let mut rig = Rig::new();
    rig.peers(&[1, 2]);
    let outside = StoredMessage::new(stored(1).topic, {
        let mut message = stored(1).message;
        message.timestamp = at(2000);
        message
    });
    assert_eq!(rig.answer(page([outside], None)), [ask(2, from(), None)]);
}

#[test]
fn pages_that_lead_back_are_refused() {
    let mut rig = Rig::new();
    rig.peers(&[1]);
    rig.answer(page([stored(5)], Some(stored(5).hash)));
    rig.kept();
    // At the time of the last message but before it, so that the query alone does not exclude it.
    let twin = (0..=255_u8)
        .map(|n| {
            let mut message = stored(5).message;
            message.payload = vec![5, n].into();
            StoredMessage::new(stored(5).topic, message)
        })
        .find(|twin| twin.place() < stored(5).place())
        .expect("every second one is");
    assert_eq!(rig.answer(page([twin], None)), []);
    assert!(rig.resume.next_deadline().is_some(), "rests before it tries again");
}

#[test]
fn messages_of_other_clusters_are_not_kept() {
    let mut rig = Rig::new();
    rig.peers(&[1]);
    let foreign = stored_on("/waku/2/rs/1/1", 2);
    assert_eq!(rig.answer(page([stored(1), foreign], None)), [ResumeEffect::Keep(vec![stored(1)])]);
}

#[test]
fn a_store_peer_is_waited_for() {
    let mut rig = Rig::new();
    for _ in 0..29 {
        assert_eq!(rig.peers(&[]), []);
        assert_eq!(rig.pass(1), [ResumeEffect::FindPeers]);
    }
    assert_eq!(rig.peers(&[1]), [ask(1, from(), None)]);
}

#[test]
fn it_gives_up_after_the_third_attempt_and_says_why() {
    let mut rig = Rig::new();
    for attempt in 1..=ATTEMPTS {
        rig.peers(&[1]);
        let effects = rig.refuse();
        if attempt < ATTEMPTS {
            assert_eq!(effects, []);
            assert_eq!(rig.pass(29), []);
            assert_eq!(rig.pass(1), [ResumeEffect::FindPeers]);
        } else {
            let why = format!("{}: no", peer(1));
            assert_eq!(effects, [ResumeEffect::Finished(Outcome::GaveUp { fetched: 0, why })]);
        }
    }
}

#[test]
fn without_any_store_peer_it_gives_up_too() {
    let mut rig = Rig::new();
    let mut finished = Vec::new();
    for _ in 0..200 {
        finished.extend(rig.peers(&[]));
        finished.extend(rig.pass(1).into_iter().filter(|effect| *effect != ResumeEffect::FindPeers));
    }
    let why = "no store peer is known".to_owned();
    assert_eq!(finished, [ResumeEffect::Finished(Outcome::GaveUp { fetched: 0, why })]);
}

#[test]
fn an_archive_that_does_not_keep_ends_the_attempt() {
    let mut rig = Rig::new();
    rig.peers(&[1]);
    rig.answer(page([stored(1)], None));
    assert_eq!(rig.give(ResumeInput::Kept(Err("full".to_owned()))), []);
    assert_eq!(rig.pass(30), [ResumeEffect::FindPeers]);
    assert_eq!(rig.peers(&[1]), [ask(1, at(1), None)]);
}

proptest! {
    /// Peers that hold everything and fail at random: in the end all is kept, whoever gave it.
    #[test]
    fn whatever_fails_before_the_last_attempt_nothing_is_missed(
        count in 0..40_u8,
        page_size in 1..7_usize,
        fails in prop::collection::vec(any::<bool>(), 0..12),
    ) {
        let mut rig = Rig::new();
        let all: Vec<StoredMessage> = (0..count).map(stored).collect();
        let mut kept = std::collections::BTreeSet::new();
        let mut fails = fails.into_iter();
        let mut failed = 0;
        let mut effects = rig.peers(&[1, 2, 3, 4, 5]);
        for _ in 0..2_000 {
            let Some(effect) = effects.pop() else {
                effects = rig.pass(30);
                continue;
            };
            effects = match effect {
                ResumeEffect::FindPeers => rig.peers(&[1, 2, 3, 4, 5]),
                ResumeEffect::Ask { query, .. } => {
                    // At most two of three attempts fail.
                    if failed < 10 && fails.next() == Some(true) {
                        failed += 1;
                        rig.refuse()
                    } else {
                        let cursor = query.cursor.map(|cursor| all.iter().position(|m| m.hash == cursor).expect("ours"));
                        let mut rest: Vec<_> =
                            all.iter().skip(cursor.map_or(0, |at| at + 1)).filter(|m| query.selects(m)).cloned().collect();
                        let more = rest.len() > page_size;
                        rest.truncate(page_size);
                        let end = rest.last().filter(|_| more).map(|m| m.hash);
                        rig.answer(page(rest, end))
                    }
                }
                ResumeEffect::Keep(messages) => {
                    kept.extend(messages.into_iter().map(|message| message.hash));
                    rig.kept()
                }
                ResumeEffect::Finished(outcome) => {
                    let complete = matches!(outcome, Outcome::Complete { .. });
                    prop_assert!(complete);
                    prop_assert_eq!(kept.len(), usize::from(count));
                    return Ok(());
                }
            };
        }
        prop_assert!(false, "did not finish");
    }
}
