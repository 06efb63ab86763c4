//! Who sent the first message on each nullifier: the one peer that a second one can be held against.
//!
//! A member that breaks its quota can send one half of a pair to one node and the other half to its
//! neighbour. Each accepts and forwards its half, and each gets the other half from the other: if that
//! were held against the sender, a single member could turn honest nodes against each other. Only a
//! peer that sent both halves itself is at fault, since an honest relay forwards at most one message
//! of a nullifier.
//!
//! # Bounds
//! An entry for each accepted message of the epochs that can still be accepted, so as many as the
//! nullifier log has (`weir_rln::NullifierLog`), of some 100 bytes.

use std::collections::{BTreeMap, HashMap};

use weir_core::PeerId;
use weir_rln::{Epoch, Nullifier};

#[derive(Debug, Default)]
pub(super) struct FirstSenders {
    epochs: BTreeMap<Epoch, HashMap<Nullifier, PeerId>>,
}

impl FirstSenders {
    /// `peer` sent the message that was accepted on the nullifier.
    pub(super) fn remember(&mut self, epoch: Epoch, nullifier: Nullifier, peer: &PeerId) {
        self.epochs.entry(epoch).or_default().insert(nullifier, peer.clone());
    }

    /// Whether that was `peer`. False for messages of this node and of before its start.
    pub(super) fn is(&self, peer: &PeerId, epoch: Epoch, nullifier: Nullifier) -> bool {
        self.epochs.get(&epoch).and_then(|lines| lines.get(&nullifier)) == Some(peer)
    }

    /// Forgets the epochs before `oldest`.
    pub(super) fn prune_before(&mut self, oldest: Epoch) {
        while let Some(epoch) = self.epochs.first_entry().filter(|epoch| *epoch.key() < oldest) {
            epoch.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_told_apart_and_forgotten_with_their_epoch() {
        let peer = |id: u8| PeerId::from_bytes(&[id]).expect("one byte is enough");
        let line = Nullifier::from_bytes(&[1; 32]).expect("below the modulus");
        let mut senders = FirstSenders::default();
        for epoch in 1..=3 {
            senders.remember(Epoch::new(epoch), line, &peer(1));
        }
        senders.prune_before(Epoch::new(3));
        assert_eq!(senders.epochs.len(), 1);
        assert!(senders.is(&peer(1), Epoch::new(3), line));
        assert!(!senders.is(&peer(2), Epoch::new(3), line) && !senders.is(&peer(1), Epoch::new(2), line));
    }
}
