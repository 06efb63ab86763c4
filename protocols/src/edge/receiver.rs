//! Receives each message once, and fetches those that were missed.
//!
//! A check asks a store for the hashes of a time, without data, and then for the messages whose hashes are new. It runs
//! when the node comes back online and at intervals, because a filter peer may lose messages too.
//!
//! ```text
//! due ──> List(topic, ≤ 10 content topics) ── pages ──> missing hashes ──> Fetch(≤ 50) ──> Received
//!              one query at a time, three tries with other peers for each
//! ```
//!
//! # Invariants
//! One query at a time. A check covers the time from the last check that was complete, with an overlap, for at most
//! [`ReceiverConfig::max_gap`]. A message is delivered once, as long as not more than [`REMEMBERED`] come meanwhile.
//!
//! # Security
//! A store can make up hashes and messages. At most [`MAX_MISSING`] hashes are fetched in one check, pages are bounded, and
//! a message is delivered under the hash that it has, on a topic that is wanted.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroUsize,
    time::Duration,
};

use weir_core::{
    ContentTopic, MessageHash, PeerId, PubsubTopic, Timestamp, WakuMessage,
    store::{Page, PageSize, Query, StoredMessage},
};

use super::{Event, QueryId};
use crate::{
    recent::Recent,
    service_peers::{RequestFailure, ServicePeers},
};

#[cfg(test)]
mod tests;

/// How long a delivered message is remembered at least (chat-reliability 3.2, logos-delivery).
const WINDOW: Duration = Duration::from_secs(7 * 60);

/// Messages remembered: the window at 100 messages/s. 5 MiB.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// How far a check reaches back before the time that is covered: messages carry the clock of their sender, and stores
/// need a moment.
const OVERLAP: Duration = Duration::from_secs(30);

/// Content topics and hashes in one query (chat-reliability 3.2, go-waku).
const MAX_CONTENT_TOPICS: usize = 10;
const MAX_HASHES: usize = 50;

/// Hashes that one check fetches at most.
const MAX_MISSING: usize = 10_000;

/// Pages that one query lists at most: as many hashes as are fetched.
const MAX_PAGES: usize = 100;

/// Tries for one query.
const TRIES: u32 = 3;

/// What the receiver is told once.
#[derive(Debug, Clone, Copy)]
pub struct ReceiverConfig {
    /// How often to look for what was missed, while online.
    pub interval: Duration,
    /// How far back to look at most.
    pub max_gap: Duration,
    /// How long the answer of a store may take.
    pub query_timeout: Duration,
}

impl Default for ReceiverConfig {
    /// go-waku's interval, and a day, which js-waku asks for at once.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            max_gap: Duration::from_secs(24 * 3600),
            query_timeout: Duration::from_secs(10),
        }
    }
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub enum ReceiverEffect {
    /// Ask a store; answer with [`Receiver::answered`].
    Query {
        /// For the answer.
        id: QueryId,
        /// Whom.
        peer: PeerId,
        /// What.
        query: Box<Query>,
    },
    /// Tell the application.
    Event(Event),
}

/// What is received.
#[derive(Debug)]
pub struct Receiver {
    config: ReceiverConfig,
    stores: ServicePeers,
    wanted: BTreeMap<PubsubTopic, BTreeSet<ContentTopic>>,
    delivered: Recent<()>,
    /// Everything before is received or given up. None before the first subscription.
    covered_until: Option<Timestamp>,
    online: bool,
    next_check: Timestamp,
    check: Option<Check>,
    asking: Option<Asking>,
    next_id: u64,
}

/// A check under way.
#[derive(Debug)]
struct Check {
    /// The time that it covers when it is complete.
    until: Timestamp,
    queries: VecDeque<Query>,
    missing: BTreeSet<MessageHash>,
    pages: usize,
    complete: bool,
}

/// A query under way.
#[derive(Debug)]
struct Asking {
    id: QueryId,
    peer: PeerId,
    query: Query,
    tries: u32,
    until: Timestamp,
}

impl Receiver {
    /// A receiver that wants nothing yet and is offline.
    pub fn new(config: ReceiverConfig) -> Self {
        Self {
            config,
            stores: ServicePeers::default(),
            wanted: BTreeMap::new(),
            delivered: Recent::new(REMEMBERED),
            covered_until: None,
            online: false,
            next_check: Timestamp::from_nanos(i64::MIN),
            check: None,
            asking: None,
            next_id: 0,
        }
    }

