//! Connections: who comes, who goes, who is sent away.

use libp2p::{
    Multiaddr,
    core::ConnectedPoint,
    identify, ping,
    request_response::{self, Message},
    swarm::{DialError, ListenError, SwarmEvent},
};

use super::*;
use crate::{
    Identity,
    address::{by_carrier, is_quic, is_relayed, is_websocket, of_peer},
    behaviour::BehaviourEvent,
    colocation,
    gossip::tracked::TrackedEvent,
    push::Pushed,
    single,
};

/// Pings in a row that may fail.
const MAX_FAILED_PINGS: u32 = 3;

/// Addresses of a peer that are passed on. A node with more interfaces than this is unusual.
const MAX_IDENTIFIED_ADDRESSES: usize = 16;

/// What is kept about a connected peer.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: PeerId,
    pub(super) direction: Direction,
    /// Its score is below the publish threshold.
    pub(super) muted: bool,
    /// What it speaks, of the protocols that are counted.
    protocols: Vec<&'static str>,
    /// Where it was dialled, unless through a relay.
    pub(super) dialled: Option<Multiaddr>,
    failed_pings: u32,
    /// Why this node closes the connection, if it does.
    closing: Option<DisconnectReason>,
}

impl Network {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                self.on_connected(peer_id, &endpoint)
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                self.on_disconnected(peer_id, cause.map(|cause| cause.to_string()));
            }
            SwarmEvent::ConnectionClosed { peer_id, .. } => self.on_replaced(peer_id),
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => self.on_dial_failed(peer_id, error),
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "inbound connection failed");
                self.metrics.inbound_failed.inc();
                if let ListenError::Denied { cause } = error
                    && cause.downcast::<colocation::Refused>().is_ok()
                {
                    self.metrics.colocated.inc();
                }
            }
            // Others are told by `nat` where relays listen for this node.
            SwarmEvent::NewListenAddr { address, .. } if is_relayed(&address) => {
                tracing::info!(%address, "peers can reach this node through a relay");
            }
            SwarmEvent::ExpiredListenAddr { address, .. } if is_relayed(&address) => {}
            SwarmEvent::ListenerClosed { listener_id, .. } if self.reservation_ended(listener_id) => {}
            SwarmEvent::ExternalAddrConfirmed { address } if !self.may_be_told(&address) => {
                self.swarm.remove_external_address(&address);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                if self.tells(&address) {
                    self.swarm.behaviour_mut().nat.told(&address);
                    self.swarm.add_external_address(address.clone());
                }
                let address = self.own_address(&address);
                self.events.push_back(Event::Listening(address));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                if self.tells(&address) {
                    self.swarm.remove_external_address(&address);
                }
                let address = self.own_address(&address);
                self.events.push_back(Event::NotListening(address));
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener has a problem"),
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                tracing::error!(%error, "a listener was closed");
            }
            // The rest has no consequence here: dials and handshakes in progress, candidates for
            // external addresses.
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(TrackedEvent::Gossip(event)) => self.on_gossip_event(event),
            BehaviourEvent::Gossip(TrackedEvent::Drained { peer, mark }) => self.on_drained(peer, mark),
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, connection_id }) => {
                self.swarm.behaviour_mut().single.answered(&peer_id, connection_id);
                self.on_identified(peer_id, info);
            }
            BehaviourEvent::Identify(_) => {}
            BehaviourEvent::Ping(ping::Event { peer, result, .. }) => self.on_ping(peer, result.is_ok()),
            BehaviourEvent::Metadata(event) => self.on_metadata_event(event),
            BehaviourEvent::Services(event) => self.on_services_event(event),
            BehaviourEvent::Push(Pushed { from, topic, message }) => {
                let peer = self.core_id(&from);
                self.events.push_back(Event::FilterPushed { peer, topic, message });
            }
            BehaviourEvent::Nat(event) => self.on_nat_event(event),
            BehaviourEvent::Limits(never)
            | BehaviourEvent::Colocation(never)
            | BehaviourEvent::Denied(never)
            | BehaviourEvent::Single(never) => match never {},
        }
    }

    fn on_connected(&mut self, peer: Libp2pPeerId, endpoint: &ConnectedPoint) {
        let direction = match endpoint {
            ConnectedPoint::Dialer { .. } => Direction::Outbound,
            ConnectedPoint::Listener { .. } => Direction::Inbound,
        };
        if self.connections.contains_key(&peer) {
            // Takes the place of the first one: `single`.
            return;
        }
        let id = peer_id(&peer);
        let connection = Connection {
            id: id.clone(),
            direction,
            muted: false,
            protocols: Vec::new(),
            dialled: endpoint
                .is_dialer()
                .then(|| endpoint.get_remote_address().clone())
                .filter(|address| !is_relayed(address)),
            failed_pings: 0,
            closing: None,
        };
        self.connections.insert(peer, connection);
        self.backlog.connected(peer);
        self.metrics.connected(direction);
        let address = of_peer(endpoint.get_remote_address(), &peer);
        self.events.push_back(Event::Connected {
            peer: id,
            address,
            direction,
            count: self.connections.len(),
        });
        if self.phase == Phase::Closing {
            self.drop_peer(peer, DisconnectReason::Closed);
        }
    }

    /// One of two connections to a peer is gone, and with it what was asked on it.
    fn on_replaced(&mut self, peer: Libp2pPeerId) {
        if let Some(mark) = self.backlog.ask_again(&peer) {
            self.swarm.behaviour_mut().gossip.probe(peer, mark);
        }
    }

    fn on_disconnected(&mut self, peer: Libp2pPeerId, cause: Option<String>) {
        let Some(connection) = self.connections.remove(&peer) else { return };
        self.backlog.disconnected(&peer);
        self.subscribers.retain(|_, peers| {
            peers.remove(&peer);
            !peers.is_empty()
        });
        self.metrics.disconnected(connection.direction, &connection.protocols);
        let reason = connection
            .closing
            .or_else(|| cause.map(DisconnectReason::Broken))
            .unwrap_or(DisconnectReason::Closed);
        self.events.push_back(Event::Disconnected {
            peer: connection.id,
            reason,
            count: self.connections.len(),
        });
        self.close_if_alone();
    }

    fn on_dial_failed(&mut self, peer: Option<Libp2pPeerId>, error: DialError) {
        self.metrics.dials_failed.inc();
        let Some(peer) = peer else { return };
        self.events.push_back(Event::DialFailed { peer: peer_id(&peer), failure: dial_failure(error) });
    }

    fn on_identified(&mut self, peer: Libp2pPeerId, info: identify::Info) {
        let dialable = |address: &libp2p::Multiaddr| {
            let address = of_peer(address, &peer);
            crate::address::parse(address.as_str()).ok().filter(|parsed| parsed.peer() == address.peer())
        };
        let reach = self.reach;
        let reachable = |address: &&Multiaddr| {
            (reach.quic || !is_quic(address)) && (reach.circuits || !is_relayed(address))
        };
        self.reserve_at(peer, &info.protocols);
        let mut addresses: Vec<PeerAddress> = info
            .listen_addrs
            .iter()
            .filter(reachable)
            .filter_map(dialable)
            .take(MAX_IDENTIFIED_ADDRESSES)
            .collect();
        // Of equals the cheapest to dial.
        addresses.sort_by_key(|address| by_carrier(address.as_str()));
        let identity = Identity {
            agent: info.agent_version,
            protocols: info.protocols.iter().map(ToString::to_string).collect(),
            addresses,
            observed: info.observed_addr.to_string(),
        };
        if let Some(connection) = self.connections.get_mut(&peer) {
            self.metrics.identified(connection.direction, &mut connection.protocols, &identity.protocols);
        }
        self.events.push_back(Event::Identified { peer: peer_id(&peer), identity });
    }

    /// Whether others are told of this address, which is listened on.
    fn tells(&self, address: &libp2p::Multiaddr) -> bool {
        self.told.listeners
            && (self.told.websockets || !is_websocket(address))
            && (self.told.quic || !is_quic(address))
    }

    /// Whether others may be told of this address, at which peers have reached this node. An operator
    /// who says what to announce means no other, but only relays know where they are.
    fn may_be_told(&self, address: &Multiaddr) -> bool {
        self.told.listeners || is_relayed(address)
    }

    fn on_ping(&mut self, peer: Libp2pPeerId, answered: bool) {
        let Some(connection) = self.connections.get_mut(&peer) else { return };
        connection.failed_pings = if answered { 0 } else { connection.failed_pings + 1 };
        if connection.failed_pings >= MAX_FAILED_PINGS {
            self.drop_peer(peer, DisconnectReason::Unresponsive);
        }
    }

    fn on_metadata_event(&mut self, event: request_response::Event<Metadata, Metadata>) {
        match event {
            request_response::Event::Message { message: Message::Request { channel, .. }, .. } => {
                let own = self.metadata.clone();
                // The peer may have gone meanwhile, which `InboundFailure` counts.
                let _ = self.swarm.behaviour_mut().metadata.send_response(channel, own);
            }
            request_response::Event::Message {
                message: Message::Response { request_id, response },
                peer,
                ..
            } => {
                self.on_metadata_answer(peer, request_id, Ok(response));
            }
            request_response::Event::OutboundFailure { request_id, peer, error, .. } => {
                self.on_metadata_answer(peer, request_id, Err(metadata_error(error)));
            }
            request_response::Event::ResponseSent { .. } => self.metrics.metadata(Direction::Inbound, true),
            request_response::Event::InboundFailure { .. } => {
                self.metrics.metadata(Direction::Inbound, false)
            }
        }
    }

    fn on_metadata_answer(
        &mut self,
        peer: Libp2pPeerId,
        request: OutboundRequestId,
        result: Result<Metadata, MetadataError>,
    ) {
        if self.asked.remove(&request).is_some() {
            self.metrics.metadata(Direction::Outbound, result.is_ok());
            self.events.push_back(Event::Metadata { peer: peer_id(&peer), result });
        } else {
            self.on_receipt(peer);
        }
    }

    /// What has to be looked at regularly, since gossipsub does not tell.
    pub(super) fn on_heartbeat(&mut self, now: Instant) {
        while let Some(peer) = self.deny_list.pop_released(now) {
            self.swarm.behaviour_mut().denied.unblock_peer(peer);
        }
        let peers: Vec<_> = self.connections.keys().copied().collect();
        for peer in peers {
            self.check_score(peer, now);
        }
        for peer in self.backlog.hopeless(now) {
            self.metrics.too_slow.inc();
            self.drop_peer(peer, DisconnectReason::TooSlow);
        }
        self.forget_unjudged(now);
        self.metrics.queued.set(i64::try_from(self.backlog.depth()).unwrap_or(i64::MAX));
    }

    /// Mutes or denies a peer whose score fell (nwaku's `disconnectBadPeers`).
    pub(super) fn check_score(&mut self, peer: Libp2pPeerId, now: Instant) {
        let Some(score) = self.gossipsub().peer_score(&peer) else { return };
        let Some(connection) = self.connections.get_mut(&peer) else { return };
        connection.muted = score < scoring::PUBLISH;
        if score < scoring::GRAYLIST && connection.closing.is_none() {
            connection.closing = Some(DisconnectReason::Graylisted);
            self.events.push_back(Event::GraylistedPeer(connection.id.clone()));
            self.metrics.graylisted.inc();
            if let Some(evicted) = self.deny_list.deny(peer, now) {
                self.swarm.behaviour_mut().denied.unblock_peer(evicted);
            }
            // Closes the connection too.
            self.swarm.behaviour_mut().denied.block_peer(peer);
        }
    }

    pub(super) fn drop_peer(&mut self, peer: Libp2pPeerId, reason: DisconnectReason) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.closing.get_or_insert(reason);
            // Fails only for a peer that is going already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }
}

