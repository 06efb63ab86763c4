//! Tests of the prover: on its own thread, with true proofs.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
    mpsc,
};

use prometheus_client::registry::Registry;
use weir_membership::MembershipState;
use weir_rln::{EngineSettings, EpochLength, MembershipIndex, MerkleTree, RateCommitment, test_utils};
use weir_storage::{QuotaStore, faulty_disk::FaultyDisk};

use super::*;
use crate::{
    metrics::{Metrics, ProofTier},
    probe::{Inbox, NOON, probe, until},
};

const LIMIT: u32 = 2;

/// A prover on a thread of its own, in real time; the clock stands still unless moved.
struct Rig {
    prover: Port<Prove>,
    outcomes: Inbox<Proved>,
    disk: FaultyDisk,
    store: QuotaStore,
    used: watch::Receiver<Option<QuotaUse>>,
    now: Arc<AtomicI64>,
    next_ticket: u64,
    standing: watch::Sender<Option<Standing>>,
    metrics: ProofMetrics,
}

/// A member and what is around it.
struct Parts {
    member: Member,
    disk: FaultyDisk,
    store: QuotaStore,
    used: watch::Receiver<Option<QuotaUse>>,
    now: Arc<AtomicI64>,
    standing: watch::Sender<Option<Standing>>,
}

impl Rig {
    /// Without the thread that prepares.
    fn new() -> Self {
        Self::with(false)
    }

    fn with_slots() -> Self {
        Self::with(true)
    }

    fn with(slots: bool) -> Self {
        let Parts { member, disk, store, used, now, standing } = parts();
        let (port, outcomes) = probe();
        let metrics = Metrics::register(&mut Registry::default()).proofs;
        let office = Office::open(member, &metrics);
        if slots {
            slots::start(Arc::clone(&office)).expect("threads");
        }
        let prover = office.serve(port).expect("threads");
        Self { prover, outcomes, disk, store, used, now, next_ticket: 0, standing, metrics }
    }

    async fn prove(&mut self) -> Result<RateLimitProof, ProofRefusal> {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.prover.tell(job(ticket)).expect("taken");
        let Proved { ticket: answered, result } = self.outcomes.next().await;
        assert_eq!(answered, ticket);
        result
    }

    fn granted(&self) -> u32 {
        let commitment = test_utils::Member::new(1, LIMIT).identity.commitment().to_bytes();
        self.store.used(&commitment, epoch_length().of(NOON).number()).expect("readable")
    }
}

fn job(ticket: Ticket) -> Prove {
    let topic = weir_core::ContentTopic::new("/weir/1/test/proto").expect("well formed");
    Prove {
        ticket,
        epoch: epoch_length().of(NOON),
        signal: weir_rln::signal_hash(&[0], &topic, NOON),
        not_after: NOON,
    }
}

fn parts() -> Parts {
    let test_utils::Member { identity, limit, path, root } = test_utils::Member::new(1, LIMIT);
    let disk = FaultyDisk::new();
    let handle = disk.clone();
    let store = QuotaStore::open_with_backend(move || handle.backend()).expect("opens");
    let index = MembershipIndex::new(0).expect("in range");
    let (commitment, state) = (identity.commitment(), MembershipState::Active);
    let membership = Membership { index, commitment, limit, state };
    let standing = Standing { membership, path, fresh_roots: [root].into() };
    let (standing, seen) = watch::channel(Some(standing));
    let (sender, used) = watch::channel(None);
    let now = Arc::new(AtomicI64::new(NOON.as_nanos()));
    let told = Arc::clone(&now);
    let clock = Clock::from_fn(move || Timestamp::from_nanos(told.load(Ordering::SeqCst)));
    let settings = MemberSettings { identity, quota: store.clone() };
    let limits = ValidatorConfig::new(epoch_length());
    let prover = Prover::load(&EngineSettings::default()).expect("loads");
    let member = Member::new(prover, settings, limits, seen, sender, clock).expect("loads");
    Parts { member, disk, store, used, now, standing }
}

/// The standing of the same member after somebody registered, in which its old root is not fresh.
fn standing_after_a_registration(before: &Standing) -> Standing {
    let Membership { index, commitment, limit, .. } = before.membership;
    let mut tree = MerkleTree::new();
    let leaf = RateCommitment::new(commitment, limit);
    tree.set(index, leaf);
    tree.set(MembershipIndex::new(1).expect("in range"), leaf);
    let path = tree.path(index).expect("just set");
    Standing { path, fresh_roots: [tree.root()].into(), ..before.clone() }
}

fn epoch_length() -> EpochLength {
    EpochLength::new(600).expect("not zero")
}

#[actix::test]
async fn each_proof_has_a_message_id_of_its_own_until_the_quota_is_used_up() {
    let mut rig = Rig::new();
    let (first, second) = (rig.prove().await.expect("proves"), rig.prove().await.expect("proves"));
    assert_ne!(first.nullifier, second.nullifier, "one signal, so only the message id can differ");
    let resets_at = epoch_length().end(epoch_length().of(NOON));
    let epoch = epoch_length().of(NOON);
    assert_eq!(rig.prove().await, Err(ProofRefusal::QuotaExhausted { limit: LIMIT, epoch, resets_at }));
    assert_eq!(*rig.used.borrow(), Some(QuotaUse { epoch, used: LIMIT }));
}

#[actix::test]
async fn a_job_nobody_waits_for_spends_no_message_id() {
    let mut rig = Rig::new();
    rig.now.store(NOON.as_nanos() + 1, Ordering::SeqCst);
    assert_eq!(rig.prove().await, Err(ProofRefusal::Overloaded));
    assert_eq!(rig.granted(), 0);
}

