//! What happens around NAT, and which relays this node can be reached through.

use libp2p::{StreamProtocol, autonat, core::transport::ListenerId, multiaddr::Protocol, relay};

use super::*;
use crate::{
    metrics::RelayedKind,
    nat::{self, BehaviourEvent},
};

impl Network {
    pub(super) fn on_nat_event(&self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Relay(event) => self.on_relay_event(&event),
            BehaviourEvent::Client(event) => tracing::debug!(?event, "circuit relay"),
            BehaviourEvent::Punch(event) => {
                if let Err(error) = &event.result {
                    tracing::debug!(peer = %event.remote_peer_id, %error, "no direct connection");
                }
                self.metrics.relayed(RelayedKind::DirectConnection, event.result.is_ok());
            }
            BehaviourEvent::Reach(autonat::v1::Event::StatusChanged { new, .. }) => {
                match &new {
                    autonat::v1::NatStatus::Public(address) => {
                        tracing::info!(%address, "peers can dial this node");
                    }
                    autonat::v1::NatStatus::Private => tracing::warn!("peers cannot dial this node"),
                    autonat::v1::NatStatus::Unknown => {}
                }
                self.metrics.reachable.set(i64::from(new.is_public()));
            }
            BehaviourEvent::Reach(_) => {}
        }
    }

    fn on_relay_event(&self, event: &relay::Event) {
        let (kind, done) = match event {
            relay::Event::ReservationReqAccepted { renewed: false, .. } => (RelayedKind::Reservation, true),
            relay::Event::ReservationReqDenied { .. } => (RelayedKind::Reservation, false),
            relay::Event::CircuitReqAccepted { .. } => (RelayedKind::Circuit, true),
            relay::Event::CircuitReqDenied { .. } => (RelayedKind::Circuit, false),
            // Ends and renewals, and what libp2p logs.
            _ => return,
        };
        self.metrics.relayed(kind, done);
    }

    /// Takes a place at a peer that relays, if this node wants one more. Only at those it has
    /// dialled: of the others it does not know an address to tell.
    pub(super) fn reserve_at(&mut self, peer: Libp2pPeerId, protocols: &[StreamProtocol]) {
        let wanted = self.reach.circuits
            && self.reservations.len() < nat::RELAYS
            && !self.reservations.values().any(|relay| *relay == peer)
            && protocols.contains(&relay::HOP_PROTOCOL_NAME);
        let dialled = self.connections.get(&peer).and_then(|connection| connection.dialled.clone());
        let Some(address) = dialled.filter(|_| wanted) else { return };
        let Ok(address) = address.with_p2p(peer) else { return };
        match self.swarm.listen_on(address.with(Protocol::P2pCircuit)) {
            Ok(listener) => {
                self.reservations.insert(listener, peer);
            }
            Err(error) => tracing::debug!(%peer, %error, "cannot be reached through this peer"),
        }
    }

    /// Whether it was a place at a relay that ended.
    pub(super) fn reservation_ended(&mut self, listener: ListenerId) -> bool {
        self.reservations.remove(&listener).is_some()
    }
}