pub(super) fn dial_failure(error: DialError) -> DialFailure {
    match error {
        DialError::LocalPeerId { .. } => DialFailure::OwnAddress,
        DialError::WrongPeerId { obtained, .. } => DialFailure::WrongPeer(peer_id(&obtained)),
        DialError::Denied { cause } => match cause.downcast::<single::Refused>() {
            Ok(_) => DialFailure::AlreadyConnected,
            Err(cause) => DialFailure::Refused(root_cause(&cause)),
        },
        DialError::DialPeerConditionFalse(_) => DialFailure::AlreadyConnected,
        DialError::NoAddresses => DialFailure::Address,
        DialError::Aborted => DialFailure::Unreachable("the attempt was given up".to_owned()),
        DialError::Transport(causes) => DialFailure::Unreachable(
            causes
                .iter()
                .map(|(_, error)| root_cause(error))
                .next_back()
                .unwrap_or_else(|| "no address could be reached".to_owned()),
        ),
    }
}

/// The innermost message: libp2p wraps an error of the host in several that say nothing.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn metadata_error(error: request_response::OutboundFailure) -> MetadataError {
    use request_response::OutboundFailure;
    match error {
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => MetadataError::NotConnected,
        OutboundFailure::Timeout => MetadataError::Timeout,
        OutboundFailure::UnsupportedProtocols => MetadataError::Unsupported,
        OutboundFailure::Io(error) => MetadataError::Unreadable(error.to_string()),
    }
}
