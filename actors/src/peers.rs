//! Peers actor: knows the peers and decides whom to dial and to leave.
//!
//! Owns      the peer manager's state machine.
//! Receives  [`PeerSeen`] and [`NetworkStarted`] from the network, [`AddPeer`], [`AskPeers`].
//! Sends     [`Dial`], [`Disconnect`] and [`RequestMetadata`] to the network, peers to keep to the
//!           journal.
//! Bounds    mailbox 2304: each of the 1,024 questions and, for 150 connections, eight events. At most
//!           as many wait for a connection as may ask.
//! On fault  rebuilt from the static nodes and the peers on disk; the network tells who is connected.
//! Stops     with the node; what it holds is on disk or can be learned again.

use std::collections::HashMap;

use actix::{Actor, Context, Handler, Message};
use weir_core::{PeerAddress, PeerId, Timestamp};
use weir_net::Event;
use weir_protocols::peer_manager::{
    self, Config, Connectedness, Effect, Input, Origin, PeerInfo, PeerManager,
};
use weir_storage::{PeerRecord, StateStore};

use crate::{
    Clock,
    deadline::DeadlineTimer,
    journal::{ForgetPeer, RememberPeer},
    network::{Dial, Disconnect, NetworkStarted, PeerSeen, PeersStarted, RequestMetadata},
    port::{Port, Reply},
    supervision::{ASKS_IN_FLIGHT, Bounded, FactoryError, Lease},
};

#[cfg(test)]
mod tests;

/// Asks to connect to a peer; answers when the connection stands or failed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AddPeer {
    pub(crate) address: PeerAddress,
    pub(crate) reply: Reply<Result<(), String>>,
}

/// Asks for every known peer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AskPeers(pub(crate) Reply<Vec<PeerInfo>>);

/// What the actor needs from the rest of the node.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) dial: Port<Dial>,
    pub(crate) disconnect: Port<Disconnect>,
    pub(crate) metadata: Port<RequestMetadata>,
    pub(crate) remember: Port<RememberPeer>,
    pub(crate) forget: Port<ForgetPeer>,
    pub(crate) started: Port<PeersStarted>,
}

/// The peers known from the start, again after a fault.
pub(crate) struct Known {
    pub(crate) config: Config,
    pub(crate) static_nodes: Vec<PeerAddress>,
    pub(crate) store: StateStore,
}

pub(crate) struct PeersActor {
    manager: PeerManager,
    /// Who waits for a connection to whom.
    waiting: HashMap<PeerId, Vec<Reply<Result<(), String>>>>,
    effects: Vec<Effect>,
    timer: DeadlineTimer,
    ports: Ports,
    clock: Clock,
    _lease: Lease,
}

impl PeersActor {
    pub(crate) fn new(known: &Known, ports: Ports, clock: Clock, lease: Lease) -> Result<Self, FactoryError> {
        let mut actor = Self {
            manager: PeerManager::new(known.config.clone()),
            waiting: HashMap::new(),
            effects: Vec::new(),
            timer: DeadlineTimer::default(),
            ports,
            clock,
            _lease: lease,
        };
        for address in &known.static_nodes {
            actor.apply(Input::Add { address: address.clone(), origin: Origin::Static });
        }
        for record in known.store.peers()? {
            actor.apply(Input::Add { address: record.address, origin: Origin::Cache });
        }
        Ok(actor)
    }

    fn apply(&mut self, input: Input) {
        let now = self.clock.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.manager.handle(input, now, &mut effects);
        for effect in effects.drain(..) {
            self.perform(effect, now);
        }
        self.effects = effects;
    }

    fn step(&mut self, input: Input, ctx: &mut Context<Self>) {
        self.apply(input);
        self.arm_timer(ctx);
    }

    fn perform(&self, effect: Effect, now: Timestamp) {
        // A network or journal that is being rebuilt does not take these. A dial or a metadata request
        // without an outcome times out in the state machine; a peer not kept is met again.
        match effect {
            Effect::Dial(address) => drop(self.ports.dial.tell(Dial(address))),
            Effect::Disconnect { peer, reason } => {
                tracing::info!(%peer, %reason, "disconnecting a peer");
                drop(self.ports.disconnect.tell(Disconnect(peer)));
            }
            Effect::RequestMetadata(peer) => drop(self.ports.metadata.tell(RequestMetadata(peer))),
            Effect::Remember { address, protocols } => {
                let record = PeerRecord { address, protocols, last_seen: now };
                drop(self.ports.remember.tell(RememberPeer(record)));
            }
            Effect::Forget(peer) => drop(self.ports.forget.tell(ForgetPeer(peer))),
        }
    }