#[actix::test]
async fn without_the_reservation_on_disk_there_is_no_proof() {
    let mut rig = Rig::new();
    rig.disk.fill_up_after(0);
    assert!(matches!(rig.prove().await, Err(ProofRefusal::Storage(text)) if text.contains("no space")));
    rig.disk.heal();
    assert!(rig.prove().await.is_ok());
    assert_eq!(rig.granted(), LIMIT);
}

#[actix::test]
async fn whoever_is_not_in_the_tree_yet_gets_no_proof_and_spends_no_message_id() {
    let mut rig = Rig::new();
    let standing = rig.standing.send_replace(None);
    assert_eq!(rig.prove().await, Err(ProofRefusal::NotYetRegistered));
    assert_eq!(rig.granted(), 0);
    rig.standing.send_replace(standing);
    assert!(rig.prove().await.is_ok());
}

impl Rig {
    async fn until_slots_are_ready(&self, count: i64) {
        until(async || (self.metrics.slots_ready.get() == count).then_some(())).await;
    }
}

#[actix::test]
async fn a_slot_is_made_in_idle_time_and_becomes_the_next_proof_without_costing_more_of_the_quota() {
    let mut rig = Rig::with_slots();
    rig.until_slots_are_ready(1).await;
    assert_eq!(rig.granted(), 1, "no more ids than slots are reserved ahead");
    let first = rig.prove().await.expect("proves");
    rig.until_slots_are_ready(1).await;
    let second = rig.prove().await.expect("proves");
    assert_ne!(first.nullifier, second.nullifier);
    assert_eq!((rig.metrics.made_of(ProofTier::Slot), rig.granted()), (2, LIMIT));
    let epoch = epoch_length().of(NOON);
    assert_eq!(*rig.used.borrow(), Some(QuotaUse { epoch, used: LIMIT }));
    let resets_at = epoch_length().end(epoch);
    assert_eq!(rig.prove().await, Err(ProofRefusal::QuotaExhausted { limit: LIMIT, epoch, resets_at }));
}

#[actix::test]
async fn a_slot_whose_root_is_no_longer_fresh_is_replaced_and_its_id_is_not_lost() {
    let mut rig = Rig::with_slots();
    rig.until_slots_are_ready(1).await;
    let before = rig.standing.borrow().clone().expect("a member");
    let after = standing_after_a_registration(&before);
    rig.standing.send_replace(Some(after.clone()));
    for _ in 0..LIMIT {
        let proof = rig.prove().await.expect("no id was lost");
        assert_eq!(after.fresh_roots[0].to_bytes(), proof.merkle_root);
    }
    assert_eq!(rig.granted(), LIMIT);
}

#[test]
fn whoever_finds_the_last_id_in_a_slot_that_is_being_made_gets_the_slot() {
    let Parts { member: Member { prover, mut desk, .. }, used: _used, standing: _standing, .. } = parts();
    let epoch = epoch_length().of(NOON);
    drop(desk.material_for(epoch, &prover, NOON).unwrap_or_else(|_| panic!("two ids are there")));
    let order = desk.next_order(&prover, NOON).unwrap_or(None).expect("a slot is wanted");
    let refused = desk.material_for(epoch, &prover, NOON);
    assert!(matches!(refused, Err(ProofRefusal::QuotaExhausted { .. })) && desk.is_making(epoch));
    desk.made(&order, Some(order.fill().expect("within the quota")));
    assert!(matches!(desk.material_for(epoch, &prover, NOON), Ok(Material::Slot(_))));
    assert!(desk.material_for(epoch, &prover, NOON).is_err() && !desk.is_making(epoch));
}

#[test]
fn the_id_of_a_slot_that_could_not_be_made_is_used_by_the_next_message() {
    let Parts { member: Member { prover, mut desk, .. }, used: _used, standing: _standing, .. } = parts();
    let epoch = epoch_length().of(NOON);
    let order = desk.next_order(&prover, NOON).unwrap_or(None).expect("a slot is wanted");
    desk.made(&order, None);
    for _ in 0..LIMIT {
        assert!(matches!(desk.material_for(epoch, &prover, NOON), Ok(Material::Id { .. })));
    }
    assert!(desk.material_for(epoch, &prover, NOON).is_err());
}

#[actix::test]
async fn no_slot_is_begun_while_a_publish_waits_for_its_proof() {
    let Parts { member, used: _used, standing: _standing, .. } = parts();
    let office = Office::open(member, &Metrics::register(&mut Registry::default()).proofs);
    let in_idle_time = |office: &Office| slots::order_in_idle_time(office, &mut office.desk());
    // The publish is not answered before the test says so.
    let (reached, told) = mpsc::channel();
    let (answer, answered) = mpsc::channel::<()>();
    let answered = Mutex::new(answered);
    #[expect(clippy::result_large_err, reason = "a port gives back what it did not take")]
    let outcomes = Port::from_fn(move |_: Proved| {
        reached.send(()).expect("the test listens");
        let _ = answered.lock().expect("one thread").recv();
        Ok(())
    });
    let prover = Arc::clone(&office).serve(outcomes).expect("threads");
    prover.tell(job(Ticket(0))).expect("taken");
    told.recv().expect("it is proven");
    assert!(matches!(in_idle_time(&office), Ok(None)));
    drop(answer);
    until(async || in_idle_time(&office).unwrap_or(None)).await;
}

#[actix::test]
async fn the_thread_that_prepares_ends_with_the_last_port() {
    let rig = Rig::with_slots();
    rig.until_slots_are_ready(1).await;
    let Rig { prover, standing, .. } = rig;
    drop(prover);
    // The desk, which listens to it, is gone with both threads.
    until(async || (standing.receiver_count() == 0).then_some(())).await;
}
