//! How well a node without relay is connected, and each of its topics (waku-wire 11.3).

use std::collections::BTreeMap;

use weir_core::{ContentTopic, PubsubTopic};

use super::Event;
use crate::health::{ConnectionStatus, TopicHealth};

/// Peers of a service with which a node without relay is well served.
const ENOUGH: usize = 2;

/// Peers for each of the three services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// Light push.
    pub send: usize,
    /// Filter, with a confirmed subscription, or connected when nothing is wanted.
    pub receive: usize,
    /// Store.
    pub store: usize,
}

/// A content topic that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// On which shard.
    pub topic: PubsubTopic,
    /// Which.
    pub content_topic: ContentTopic,
    /// Filter services that confirmed it.
    pub confirmed: usize,
}

/// What was told last.
#[derive(Debug, Default)]
pub struct Health {
    connection: Option<ConnectionStatus>,
    topics: BTreeMap<(PubsubTopic, ContentTopic), TopicHealth>,
}

impl Reach {
    /// The status that follows: as good as the worst of the three services.
    pub fn status(self) -> ConnectionStatus {
        match self.send.min(self.receive).min(self.store) {
            0 => ConnectionStatus::Disconnected,
            1..ENOUGH => ConnectionStatus::PartiallyConnected,
            ENOUGH.. => ConnectionStatus::Connected,
        }
    }
}

impl Health {
    /// Compares with what was told last and appends what is new.
    pub fn update(&mut self, reach: Reach, subscriptions: &[Subscription], events: &mut Vec<Event>) {
        let status = reach.status();
        if self.connection.replace(status) != Some(status) {
            events.push(Event::ConnectionStatus(status));
        }
        let health = |subscription: &Subscription| {
            let Subscription { topic, content_topic, confirmed } = subscription;
            ((*topic, content_topic.clone()), topic_health(*confirmed))
        };
        let topics = subscriptions.iter().map(health).collect();
        let before = std::mem::replace(&mut self.topics, topics);
        let left = before.keys().filter(|key| !self.topics.contains_key(key));
        let left = left.map(|key| (key, &TopicHealth::NotSubscribed));
        let changed = self.topics.iter().filter(|(key, health)| before.get(key) != Some(health));
        events.extend(left.chain(changed).map(|((topic, content_topic), health)| {
            Event::ContentTopicHealth { topic: *topic, content_topic: content_topic.clone(), health: *health }
        }));
    }

    /// The health of each content topic that is wanted, as told last.
    pub fn topics(&self) -> impl Iterator<Item = (PubsubTopic, &ContentTopic, TopicHealth)> {
        self.topics.iter().map(|((topic, content_topic), health)| (*topic, content_topic, *health))
    }

    /// The connection, as told last.
    pub fn connection(&self) -> ConnectionStatus {
        self.connection.unwrap_or(ConnectionStatus::Disconnected)
    }
}

const fn topic_health(confirmed: usize) -> TopicHealth {
    match confirmed {
        0 => TopicHealth::UnHealthy,
        1..ENOUGH => TopicHealth::MinimallyHealthy,
        ENOUGH.. => TopicHealth::SufficientlyHealthy,
    }
}

#[cfg(test)]
mod tests {
    use weir_core::{ClusterId, ShardId};

    use super::*;

    #[test]
    fn a_connection_is_as_good_as_its_worst_service() {
        use ConnectionStatus::{Connected, Disconnected, PartiallyConnected};
        for (send, receive, store, status) in [
            (0, 2, 2, Disconnected),
            (2, 0, 2, Disconnected),
            (2, 2, 0, Disconnected),
            (1, 2, 2, PartiallyConnected),
            (1, 1, 1, PartiallyConnected),
            (2, 2, 2, Connected),
        ] {
            assert_eq!(Reach { send, receive, store }.status(), status);
        }
    }

    #[test]
    fn changes_are_told_once() {
        let topic = PubsubTopic::new(ClusterId(1), ShardId(0)).expect("shard");
        let content_topic = ContentTopic::new("/a/1/b/proto").expect("topic");
        let (mut health, mut events) = (Health::default(), Vec::new());
        let is = |health| Event::ContentTopicHealth { topic, content_topic: content_topic.clone(), health };
        let mut told = |reach, confirmed: Option<usize>| {
            let content_topic = content_topic.clone();
            let wanted = confirmed.map(|confirmed| Subscription { topic, content_topic, confirmed });
            health.update(reach, wanted.as_slice(), &mut events);
            std::mem::take(&mut events)
        };

        let nobody = Reach::default();
        assert_eq!(told(nobody, None), [Event::ConnectionStatus(ConnectionStatus::Disconnected)]);
        assert_eq!(told(nobody, None), []);
        assert_eq!(told(nobody, Some(0)), [is(TopicHealth::UnHealthy)]);
        assert_eq!(told(nobody, Some(1)), [is(TopicHealth::MinimallyHealthy)]);
        assert_eq!(told(nobody, Some(1)), []);
        assert_eq!(told(nobody, Some(2)), [is(TopicHealth::SufficientlyHealthy)]);
        assert_eq!(told(nobody, None), [is(TopicHealth::NotSubscribed)]);
    }
}
