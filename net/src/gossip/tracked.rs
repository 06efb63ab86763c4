//! gossipsub that tells when a peer's queue has run dry.
//!
//! [`Tracked`] passes everything through to gossipsub and adds one question: [`Tracked::probe`]
//! puts a mark behind all that is queued for a peer, and [`TrackedEvent::Drained`] gives it back
//! when all of that has been handed to the connection's muxer. The mark travels to the task that
//! runs the connection; there the gossip handler is polled first, which empties its queue unless a
//! stream waits ([`Stall`]) or its stream is being opened; when neither is so, the queue is empty.
//!
//! A node that does not relay has gossipsub as well, which takes part in no topic, and does not offer its protocol.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

use either::Either;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse, upgrade::DeniedUpgrade},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, handler::ConnectionEvent,
    },
};

use super::Gossipsub;
use crate::stall::{Stall, Stalls};

type GossipHandler = THandler<Gossipsub>;

/// gossipsub and its probes.
pub(crate) struct Tracked {
    gossipsub: Gossipsub,
    stalls: Stalls,
    offered: bool,
    /// Probes to hand to connections; at most one per peer (`Backlog` upholds it).
    probes: VecDeque<(PeerId, u64)>,
    /// Answers to hand out; as many as there were probes.
    drained: VecDeque<(PeerId, u64)>,
}

/// What [`Tracked`] tells.
#[derive(Debug)]
pub(crate) enum TrackedEvent {
    /// An event of gossipsub itself.
    Gossip(libp2p::gossipsub::Event),
    /// All that was queued for `peer` when `mark` was set is on its way.
    Drained { peer: PeerId, mark: u64 },
}

impl Tracked {
    pub(crate) const fn new(gossipsub: Gossipsub, stalls: Stalls, offered: bool) -> Self {
        Self { gossipsub, stalls, offered, probes: VecDeque::new(), drained: VecDeque::new() }
    }

    pub(crate) const fn gossipsub(&self) -> &Gossipsub {
        &self.gossipsub
    }

    pub(crate) const fn gossipsub_mut(&mut self) -> &mut Gossipsub {
        &mut self.gossipsub
    }

    /// Sets a mark behind all that is queued for `peer`. No answer comes when the peer goes.
    pub(crate) fn probe(&mut self, peer: PeerId, mark: u64) {
        self.probes.push_back((peer, mark));
    }
}

impl NetworkBehaviour for Tracked {
    type ConnectionHandler = TrackedHandler;
    type ToSwarm = TrackedEvent;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler = self.gossipsub.handle_established_inbound_connection(id, peer, local, remote)?;
        Ok(TrackedHandler::new(handler, self.stalls.of(peer), self.offered))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler = self.gossipsub.handle_established_outbound_connection(id, peer, address, role, port)?;
        Ok(TrackedHandler::new(handler, self.stalls.of(peer), self.offered))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.gossipsub.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            FromHandler::Gossip(event) => {
                self.gossipsub.on_connection_handler_event(peer, connection, event);
            }
            FromHandler::Drained(mark) => self.drained.push_back((peer, mark)),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<TrackedEvent, THandlerInEvent<Self>>> {
        if let Some((peer, mark)) = self.drained.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(TrackedEvent::Drained { peer, mark }));
        }
        if let Some((peer_id, mark)) = self.probes.pop_front() {
            let (handler, event) = (NotifyHandler::Any, ToHandler::Probe(mark));
            return Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event });
        }
        self.gossipsub.poll(cx).map(|effect| effect.map_out(TrackedEvent::Gossip).map_in(ToHandler::Gossip))
    }
}

/// The gossip handler of one connection and the mark that waits for its queue to run dry.
pub(crate) struct TrackedHandler {
    handler: GossipHandler,
    stall: Arc<Stall>,
    offered: bool,
    probe: Option<u64>,
    /// A stream was asked for and is not there yet, so the queue is not emptied meanwhile.
    opening: bool,
}

#[derive(Debug)]
pub(crate) enum ToHandler {
    Gossip(THandlerInEvent<Gossipsub>),
    Probe(u64),
}

#[expect(clippy::large_enum_variant, reason = "nearly all are gossip; boxing would cost each of them")]
#[derive(Debug)]
pub(crate) enum FromHandler {
    Gossip(THandlerOutEvent<Gossipsub>),
    Drained(u64),
}

impl TrackedHandler {
    const fn new(handler: GossipHandler, stall: Arc<Stall>, offered: bool) -> Self {
        Self { handler, stall, offered, probe: None, opening: false }
    }
}

impl ConnectionHandler for TrackedHandler {
    type FromBehaviour = ToHandler;
    type ToBehaviour = FromHandler;
    type InboundProtocol = <GossipHandler as ConnectionHandler>::InboundProtocol;
    type OutboundProtocol = <GossipHandler as ConnectionHandler>::OutboundProtocol;
    type InboundOpenInfo = <GossipHandler as ConnectionHandler>::InboundOpenInfo;
    type OutboundOpenInfo = <GossipHandler as ConnectionHandler>::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        let offer = self.handler.listen_protocol();
        if self.offered { offer } else { offer.map_upgrade(|_| Either::Right(DeniedUpgrade)) }
    }

    fn connection_keep_alive(&self) -> bool {
        self.handler.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, FromHandler>> {
        if let Poll::Ready(event) = self.handler.poll(cx) {
            self.opening |= matches!(event, ConnectionHandlerEvent::OutboundSubstreamRequest { .. });
            return Poll::Ready(event.map_custom(FromHandler::Gossip));
        }
        match self.probe {
            Some(mark) if !self.opening && self.stall.poll_clear(cx).is_ready() => {
                self.probe = None;
                Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(FromHandler::Drained(mark)))
            }
            Some(_) | None => Poll::Pending,
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<FromHandler>> {
        self.handler.poll_close(cx).map(|event| event.map(FromHandler::Gossip))
    }

    fn on_behaviour_event(&mut self, event: ToHandler) {
        match event {
            ToHandler::Gossip(event) => self.handler.on_behaviour_event(event),
            ToHandler::Probe(mark) => self.probe = Some(mark),
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        if event.is_outbound() {
            self.opening = false;
        }
        self.handler.on_connection_event(event);
    }
}