    fn arm_timer(&mut self, ctx: &mut Context<Self>) {
        self.timer.arm(self.manager.next_deadline(), self.clock.now(), ctx, Self::deadline_came);
    }

    fn deadline_came(&mut self, ctx: &mut Context<Self>) {
        self.timer.fired();
        self.step(Input::Tick, ctx);
    }

    fn answer(&mut self, peer: &PeerId, result: &Result<(), String>) {
        for reply in self.waiting.remove(peer).unwrap_or_default() {
            reply.give(result.clone());
        }
    }

    fn is_connected(&self, peer: &PeerId) -> bool {
        self.manager.peer(peer).is_some_and(|info| info.connectedness == Connectedness::Connected)
    }
}

/// What an event of the network means to the peer manager, and to whoever waits for that peer.
pub(crate) fn peer_seen(event: Event) -> Option<PeerSeen> {
    let mut outcome = None;
    let input = match event {
        Event::Connected { peer, address, direction, .. } => {
            outcome = Some((peer, Ok(())));
            connected(address, direction)
        }
        Event::Disconnected { peer, .. } => Input::Disconnected(peer),
        Event::DialFailed { peer, failure: weir_net::DialFailure::AlreadyConnected } => {
            // Another dial is under way or has succeeded; its own event will tell.
            tracing::trace!(%peer, "dialled twice");
            return None;
        }
        Event::DialFailed { peer, failure } => {
            outcome = Some((peer.clone(), Err(failure.to_string())));
            Input::DialFailed(peer)
        }
        Event::Identified { peer, identity } => Input::Identified {
            peer,
            agent: identity.agent,
            protocols: identity.protocols,
            addresses: identity.addresses,
        },
        Event::Metadata { peer, result: Ok(metadata) } => {
            Input::MetadataReceived { peer, cluster: metadata.cluster, shards: metadata.shards }
        }
        Event::Metadata { peer, result: Err(error) } => {
            tracing::debug!(%peer, %error, "no metadata");
            Input::MetadataFailed(peer)
        }
        _ => return None,
    };
    Some(PeerSeen { input, outcome })
}

pub(crate) const fn connected(address: PeerAddress, direction: weir_net::Direction) -> Input {
    let direction = match direction {
        weir_net::Direction::Inbound => peer_manager::Direction::Inbound,
        weir_net::Direction::Outbound => peer_manager::Direction::Outbound,
    };
    Input::Connected { address, direction }
}

impl Bounded for PeersActor {
    const MAILBOX: usize = ASKS_IN_FLIGHT + 1280;
}

impl Actor for PeersActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // At the first start there is nobody to tell of; a network that is being rebuilt has no peers.
        drop(self.ports.started.tell(PeersStarted));
        self.step(Input::Tick, ctx);
    }
}

impl Handler<NetworkStarted> for PeersActor {
    type Result = ();

    /// The connections of the network before went with it, and nobody told.
    fn handle(&mut self, _: NetworkStarted, ctx: &mut Self::Context) {
        for info in self.manager.snapshot() {
            if info.connectedness == Connectedness::Connected {
                self.apply(Input::Disconnected(info.address.peer().clone()));
            }
        }
        self.arm_timer(ctx);
    }
}

impl Handler<PeerSeen> for PeersActor {
    type Result = ();

    fn handle(&mut self, PeerSeen { input, outcome }: PeerSeen, ctx: &mut Self::Context) {
        self.step(input, ctx);
        if let Some((peer, result)) = outcome {
            self.answer(&peer, &result);
        }
    }
}

impl Handler<AddPeer> for PeersActor {
    type Result = ();

    fn handle(&mut self, AddPeer { address, reply }: AddPeer, ctx: &mut Self::Context) {
        if self.is_connected(address.peer()) {
            reply.give(Ok(()));
            return;
        }
        // Whoever asked too long ago waits no more, even if the peer is still being dialled.
        self.waiting.retain(|_, replies| {
            replies.retain(Reply::is_awaited);
            !replies.is_empty()
        });
        let peer = address.peer().clone();
        self.waiting.entry(peer.clone()).or_default().push(reply);
        self.step(Input::Add { address, origin: Origin::Static }, ctx);
        if self.manager.peer(&peer).is_none() {
            let why = "not dialled: it is this node itself, or every peer known is connected or static";
            self.answer(&peer, &Err(why.to_owned()));
        }
    }
}

impl Handler<AskPeers> for PeersActor {
    type Result = ();

    fn handle(&mut self, AskPeers(reply): AskPeers, _: &mut Self::Context) {
        reply.give(self.manager.snapshot());
    }
}
