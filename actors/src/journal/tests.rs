//! Tests of the journal: the shell around the logic, between probes and under paused time.

use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use weir_core::PeerAddress;
use weir_storage::faulty_disk::FaultyDisk;
use zeroize::Zeroizing;

use super::*;
use crate::{
    metrics::Metrics,
    probe::{Crash, NOON, clock, peer, supervised, within},
    supervision::{Fault, Handle},
};

impl Handler<Crash> for JournalActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("a bug, on purpose");
    }
}

/// A journal on a disk in memory, under paused time.
struct Rig {
    disk: FaultyDisk,
    store: StateStore,
    journal: Handle<JournalActor>,
    faults: mpsc::Receiver<Fault>,
    metrics: JournalMetrics,
}

impl Rig {
    async fn new() -> Self {
        tokio::time::pause();
        let disk = FaultyDisk::new();
        let handle = disk.clone();
        let store = StateStore::open_with_backend(move || handle.backend()).expect("opens");
        let metrics = Metrics::register(&mut Registry::default()).journal;
        let epochs = EpochLength::new(600).expect("not zero");
        let (given, counted, clock) = (store.clone(), metrics.clone(), clock());
        let (journal, faults) = supervised(move |lease| {
            Ok(JournalActor::new(given.clone(), Some(epochs), clock.clone(), counted.clone(), lease))
        })
        .await;
        Self { disk, store, journal, faults, metrics }
    }

    fn record(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.journal.tell(RecordNullifier(nullifier(number))).expect("taken");
        }
    }

    /// Lets everything before this be handled, without time passing; tells the last error.
    async fn state(&self) -> Option<String> {
        self.journal.ask(Duration::from_secs(1), JournalState).await.expect("answers")
    }

    async fn drain(&self) -> bool {
        self.journal.ask(Duration::from_secs(1), DrainJournal).await.expect("answers")
    }

    fn written(&self) -> usize {
        self.store.nullifiers_from(0).expect("readable").len()
    }
}

fn nullifier(number: u32) -> NullifierRecord {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    NullifierRecord { epoch: EPOCH, nullifier: bytes, share_x: bytes, share_y: bytes }
}

/// The epoch of [`NOON`].
const EPOCH: u64 = 1_700_000_100 / 600;

fn evidence(member: u8) -> Box<EvidenceRecord> {
    Box::new(EvidenceRecord {
        epoch: EPOCH,
        root: [0; 32],
        nullifier: [member; 32],
        share_x_1: [1; 32],
        share_y_1: [1; 32],
        share_x_2: [2; 32],
        share_y_2: [2; 32],
        commitment: [member; 32],
        secret: Zeroizing::new([3; 32]),
        seen_at: NOON,
    })
}

fn peer_record(n: u8) -> PeerRecord {
    let address = PeerAddress::new(peer(n), "/ip4/127.0.0.1/tcp/1");
    PeerRecord { address, protocols: Vec::new(), last_seen: NOON }
}

#[actix::test]
async fn a_full_batch_is_written_at_once_and_the_rest_after_the_delay() {
    let rig = Rig::new().await;
    let full = u32::try_from(BATCH).expect("small");
    rig.record(0..full + 3);
    assert_eq!(rig.state().await, None);
    assert_eq!(rig.written(), BATCH);
    tokio::time::sleep(BATCH_DELAY + Duration::from_millis(1)).await;
    rig.state().await;
    assert_eq!(rig.written(), BATCH + 3);
}

#[actix::test]
async fn evidence_is_written_at_once() {
    let rig = Rig::new().await;
    rig.journal.tell(RecordEvidence(evidence(1))).expect("taken");
    rig.state().await;
    assert_eq!(rig.store.evidence().expect("readable").len(), 1);
    assert_eq!(rig.metrics.evidence_written.get(), 1);
}

#[actix::test]
async fn a_full_disk_keeps_records_waiting_until_there_is_room() {
    let rig = Rig::new().await;
    rig.disk.fill_up_after(0);
    rig.journal.tell(RecordEvidence(evidence(1))).expect("taken");
    rig.record(0..600);
    tokio::time::sleep(RETRY_DELAY * 5).await;
    assert!(rig.state().await.is_some_and(|text| text.contains("no space")));
    assert!(rig.metrics.write_errors.get() >= 4);
    rig.disk.heal();
    tokio::time::sleep(RETRY_DELAY + BATCH_DELAY).await;
    assert_eq!(rig.state().await, None);
    assert_eq!((rig.written(), rig.store.evidence().expect("readable").len()), (600, 1));
    assert_eq!((rig.metrics.nullifiers_lost.get(), rig.metrics.evidence_lost.get()), (0, 0));
}

