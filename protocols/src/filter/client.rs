//! The side that is pushed to: keeps what it wants subscribed at several service peers.
//!
//! ```text
//! wanted ──┐                      ┌─> Ask(subscribe, unsubscribe, ping) ──> answered ──┐
//!          ├─> who serves it? ────┤                                                   │
//! peers ───┘   what does it lack? └──────────────────────< confirmed <────────────────┘
//! ```
//!
//! A user who waits for an answer asks with [`Client::request`]: at once, and with the answer of the peer.
//!
//! There is one request at a time for each peer; what is wanted meanwhile goes into the next one. A peer that
//! refuses a subscription or fails two pings in a row is replaced, when there is another: with a single service
//! node, or none better, it is tried again after a rest.
//!
//! # Invariants
//! At most [`ClientConfig::redundancy`] peers for each pubsub topic that is wanted. What is confirmed was confirmed by
//! its peer, and not yet denied.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_core::{
    ContentTopic, PeerId, PubsubTopic, Timestamp,
    filter::{Answer, Criteria, MAX_CONTENT_TOPICS, Request, Status},
};

pub use crate::service_peers::RequestFailure as Failure;
use crate::service_peers::ServicePeers;

#[cfg(test)]
mod tests;

/// How long a peer that refused is left alone when there is no other.
const RETRY_DELAY: Duration = Duration::from_secs(10);

/// Failed pings in a row after which a peer is replaced (chat-reliability 3.2).
const MAX_FAILED_PINGS: u32 = 2;

/// What the client is told once. Times are those of chat-reliability 3.2.
#[derive(Debug, Clone, Copy)]
pub struct ClientConfig {
    /// Peers at which each topic is subscribed.
    pub redundancy: usize,
    /// How often a peer is pinged; it drops subscriptions after 300 s without a request.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take.
    pub ping_timeout: Duration,
    /// How long the answer to another request may take.
    pub subscribe_timeout: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            redundancy: 2,
            ping_interval: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(5),
            subscribe_timeout: Duration::from_secs(15),
        }
    }
}

/// Names a request. Given in ascending order, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEffect {
    /// Ask a service peer; answer with [`Client::answered`].
    Ask {
        /// For the answer.
        id: RequestId,
        /// Whom.
        peer: PeerId,
        /// What.
        request: Request,
    },
}

/// A request that a user waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// What was asked, one request for each peer; none when there is no peer. Who waits looks at their answers.
    pub ids: Vec<RequestId>,
    /// Content topics that were not wanted before, to be wanted no more if the answer is no.
    pub new: Vec<ContentTopic>,
}

/// What is wanted, and where it is subscribed.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    peers: ServicePeers,
    wanted: Topics,
    sessions: BTreeMap<PeerId, Session>,
    next_id: u64,
}

type Topics = BTreeMap<PubsubTopic, BTreeSet<ContentTopic>>;

/// A peer at which topics are or will be subscribed.
#[derive(Debug)]
struct Session {
    confirmed: Topics,
    asking: Option<Asking>,
    failed_pings: u32,
    ping_at: Timestamp,
    /// Nothing but pings before.
    retry_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Asking {
    id: RequestId,
    request: Request,
    until: Timestamp,
}

impl Client {
    /// A client that wants nothing yet.
    pub fn new(config: ClientConfig) -> Self {
        let (wanted, sessions) = (Topics::new(), BTreeMap::new());
        Self { config, peers: ServicePeers::default(), wanted, sessions, next_id: 0 }
    }

    /// `peer` is connected and serves filter, on `topics` if it told them.
    pub fn peer_available(
        &mut self,
        peer: PeerId,
        topics: Option<BTreeSet<PubsubTopic>>,
        now: Timestamp,
        effects: &mut Vec<ClientEffect>,
    ) {
        self.peers.add(peer, topics);
        self.tick(now, effects);
    }

    /// `peer` is gone.
    pub fn peer_gone(&mut self, peer: &PeerId, now: Timestamp, effects: &mut Vec<ClientEffect>) {
        self.peers.remove(peer);
        self.sessions.remove(peer);
        self.tick(now, effects);
    }

    /// Wants messages of `content_topics` on `topic` from now on.
    pub fn subscribe(
        &mut self,
        topic: PubsubTopic,
        content_topics: impl IntoIterator<Item = ContentTopic>,
        now: Timestamp,
        effects: &mut Vec<ClientEffect>,
    ) {
        self.wanted.entry(topic).or_default().extend(content_topics);
        drop_empty(&mut self.wanted);
        self.tick(now, effects);
    }

