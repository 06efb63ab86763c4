//! The bounded store of known peers.

use std::collections::BTreeMap;

use weir_core::{PeerAddress, PeerId};

use super::{
    Effect, Origin,
    peer::{Peer, State},
};

#[derive(Debug)]
pub(super) struct Book {
    local_peer: PeerId,
    capacity: usize,
    peers: BTreeMap<PeerId, Peer>,
}

impl Book {
    pub(super) const fn new(local_peer: PeerId, capacity: usize) -> Self {
        Self { local_peer, capacity, peers: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn get(&self, id: &PeerId) -> Option<&Peer> {
        self.peers.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.peers.values_mut()
    }

    pub(super) fn remove(&mut self, id: &PeerId) {
        self.peers.remove(id);
    }

    /// The peer at `address`, made if it is new; `None` when the book is full of peers that stay.
    pub(super) fn get_or_insert(
        &mut self,
        address: PeerAddress,
        origin: Origin,
        effects: &mut Vec<Effect>,
    ) -> Option<&mut Peer> {
        let id = address.peer().clone();
        if !self.peers.contains_key(&id) && self.peers.len() >= self.capacity {
            let evicted = self.least_useful()?;
            self.peers.remove(&evicted);
            effects.push(Effect::Forget(evicted));
        }
        let yields = self.local_peer > id;
        Some(self.peers.entry(id).or_insert_with(|| Peer::new(address, origin, yields)))
    }

    /// Whom to evict, as nwaku does: peers that failed most, then those without shards, then any
    /// other that is neither connected, nor being dialled, nor static.
    fn least_useful(&self) -> Option<PeerId> {
        self.peers
            .iter()
            .filter(|(_, peer)| peer.origin != Origin::Static && matches!(peer.state, State::Idle { .. }))
            .max_by_key(|(_, peer)| (peer.failures, peer.shards.is_empty()))
            .map(|(id, _)| id.clone())
    }
}
