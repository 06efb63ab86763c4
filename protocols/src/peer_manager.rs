//! Which peers this node knows, dials, keeps and forgets.
//!
//! The network tells what happened ([`Input`]) and performs what is asked ([`Effect`]); the actor
//! between them owns the timer ([`PeerManager::next_deadline`]). Ordinary peers follow nwaku
//! (waku-wire 11.1): back-off of 120 s · 4^n, given up after five failures, dialled only up to the
//! outgoing target. Static peers are the operator's wish and never given up. Of two nodes that know
//! each other, the one with the greater id waits half as long again, so that they do not meet again
//! and again in the middle.
//!
//! ```text
//!            Add            Dial                 Connected
//! (unknown) ─────► Idle ───────────► Dialing ─────────────► Connected ── RequestMetadata
//!                   ▲  ◄── failed ──────┘                      │
//!                   └───────────────── Disconnected ◄──────────┘   another cluster, or no answer:
//!                                                                  Disconnect and Forget
//! ```
//!
//! # Invariants
//! At most [`Config::capacity`] peers are known; connected and static peers are never evicted for
//! others. At most [`MAX_PARALLEL_DIALS`] dials are under way.
//!
//! # Security
//! Peers choose their agent, protocols and addresses; libp2p bounds an identify message to 4 KiB
//! and `weir-wire` bounds the shard list, so one entry stays below 10 KiB.

use std::{collections::BTreeMap, time::Duration};

use weir_core::{ClusterId, PeerAddress, PeerId, ShardId, Timestamp};

use crate::metadata;

mod backoff;
mod book;
mod input;
mod peer;
#[cfg(test)]
mod tests;

pub use input::{DisconnectReason, Effect, Input};
pub use peer::{Connectedness, Direction, Origin, PeerInfo};

use backoff::{RECONNECT_DELAY, retry_delay};
use book::Book;
use peer::{Metadata, Peer, State};

/// Dials under way at one time (waku-wire 11.1).
pub const MAX_PARALLEL_DIALS: usize = 10;

/// A dial without an outcome is given up after this; the network's own limit is 10 s.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(15);

/// A peer that has not told its metadata by then is disconnected; the network's own limit on the
/// request is 10 s.
pub const METADATA_TIMEOUT: Duration = Duration::from_secs(15);

/// A connection that held this long clears the failures before it. A minute is the longest
/// back-off of a static peer, so one that drops us at once is not dialled every second.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);

/// Peers that score lower are disconnected (gossipsub's graylist threshold, waku-wire 4.2).
pub const GRAYLIST_SCORE: f64 = -10_000.0;

/// What the peer manager is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// This node, which is never dialled.
    pub local_peer: PeerId,
    /// This node's cluster.
    pub cluster: ClusterId,
    /// Outgoing connections aimed at, static ones included.
    pub target_outbound: usize,
    /// Incoming connections kept; static peers do not count against it.
    pub max_inbound: usize,
    /// Peers remembered.
    pub capacity: usize,
}

/// How many peers are connected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers known.
    pub known: usize,
    /// Peers that dialled this node.
    pub inbound: usize,
    /// Peers this node dialled.
    pub outbound: usize,
    /// Connected peers by the shards they told.
    pub by_shard: BTreeMap<ShardId, usize>,
}

/// The state machine.
#[derive(Debug)]
pub struct PeerManager {
    config: Config,
    book: Book,
}

impl PeerManager {
    /// Without any peer yet.
    pub fn new(config: Config) -> Self {
        let book = Book::new(config.local_peer.clone(), config.capacity);
        Self { config, book }
    }

    /// Takes one input and appends what to do about it.
    pub fn handle(&mut self, input: Input, now: Timestamp, effects: &mut Vec<Effect>) {
        match input {
            Input::Connected { address, direction } => self.connected(address, direction, now, effects),
            Input::Disconnected(peer) => self.disconnected(&peer, now),
            Input::DialFailed(peer) => self.dial_failed(&peer, now),
            Input::Identified { peer, agent, protocols, addresses } => {
                self.identified(&peer, agent, protocols, addresses, effects);
            }
            Input::MetadataReceived { peer, cluster, shards } => {
                self.metadata_received(&peer, cluster, shards, effects);
            }
            Input::MetadataFailed(peer) => self.metadata_failed(&peer, effects),
            Input::Add { address, origin } => self.add(address, origin, now, effects),
            Input::Scores(scores) => self.scores(scores, effects),
            Input::Tick => {}
        }
        self.expire(now, effects);
        self.dial_due(now, effects);
    }

