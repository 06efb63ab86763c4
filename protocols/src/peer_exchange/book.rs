//! Records of peers, and which of them may be told.
//!
//! Whoever signs a record may name any address in it, and whoever tells records may have made them up. So a
//! record is told to others only while its peer, known by its key, was connected to this node: it exists and
//! can be reached.

use std::collections::BTreeMap;

use weir_core::{PeerId, peer_exchange::EncodedRecord};

/// Records kept: more than the 750 peers that a node remembers by default. 300 KB.
pub const MAX_KNOWN: usize = 1000;

/// Records whose signatures hold, one a peer.
#[derive(Debug, Default)]
pub struct Book(BTreeMap<PeerId, Entry>);

#[derive(Debug)]
struct Entry {
    sequence: u64,
    record: EncodedRecord,
}

impl Book {
    /// Keeps a record, unless there is a newer one of the peer. False when it brings nothing new.
    ///
    /// When there is no room, one of a peer that is not `reachable` makes place.
    pub fn learn(
        &mut self,
        peer: &PeerId,
        sequence: u64,
        record: EncodedRecord,
        reachable: impl Fn(&PeerId) -> bool,
    ) -> bool {
        if self.0.get(peer).is_some_and(|known| known.sequence >= sequence) {
            return false;
        }
        if !self.0.contains_key(peer) && self.0.len() >= MAX_KNOWN {
            let Some(gone) = self.0.keys().find(|known| !reachable(known)).cloned() else { return false };
            self.0.remove(&gone);
        }
        self.0.insert(peer.clone(), Entry { sequence, record });
        true
    }

    /// The records of `reachable` peers.
    pub fn eligible(&self, reachable: impl Fn(&PeerId) -> bool) -> Vec<EncodedRecord> {
        let told = self.0.iter().filter(|(peer, _)| reachable(peer));
        told.map(|(_, entry)| entry.record.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u16) -> PeerId {
        PeerId::from_bytes(&n.to_be_bytes()).expect("two bytes")
    }

    fn record(n: u16) -> EncodedRecord {
        EncodedRecord::new(n.to_be_bytes().to_vec().into()).expect("short")
    }

    #[test]
    fn only_records_of_peers_that_were_reached_are_told() {
        let mut book = Book::default();
        for n in 1..=3 {
            assert!(book.learn(&peer(n), 1, record(n), |_| false));
        }
        assert_eq!(book.eligible(|who| *who == peer(2)), [record(2)]);
    }

    #[test]
    fn a_newer_record_takes_the_place_of_an_older_one_and_not_the_other_way() {
        let mut book = Book::default();
        assert!(book.learn(&peer(1), 5, record(10), |_| true));
        assert!(
            !book.learn(&peer(1), 5, record(11), |_| true) && !book.learn(&peer(1), 4, record(11), |_| true)
        );
        assert!(book.learn(&peer(1), 6, record(12), |_| true));
        assert_eq!(book.eligible(|_| true), [record(12)]);
    }

    #[test]
    fn a_full_book_gives_the_place_of_a_peer_that_cannot_be_reached_and_no_other() {
        let mut book = Book::default();
        for n in 0..MAX_KNOWN as u16 {
            book.learn(&peer(n), 1, record(n), |_| true);
        }
        assert!(!book.learn(&peer(5000), 1, record(5000), |_| true));
        assert!(book.learn(&peer(5000), 1, record(5000), |who| *who != peer(7)));
        let told = book.eligible(|_| true);
        assert!(told.len() == MAX_KNOWN && !told.contains(&record(7)) && told.contains(&record(5000)));
    }
}
