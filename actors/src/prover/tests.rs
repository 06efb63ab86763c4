//! Tests of the prover: on its own thread, with true proofs.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use prometheus_client::registry::Registry;
use weir_membership::MembershipState;
use weir_rln::{MembershipIndex, test_utils};
use weir_storage::faulty_disk::FaultyDisk;

use super::*;
use crate::{
    metrics::Metrics,
    probe::{Inbox, NOON, probe},
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
}

impl Rig {
    fn new() -> Self {
        let test_utils::Member { identity, limit, path, .. } = test_utils::Member::new(1, LIMIT);
        let disk = FaultyDisk::new();
        let handle = disk.clone();
        let store = QuotaStore::open_with_backend(move || handle.backend()).expect("opens");
        let index = MembershipIndex::new(0).expect("in range");
        let (commitment, state) = (identity.commitment(), MembershipState::Active);
        let membership = Membership { index, commitment, limit, state };
        let (standing, seen) = watch::channel(Some(Standing { membership, path }));
        let (sender, used) = watch::channel(None);
        let now = Arc::new(AtomicI64::new(NOON.as_nanos()));
        let told = Arc::clone(&now);
        let clock = Clock::from_fn(move || Timestamp::from_nanos(told.load(Ordering::SeqCst)));
        let settings = MemberSettings { identity, quota: store.clone() };
        let limits = ValidatorConfig::new(epoch_length());
        let member = Member::new(settings, limits, seen, sender, clock).expect("loads");
        let (port, outcomes) = probe();
        let metrics = Metrics::register(&mut Registry::default()).proofs;
        let prover = start(member, port, &metrics).expect("threads");
        Self { prover, outcomes, disk, store, used, now, next_ticket: 0, standing }
    }

    async fn prove(&mut self) -> Result<RateLimitProof, ProofRefusal> {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let job = Prove {
            ticket,
            epoch: epoch_length().of(NOON),
            signal: weir_rln::signal_hash(
                &[0],
                &weir_core::ContentTopic::new("/weir/1/test/proto").expect("well formed"),
                NOON,
            ),
            not_after: NOON,
        };
        self.prover.tell(job).expect("taken");
        let Proved { ticket: answered, result } = self.outcomes.next().await;
        assert_eq!(answered, ticket);
        result
    }

    fn granted(&self) -> u32 {
        let commitment = test_utils::Member::new(1, LIMIT).identity.commitment().to_bytes();
        self.store.used(&commitment, epoch_length().of(NOON).number()).expect("readable")
    }
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