#[actix::test]
async fn what_waits_for_a_full_disk_is_bounded_and_the_oldest_are_lost_and_counted() {
    let rig = Rig::new().await;
    rig.disk.fill_up_after(0);
    let room = u32::try_from(MAX_WAITING_NULLIFIERS).expect("small");
    for start in (0..room + 5).step_by(64) {
        rig.record(start..(start + 64).min(room + 5));
        rig.state().await;
    }
    assert_eq!(rig.metrics.nullifiers_lost.get(), 5);
    rig.disk.heal();
    tokio::time::sleep(RETRY_DELAY * 2).await;
    rig.state().await;
    let mut written = rig.store.nullifiers_from(0).expect("readable");
    written.sort_by_key(|record| u32::from_le_bytes(record.nullifier[..4].try_into().expect("four")));
    assert_eq!(written.len(), MAX_WAITING_NULLIFIERS);
    assert_eq!(written[0], nullifier(5));
}

#[actix::test]
async fn a_stop_writes_everything_replies_and_ends_without_a_fault() {
    let mut rig = Rig::new().await;
    rig.record(0..7);
    rig.journal.tell(RememberPeer(peer_record(1))).expect("taken");
    assert!(rig.drain().await);
    assert_eq!((rig.written(), rig.store.peers().expect("readable").len()), (7, 1));
    within(rig.journal.stopped()).await;
    assert!(rig.faults.recv().await.is_none(), "the guardian has gone without a fault");
    assert_eq!(rig.metrics.nullifiers_lost.get(), 0);
}

#[actix::test]
async fn a_stop_on_a_full_disk_says_so_and_counts_what_is_lost() {
    let rig = Rig::new().await;
    rig.disk.fill_up_after(0);
    rig.record(0..7);
    assert!(!rig.drain().await);
    within(rig.journal.stopped()).await;
    assert_eq!(rig.metrics.nullifiers_lost.get(), 7);
}

#[actix::test]
async fn a_journal_that_panics_counts_its_open_batch_and_writes_again() {
    let mut rig = Rig::new().await;
    rig.record(0..7);
    rig.journal.tell(Crash).expect("taken");
    assert_eq!(within(rig.faults.recv()).await.map(|fault| fault.count), Some(1));
    assert_eq!(rig.metrics.nullifiers_lost.get(), 7);
    while rig.journal.tell(RecordNullifier(nullifier(8))).is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(rig.drain().await);
    assert_eq!(rig.written(), 1);
}

#[actix::test]
async fn peers_that_come_and_go_cannot_take_the_disk_from_the_nullifiers() {
    let rig = Rig::new().await;
    for n in 0..=255 {
        rig.journal.tell(RememberPeer(peer_record(n))).expect("taken");
    }
    rig.journal.tell(ForgetPeer(peer(0))).expect("taken");
    rig.record(0..1);
    tokio::time::sleep(BATCH_DELAY + Duration::from_millis(1)).await;
    rig.state().await;
    assert_eq!((rig.written(), rig.store.peers().expect("readable").len()), (1, PEERS_AT_ONCE));
    assert_eq!(rig.metrics.peers_lost.get(), 1);
    tokio::time::sleep(BATCH_DELAY * 65).await;
    assert_eq!(rig.store.peers().expect("readable").len(), 256);
}

#[actix::test]
async fn an_address_too_long_to_keep_does_not_look_like_a_broken_disk() {
    let rig = Rig::new().await;
    let address = PeerAddress::new(peer(1), &format!("/dns4/{}/tcp/1", "a".repeat(2000)));
    let record = PeerRecord { address, protocols: Vec::new(), last_seen: NOON };
    rig.journal.tell(RememberPeer(record)).expect("taken");
    rig.journal.tell(RememberPeer(peer_record(2))).expect("taken");
    tokio::time::sleep(BATCH_DELAY * 2).await;
    assert_eq!(rig.state().await, None);
    assert_eq!(rig.store.peers().expect("readable").len(), 1);
}

#[actix::test]
async fn nullifiers_of_epochs_long_gone_are_dropped_from_the_disk() {
    let rig = Rig::new().await;
    rig.record(0..3);
    tokio::time::sleep(Duration::from_secs(300)).await;
    rig.state().await;
    assert_eq!(rig.written(), 3, "the clock may be set back by a minute");
    tokio::time::sleep(Duration::from_secs(400)).await;
    rig.state().await;
    assert_eq!(rig.written(), 0);
}
