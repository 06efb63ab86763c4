//! The messages a REST client has not fetched yet.
//!
//! nwaku's rule (waku-wire 14.2): one cache of a few messages in total; kept is what is on a
//! subscribed pubsub topic *or* content topic; reading takes out what it returns; a full cache loses
//! the message with the smallest timestamp.
//!
//! nwaku also treats both topics of a kept message as subscribed from then on, without end. Here a
//! topic nobody subscribed can be read as long as the cache holds a message of it, so that what
//! peers send cannot grow the set of topics.
//!
//! # Invariants
//! At most `capacity` messages. Every message can be read by a subscribed topic.

use std::collections::{BTreeMap, BTreeSet};

use weir_core::{ContentTopic, MessageHash, PubsubTopic, Timestamp, WakuMessage};

use super::Accepted;

/// Order of messages: by timestamp, then by hash, so that the first is the one to lose.
type Key = (Timestamp, MessageHash);

/// Accepted messages by their topics, until they are read.
#[derive(Debug)]
pub struct MessageCache {
    capacity: usize,
    messages: BTreeMap<Key, (PubsubTopic, WakuMessage)>,
    by_pubsub: BTreeMap<PubsubTopic, BTreeSet<Key>>,
    by_content: BTreeMap<ContentTopic, BTreeSet<Key>>,
    pubsub_topics: BTreeSet<PubsubTopic>,
    content_topics: BTreeSet<ContentTopic>,
}

impl MessageCache {
    /// Messages nwaku keeps for relay.
    pub const DEFAULT_CAPACITY: usize = 50;

    /// A cache of at most `capacity` messages in total.
    pub const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            messages: BTreeMap::new(),
            by_pubsub: BTreeMap::new(),
            by_content: BTreeMap::new(),
            pubsub_topics: BTreeSet::new(),
            content_topics: BTreeSet::new(),
        }
    }

    /// Keeps messages of `topic` from now on.
    pub fn subscribe(&mut self, topic: PubsubTopic) {
        self.pubsub_topics.insert(topic);
    }

    /// Keeps messages of `topic` from now on, whatever shard they are on.
    pub fn subscribe_content(&mut self, topic: ContentTopic) {
        self.content_topics.insert(topic);
    }

    /// Keeps messages of `topic` no more, and drops those that no other subscription reaches.
    pub fn unsubscribe(&mut self, topic: PubsubTopic) {
        if self.pubsub_topics.remove(&topic) {
            let keys: Vec<Key> = self.by_pubsub.get(&topic).into_iter().flatten().copied().collect();
            self.drop_unreachable(keys);
        }
    }

    /// Keeps messages of `topic` no more, and drops those that no other subscription reaches.
    pub fn unsubscribe_content(&mut self, topic: &ContentTopic) {
        if self.content_topics.remove(topic) {
            let keys: Vec<Key> = self.by_content.get(topic).into_iter().flatten().copied().collect();
            self.drop_unreachable(keys);
        }
    }

    /// Keeps `accepted` if one of its topics is subscribed and it is not there already.
    pub fn add(&mut self, accepted: &Accepted) {
        self.keep(accepted.topic(), accepted.hash(), accepted.message());
    }

    /// As [`MessageCache::add`], for a message that another node passed on; `hash` is its hash on `topic`.
    pub fn keep(&mut self, topic: PubsubTopic, hash: MessageHash, message: &WakuMessage) {
        let key = (message.timestamp, hash);
        if self.capacity == 0 || !self.is_reachable(topic, message) || self.messages.contains_key(&key) {
            return;
        }
        if self.messages.len() >= self.capacity
            && let Some(&oldest) = self.messages.keys().next()
        {
            self.take(oldest);
        }
        self.by_pubsub.entry(topic).or_default().insert(key);
        self.by_content.entry(message.content_topic.clone()).or_default().insert(key);
        self.messages.insert(key, (topic, message.clone()));
    }

    /// Takes out the messages of `topic`, oldest first; `None` when it is not subscribed and there
    /// are none.
    pub fn read(&mut self, topic: PubsubTopic) -> Option<Vec<WakuMessage>> {
        match self.by_pubsub.get(&topic) {
            Some(keys) => {
                let keys: Vec<Key> = keys.iter().copied().collect();
                Some(keys.into_iter().filter_map(|key| self.take(key)).collect())
            }
            None => self.pubsub_topics.contains(&topic).then(Vec::new),
        }
    }

    /// Takes out the messages of `topic`, oldest first; `None` when it is not subscribed and there
    /// are none.
    pub fn read_content(&mut self, topic: &ContentTopic) -> Option<Vec<WakuMessage>> {
        match self.by_content.get(topic) {
            Some(keys) => {
                let keys: Vec<Key> = keys.iter().copied().collect();
                Some(keys.into_iter().filter_map(|key| self.take(key)).collect())
            }
            None => self.content_topics.contains(topic).then(Vec::new),
        }
    }

    /// Messages held.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether no message is held.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn is_reachable(&self, topic: PubsubTopic, message: &WakuMessage) -> bool {
        self.pubsub_topics.contains(&topic) || self.content_topics.contains(&message.content_topic)
    }

    fn drop_unreachable(&mut self, keys: Vec<Key>) {
        for key in keys {
            let reachable =
                self.messages.get(&key).is_some_and(|(topic, message)| self.is_reachable(*topic, message));
            if !reachable {
                self.take(key);
            }
        }
    }

    fn take(&mut self, key: Key) -> Option<WakuMessage> {
        let (topic, message) = self.messages.remove(&key)?;
        forget(&mut self.by_pubsub, &topic, key);
        forget(&mut self.by_content, &message.content_topic, key);
        Some(message)
    }
}

