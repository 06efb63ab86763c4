//! One known peer.

use std::time::Duration;

use strum::{Display, IntoStaticStr};
use weir_core::{PeerAddress, ShardId, Timestamp};

use super::{DisconnectReason, Effect, backoff::retry_delay};

/// Whether a peer is, can be or cannot be connected (nwaku's words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, IntoStaticStr)]
pub enum Connectedness {
    /// Not tried yet.
    NotConnected,
    /// The last dial failed.
    CannotConnect,
    /// Was connected before.
    CanConnect,
    /// Connected.
    Connected,
}

/// Who told of a peer (nwaku's words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, IntoStaticStr)]
pub enum Origin {
    /// Nobody: it connected by itself.
    #[strum(serialize = "UnknownOrigin")]
    Unknown,
    /// discv5.
    Discv5,
    /// The operator.
    Static,
    /// Another peer.
    PeerExchange,
    /// A DNS list.
    Dns,
    /// The node itself, before it was restarted.
    Cache,
}

/// Who dialled (nwaku's words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, IntoStaticStr)]
pub enum Direction {
    /// Not connected.
    #[strum(serialize = "UnknownDirection")]
    Unknown,
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
}

/// What there is to know of a peer.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerInfo {
    /// Where it can be dialled, or is connected from.
    pub address: PeerAddress,
    /// Protocols it speaks.
    pub protocols: Vec<String>,
    /// Shards it takes part in, in order.
    pub shards: Vec<ShardId>,
    /// Whether it is, can be or cannot be connected.
    pub connectedness: Connectedness,
    /// Its user agent.
    pub agent: String,
    /// Who told of it.
    pub origin: Origin,
    /// Who dialled.
    pub direction: Direction,
    /// Its gossipsub score, while connected.
    pub score: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: PeerAddress,
    /// Whether `address` is one to dial, not just where a connection came from.
    pub(super) dialable: bool,
    pub(super) origin: Origin,
    /// Whether this node waits half as long again as the peer does after the same event. Two nodes
    /// that dial each other in one instant can lose both connections, and would do so again.
    yields: bool,
    pub(super) state: State,
    pub(super) agent: String,
    pub(super) protocols: Vec<String>,
    pub(super) shards: Vec<ShardId>,
    /// Failures in a row.
    pub(super) failures: u32,
    pub(super) was_connected: bool,
    /// Whether the present protocols and address were handed out to be kept.
    pub(super) remembered: bool,
    pub(super) score: Option<f64>,
}

#[derive(Debug)]
pub(super) enum State {
    Idle {
        /// When to dial; `None` is never.
        retry_at: Option<Timestamp>,
    },
    Dialing {
        until: Timestamp,
    },
    Connected {
        direction: Direction,
        since: Timestamp,
        metadata: Metadata,
        /// Set once the network was asked to disconnect it.
        closing: Option<DisconnectReason>,
    },
}

#[derive(Debug)]
pub(super) enum Metadata {
    Awaited { until: Timestamp },
    Known,
}

impl Peer {
    pub(super) const fn new(address: PeerAddress, origin: Origin, yields: bool) -> Self {
        Self {
            address,
            dialable: false,
            origin,
            yields,
            state: State::Idle { retry_at: None },
            agent: String::new(),
            protocols: Vec::new(),
            shards: Vec::new(),
            failures: 0,
            was_connected: false,
            remembered: false,
            score: None,
        }
    }

    /// Leaves the peer alone for `delay`, or for ever.
    pub(super) fn rest(&mut self, delay: Option<Duration>, now: Timestamp) {
        let own = |delay: Duration| if self.yields { delay + delay / 2 } else { delay };
        let retry_at = delay.filter(|_| self.dialable).map(|delay| now.saturating_add(own(delay)));
        self.state = State::Idle { retry_at };
    }

    /// A dial came to nothing.
    pub(super) fn fail(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.was_connected = false;
        self.rest(retry_delay(self.origin, self.failures), now);
    }

    /// Hands the peer out to be kept once it is known to be of our network and can be dialled.
    pub(super) fn remember_once(&mut self, effects: &mut Vec<Effect>) {
        let settled = matches!(self.state, State::Connected { metadata: Metadata::Known, closing: None, .. });
        if settled && self.dialable && !self.protocols.is_empty() && !self.remembered {
            self.remembered = true;
            effects
                .push(Effect::Remember { address: self.address.clone(), protocols: self.protocols.clone() });
        }
    }

    pub(super) const fn connectedness(&self) -> Connectedness {
        match self.state {
            State::Connected { .. } => Connectedness::Connected,
            State::Idle { .. } | State::Dialing { .. } if self.was_connected => Connectedness::CanConnect,
            State::Idle { .. } | State::Dialing { .. } if self.failures > 0 => Connectedness::CannotConnect,
            State::Idle { .. } | State::Dialing { .. } => Connectedness::NotConnected,
        }
    }

    pub(super) fn info(&self) -> PeerInfo {
        PeerInfo {
            address: self.address.clone(),
            protocols: self.protocols.clone(),
            shards: self.shards.clone(),
            connectedness: self.connectedness(),
            agent: self.agent.clone(),
            origin: self.origin,
            direction: match self.state {
                State::Connected { direction, .. } => direction,
                State::Idle { .. } | State::Dialing { .. } => Direction::Unknown,
            },
            score: self.score,
        }
    }
}