    /// Wants no more messages of `content_topics` on `topic`.
    pub fn unsubscribe(
        &mut self,
        topic: PubsubTopic,
        content_topics: &[ContentTopic],
        now: Timestamp,
        effects: &mut Vec<ClientEffect>,
    ) {
        remove_from(&mut self.wanted, topic, content_topics);
        self.tick(now, effects);
    }

    /// Asks now, whatever is known, the peers at which there are subscriptions, or one peer if there are none. What
    /// a subscription names is wanted from now on, and what the end of one names is not.
    pub fn request(
        &mut self,
        request: Request,
        now: Timestamp,
        effects: &mut Vec<ClientEffect>,
    ) -> Requested {
        let (mut topic, mut new) = (None, Vec::new());
        match &request {
            Request::Ping => {}
            Request::Subscribe(criteria) => {
                topic = Some(criteria.pubsub_topic());
                let wanted = self.wanted.entry(criteria.pubsub_topic()).or_default();
                new.extend(
                    criteria.content_topics().iter().filter(|topic| wanted.insert((*topic).clone())).cloned(),
                );
                self.fill_up(now);
            }
            Request::Unsubscribe(criteria) => {
                topic = Some(criteria.pubsub_topic());
                remove_from(&mut self.wanted, criteria.pubsub_topic(), criteria.content_topics());
            }
            Request::UnsubscribeAll => self.wanted.clear(),
        }
        let serves = |peer: &&PeerId| topic.is_none_or(|topic| self.peers.serves(peer, topic));
        let mut asked: Vec<PeerId> = self.sessions.keys().filter(serves).cloned().collect();
        if asked.is_empty() {
            asked.extend(self.peers.pick(topic, now, |_| true));
            if let (Some(peer), Request::Subscribe(_)) = (asked.first(), &request) {
                self.begin_session(peer.clone(), now);
            }
        }
        let ids = asked.iter().map(|peer| self.ask(peer, request.clone(), now, effects)).collect();
        if request == Request::UnsubscribeAll {
            // Nothing is left to keep, whatever they answer.
            self.sessions.clear();
        }
        Requested { ids, new }
    }

    /// Whether `peer` may push a message of these topics: they are wanted, and it was asked for them.
    pub fn expects(&self, peer: &PeerId, topic: PubsubTopic, content_topic: &ContentTopic) -> bool {
        self.sessions.contains_key(peer) && self.wants(topic, content_topic)
    }

    /// Whether a message of these topics is wanted; what else is pushed is dropped.
    pub fn wants(&self, topic: PubsubTopic, content_topic: &ContentTopic) -> bool {
        self.wanted.get(&topic).is_some_and(|topics| topics.contains(content_topic))
    }

    /// What is wanted.
    pub fn wanted(&self) -> impl Iterator<Item = (PubsubTopic, &ContentTopic)> {
        self.wanted.iter().flat_map(|(topic, contents)| contents.iter().map(|content| (*topic, content)))
    }

    /// Peers that confirmed a subscription of these topics.
    pub fn confirmed(&self, topic: PubsubTopic, content_topic: &ContentTopic) -> usize {
        let has = |topics: &Topics| topics.get(&topic).is_some_and(|topics| topics.contains(content_topic));
        self.sessions.values().filter(|session| has(&session.confirmed)).count()
    }

    /// Peers that confirmed any subscription.
    pub fn confirmed_peers(&self) -> usize {
        self.sessions.values().filter(|session| !session.confirmed.is_empty()).count()
    }

    /// A request has an outcome.
    pub fn answered(
        &mut self,
        id: RequestId,
        result: Result<Answer, Failure>,
        now: Timestamp,
        effects: &mut Vec<ClientEffect>,
    ) {
        let is_asked = |session: &Session| session.asking.as_ref().is_some_and(|asking| asking.id == id);
        let found = self.sessions.iter_mut().find(|(_, session)| is_asked(session));
        // Of a peer that was given up, or answered too late.
        let Some((peer, session)) = found else { return };
        let Some(asking) = session.asking.take() else { return };
        let peer = peer.clone();
        self.settle(&peer, asking.request, result.map(|answer| answer.status), now, effects);
        self.tick(now, effects);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp, effects: &mut Vec<ClientEffect>) {
        for (peer, request) in self.take_late(now) {
            self.settle(&peer, request, Err(Failure::TimedOut), now, effects);
        }
        self.drop_needless(effects);
        self.fill_up(now);
        for peer in self.sessions.keys().cloned().collect::<Vec<_>>() {
            self.ask_next(&peer, now, effects);
        }
    }

