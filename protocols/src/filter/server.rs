//! The side that pushes: subscriptions of clients, and who gets a message.
//!
//! ```text
//! request ──> handle ──> Answer                    Accepted ──> push ──> peers to push to
//!                │                                                │          │ the network pushes
//!          Subscriptions ── lapse, maintenance ──> tick        Outbox <── pushed, push_failed
//! ```
//!
//! Limits, answers and times are nwaku's (waku-wire 10.1) with two differences: a criterion that is held already
//! does not count again, so that a client at its limit can refresh; and a client whose pushes only fail is
//! removed after the life time of a subscription, even if it pings.
//!
//! # Security
//! At most [`ServerConfig::max_clients`] clients with [`ServerConfig::max_criteria`] criteria each; a client has an outbox of bounded
//! messages and bytes, and what does not fit is dropped and counted. All outboxes together hold at most
//! [`MAX_HELD_BYTES`], each message counted once: those that have taken nothing for the longest are emptied for
//! the others. Rate limits come before this.

use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

use weir_core::{
    PeerId, Timestamp,
    filter::{Answer, BadRequest, Criteria, Request, Status},
};

use super::{
    held::Held,
    outbox::Outbox,
    subscriptions::{ClientId, Removed, Subscriptions},
};
use crate::{deadlines::Deadlines, recent::Recent, relay::Accepted};

#[cfg(test)]
mod tests;

/// How long a message is not pushed again (waku-wire 10.1).
const PUSHED_WINDOW: Duration = Duration::from_secs(120);

/// Messages remembered for that. The window at 500 messages/s, five times what the network carries; a message
/// that comes again after as many others is pushed twice, which clients sort out by hash. 6 MiB.
const PUSHED_CAPACITY: NonZeroUsize = NonZeroUsize::new(60_000).expect("not zero");

/// How often clients that cannot be pushed to are looked for (waku-wire 10.1).
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(60);

/// Bytes of messages that wait for clients, all of them together: what the time after which a client is stuck, 20 s,
/// brings at 100 messages/s of 32 KiB. Clients that read hold what was pushed a moment ago; so this bounds what a
/// thousand that do not can hold, each other messages.
pub const MAX_HELD_BYTES: usize = 64 * 1024 * 1024;

/// What the server is told once.
#[derive(Debug, Clone, Copy)]
pub struct ServerConfig {
    /// Clients that can have subscriptions at one time (`--filter-max-peers-to-serve`).
    pub max_clients: usize,
    /// Criteria, that is pairs of topics, that one client can hold (`--filter-max-criteria`).
    pub max_criteria: usize,
    /// How long subscriptions live without a request of their client (`--filter-subscription-timeout`).
    pub subscription_timeout: Duration,
}

impl Default for ServerConfig {
    /// The values of `wakunode2`.
    fn default() -> Self {
        Self { max_clients: 1000, max_criteria: 1000, subscription_timeout: Duration::from_secs(300) }
    }
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pushes handed to the network.
    pub pushes: u64,
    /// Messages that had been pushed already.
    pub duplicates: u64,
    /// Pushes dropped because the client's outbox was full.
    pub dropped_full: u64,
    /// Pushes dropped because the client was not connected.
    pub dropped_absent: u64,
    /// Pushes lost with their stream.
    pub lost: u64,
    /// Streams given up because their client took nothing for 20 s.
    pub timeouts: u64,
    /// Streams given up before, because what waited took the room of others.
    pub evictions: u64,
    /// Clients removed because they made no request for the life time of a subscription.
    pub removed_lapsed: u64,
    /// Clients removed because pushes to them only failed, for the same time.
    pub removed_failing: u64,
    /// Clients removed because they do not speak filter push, or are not known any more.
    pub removed_unreachable: u64,
}

/// A push stream to be given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// The client.
    pub peer: PeerId,
    /// Messages that it did not get since it subscribed first, with those that waited just now.
    pub dropped: u64,
}

/// The subscriptions and their clients.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    subscriptions: Subscriptions,
    ids: BTreeMap<PeerId, ClientId>,
    /// Each until its subscriptions lapse.
    clients: Deadlines<ClientId, Client>,
    /// Clients for whom something waits, each until it is stuck.
    waiting: Deadlines<ClientId, ()>,
    held: Held,
    resets: Vec<Reset>,
    next_id: u64,
    pushed: Recent<()>,
    maintenance_at: Option<Timestamp>,
    counters: Counters,
}

#[derive(Debug)]
struct Client {
    peer: PeerId,
    connected: bool,
    outbox: Outbox,
    dropped: u64,
}

