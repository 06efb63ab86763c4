//! Filter pushes: one stream for each client, on its own connection, with many frames (12/WAKU2-FILTER).
//!
//! ```text
//!  owner ── push ──▶ outbox of the client ──▶ task of its connection ──▶ one stream ──▶ client
//!    ▲                                            │
//!    └──────────── PushEvent ─────────────────────┘        peers ──▶ streams ──▶ Event::FilterPushed
//! ```
//!
//! Pushes do not pass the swarm: a thousand clients and a hundred messages a second are a hundred thousand of
//! them, and each goes from its owner straight to the task of the connection. A task writes what waits for its
//! client and nothing else, so that a client that does not read holds up only itself.
//!
//! # Security
//! The outbox of a client holds at most [`MAX_WAITING`] frames; clients share the bytes of a frame, whose sum the
//! owner bounds. A peer may have [`MAX_INBOUND`] streams open to push to this node; each holds one frame of at
//! most [`FILTER_PUSH_MAX_FRAME`] bytes while it is read, taken as its bytes arrive.

use std::{
    collections::VecDeque,
    convert::Infallible,
    task::{Context, Poll},
};

use bytes::Bytes;
use libp2p::{
    Multiaddr, PeerId as Libp2pPeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
    },
};
use weir_core::{PubsubTopic, WakuMessage};
use weir_wire::{encode_filter_push, framing::encode_frame};

mod handler;
mod inbound;
mod outbox;
mod writer;

pub use outbox::{PushEvent, PushStreams};

use handler::Handler;

#[cfg(doc)]
use {inbound::MAX_INBOUND, outbox::MAX_WAITING, weir_wire::FILTER_PUSH_MAX_FRAME};

/// A message, ready to be pushed to any number of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushFrame(Bytes);

impl PushFrame {
    /// Encodes a push of `message`, which was published on `topic`.
    pub fn new(topic: PubsubTopic, message: &WakuMessage) -> Self {
        Self(encode_frame(&encode_filter_push(topic, message)))
    }

    /// Bytes that are written for each client, and held once for all of them.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

/// A message that a peer pushed.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) from: Libp2pPeerId,
    pub(crate) topic: PubsubTopic,
    pub(crate) message: WakuMessage,
}

/// Pushes to clients, and takes what peers push.
pub(crate) struct Behaviour {
    /// None when the node has no filter clients.
    serves: Option<PushStreams>,
    /// Whether the node is a filter client; only then is the protocol told in identify.
    receives: bool,
    /// Handed out at the next poll, which follows at once.
    events: VecDeque<Pushed>,
}

impl Behaviour {
    pub(crate) const fn new(serves: Option<PushStreams>, receives: bool) -> Self {
        Self { serves, receives, events: VecDeque::new() }
    }

    fn handler(&self, peer: Libp2pPeerId) -> Handler {
        let outbox = self.serves.as_ref().map(|streams| streams.connected(crate::address::peer_id(&peer)));
        Handler::new(outbox, self.receives)
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Pushed;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Libp2pPeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Libp2pPeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        from: Libp2pPeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let (topic, message) = *event;
        self.events.push_back(Pushed { from, topic, message });
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Pushed, THandlerInEvent<Self>>> {
        self.events.pop_front().map_or(Poll::Pending, |pushed| Poll::Ready(ToSwarm::GenerateEvent(pushed)))
    }
}

/// What the behaviour tells a connection: nothing, since pushes take the shorter way.
type FromBehaviour = Infallible;