    /// When [`Client::tick`] is due at the latest.
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let sessions = self.sessions.values().map(|session| match &session.asking {
            Some(asking) => asking.until,
            None => session.retry_at.unwrap_or(session.ping_at).min(session.ping_at),
        });
        let lacking = self.lacking().next().and_then(|_| self.peers.next_rested(now));
        sessions.chain(lacking).min()
    }

    /// What follows from the outcome of a request.
    fn settle(
        &mut self,
        peer: &PeerId,
        request: Request,
        result: Result<Status, Failure>,
        now: Timestamp,
        effects: &mut Vec<ClientEffect>,
    ) {
        let Some(session) = self.sessions.get_mut(peer) else { return };
        // Any request that was served lets subscriptions live on, so a ping is not needed for a while.
        let served = matches!(result, Ok(Status::Ok));
        if served {
            self.peers.succeeded(peer);
            session.failed_pings = 0;
            session.retry_at = None;
            session.ping_at = now.saturating_add(self.config.ping_interval);
        }
        match (request, result) {
            (Request::Subscribe(criteria), Ok(Status::Ok)) => {
                let topics = criteria.content_topics().iter().cloned();
                session.confirmed.entry(criteria.pubsub_topic()).or_default().extend(topics);
            }
            // It forgot this client.
            (Request::Ping, Ok(Status::NotFound)) => {
                session.confirmed.clear();
                session.failed_pings = 0;
                session.ping_at = now.saturating_add(self.config.ping_interval);
            }
            // Gone, or never there, or the peer does not say; in any case it is not counted on any more.
            (Request::Unsubscribe(criteria), _) => {
                remove_from(&mut session.confirmed, criteria.pubsub_topic(), criteria.content_topics());
            }
            (Request::Ping | Request::UnsubscribeAll, Ok(Status::Ok)) => {}
            (Request::Ping, _) => {
                session.failed_pings += 1;
                session.ping_at = now.saturating_add(RETRY_DELAY);
                if session.failed_pings >= MAX_FAILED_PINGS {
                    self.replace(peer, now, effects);
                }
            }
            (Request::Subscribe(_) | Request::UnsubscribeAll, _) => self.replace(peer, now, effects),
        }
    }

    /// Gives a peer that failed up, or lets it rest when there is no other for one of its topics.
    fn replace(&mut self, peer: &PeerId, now: Timestamp, effects: &mut Vec<ClientEffect>) {
        self.peers.failed(peer, now);
        let is_free = |other: &PeerId| !self.sessions.contains_key(other);
        let can_be_replaced = self
            .wanted
            .keys()
            .filter(|topic| self.peers.serves(peer, **topic))
            .all(|topic| self.peers.has_rested(Some(*topic), now, is_free));
        let Some(session) = self.sessions.get_mut(peer) else { return };
        if can_be_replaced {
            self.give_up(peer, effects);
        } else {
            // What a peer that does not answer confirmed before is not to be counted on.
            if session.failed_pings >= MAX_FAILED_PINGS {
                session.confirmed.clear();
            }
            session.failed_pings = 0;
            session.retry_at = Some(now.saturating_add(RETRY_DELAY));
        }
    }

    /// Ends a session, and tells the peer if it confirmed something. Nobody waits for the answer.
    fn give_up(&mut self, peer: &PeerId, effects: &mut Vec<ClientEffect>) {
        let Some(session) = self.sessions.remove(peer) else { return };
        if !session.confirmed.is_empty() {
            let id = self.new_id();
            effects.push(ClientEffect::Ask { id, peer: peer.clone(), request: Request::UnsubscribeAll });
        }
    }

    /// Requests whose time is over.
    fn take_late(&mut self, now: Timestamp) -> Vec<(PeerId, Request)> {
        let mut late = Vec::new();
        for (peer, session) in &mut self.sessions {
            if let Some(asking) = session.asking.take_if(|asking| asking.until <= now) {
                late.push((peer.clone(), asking.request));
            }
        }
        late
    }