impl Server {
    /// Without any client.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            subscriptions: Subscriptions::default(),
            ids: BTreeMap::new(),
            clients: Deadlines::new(),
            waiting: Deadlines::new(),
            held: Held::default(),
            resets: Vec::new(),
            next_id: 0,
            pushed: Recent::new(PUSHED_CAPACITY),
            maintenance_at: None,
            counters: Counters::default(),
        }
    }

    /// Answers a request of `from`, which is connected.
    pub fn handle(&mut self, from: &PeerId, asked: Result<Request, BadRequest>, now: Timestamp) -> Answer {
        self.connected(from);
        match asked {
            Err(bad) => Answer::refused(Status::BadRequest, bad),
            Ok(Request::Ping) => match self.refresh(from, now) {
                Some(_) => Answer::ok(),
                None => no_subscriptions(),
            },
            Ok(Request::Subscribe(criteria)) => self.subscribe(from, &criteria, now),
            Ok(Request::Unsubscribe(criteria)) => self.unsubscribe(from, &criteria, now),
            Ok(Request::UnsubscribeAll) => match self.ids.get(from).copied() {
                Some(id) => {
                    self.remove(id);
                    Answer::ok()
                }
                None => no_subscriptions(),
            },
        }
    }

    /// Whom to push an accepted message of `size` encoded bytes to.
    ///
    /// [`Server::take_resets`] comes before these pushes. [`Server::pushed`] or [`Server::push_failed`] has to follow
    /// for each, in the order of the pushes.
    pub fn push(&mut self, accepted: &Accepted, size: usize, now: Timestamp) -> Vec<PeerId> {
        let subscribers = self.subscriptions.subscribers(accepted.topic(), &accepted.message().content_topic);
        if subscribers.is_empty() {
            return Vec::new();
        }
        self.pushed.forget_until(now.saturating_sub(PUSHED_WINDOW));
        if !self.pushed.insert(accepted.hash(), (), now) {
            self.counters.duplicates += 1;
            return Vec::new();
        }
        let subscribers = subscribers.to_vec();
        self.make_room(size, now);
        let message = self.held.name(size);
        let mut peers = Vec::with_capacity(subscribers.len());
        for id in subscribers {
            let Some(client) = self.clients.get_mut(id) else { continue };
            if !client.connected {
                client.dropped += 1;
                self.counters.dropped_absent += 1;
            } else if client.outbox.put(message, &mut self.held, now) {
                peers.push(client.peer.clone());
                watch(&mut self.waiting, id, client.outbox.stuck_at());
            } else {
                client.dropped += 1;
                self.counters.dropped_full += 1;
            }
        }
        self.held.forget_free();
        self.counters.pushes += peers.len() as u64;
        peers
    }

    /// `peer` took the first of the pushes that wait for it.
    pub fn pushed(&mut self, peer: &PeerId, now: Timestamp) {
        self.settle(peer, |outbox, held| {
            outbox.taken(held, now);
            0
        });
    }

    /// The push stream of `peer` could not be opened, or broke: everything that waited is lost.
    pub fn push_failed(&mut self, peer: &PeerId, now: Timestamp) {
        self.settle(peer, |outbox, held| outbox.lost(held, now));
    }

    /// `peer` is connected.
    pub fn connected(&mut self, peer: &PeerId) {
        if let Some(client) = self.ids.get(peer).and_then(|id| self.clients.get_mut(*id)) {
            client.connected = true;
        }
    }

    /// `peer` is not connected any more. Its subscriptions live on, for it may come back.
    pub fn disconnected(&mut self, peer: &PeerId) {
        if let Some(client) = self.ids.get(peer).and_then(|id| self.clients.get_mut(*id)) {
            client.connected = false;
        }
        self.settle(peer, Outbox::clear);
    }

    /// Does what is due; then look at [`Server::take_resets`]. `can_be_pushed_to` tells whether a peer is known to
    /// speak filter push or has not told its protocols yet.
    pub fn tick(&mut self, now: Timestamp, can_be_pushed_to: impl Fn(&PeerId) -> bool) {
        while let Some((id, ())) = self.waiting.pop_due(now) {
            self.counters.timeouts += 1;
            self.give_up_stream(id, now);
        }
        while let Some((id, client)) = self.clients.pop_due(now) {
            self.counters.removed_lapsed += 1;
            self.forget(id, client);
        }
        if self.maintenance_at.is_some_and(|at| at <= now) {
            self.maintain(now, can_be_pushed_to);
            self.maintenance_at = Some(now.saturating_add(MAINTENANCE_INTERVAL));
        }
    }

    /// The push streams to be reset. Nothing that waited for them will be pushed, or reported.
    pub fn take_resets(&mut self) -> Vec<Reset> {
        std::mem::take(&mut self.resets)
    }

    /// When [`Server::tick`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let maintenance = self.maintenance_at.filter(|_| !self.clients.is_empty());
        self.waiting.next().into_iter().chain(self.clients.next()).chain(maintenance).min()
    }

    /// Clients with subscriptions.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Pairs of topics that somebody subscribed.
    pub fn criteria(&self) -> usize {
        self.subscriptions.len()
    }

    /// Bytes of messages that wait for clients, each message once.
    pub const fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// What happened since the start.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn subscribe(&mut self, from: &PeerId, criteria: &Criteria, now: Timestamp) -> Answer {
        let known = self.ids.get(from).copied();
        if known.is_none() && self.clients.len() >= self.config.max_clients {
            let max = self.config.max_clients;
            let why = format!("node has reached maximum number of subscriptions: {max}");
            return Answer::refused(Status::ServiceUnavailable, why);
        }
        let id = known.unwrap_or(ClientId(self.next_id));
        let held = self.subscriptions.held_by(id) + self.subscriptions.new_to(id, criteria);
        if held > self.config.max_criteria {
            let why = "peer has reached maximum number of filter criteria";
            return Answer::refused(Status::ServiceUnavailable, why);
        }
        if known.is_none() {
            self.next_id += 1;
            let client =
                Client { peer: from.clone(), connected: true, outbox: Outbox::default(), dropped: 0 };
            self.ids.insert(from.clone(), id);
            self.clients.insert(id, self.lapse_at(now), client);
            self.maintenance_at.get_or_insert(now.saturating_add(MAINTENANCE_INTERVAL));
        }
        self.subscriptions.add(id, criteria);
        self.refresh(from, now);
        Answer::ok()
    }

    fn unsubscribe(&mut self, from: &PeerId, criteria: &Criteria, now: Timestamp) -> Answer {
        let Some(id) = self.refresh(from, now) else { return no_subscriptions() };
        let mut answer = Answer::ok();
        for content_topic in criteria.content_topics() {
            match self.subscriptions.remove(id, criteria.pubsub_topic(), content_topic) {
                Removed::Yes | Removed::HeldByOthers => {}
                Removed::HeldByNobody => {
                    answer = no_subscriptions();
                    break;
                }
            }
        }
        if self.subscriptions.held_by(id) == 0 {
            self.remove(id);
        }
        answer
    }

    /// Lets the subscriptions of `peer` live on, if it has any.
    fn refresh(&mut self, peer: &PeerId, now: Timestamp) -> Option<ClientId> {
        let id = *self.ids.get(peer)?;
        self.clients.reschedule(id, self.lapse_at(now));
        Some(id)
    }

    fn lapse_at(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.config.subscription_timeout)
    }

    fn maintain(&mut self, now: Timestamp, can_be_pushed_to: impl Fn(&PeerId) -> bool) {
        let (mut failing, mut unreachable) = (Vec::new(), Vec::new());
        for (peer, id) in &self.ids {
            let failing_since = self.clients.get_mut(*id).and_then(|client| client.outbox.failing_since());
            if !can_be_pushed_to(peer) {
                unreachable.push(*id);
            } else if failing_since
                .is_some_and(|since| now.saturating_since(since) >= self.config.subscription_timeout)
            {
                failing.push(*id);
            }
        }
        self.counters.removed_unreachable += unreachable.len() as u64;
        self.counters.removed_failing += failing.len() as u64;
        for id in unreachable.into_iter().chain(failing) {
            self.remove(id);
        }
    }

    /// Empties the outboxes that have taken nothing for the longest until a message fits.
    fn make_room(&mut self, size: usize, now: Timestamp) {
        while self.held.bytes().saturating_add(size) > MAX_HELD_BYTES
            && let Some((id, ())) = self.waiting.pop_first()
        {
            self.counters.evictions += 1;
            self.give_up_stream(id, now);
        }
    }

    fn give_up_stream(&mut self, id: ClientId, now: Timestamp) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let lost = client.outbox.lost(&mut self.held, now) as u64;
        client.dropped += lost;
        self.counters.lost += lost;
        self.resets.push(Reset { peer: client.peer.clone(), dropped: client.dropped });
    }

    fn settle(&mut self, peer: &PeerId, change: impl FnOnce(&mut Outbox, &mut Held) -> usize) {
        let Some(&id) = self.ids.get(peer) else { return };
        let Some(client) = self.clients.get_mut(id) else { return };
        let lost = change(&mut client.outbox, &mut self.held) as u64;
        client.dropped += lost;
        self.counters.lost += lost;
        watch(&mut self.waiting, id, client.outbox.stuck_at());
    }

    fn remove(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(id) {
            self.forget(id, client);
        }
    }

    /// What is left to forget of a client that was taken out of `clients`.
    fn forget(&mut self, id: ClientId, mut client: Client) {
        client.outbox.clear(&mut self.held);
        self.ids.remove(&client.peer);
        self.waiting.remove(id);
        self.subscriptions.remove_all(id);
    }
}

/// Keeps the time at which a client is stuck.
fn watch(waiting: &mut Deadlines<ClientId, ()>, id: ClientId, stuck_at: Option<Timestamp>) {
    match stuck_at {
        None => drop(waiting.remove(id)),
        Some(at) if waiting.contains(id) => drop(waiting.reschedule(id, at)),
        Some(at) => waiting.insert(id, at, ()),
    }
}

fn no_subscriptions() -> Answer {
    Answer::refused(Status::NotFound, "peer has no subscriptions")
}
