//! What goes in comes out after the file has been opened again, within the bounds.

use weir_core::{PeerAddress, PeerId, Timestamp};

use super::*;
use crate::faulty_disk::FaultyDisk;

#[test]
fn an_empty_store_answers_with_nothing() {
    let store = open(&FaultyDisk::new());
    assert_eq!(store.node_key().unwrap(), None);
    assert!(store.peers().unwrap().is_empty());
    assert!(store.nullifiers_from(0).unwrap().is_empty());
    assert!(store.evidence().unwrap().is_empty());
    assert_eq!(store.prune_nullifiers_before(5).unwrap(), 0);
    store.remove_peer(&peer(1)).unwrap();
    store.record_nullifiers(&[]).unwrap();
}

#[test]
fn everything_survives_opening_again() {
    let disk = FaultyDisk::new();
    let store = open(&disk);
    store.put_node_key(&[1; 32]).unwrap();
    store.put_node_key(&[9; 32]).unwrap();
    store.put_peer(&record(1, 10)).unwrap();
    store.put_peer(&record(2, 20)).unwrap();
    store.record_nullifiers(&[nullifier(4, 1), nullifier(5, 2)]).unwrap();
    store.record_evidence(&evidence(7, 1)).unwrap();
    drop(store);

    let store = open(&disk);
    assert_eq!(store.node_key().unwrap().as_deref(), Some(&[9; 32]));
    assert_eq!(store.peers().unwrap(), [record(1, 10), record(2, 20)]);
    assert_eq!(store.nullifiers_from(0).unwrap(), [nullifier(4, 1), nullifier(5, 2)]);
    assert_eq!(store.nullifiers_from(5).unwrap(), [nullifier(5, 2)]);
    assert_eq!(store.evidence().unwrap(), [evidence(7, 1)]);
}

#[test]
fn the_peer_not_seen_for_longest_makes_room() {
    let store = open(&FaultyDisk::new());
    store.put_peer(&record(5000, 1)).unwrap();
    for number in 0..MAX_PEERS - 1 {
        store.put_peer(&record(number, 100)).unwrap();
    }
    store.put_peer(&record(0, 200)).unwrap();
    assert_eq!(store.peers().unwrap().len() as u64, MAX_PEERS, "a known peer displaces nobody");
    store.put_peer(&record(6000, 50)).unwrap();
    let peers = store.peers().unwrap();
    assert_eq!(peers.len() as u64, MAX_PEERS);
    assert!(!peers.contains(&record(5000, 1)) && peers.contains(&record(6000, 50)));
    store.remove_peer(&peer(6000)).unwrap();
    assert!(!store.peers().unwrap().contains(&record(6000, 50)));
}

#[test]
fn what_a_peer_says_of_itself_is_bounded() {
    let store = open(&FaultyDisk::new());
    let long = PeerAddress::new(peer(1), &"a".repeat(MAX_ADDRESS_LENGTH + 1));
    let refused = store.put_peer(&PeerRecord { address: long, ..record(1, 1) });
    assert!(matches!(refused, Err(StoreError::AddressTooLong { length: 1025, limit: 1024 })));

    let mut talkative = record(1, 1);
    talkative.protocols = vec!["/p".repeat(MAX_PROTOCOL_LENGTH)];
    talkative.protocols.extend((0..2 * MAX_PROTOCOLS).map(|number| format!("/protocol/{number}")));
    store.put_peer(&talkative).unwrap();
    assert_eq!(store.peers().unwrap()[0].protocols, talkative.protocols[1..=MAX_PROTOCOLS]);
}

#[test]
fn the_last_moment_online_is_kept_over_a_restart() {
    let disk = FaultyDisk::new();
    let store = open(&disk);
    assert_eq!(store.last_online().unwrap(), None);
    store.put_last_online(Timestamp::from_nanos(5)).unwrap();
    store.put_last_online(Timestamp::from_nanos(-7)).unwrap();
    drop(store);
    assert_eq!(open(&disk).last_online().unwrap(), Some(Timestamp::from_nanos(-7)));
}

