//! Tests of the schedule: what goes together, what waits and what is shed.

use proptest::prelude::*;
use weir_core::PeerId;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1000);
const LATER: Timestamp = Timestamp::from_secs(1005);

fn peer(n: u8) -> Origin {
    Origin::Peer(PeerId::from_bytes(&[n]).expect("one byte"))
}

/// A schedule with so many jobs of each peer, numbered by peer: 100, 101, … are of peer 1.
fn filled(capacity: usize, jobs: &[(u8, u32)]) -> VerifySchedule<u32> {
    let mut schedule = VerifySchedule::new(capacity);
    for &(n, count) in jobs {
        trust(&mut schedule, n);
        for number in 0..count {
            let job = u32::from(n) * 100 + number;
            assert_eq!(schedule.push(peer(n), job, LATER, NOW), None);
        }
    }
    schedule
}

/// Lets peer `n` have a whole batch.
fn trust(schedule: &mut VerifySchedule<u32>, n: u8) {
    for _ in 0..MAX_BATCH {
        schedule.learn(&peer(n), true, NOW, &mut Vec::new());
    }
}

fn distrust(schedule: &mut VerifySchedule<u32>, n: u8) -> Vec<Shed<u32>> {
    let mut shed = Vec::new();
    schedule.learn(&peer(n), false, NOW, &mut shed);
    shed
}

/// The jobs of the next batch, of which none may be shed.
fn take(schedule: &mut VerifySchedule<u32>) -> Vec<u32> {
    let mut shed = Vec::new();
    let batch = schedule.take(NOW, &mut shed);
    assert_eq!(shed, []);
    batch.into_iter().map(|(_, job)| job).collect()
}

#[test]
fn a_lone_job_is_checked_at_once_and_what_came_meanwhile_goes_together() {
    let mut schedule = filled(10, &[(1, 1)]);
    assert_eq!(take(&mut schedule), [100]);
    for job in [7, 8, 9] {
        schedule.push(peer(1), job, LATER, NOW);
    }
    assert_eq!(take(&mut schedule), [7, 8, 9]);
    assert!(take(&mut schedule).is_empty() && schedule.is_empty());
}

#[test]
fn a_batch_is_shared_out_in_turn_and_jobs_of_one_sender_are_neighbours() {
    let mut schedule = filled(1000, &[(1, 300), (2, 3), (3, 300)]);
    let batch = take(&mut schedule);
    assert_eq!(batch.len(), MAX_BATCH);
    let of = |n: u32| batch.iter().copied().filter(|job| (n * 100..n * 100 + 100).contains(job)).collect();
    let [first, second, third]: [Vec<u32>; 3] = [1, 2, 3].map(of);
    assert_eq!(second, [200, 201, 202]);
    assert!(first.len().abs_diff(third.len()) <= 1, "{} and {}", first.len(), third.len());
    assert_eq!(batch, [first, second, third].concat());
}

#[test]
fn a_schedule_that_is_told_so_makes_no_batches() {
    for longest in [0, 1] {
        let mut schedule = filled(10, &[(1, 3)]).with_longest_batch(longest);
        assert_eq!([take(&mut schedule), take(&mut schedule), take(&mut schedule)], [[100], [101], [102]]);
    }
}

#[test]
fn more_senders_than_a_batch_has_room_for_all_have_their_turn() {
    let mut schedule = VerifySchedule::new(1000);
    for n in 0..200u8 {
        for round in 0..2 {
            schedule.push(peer(n), u32::from(n) + 1000 * round, LATER, NOW);
        }
    }
    let mut batches = [take(&mut schedule), take(&mut schedule)].concat();
    batches.retain(|job| *job < 1000);
    assert_eq!(batches.len(), 200, "everyone's first job is in the first two batches");
}

#[test]
fn an_unknown_sender_gets_few_places_in_a_batch() {
    let mut schedule = VerifySchedule::new(1000);
    (0..100).for_each(|job| assert_eq!(schedule.push(peer(1), job, LATER, NOW), None));
    for expected in [4, 8, 16, 32] {
        let batch = take(&mut schedule);
        assert_eq!(batch.len(), expected);
        batch.iter().for_each(|_| schedule.learn(&peer(1), true, NOW, &mut Vec::new()));
    }
}

#[test]
fn whoever_sent_a_bad_proof_is_checked_alone_and_after_the_others() {
    let mut schedule = filled(100, &[(1, 3), (2, 3)]);
    assert_eq!(distrust(&mut schedule, 1), []);
    assert_eq!(take(&mut schedule), [200, 201, 202]);
    trust(&mut schedule, 2);
    for job in [203, 204] {
        schedule.push(peer(2), job, LATER, NOW);
    }
    assert_eq!(take(&mut schedule), [100], "one suspect after each batch, so that it is not starved");
    assert_eq!(take(&mut schedule), [203, 204]);
    assert_eq!([take(&mut schedule), take(&mut schedule)], [[101], [102]]);
}

#[test]
fn a_suspect_is_trusted_again_when_its_time_is_over() {
    let mut schedule = filled(100, &[(1, 3)]);
    distrust(&mut schedule, 1);
    let later = NOW.saturating_add(std::time::Duration::from_secs(10));
    schedule.push(peer(1), 103, later, later);
    let mut shed = Vec::new();
    let batch: Vec<_> = schedule.take(later, &mut shed).into_iter().map(|(_, job)| job).collect();
    assert_eq!(batch, [103]);
    let expired: Vec<_> = shed.into_iter().map(|shed| (shed.job, shed.reason)).collect();
    assert_eq!(expired, [100, 101, 102].map(|job| (job, ShedReason::Expired)));
}