    /// Ends sessions with peers that serve nothing that is wanted.
    fn drop_needless(&mut self, effects: &mut Vec<ClientEffect>) {
        let is_needed = |peer: &PeerId| self.wanted.keys().any(|topic| self.peers.serves(peer, *topic));
        let needless: Vec<PeerId> = self.sessions.keys().filter(|peer| !is_needed(peer)).cloned().collect();
        for peer in needless {
            self.give_up(&peer, effects);
        }
    }

    /// Begins sessions where topics have too few.
    fn fill_up(&mut self, now: Timestamp) {
        for topic in self.lacking().collect::<Vec<_>>() {
            while self.sessions_for(topic) < self.config.redundancy {
                let sessions = &self.sessions;
                let free = |peer: &PeerId| !sessions.contains_key(peer);
                let Some(peer) = self.peers.pick_rested(Some(topic), now, free) else { break };
                self.begin_session(peer, now);
            }
        }
    }

    fn begin_session(&mut self, peer: PeerId, now: Timestamp) {
        let session = Session {
            confirmed: Topics::new(),
            asking: None,
            failed_pings: 0,
            ping_at: now.saturating_add(self.config.ping_interval),
            retry_at: None,
        };
        self.sessions.insert(peer, session);
    }

    /// Topics that too few peers serve.
    fn lacking(&self) -> impl Iterator<Item = PubsubTopic> {
        self.wanted.keys().copied().filter(|topic| self.sessions_for(*topic) < self.config.redundancy)
    }

    fn sessions_for(&self, topic: PubsubTopic) -> usize {
        self.sessions.keys().filter(|peer| self.peers.serves(peer, topic)).count()
    }

    /// Asks `peer` for what it lacks, if it is not being asked.
    fn ask_next(&mut self, peer: &PeerId, now: Timestamp, effects: &mut Vec<ClientEffect>) {
        if let Some(request) = self.next_request(peer, now) {
            self.ask(peer, request, now, effects);
        }
    }

    /// Asks `peer`. The answer to what it was asked before, if that has not come, is not looked at any more.
    fn ask(
        &mut self,
        peer: &PeerId,
        request: Request,
        now: Timestamp,
        effects: &mut Vec<ClientEffect>,
    ) -> RequestId {
        let timeout = match request {
            Request::Ping => self.config.ping_timeout,
            _ => self.config.subscribe_timeout,
        };
        let id = self.new_id();
        if let Some(session) = self.sessions.get_mut(peer) {
            session.asking =
                Some(Asking { id, request: request.clone(), until: now.saturating_add(timeout) });
        }
        effects.push(ClientEffect::Ask { id, peer: peer.clone(), request });
        id
    }

    fn next_request(&self, peer: &PeerId, now: Timestamp) -> Option<Request> {
        let session = self.sessions.get(peer)?;
        if session.asking.is_some() {
            return None;
        }
        if session.retry_at.is_none_or(|at| at <= now) {
            let served = self.wanted.iter().filter(|(topic, _)| self.peers.serves(peer, **topic));
            let missing = first_difference(served, &session.confirmed).map(Request::Subscribe);
            let needless =
                || first_difference(session.confirmed.iter(), &self.wanted).map(Request::Unsubscribe);
            let next = missing.or_else(needless);
            if next.is_some() {
                return next;
            }
        }
        (session.ping_at <= now).then_some(Request::Ping)
    }

    fn new_id(&mut self) -> RequestId {
        self.next_id += 1;
        RequestId(self.next_id)
    }
}

/// What `topics` has and `others` lacks on the first pubsub topic on which there is such, as much as one request takes.
fn first_difference<'a>(
    mut topics: impl Iterator<Item = (&'a PubsubTopic, &'a BTreeSet<ContentTopic>)>,
    others: &Topics,
) -> Option<Criteria> {
    topics.find_map(|(topic, contents)| {
        let lacks = |content: &&ContentTopic| others.get(topic).is_none_or(|known| !known.contains(*content));
        let missing = contents.iter().filter(lacks).take(MAX_CONTENT_TOPICS).cloned().collect();
        Criteria::new(*topic, missing).ok()
    })
}

fn remove_from(topics: &mut Topics, topic: PubsubTopic, content_topics: &[ContentTopic]) {
    if let Some(contents) = topics.get_mut(&topic) {
        contents.retain(|content| !content_topics.contains(content));
    }
    drop_empty(topics);
}

fn drop_empty(topics: &mut Topics) {
    topics.retain(|_, contents| !contents.is_empty());
}
