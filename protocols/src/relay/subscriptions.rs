//! The topics this node takes part in, and on whose behalf.
//!
//! A shard can be wanted for itself and for any number of content topics that live on it. The node
//! joins it for the first of these reasons and leaves it after the last.

use std::collections::{BTreeMap, BTreeSet};

use weir_core::{Autosharding, AutoshardingError, ClusterId, ContentTopic, PubsubTopic};

use super::Relay;

/// Content topics a client may subscribe in all. The REST interface is the only source; at up to
/// 1 KiB each this is at most 10 MiB.
const MAX_CONTENT_TOPICS: usize = 10_000;

#[derive(Debug)]
pub(super) struct Subscriptions {
    cluster: ClusterId,
    autosharding: Option<Autosharding>,
    /// Never holds a topic nobody wants. At most 1024 entries, one a shard of the cluster.
    topics: BTreeMap<PubsubTopic, Wanted>,
    content_topics: usize,
}

#[derive(Debug, Default)]
struct Wanted {
    itself: bool,
    content: BTreeSet<ContentTopic>,
}

/// Why a topic cannot be subscribed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The topic is of another cluster, whose peers this node does not keep.
    #[error("{topic} is not in cluster {cluster}, the one this node serves")]
    OtherCluster {
        /// The topic.
        topic: PubsubTopic,
        /// This node's cluster.
        cluster: ClusterId,
    },
    /// The cluster has no rule that gives content topics a shard.
    #[error("autosharding is disabled; subscribe the pubsub topic instead")]
    AutoshardingDisabled,
    /// The content topic has no shard.
    #[error(transparent)]
    Autosharding(#[from] AutoshardingError),
    /// More content topics than the node keeps.
    #[error("{MAX_CONTENT_TOPICS} content topics are subscribed already; unsubscribe some first")]
    TooManyContentTopics,
}

impl Subscriptions {
    pub(super) const fn new(cluster: ClusterId, autosharding: Option<Autosharding>) -> Self {
        Self { cluster, autosharding, topics: BTreeMap::new(), content_topics: 0 }
    }

    pub(super) fn contains(&self, topic: PubsubTopic) -> bool {
        self.topics.contains_key(&topic)
    }

    fn subscribe(&mut self, topic: PubsubTopic) -> Result<bool, SubscribeError> {
        self.check_cluster(topic)?;
        let joins = !self.contains(topic);
        self.topics.entry(topic).or_default().itself = true;
        Ok(joins)
    }

    fn unsubscribe(&mut self, topic: PubsubTopic) -> bool {
        let Some(wanted) = self.topics.get_mut(&topic) else { return false };
        wanted.itself = false;
        self.leave_if_unwanted(topic)
    }

    fn subscribe_content(&mut self, content: &ContentTopic) -> Result<Option<PubsubTopic>, SubscribeError> {
        let topic = self.topic_of(content)?;
        self.check_cluster(topic)?;
        let joins = !self.contains(topic);
        let known = self.topics.get(&topic).is_some_and(|wanted| wanted.content.contains(content));
        if !known {
            if self.content_topics >= MAX_CONTENT_TOPICS {
                return Err(SubscribeError::TooManyContentTopics);
            }
            self.topics.entry(topic).or_default().content.insert(content.clone());
            self.content_topics += 1;
        }
        Ok(joins.then_some(topic))
    }

    fn unsubscribe_content(&mut self, content: &ContentTopic) -> Result<Option<PubsubTopic>, SubscribeError> {
        let topic = self.topic_of(content)?;
        let Some(wanted) = self.topics.get_mut(&topic) else { return Ok(None) };
        if wanted.content.remove(content) {
            self.content_topics -= 1;
        }
        Ok(self.leave_if_unwanted(topic).then_some(topic))
    }

    fn topic_of(&self, content: &ContentTopic) -> Result<PubsubTopic, SubscribeError> {
        let autosharding = self.autosharding.ok_or(SubscribeError::AutoshardingDisabled)?;
        Ok(autosharding.pubsub_topic_of(content)?)
    }

    fn check_cluster(&self, topic: PubsubTopic) -> Result<(), SubscribeError> {
        let cluster = self.cluster;
        if topic.cluster() == cluster { Ok(()) } else { Err(SubscribeError::OtherCluster { topic, cluster }) }
    }