#[test]
fn the_first_share_of_a_nullifier_stays() {
    let store = open(&FaultyDisk::new());
    let second = NullifierRecord { share_x: [8; 32], ..nullifier(4, 1) };
    store.record_nullifiers(&[nullifier(4, 1), second]).unwrap();
    store.record_nullifiers(&[second, nullifier(4, 2)]).unwrap();
    assert_eq!(store.nullifiers_from(4).unwrap(), [nullifier(4, 1), nullifier(4, 2)]);
}

#[test]
fn pruning_takes_the_epochs_before_and_no_other() {
    let store = open(&FaultyDisk::new());
    store.record_nullifiers(&[nullifier(3, 255), nullifier(4, 1), nullifier(4, 2), nullifier(5, 0)]).unwrap();
    assert_eq!(store.prune_nullifiers_before(5).unwrap(), 3);
    assert_eq!(store.nullifiers_from(0).unwrap(), [nullifier(5, 0)]);
}

#[test]
fn one_offender_is_on_record_once() {
    let store = open(&FaultyDisk::new());
    store.record_evidence(&evidence(7, 1)).unwrap();
    store.record_evidence(&evidence(8, 1)).unwrap();
    store.record_evidence(&evidence(8, 2)).unwrap();
    assert_eq!(store.evidence().unwrap(), [evidence(7, 1), evidence(8, 2)]);
}

#[test]
fn debug_of_evidence_shows_neither_the_secret_nor_the_shares_that_give_it_away() {
    let text = format!("{:?}", evidence(7, 1));
    assert!(text.contains("[REDACTED]"));
    for secret in [[40_u8; 32], [41; 32], [42; 32], [43; 32], [44; 32]] {
        assert!(!text.contains(&format!("{secret:?}")));
    }
}

#[test]
fn a_failed_batch_leaves_nothing_of_it() {
    let disk = FaultyDisk::new();
    let store = open(&disk);
    store.record_nullifiers(&[nullifier(1, 1)]).unwrap();
    disk.fill_up_after(1);
    let batch: Vec<NullifierRecord> = (0..200).map(|number| nullifier(2, number)).collect();
    assert!(matches!(store.record_nullifiers(&batch), Err(StoreError::DiskFull { .. })));
    disk.heal();
    assert_eq!(store.nullifiers_from(0).unwrap(), [nullifier(1, 1)]);
}

fn open(disk: &FaultyDisk) -> StateStore {
    let disk = disk.clone();
    StateStore::open_with_backend(move || disk.backend()).unwrap()
}

fn peer(number: u64) -> PeerId {
    PeerId::from_bytes(&number.to_be_bytes()).unwrap()
}

fn record(number: u64, seen: i64) -> PeerRecord {
    PeerRecord {
        address: PeerAddress::new(peer(number), &format!("/ip4/127.0.0.1/tcp/1/p2p/{}", peer(number))),
        protocols: vec!["/vac/waku/relay/2.0.0".to_owned(), "/ipfs/ping/1.0.0".to_owned()],
        last_seen: Timestamp::from_secs(seen),
    }
}

fn nullifier(epoch: u64, number: u8) -> NullifierRecord {
    NullifierRecord { epoch, nullifier: [number; 32], share_x: [2; 32], share_y: [3; 32] }
}

fn evidence(epoch: u64, offender: u8) -> EvidenceRecord {
    EvidenceRecord {
        epoch,
        root: [30; 32],
        nullifier: [31; 32],
        share_x_1: [40; 32],
        share_y_1: [41; 32],
        share_x_2: [42; 32],
        share_y_2: [43; 32],
        commitment: [offender; 32],
        secret: Zeroizing::new([44; 32]),
        seen_at: Timestamp::from_secs(99),
    }
}