#[test]
fn of_a_suspect_only_a_few_jobs_wait() {
    let mut schedule = filled(100, &[(1, 40)]);
    let shed = distrust(&mut schedule, 1);
    assert_eq!(shed.len(), 40 - SUSPECT_QUEUE);
    assert_eq!(shed[0], Shed { job: 132, reason: ShedReason::Suspect });
    assert_eq!(schedule.len(), SUSPECT_QUEUE);
    let refused = schedule.push(peer(1), 7, LATER, NOW);
    assert_eq!(refused, Some(Shed { job: 7, reason: ShedReason::Suspect }));
}

#[test]
fn in_a_full_queue_the_heaviest_sender_makes_room() {
    let mut schedule = filled(10, &[(1, 8), (2, 2)]);
    let displaced = schedule.push(peer(3), 300, LATER, NOW);
    assert_eq!(displaced, Some(Shed { job: 107, reason: ShedReason::Displaced }));
    let refused = schedule.push(peer(1), 108, LATER, NOW);
    assert_eq!(refused, Some(Shed { job: 108, reason: ShedReason::Full }), "nobody has more");
    assert_eq!(schedule.len(), 10);
}

#[test]
fn in_a_full_queue_a_suspect_makes_room_for_anyone_and_nobody_for_a_suspect() {
    let mut schedule = filled(10, &[(1, 9), (2, 1)]);
    distrust(&mut schedule, 2);
    let refused = schedule.push(peer(2), 201, LATER, NOW);
    assert_eq!(refused, Some(Shed { job: 201, reason: ShedReason::Full }));
    let displaced = schedule.push(peer(1), 109, LATER, NOW);
    assert_eq!(displaced, Some(Shed { job: 200, reason: ShedReason::Displaced }));
    assert_eq!(take(&mut schedule).len(), 10);
    assert!(take(&mut schedule).is_empty(), "nothing is left of the suspect");
}

/// A step of the model: who pushes, how much is taken, whose proof was how.
#[derive(Debug, Clone)]
enum Step {
    Push(u8),
    Take,
    Learn(u8, bool),
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..6).prop_map(Step::Push),
        2 => Just(Step::Take),
        2 => (0u8..6, any::<bool>()).prop_map(|(peer, holds)| Step::Learn(peer, holds)),
        1 => (0u8..6).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn every_job_comes_out_exactly_once_in_order_and_the_bounds_hold(
        steps in proptest::collection::vec(step(), 0..600),
        capacity in 1usize..40,
    ) {
        let mut schedule = VerifySchedule::new(capacity);
        let (mut now, mut next, mut out, mut shed) = (NOW, 0u32, Vec::new(), Vec::new());
        let mut last_checked = [None; 6];
        let mut check = |batch: Vec<(Origin, (u8, u32))>, schedule: &VerifySchedule<(u8, u32)>, now| {
            prop_assert!(batch.len() <= MAX_BATCH);
            let suspects = batch.iter().filter(|(origin, _)| schedule.is_suspect(origin, now)).count();
            prop_assert!(suspects == 0 || batch.len() == 1, "a suspect has no company");
            for (origin, (n, job)) in &batch {
                prop_assert_eq!(origin, &peer(*n));
                prop_assert!(last_checked[usize::from(*n)] < Some(*job), "in the order they came");
                last_checked[usize::from(*n)] = Some(*job);
            }
            out.extend(batch.into_iter().map(|(_, (_, job))| job));
            Ok(())
        };
        for step in steps {
            match step {
                Step::Push(n) => {
                    let not_after = now.saturating_add(std::time::Duration::from_secs(5));
                    shed.extend(schedule.push(peer(n), (n, next), not_after, now));
                    next += 1;
                }
                Step::Take => {
                    let was_empty = schedule.is_empty();
                    let before = shed.len();
                    let batch = schedule.take(now, &mut shed);
                    prop_assert!(was_empty || !batch.is_empty() || shed.len() > before);
                    check(batch, &schedule, now)?;
                }
                Step::Learn(n, holds) => schedule.learn(&peer(n), holds, now, &mut shed),
                Step::Wait(secs) => now = now.saturating_add(std::time::Duration::from_secs(secs.into())),
            }
            prop_assert!(schedule.len() <= capacity);
        }
        while !schedule.is_empty() {
            let batch = schedule.take(now, &mut shed);
            check(batch, &schedule, now)?;
        }
        out.extend(shed.into_iter().map(|shed| shed.job.1));
        out.sort_unstable();
        prop_assert_eq!(out, (0..next).collect::<Vec<_>>());
    }

    #[test]
    fn a_sender_below_its_equal_share_loses_nothing_whatever_the_others_do(
        pushes in proptest::collection::vec(1u8..5, 0..500),
        share in 1u32..10,
    ) {
        // Five senders; the modest one keeps below a fifth of the queue.
        let mut schedule = VerifySchedule::new(5 * (share as usize + 1));
        let mut lost = Vec::new();
        for (number, &n) in pushes.iter().enumerate() {
            lost.extend(schedule.push(peer(n), n, LATER, NOW));
            if number % 50 == 0 && schedule.waiting_of(&peer(0)) < share as usize {
                lost.extend(schedule.push(peer(0), 0, LATER, NOW));
            }
        }
        prop_assert!(lost.iter().all(|shed| shed.job != 0), "{lost:?}");
    }
}
