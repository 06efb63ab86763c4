//! Tests of the pool: its threads, between a probe and a checker that does what the proof says.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use prometheus_client::registry::Registry;
use weir_core::RateLimitProof;
use weir_rln::{EpochLength, MessageId, test_utils::Member};

use super::*;
use crate::{
    metrics::Metrics,
    probe::{Inbox, NOON, peer, probe},
};

/// The first byte of a proof tells the double what to make of it.
const GOOD: u8 = 0;
const BAD: u8 = 1;
const PANICS: u8 = 2;
/// The fast path rejects it and the slow one does not.
const MISJUDGED: u8 = 3;

/// A checker that waits to be let go on, and tells how many proofs it was given.
struct Double {
    entered: Mutex<Sender<usize>>,
    go_on: Mutex<Receiver<()>>,
    caught_lying: AtomicBool,
}

impl Checker for Double {
    fn check(&self, claims: &[&ProofClaim]) -> Vec<bool> {
        self.entered.lock().expect("sound").send(claims.len()).expect("the test listens");
        self.go_on.lock().expect("sound").recv().expect("the test lets it go on");
        let judge = |claim: &&ProofClaim| match claim.proof()[0] {
            GOOD => true,
            BAD => false,
            MISJUDGED => self.caught_lying.load(Ordering::SeqCst),
            _ => panic!("a bug, on purpose"),
        };
        claims.iter().map(judge).collect()
    }

    fn confirms_rejection(&self, claim: &ProofClaim) -> bool {
        let lied = claim.proof()[0] == MISJUDGED;
        self.caught_lying.store(lied, Ordering::SeqCst);
        !lied
    }
}

struct Rig {
    pool: Option<Port<CheckProof>>,
    outcomes: Inbox<ProofChecked>,
    sizes: Receiver<usize>,
    go_on: Sender<()>,
    metrics: ProofMetrics,
    claim: RateLimitProof,
    not_after: Timestamp,
    next: u64,
}

impl Rig {
    fn new() -> Self {
        let ((entered, sizes), (go_on, released)) = (channel(), channel());
        let checker = Double {
            entered: Mutex::new(entered),
            go_on: Mutex::new(released),
            caught_lying: AtomicBool::new(false),
        };
        let (port, outcomes) = probe();
        let metrics = Metrics::register(&mut Registry::default()).proofs;
        let clock = Clock::from_fn(|| NOON);
        let pool =
            start_with(checker, Plan { threads: 1, longest_batch: MAX_BATCH }, port, clock, metrics.clone())
                .expect("threads");
        let message = weir_rln::test_utils::message("hello", NOON);
        let message =
            Member::new(1, 10).unproven(message, EpochLength::new(600).expect("not zero"), MessageId(0));
        let claim = message.proof.as_proof().expect("a proof").clone();
        Self { pool: Some(pool), outcomes, sizes, go_on, metrics, claim, not_after: NOON, next: 0 }
    }

    fn push(&mut self, from: u8, kind: u8) -> u64 {
        let mut proof = self.claim.clone();
        proof.proof[0] = kind;
        let job = CheckProof {
            life: Life::FIRST,
            id: JobId(self.next),
            from: Origin::Peer(peer(from)),
            claim: Box::new(ProofClaim::parse(&proof).expect("canonical")),
            not_after: self.not_after,
        };
        self.pool.as_ref().expect("open").tell(job).expect("always taken");
        self.next += 1;
        self.next - 1
    }

    /// The size of the check that is under way.
    fn under_way(&self) -> usize {
        self.sizes.recv_timeout(Duration::from_secs(30)).expect("the checker is called")
    }

    fn go_on(&self) {
        self.go_on.send(()).expect("the checker waits");
    }

    async fn outcomes(&mut self, count: usize) -> Vec<(u64, ProofOutcome)> {
        let mut outcomes = Vec::new();
        for _ in 0..count {
            let ProofChecked { id, outcome, .. } = self.outcomes.next().await;
            outcomes.push((id.0, outcome));
        }
        outcomes.sort_unstable_by_key(|(id, _)| *id);
        outcomes
    }
}

#[actix::test]
async fn an_idle_pool_checks_at_once_and_a_busy_one_checks_together_what_came_meanwhile() {
    let mut rig = Rig::new();
    rig.push(1, GOOD);
    assert_eq!(rig.under_way(), 1);
    for from in [1, 2, 3] {
        rig.push(from, GOOD);
    }
    assert_eq!(rig.metrics.queue_depth.get(), 3);
    rig.go_on();
    assert_eq!(rig.under_way(), 3);
    rig.go_on();
    assert_eq!(rig.outcomes(4).await, [0, 1, 2, 3].map(|id| (id, ProofOutcome::Valid)));
}