/// Removes `key` from the index of `topic`, and the index when it is empty.
fn forget<T: Ord>(index: &mut BTreeMap<T, BTreeSet<Key>>, topic: &T, key: Key) {
    if let Some(keys) = index.get_mut(topic) {
        keys.remove(&key);
        if keys.is_empty() {
            index.remove(topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_core::{ClusterId, Meta, ProofField, ShardId};

    use super::*;
    use crate::relay::accepted_in_tests;

    fn shard(n: u16) -> PubsubTopic {
        PubsubTopic::new(ClusterId(1), ShardId(n)).expect("shard")
    }

    fn content(n: u16) -> ContentTopic {
        ContentTopic::new(&format!("/app/1/{n}/proto")).expect("content topic")
    }

    fn accepted(on: u16, about: u16, secs: i64) -> Accepted {
        let message = WakuMessage {
            payload: b"payload".to_vec().into(),
            content_topic: content(about),
            version: 0,
            timestamp: Timestamp::from_secs(secs),
            meta: Meta::default(),
            ephemeral: false,
            proof: ProofField::Absent,
        };
        accepted_in_tests(shard(on), message)
    }

    fn times(read: Option<Vec<WakuMessage>>) -> Option<Vec<i64>> {
        read.map(|messages| messages.iter().map(|message| message.timestamp.as_secs()).collect())
    }

    #[test]
    fn reading_takes_out_and_an_unknown_topic_is_not_an_empty_one() {
        let mut cache = MessageCache::new(10);
        assert_eq!(cache.read(shard(1)), None);
        cache.subscribe(shard(1));
        assert_eq!(cache.read(shard(1)), Some(vec![]));
        cache.add(&accepted(1, 1, 20));
        cache.add(&accepted(1, 2, 10));
        cache.add(&accepted(1, 2, 10));
        cache.add(&accepted(2, 2, 30));
        assert_eq!(times(cache.read(shard(1))), Some(vec![10, 20]));
        assert_eq!(cache.read(shard(1)), Some(vec![]));
        assert!(cache.is_empty() && cache.by_content.is_empty());
    }

    #[test]
    fn a_kept_message_is_read_by_either_topic_once() {
        let mut cache = MessageCache::new(10);
        cache.subscribe_content(content(7));
        cache.add(&accepted(1, 7, 10));
        cache.add(&accepted(2, 7, 20));
        assert_eq!(times(cache.read(shard(1))), Some(vec![10]));
        assert_eq!(cache.read(shard(1)), None, "nobody subscribed the shard");
        assert_eq!(times(cache.read_content(&content(7))), Some(vec![20]));
    }

    #[test]
    fn a_full_cache_loses_the_smallest_timestamp_of_all_topics() {
        let mut cache = MessageCache::new(2);
        cache.subscribe(shard(1));
        cache.subscribe(shard(2));
        for (topic, secs) in [(1, 20), (2, 10), (2, 30)] {
            cache.add(&accepted(topic, 1, secs));
        }
        assert_eq!(times(cache.read(shard(2))), Some(vec![30]));
        assert_eq!(times(cache.read(shard(1))), Some(vec![20]));
    }

    #[test]
    fn unsubscribing_drops_what_no_other_subscription_reaches() {
        let mut cache = MessageCache::new(10);
        cache.subscribe(shard(1));
        cache.subscribe_content(content(7));
        cache.add(&accepted(1, 7, 10));
        cache.add(&accepted(1, 8, 20));
        cache.unsubscribe(shard(1));
        assert_eq!(times(cache.read_content(&content(7))), Some(vec![10]));
        assert_eq!(cache.read_content(&content(8)), None);
        cache.add(&accepted(1, 7, 30));
        cache.unsubscribe_content(&content(7));
        assert!(cache.is_empty());
    }

    #[test]
    fn a_cache_without_room_keeps_nothing() {
        let mut cache = MessageCache::new(0);
        cache.subscribe(shard(1));
        cache.add(&accepted(1, 1, 10));
        assert_eq!(cache.read(shard(1)), Some(vec![]));
    }

    proptest! {
        #[test]
        fn indexes_agree_with_the_messages_after_any_history(
            steps in prop::collection::vec((0_u8..6, 0_u16..3, 0_u16..3, 0_i64..20), 0..100),
        ) {
            let mut cache = MessageCache::new(5);
            for (step, on, about, secs) in steps {
                match step {
                    0 => cache.subscribe(shard(on)),
                    1 => cache.subscribe_content(content(about)),
                    2 => cache.unsubscribe(shard(on)),
                    3 => cache.unsubscribe_content(&content(about)),
                    4 => drop(cache.read(shard(on))),
                    _ => cache.add(&accepted(on, about, secs)),
                }
                let held = cache.messages.len();
                prop_assert!(held <= 5);
                prop_assert_eq!(cache.by_pubsub.values().map(BTreeSet::len).sum::<usize>(), held);
                prop_assert_eq!(cache.by_content.values().map(BTreeSet::len).sum::<usize>(), held);
                prop_assert!(cache.by_pubsub.values().all(|keys| !keys.is_empty()));
                prop_assert!(cache.by_content.values().all(|keys| !keys.is_empty()));
                prop_assert!(cache.messages.values().all(|(topic, message)| cache.is_reachable(*topic, message)));
            }
        }
    }
}
