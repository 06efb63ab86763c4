//! How well a node without relay is connected, and each of its topics (waku-wire 11.3).

use std::collections::BTreeMap;

use weir_core::{ContentTopic, PubsubTopic};

use super::Event;
use crate::{
    filter,
    health::{ConnectionStatus, TopicHealth},
};

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
    pub fn update(&mut self, reach: Reach, subscriptions: &filter::Client, events: &mut Vec<Event>) {
        let status = reach.status();
        if self.connection.replace(status) != Some(status) {
            events.push(Event::ConnectionStatus(status));
        }
        let mut topics = BTreeMap::new();
        for (topic, content_topic) in subscriptions.wanted() {
            let health = topic_health(subscriptions.confirmed(topic, content_topic));
            topics.insert((topic, content_topic.clone()), health);
        }
        let before = std::mem::replace(&mut self.topics, topics);
        let left = before.keys().filter(|key| !self.topics.contains_key(key));
        let left = left.map(|key| (key, &TopicHealth::NotSubscribed));
        let changed = self.topics.iter().filter(|(key, health)| before.get(key) != Some(health));
        events.extend(left.chain(changed).map(|((topic, content_topic), health)| {
            Event::ContentTopicHealth { topic: *topic, content_topic: content_topic.clone(), health: *health }
        }));
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
    use weir_core::{ClusterId, PeerId, ShardId, Timestamp, filter::Answer};

    use super::*;
    use crate::filter::{Client, ClientConfig, ClientEffect};

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
        let now = Timestamp::ZERO;
        let topic = PubsubTopic::new(ClusterId(1), ShardId(0)).expect("shard");
        let content_topic = ContentTopic::new("/a/1/b/proto").expect("topic");
        let (mut client, mut asked) = (Client::new(ClientConfig::default()), Vec::new());
        let (mut health, mut events) = (Health::default(), Vec::new());
        let is = |health| Event::ContentTopicHealth { topic, content_topic: content_topic.clone(), health };
        let mut told = |reach, client: &Client| {
            health.update(reach, client, &mut events);
            std::mem::take(&mut events)
        };

        let nobody = Reach::default();
        assert_eq!(told(nobody, &client), [Event::ConnectionStatus(ConnectionStatus::Disconnected)]);
        assert_eq!(told(nobody, &client), []);
        client.subscribe(topic, [content_topic.clone()], now, &mut asked);
        assert_eq!(told(nobody, &client), [is(TopicHealth::UnHealthy)]);
        for (n, expected) in [(1, TopicHealth::MinimallyHealthy), (2, TopicHealth::SufficientlyHealthy)] {
            client.peer_available(PeerId::from_bytes(&[n]).expect("a byte"), None, now, &mut asked);
            let ClientEffect::Ask { id, .. } = asked.pop().expect("a request");
            client.answered(id, Ok(Answer::ok()), now, &mut asked);
            assert_eq!(told(nobody, &client), [is(expected)]);
        }
        client.unsubscribe(topic, std::slice::from_ref(&content_topic), now, &mut asked);
        assert_eq!(told(nobody, &client), [is(TopicHealth::NotSubscribed)]);
    }
}
