//! Closing without losing what was accepted.
//!
//! ```text
//!  begin_close ─▶ no listeners, dials, publishes; messages that come in are ignored
//!       per peer: queue empty? ─▶ metadata request ─▶ answered ─▶ connection closed in order
//!  all gone ─▶ Event::Closed
//! ```
//!
//! An empty queue means that the bytes are in the muxer; closing the connection in order flushes
//! them to the host's socket. The request in between makes the peer answer after it has read what
//! came before, so that the close cannot cut it off. A peer that reads nothing holds this up until
//! its pings fail, so whoever closes sets a limit of its own to the whole.

use super::*;

/// Where the network is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Closing,
    Closed,
}

impl Network {
    /// Stops taking in messages and connections, lets what is queued leave and closes all
    /// connections; [`Event::Closed`] tells when that is done. Keep polling until then, for as long
    /// as you can afford to. Verdicts are still taken, so give those that are due first.
    pub fn begin_close(&mut self) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::Closing;
        for listener in std::mem::take(&mut self.listeners) {
            self.swarm.remove_listener(listener);
        }
        let peers: Vec<_> = self.connections.keys().copied().collect();
        for peer in peers {
            self.ask_queue(peer);
        }
        self.close_if_alone();
    }

    pub(super) fn on_drained(&mut self, peer: Libp2pPeerId, mark: u64) {
        let step = self.backlog.drained(&peer, mark);
        if step.has_room {
            self.events.push_back(Event::QueueRoom(peer_id(&peer)));
        }
        if let Some(mark) = step.probe {
            self.swarm.behaviour_mut().gossip.probe(peer, mark);
        }
        if self.phase == Phase::Closing {
            if step.empty {
                self.send_metadata_request(peer);
            } else {
                self.ask_queue(peer);
            }
        }
    }

    /// The peer answered, or failed to, after its queue was empty.
    pub(super) fn on_receipt(&mut self, peer: Libp2pPeerId) {
        if self.backlog.is_empty(&peer) {
            self.drop_peer(peer, DisconnectReason::Closed);
        } else {
            self.ask_queue(peer);
        }
    }

    pub(super) fn close_if_alone(&mut self) {
        if self.phase == Phase::Closing && self.connections.is_empty() {
            self.phase = Phase::Closed;
            self.events.push_back(Event::Closed);
        }
    }

    fn ask_queue(&mut self, peer: Libp2pPeerId) {
        if let Some(mark) = self.backlog.ask(&peer) {
            self.swarm.behaviour_mut().gossip.probe(peer, mark);
        }
    }
}