    /// The peers to ask; whoever changes them calls [`Receiver::tick`] then.
    pub const fn store_peers(&mut self) -> &mut ServicePeers {
        &mut self.stores
    }

    /// Wants messages of these topics from now on.
    pub fn subscribe(
        &mut self,
        topic: PubsubTopic,
        content_topics: impl IntoIterator<Item = ContentTopic>,
        now: Timestamp,
    ) {
        self.wanted.entry(topic).or_default().extend(content_topics);
        self.covered_until.get_or_insert(now);
    }

    /// Wants no more messages of these topics.
    pub fn unsubscribe(&mut self, topic: PubsubTopic, content_topics: &[ContentTopic]) {
        if let Some(wanted) = self.wanted.get_mut(&topic) {
            wanted.retain(|content| !content_topics.contains(content));
            if wanted.is_empty() {
                self.wanted.remove(&topic);
            }
        }
    }

    /// Takes up the work of an earlier run, which had received everything before `moment`.
    pub fn resume(&mut self, moment: Timestamp) {
        self.covered_until = Some(moment);
    }

    /// Everything before this is received, as far as stores have it: what to remember for [`Receiver::resume`].
    pub const fn covered_until(&self) -> Option<Timestamp> {
        self.covered_until
    }

    /// A service peer pushed a message.
    pub fn pushed(
        &mut self,
        topic: PubsubTopic,
        message: WakuMessage,
        now: Timestamp,
        effects: &mut Vec<ReceiverEffect>,
    ) {
        self.deliver(StoredMessage::new(topic, message), now, effects);
    }

    /// Subscriptions are confirmed again, or none is any more.
    pub fn set_online(&mut self, online: bool, now: Timestamp, effects: &mut Vec<ReceiverEffect>) {
        if online && !self.online {
            self.next_check = now;
        }
        self.online = online;
        self.tick(now, effects);
    }

    /// A query has an outcome.
    pub fn answered(
        &mut self,
        id: QueryId,
        result: Result<Page, RequestFailure>,
        now: Timestamp,
        effects: &mut Vec<ReceiverEffect>,
    ) {
        if let Some(asking) = self.asking.take_if(|asking| asking.id == id) {
            self.settle(asking, result, now, effects);
        }
        self.tick(now, effects);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp, effects: &mut Vec<ReceiverEffect>) {
        if let Some(asking) = self.asking.take_if(|asking| asking.until <= now) {
            self.settle(asking, Err(RequestFailure::TimedOut), now, effects);
        }
        if self.check.is_none() && self.online && self.next_check <= now {
            self.begin_check(now);
        }
        self.go_on(now, effects);
    }