    fn leave_if_unwanted(&mut self, topic: PubsubTopic) -> bool {
        let unwanted =
            self.topics.get(&topic).is_some_and(|wanted| !wanted.itself && wanted.content.is_empty());
        if unwanted {
            self.topics.remove(&topic);
        }
        unwanted
    }
}

/// Subscriptions.
impl Relay {
    /// Wants `topic` for itself. True when the node has to join it now.
    pub fn subscribe(&mut self, topic: PubsubTopic) -> Result<bool, SubscribeError> {
        self.subscriptions.subscribe(topic)
    }

    /// Wants `topic` for itself no more. True when the node has to leave it now.
    pub fn unsubscribe(&mut self, topic: PubsubTopic) -> bool {
        self.subscriptions.unsubscribe(topic)
    }

    /// Wants the shard of `content`. The topic to join now, if any.
    pub fn subscribe_content(
        &mut self,
        content: &ContentTopic,
    ) -> Result<Option<PubsubTopic>, SubscribeError> {
        self.subscriptions.subscribe_content(content)
    }

    /// Wants the shard of `content` no more. The topic to leave now, if any.
    pub fn unsubscribe_content(
        &mut self,
        content: &ContentTopic,
    ) -> Result<Option<PubsubTopic>, SubscribeError> {
        self.subscriptions.unsubscribe_content(content)
    }

    /// The topics the node takes part in, in order.
    pub fn topics(&self) -> impl Iterator<Item = PubsubTopic> {
        self.subscriptions.topics.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use weir_core::ShardId;

    use super::*;

    const CLUSTER: ClusterId = ClusterId(66);

    fn subscriptions() -> Subscriptions {
        Subscriptions::new(CLUSTER, Some(Autosharding::new(CLUSTER, 8).expect("8 shards")))
    }

    fn content(text: &str) -> ContentTopic {
        ContentTopic::new(text).expect("content topic")
    }

    #[test]
    fn a_shard_is_joined_for_its_first_reason_and_left_after_its_last() {
        let mut subscriptions = subscriptions();
        let topic = PubsubTopic::new(CLUSTER, ShardId(1)).expect("shard");
        // Both live on shard 1, as the vectors of `weir-core` say.
        let [first, second] = ["/waku/2/content/test.js", "/waku/2/default-content/proto"].map(content);
        assert_eq!(subscriptions.subscribe_content(&first), Ok(Some(topic)));
        assert_eq!(subscriptions.subscribe_content(&second), Ok(None));
        assert_eq!(subscriptions.subscribe_content(&second), Ok(None));
        assert_eq!(subscriptions.subscribe(topic), Ok(false));
        assert_eq!(subscriptions.unsubscribe_content(&first), Ok(None));
        assert_eq!(subscriptions.unsubscribe_content(&second), Ok(None));
        assert!(subscriptions.contains(topic));
        assert!(subscriptions.unsubscribe(topic));
        assert!(!subscriptions.unsubscribe(topic));
        assert_eq!(subscriptions.content_topics, 0);
    }

    #[test]
    fn topics_of_another_cluster_and_content_without_a_rule_are_refused() {
        let other = PubsubTopic::new(ClusterId(1), ShardId(0)).expect("shard");
        assert_eq!(
            subscriptions().subscribe(other),
            Err(SubscribeError::OtherCluster { topic: other, cluster: CLUSTER })
        );
        assert!(matches!(
            subscriptions().subscribe_content(&content("no-structure")),
            Err(SubscribeError::Autosharding(_))
        ));
        let mut without_rule = Subscriptions::new(CLUSTER, None);
        assert_eq!(
            without_rule.subscribe_content(&content("/a/1/b/c")),
            Err(SubscribeError::AutoshardingDisabled)
        );
    }

    #[test]
    fn content_topics_are_bounded() {
        let mut subscriptions = subscriptions();
        for n in 0..MAX_CONTENT_TOPICS {
            assert!(subscriptions.subscribe_content(&content(&format!("/app{n}/1/t/proto"))).is_ok());
        }
        assert_eq!(
            subscriptions.subscribe_content(&content("/one-more/1/t/proto")),
            Err(SubscribeError::TooManyContentTopics)
        );
        assert!(subscriptions.subscribe_content(&content("/app0/1/t/proto")).is_ok(), "known already");
    }
}