#[actix::test]
async fn the_liar_is_named_and_from_then_on_checked_alone_and_last() {
    let mut rig = Rig::new();
    rig.push(1, GOOD);
    rig.under_way();
    let (bad, good) = (rig.push(2, BAD), rig.push(3, GOOD));
    rig.go_on();
    assert_eq!(rig.under_way(), 2);
    let late: Vec<_> = [(2, BAD), (3, GOOD), (3, GOOD)].map(|(from, kind)| rig.push(from, kind)).into();
    rig.go_on();
    assert_eq!(rig.under_way(), 2, "the two of peer 3");
    rig.go_on();
    assert_eq!(rig.under_way(), 1, "the one of peer 2");
    rig.go_on();
    let expected = [
        (0, ProofOutcome::Valid),
        (bad, ProofOutcome::Invalid),
        (good, ProofOutcome::Valid),
        (late[0], ProofOutcome::Invalid),
        (late[1], ProofOutcome::Valid),
        (late[2], ProofOutcome::Valid),
    ];
    assert_eq!(rig.outcomes(6).await, expected);
}

#[actix::test]
async fn a_batch_that_panics_is_checked_one_by_one_and_only_the_culprit_stays_open() {
    let mut rig = Rig::new();
    rig.push(1, GOOD);
    rig.under_way();
    let (culprit, neighbour) = (rig.push(2, PANICS), rig.push(3, GOOD));
    for expected in [2, 1, 1] {
        rig.go_on();
        assert_eq!(rig.under_way(), expected);
    }
    rig.go_on();
    let expected =
        [(0, ProofOutcome::Valid), (culprit, ProofOutcome::Failed), (neighbour, ProofOutcome::Valid)];
    assert_eq!(rig.outcomes(3).await, expected);
    let after = rig.push(1, GOOD);
    assert_eq!(rig.under_way(), 1, "the thread goes on");
    rig.go_on();
    assert_eq!(rig.outcomes(1).await, [(after, ProofOutcome::Valid)]);
}

#[actix::test]
async fn an_honest_peer_does_not_pay_for_a_verifier_that_is_wrong() {
    let mut rig = Rig::new();
    let misjudged = rig.push(1, MISJUDGED);
    rig.under_way();
    rig.go_on();
    assert_eq!(rig.under_way(), 1, "checked again, the slow way");
    rig.go_on();
    assert_eq!(rig.outcomes(1).await, [(misjudged, ProofOutcome::Valid)]);
}

#[actix::test]
async fn a_full_queue_sheds_the_heaviest_sender_and_answers_for_it() {
    let mut rig = Rig::new();
    rig.push(1, GOOD);
    rig.under_way();
    for _ in 0..QUEUE {
        rig.push(1, GOOD);
    }
    let light = rig.push(2, GOOD);
    let newest = u64::try_from(QUEUE).expect("small");
    assert_eq!(rig.outcomes(1).await, [(newest, ProofOutcome::Shed)]);
    rig.go_on();
    assert!(rig.under_way() > 1);
    rig.go_on();
    let first = rig.outcomes(2).await;
    assert_eq!(first[0], (0, ProofOutcome::Valid));
    while rig.outcomes(1).await != [(light, ProofOutcome::Valid)] {
        if rig.sizes.try_recv().is_ok() {
            rig.go_on();
        }
    }
}

#[actix::test]
async fn a_job_nobody_waits_for_any_more_is_not_checked() {
    let mut rig = Rig::new();
    rig.push(1, GOOD);
    rig.under_way();
    rig.not_after = NOON.saturating_sub(Duration::from_nanos(1));
    let late = rig.push(1, PANICS);
    rig.go_on();
    let expected = [(0, ProofOutcome::Valid), (late, ProofOutcome::Shed)];
    assert_eq!(rig.outcomes(2).await, expected);
}

#[actix::test]
async fn the_threads_end_with_the_last_port_and_what_waits_is_dropped() {
    let mut rig = Rig::new();
    rig.push(1, GOOD);
    rig.under_way();
    rig.push(1, GOOD);
    rig.pool = None;
    rig.go_on();
    assert_eq!(rig.outcomes(1).await, [(0, ProofOutcome::Valid)]);
    assert!(rig.sizes.recv().is_err(), "the checker is gone with its threads");
}