    /// When [`Receiver::tick`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        match (&self.asking, &self.check) {
            (Some(asking), _) => Some(asking.until),
            (None, None) if self.online && self.covered_until.is_some() => Some(self.next_check),
            // Waits for a store.
            _ => None,
        }
    }

    fn begin_check(&mut self, now: Timestamp) {
        self.next_check = now.saturating_add(self.config.interval);
        let Some(covered_until) = self.covered_until else { return };
        let start = covered_until.saturating_sub(OVERLAP).max(now.saturating_sub(self.config.max_gap));
        let mut queries = VecDeque::new();
        for (topic, contents) in &self.wanted {
            let contents: Vec<&ContentTopic> = contents.iter().collect();
            queries.extend(contents.chunks(MAX_CONTENT_TOPICS).map(|chunk| Query {
                pubsub_topic: Some(*topic),
                content_topics: chunk.iter().copied().cloned().collect(),
                start: Some(start),
                end: Some(now),
                page_size: PageSize::MAX,
                ..Query::default()
            }));
        }
        self.check = Some(Check { until: now, queries, missing: BTreeSet::new(), pages: 0, complete: true });
    }

    /// Asks the next question of the check, or ends it.
    fn go_on(&mut self, now: Timestamp, effects: &mut Vec<ReceiverEffect>) {
        if self.asking.is_some() {
            return;
        }
        let Some(check) = &mut self.check else { return };
        if let Some(query) = check.queries.front().cloned() {
            if self.ask(query, 1, now, effects) {
                self.check.iter_mut().for_each(|check| drop(check.queries.pop_front()));
            }
            return;
        }
        let hashes: Vec<MessageHash> = check.missing.iter().take(MAX_HASHES).copied().collect();
        if hashes.is_empty() {
            if check.complete {
                self.covered_until = Some(check.until);
            }
            self.check = None;
            return;
        }
        let query = Query {
            include_data: true,
            hashes: hashes.clone(),
            page_size: PageSize::MAX,
            ..Query::default()
        };
        if self.ask(query, 1, now, effects) {
            // What the store does not have now is looked for in the next check.
            self.check.iter_mut().for_each(|check| check.missing.retain(|hash| !hashes.contains(hash)));
        }
    }

    /// Asks a store; false when there is none.
    fn ask(&mut self, query: Query, tries: u32, now: Timestamp, effects: &mut Vec<ReceiverEffect>) -> bool {
        let Some(peer) = self.stores.pick(query.pubsub_topic, now, |_| true) else { return false };
        self.next_id += 1;
        let id = QueryId(self.next_id);
        let until = now.saturating_add(self.config.query_timeout);
        self.asking = Some(Asking { id, peer: peer.clone(), query: query.clone(), tries, until });
        effects.push(ReceiverEffect::Query { id, peer, query: Box::new(query) });
        true
    }

    fn settle(
        &mut self,
        asking: Asking,
        result: Result<Page, RequestFailure>,
        now: Timestamp,
        effects: &mut Vec<ReceiverEffect>,
    ) {
        let Asking { peer, query, tries, .. } = asking;
        match result {
            Ok(page) if query.hashes.is_empty() => {
                self.stores.succeeded(&peer);
                self.listed(query, page);
            }
            Ok(page) => {
                let given: BTreeSet<MessageHash> = page.rows.iter().map(|row| row.hash).collect();
                let mut query = query;
                query.hashes.retain(|hash| !given.contains(hash));
                self.fetched(page, now, effects);
                match query.hashes.is_empty() {
                    true => self.stores.succeeded(&peer),
                    // The store that listed them may have them, or made them up.
                    false => self.ask_again(query, tries, now, effects),
                }
            }
            Err(_) => {
                self.stores.failed(&peer, now);
                self.ask_again(query, tries, now, effects);
            }
        }
    }

    /// Asks another store, unless enough were asked; then the check is not complete.
    fn ask_again(&mut self, query: Query, tries: u32, now: Timestamp, effects: &mut Vec<ReceiverEffect>) {
        if tries < TRIES && self.ask(query, tries + 1, now, effects) {
            return;
        }
        self.check.iter_mut().for_each(|check| check.complete = false);
    }

    /// Notes which of the listed messages are missing, and asks for the next page.
    fn listed(&mut self, query: Query, page: Page) {
        let Some(check) = &mut self.check else { return };
        for row in page.rows {
            if self.delivered.get(&row.hash).is_none() {
                if check.missing.len() < MAX_MISSING {
                    check.missing.insert(row.hash);
                } else {
                    check.complete = false;
                }
            }
        }
        check.pages += 1;
        match page.cursor {
            Some(_) if check.pages >= MAX_PAGES => check.complete = false,
            Some(cursor) => check.queries.push_front(Query { cursor: Some(cursor), ..query }),
            None => {}
        }
    }

    fn fetched(&mut self, page: Page, now: Timestamp, effects: &mut Vec<ReceiverEffect>) {
        for (topic, message) in page.rows.into_iter().filter_map(|row| row.data) {
            // The hash that it has, not the one that the store says.
            self.deliver(StoredMessage::new(topic, message), now, effects);
        }
    }

    fn deliver(&mut self, stored: StoredMessage, now: Timestamp, effects: &mut Vec<ReceiverEffect>) {
        let StoredMessage { hash, topic, message } = stored;
        if !self.wanted.get(&topic).is_some_and(|wanted| wanted.contains(&message.content_topic)) {
            return;
        }
        // A message that a later check lists is still remembered then, however long the node was offline.
        let last_listed = self.covered_until.map_or(now, |covered| covered.saturating_sub(OVERLAP * 2));
        self.delivered.forget_until(now.saturating_sub(WINDOW).min(last_listed));
        if self.delivered.insert(hash, (), now) {
            let message = Box::new(message);
            effects.push(ReceiverEffect::Event(Event::Received { topic, hash, message }));
        }
    }
}