    /// When [`Input::Tick`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let (dialing, outbound) = self.dial_load();
        let may_dial = |peer: &Peer| {
            dialing < MAX_PARALLEL_DIALS
                && (peer.origin == Origin::Static || outbound < self.config.target_outbound)
        };
        self.book
            .iter()
            .filter_map(|peer| match &peer.state {
                State::Idle { retry_at } => retry_at.filter(|_| may_dial(peer)),
                State::Dialing { until } => Some(*until),
                State::Connected { metadata: Metadata::Awaited { until }, closing: None, .. } => Some(*until),
                State::Connected { .. } => None,
            })
            .min()
    }

    /// Every known peer, in the order of their ids.
    pub fn snapshot(&self) -> Vec<PeerInfo> {
        self.book.iter().map(Peer::info).collect()
    }

    /// One peer.
    pub fn peer(&self, peer: &PeerId) -> Option<PeerInfo> {
        self.book.get(peer).map(Peer::info)
    }

    /// How many peers are connected.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { known: self.book.len(), ..Counts::default() };
        for peer in self.book.iter() {
            let State::Connected { direction, .. } = &peer.state else { continue };
            match direction {
                Direction::Outbound => counts.outbound += 1,
                Direction::Inbound | Direction::Unknown => counts.inbound += 1,
            }
            for shard in &peer.shards {
                *counts.by_shard.entry(*shard).or_default() += 1;
            }
        }
        counts
    }

    fn connected(
        &mut self,
        address: PeerAddress,
        direction: Direction,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let id = address.peer().clone();
        let counts = self.counts();
        let Some(peer) = self.book.get_or_insert(address.clone(), Origin::Unknown, effects) else {
            effects.push(Effect::Disconnect { peer: id, reason: DisconnectReason::StoreFull });
            return;
        };
        if matches!(peer.state, State::Connected { .. }) {
            return;
        }
        if direction == Direction::Outbound {
            peer.address = address;
            peer.dialable = true;
        }
        let crowded = direction != Direction::Outbound
            && peer.origin != Origin::Static
            && counts.inbound >= self.config.max_inbound;
        let closing = crowded.then_some(DisconnectReason::TooManyInbound);
        peer.was_connected = true;
        peer.remembered = false;
        peer.state = State::Connected {
            direction,
            since: now,
            metadata: Metadata::Awaited { until: now.saturating_add(METADATA_TIMEOUT) },
            closing,
        };
        effects.push(match closing {
            Some(reason) => Effect::Disconnect { peer: id, reason },
            None => Effect::RequestMetadata(id),
        });
    }

    fn disconnected(&mut self, id: &PeerId, now: Timestamp) {
        let Some(peer) = self.book.get_mut(id) else { return };
        let State::Connected { since, closing, .. } = peer.state else { return };
        if now.saturating_since(since) >= STABLE_AFTER && closing.is_none() {
            peer.failures = 0;
        }
        let delay = if peer.origin == Origin::Static || closing.is_some() {
            peer.failures = peer.failures.saturating_add(1);
            retry_delay(peer.origin, peer.failures)
        } else {
            Some(RECONNECT_DELAY)
        };
        peer.rest(delay, now);
        peer.score = None;
    }

    fn dial_failed(&mut self, id: &PeerId, now: Timestamp) {
        let Some(peer) = self.book.get_mut(id) else { return };
        if matches!(peer.state, State::Dialing { .. }) {
            peer.fail(now);
        }
    }

    fn identified(
        &mut self,
        id: &PeerId,
        agent: String,
        protocols: Vec<String>,
        addresses: Vec<PeerAddress>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.book.get_mut(id) else { return };
        peer.agent = agent;
        if peer.protocols != protocols {
            peer.protocols = protocols;
            peer.remembered = false;
        }
        // An address that was dialled is known to work; what a peer says of itself is not.
        if !peer.dialable
            && let Some(address) = addresses.into_iter().find(|address| address.peer() == id)
        {
            peer.address = address;
            peer.dialable = true;
        }
        peer.remember_once(effects);
    }

    fn metadata_received(
        &mut self,
        id: &PeerId,
        cluster: Option<ClusterId>,
        told: Vec<ShardId>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.book.get_mut(id) else { return };
        let State::Connected { metadata, .. } = &mut peer.state else { return };
        if let Err(mismatch) = metadata::judge(self.config.cluster, cluster) {
            effects.push(Effect::Disconnect { peer: id.clone(), reason: mismatch.into() });
            // Static peers too: one of another network will not become one of ours by dialling.
            self.forget(id, effects);
            return;
        }
        *metadata = Metadata::Known;
        peer.shards = told;
        peer.shards.sort_unstable();
        peer.shards.dedup();
        peer.remember_once(effects);
    }

    fn metadata_failed(&mut self, id: &PeerId, effects: &mut Vec<Effect>) {
        let Some(peer) = self.book.get_mut(id) else { return };
        let State::Connected { metadata: Metadata::Awaited { .. }, closing: closing @ None, .. } =
            &mut peer.state
        else {
            return;
        };
        *closing = Some(DisconnectReason::NoMetadata);
        let is_static = peer.origin == Origin::Static;
        effects.push(Effect::Disconnect { peer: id.clone(), reason: DisconnectReason::NoMetadata });
        if !is_static {
            self.forget(id, effects);
        }
    }

    fn add(&mut self, address: PeerAddress, origin: Origin, now: Timestamp, effects: &mut Vec<Effect>) {
        if *address.peer() == self.config.local_peer {
            return;
        }
        let known = self.book.get(address.peer()).is_some();
        let Some(peer) = self.book.get_or_insert(address.clone(), origin, effects) else { return };
        let wished = origin == Origin::Static;
        if wished {
            peer.origin = Origin::Static;
            peer.failures = 0;
        }
        if !known || wished || !peer.dialable {
            peer.address = address;
            peer.dialable = true;
        }
        if let State::Idle { retry_at } = &mut peer.state
            && (!known || wished)
        {
            // A node that was just restarted is still in the prune back-off of peers it had.
            let delay = if peer.origin == Origin::Cache { RECONNECT_DELAY } else { Duration::ZERO };
            *retry_at = Some(now.saturating_add(delay));
        }
    }

    fn scores(&mut self, scores: Vec<(PeerId, f64)>, effects: &mut Vec<Effect>) {
        for (id, score) in scores {
            let Some(peer) = self.book.get_mut(&id) else { continue };
            let State::Connected { closing, .. } = &mut peer.state else { continue };
            peer.score = Some(score);
            if score < GRAYLIST_SCORE && closing.is_none() {
                *closing = Some(DisconnectReason::Graylisted);
                effects.push(Effect::Disconnect { peer: id, reason: DisconnectReason::Graylisted });
            }
        }
    }

    fn forget(&mut self, id: &PeerId, effects: &mut Vec<Effect>) {
        self.book.remove(id);
        effects.push(Effect::Forget(id.clone()));
    }

    /// Gives up dials and metadata requests whose time is over.
    fn expire(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let mut silent = Vec::new();
        for peer in self.book.iter_mut() {
            match &peer.state {
                State::Dialing { until } if *until <= now => peer.fail(now),
                State::Connected { metadata: Metadata::Awaited { until }, closing: None, .. }
                    if *until <= now =>
                {
                    silent.push(peer.address.peer().clone());
                }
                State::Idle { .. } | State::Dialing { .. } | State::Connected { .. } => {}
            }
        }
        for id in silent {
            self.metadata_failed(&id, effects);
        }
    }

    /// Dials what is due: static peers first, others up to the outgoing target.
    fn dial_due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let (mut dialing, mut outbound) = self.dial_load();
        for statics in [true, false] {
            for peer in self.book.iter_mut() {
                let State::Idle { retry_at: Some(due) } = peer.state else { continue };
                let has_target = statics || outbound < self.config.target_outbound;
                if (peer.origin == Origin::Static) != statics
                    || due > now
                    || dialing >= MAX_PARALLEL_DIALS
                    || !has_target
                {
                    continue;
                }
                peer.state = State::Dialing { until: now.saturating_add(DIAL_TIMEOUT) };
                effects.push(Effect::Dial(peer.address.clone()));
                dialing += 1;
                outbound += 1;
            }
        }
    }

    /// Dials under way, and outgoing connections with them.
    fn dial_load(&self) -> (usize, usize) {
        let dialing = self.book.iter().filter(|peer| matches!(peer.state, State::Dialing { .. })).count();
        let outbound = self
            .book
            .iter()
            .filter(|peer| matches!(peer.state, State::Connected { direction: Direction::Outbound, .. }))
            .count();
        (dialing, dialing + outbound)
    }
}
