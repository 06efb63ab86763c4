//! A node that answers what a test tells it to, and remembers what it was asked.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use weir_core::{
    ContentTopic, MessageHash, PeerId, PubsubTopic, ShardId, Timestamp, WakuMessage, filter, lightpush,
    store::Query,
};
use weir_protocols::{
    edge::{ReceivedMessage, SendEvent},
    health::{Facts, Lifecycle, Report, RlnState, StoreState},
    peer_manager::PeerInfo,
    relay::{PublishError, Published},
};

use crate::backend::{
    Backend, ConnectError, EvidenceReport, FilterError, FilterQuestion, HealthError, LightPushVersion,
    MessagesError, MessagingError, NodeInfo, PublishAutoError, PushError, QuotaReport, StoreAnswer,
    StoreError, StoreReport, SubscribeError, Unavailable,
};

/// The fake node's time: 2023-11-14.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
pub(crate) const PEER: &str = "16Uiu2HAmNaeL4p3WEYzC9mgXBmBWSgWjPHRvatZTXnp8Jgv3iKsb";

#[derive(Clone)]
pub(crate) struct Fake {
    script: Arc<Mutex<Script>>,
    /// Told when a gated publish has begun.
    pub(crate) publishing: Arc<Notify>,
    /// Lets a gated publish go on.
    pub(crate) go_on: Arc<Notify>,
}

pub(crate) struct Script {
    // What to answer.
    pub(crate) initializing: bool,
    pub(crate) gated: bool,
    pub(crate) publish: Result<usize, PublishError>,
    pub(crate) publish_auto: Result<usize, PublishAutoError>,
    pub(crate) subscribe: Result<(), SubscribeError>,
    pub(crate) messages: Result<Vec<WakuMessage>, MessagesError>,
    pub(crate) peers: Result<Vec<PeerInfo>, Unavailable>,
    pub(crate) mesh: Vec<(ShardId, Vec<PeerInfo>)>,
    pub(crate) relay_peers: Vec<(ShardId, Vec<PeerInfo>)>,
    pub(crate) connect: Result<(), ConnectError>,
    pub(crate) health: Result<Report, HealthError>,
    pub(crate) store_query: Result<StoreAnswer, StoreError>,
    pub(crate) push: Result<lightpush::Answer, PushError>,
    pub(crate) filter: Result<filter::Answer, FilterError>,
    pub(crate) filter_messages: Result<Vec<WakuMessage>, MessagesError>,
    pub(crate) store_report: Option<StoreReport>,
    pub(crate) quota: Option<QuotaReport>,
    pub(crate) evidence: Result<Option<EvidenceReport>, String>,
    pub(crate) set_log_level: Result<(), String>,
    // What was asked.
    pub(crate) published: Vec<(Option<PubsubTopic>, WakuMessage)>,
    pub(crate) asked: Vec<String>,
    pub(crate) pushed: Vec<(LightPushVersion, Option<PubsubTopic>, WakuMessage)>,
    pub(crate) queried: Vec<(Option<String>, Query)>,
    pub(crate) filter_asked: Vec<FilterQuestion>,
    /// Whether sends and wishes are taken.
    pub(crate) messaging: Result<(), MessagingError>,
    pub(crate) sent: Vec<WakuMessage>,
    pub(crate) wishes: Vec<(Vec<ContentTopic>, bool)>,
    pub(crate) send_events: Vec<(String, Vec<SendEvent>)>,
    pub(crate) received: Vec<ReceivedMessage>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let facts = Facts {
            lifecycle: Lifecycle::Running,
            lagging: false,
            relay_peers: 0,
            rln: RlnState::Ready,
            store: StoreState::Off,
            resuming: false,
            store_peers: 0,
            serves_lightpush: false,
            lightpush_peers: 0,
            legacy_lightpush_peers: 0,
            serves_peer_exchange: false,
            serves_filter: false,
            filter_peers: None,
            edge: None,
        };
        let script = Script {
            initializing: false,
            gated: false,
            publish: Ok(1),
            publish_auto: Ok(1),
            subscribe: Ok(()),
            messages: Ok(Vec::new()),
            peers: Ok(Vec::new()),
            mesh: Vec::new(),
            relay_peers: Vec::new(),
            connect: Ok(()),
            health: Ok(facts.report()),
            store_query: Ok(StoreAnswer::default()),
            push: Ok(lightpush::Answer::published(1)),
            pushed: Vec::new(),
            filter: Ok(filter::Answer::ok()),
            filter_messages: Ok(Vec::new()),
            filter_asked: Vec::new(),
            messaging: Ok(()),
            sent: Vec::new(),
            wishes: Vec::new(),
            send_events: Vec::new(),
            received: Vec::new(),
            store_report: None,
            quota: None,
            evidence: Ok(None),
            set_log_level: Ok(()),
            published: Vec::new(),
            asked: Vec::new(),
            queried: Vec::new(),
        };
        Self { script: Arc::new(Mutex::new(script)), publishing: Arc::default(), go_on: Arc::default() }
    }

    /// What the fake answers and what it was asked.
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics while it holds the lock")
    }

    fn ask(&self, question: &str, about: &impl std::fmt::Debug) {
        self.script().asked.push(format!("{question} {about:?}"));
    }

    async fn pass_gate(&self) {
        if self.script().gated {
            self.publishing.notify_one();
            self.go_on.notified().await;
        }
    }
}

impl Backend for Fake {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn is_initializing(&self) -> bool {
        self.script().initializing
    }

    async fn publish(&self, topic: PubsubTopic, message: WakuMessage) -> Result<Published, PublishError> {
        self.pass_gate().await;
        let hash = message.hash(topic);
        let mut script = self.script();
        script.published.push((Some(topic), message));
        script.publish.clone().map(|peers| Published { hash, peers })
    }

    async fn publish_auto(&self, message: WakuMessage) -> Result<Published, PublishAutoError> {
        let mut script = self.script();
        script.published.push((None, message));
        let hash = MessageHash::from_bytes([0; 32]);
        script.publish_auto.clone().map(|peers| Published { hash, peers })
    }

    async fn subscribe(&self, topics: Vec<PubsubTopic>) -> Result<(), SubscribeError> {
        self.ask("subscribe", &topics.iter().map(ToString::to_string).collect::<Vec<_>>());
        self.script().subscribe.clone()
    }

    async fn unsubscribe(&self, topics: Vec<PubsubTopic>) -> Result<(), SubscribeError> {
        self.ask("unsubscribe", &topics.iter().map(ToString::to_string).collect::<Vec<_>>());
        self.script().subscribe.clone()
    }

    async fn subscribe_content(&self, topics: Vec<ContentTopic>) -> Result<(), SubscribeError> {
        self.ask("subscribe", &topics.iter().map(ToString::to_string).collect::<Vec<_>>());
        self.script().subscribe.clone()
    }

    async fn unsubscribe_content(&self, topics: Vec<ContentTopic>) -> Result<(), SubscribeError> {
        self.ask("unsubscribe", &topics.iter().map(ToString::to_string).collect::<Vec<_>>());
        self.script().subscribe.clone()
    }

    async fn messages(&self, topic: PubsubTopic) -> Result<Vec<WakuMessage>, MessagesError> {
        self.ask("messages", &topic.to_string());
        self.script().messages.clone()
    }

    async fn content_messages(&self, topic: ContentTopic) -> Result<Vec<WakuMessage>, MessagesError> {
        self.ask("messages", &topic.to_string());
        self.script().messages.clone()
    }

    async fn peers(&self) -> Result<Vec<PeerInfo>, Unavailable> {
        self.script().peers.clone()
    }

    async fn connect(&self, address: &str) -> Result<(), ConnectError> {
        self.ask("connect", &address);
        self.script().connect.clone()
    }

    async fn mesh(&self) -> Result<Vec<(ShardId, Vec<PeerInfo>)>, Unavailable> {
        Ok(self.script().mesh.clone())
    }

    async fn relay_peers(&self) -> Result<Vec<(ShardId, Vec<PeerInfo>)>, Unavailable> {
        Ok(self.script().relay_peers.clone())
    }

    async fn info(&self) -> Result<NodeInfo, Unavailable> {
        Ok(NodeInfo {
            listen_addresses: vec![format!("/ip4/127.0.0.1/tcp/60000/p2p/{PEER}")],
            enr_uri: String::new(),
            peer_id: PEER.parse::<PeerId>().expect("a peer id"),
        })
    }

    async fn health(&self) -> Result<Report, HealthError> {
        self.script().health.clone()
    }

    async fn push(
        &self,
        version: LightPushVersion,
        topic: Option<PubsubTopic>,
        message: WakuMessage,
    ) -> Result<lightpush::Answer, PushError> {
        let mut script = self.script();
        script.pushed.push((version, topic, message));
        script.push.clone()
    }

    async fn store_query(&self, peer: Option<&str>, query: Query) -> Result<StoreAnswer, StoreError> {
        let mut script = self.script();
        script.queried.push((peer.map(str::to_owned), query));
        script.store_query.clone()
    }

    async fn send(&self, message: WakuMessage) -> Result<String, MessagingError> {
        let mut script = self.script();
        script.sent.push(message);
        script.messaging.clone().map(|()| "00000000000000a7".to_owned())
    }

    async fn receive(&self, topics: Vec<ContentTopic>, wanted: bool) -> Result<(), MessagingError> {
        let mut script = self.script();
        script.wishes.push((topics, wanted));
        script.messaging.clone()
    }

    async fn take_send_events(
        &self,
        name: Option<&str>,
    ) -> Result<Vec<(String, Vec<SendEvent>)>, Unavailable> {
        let mut script = self.script();
        let (taken, left) =
            script.send_events.drain(..).partition(|(send, _)| name.is_none_or(|name| name == send));
        script.send_events = left;
        Ok(taken)
    }

    async fn take_received(&self) -> Result<Vec<ReceivedMessage>, Unavailable> {
        Ok(std::mem::take(&mut self.script().received))
    }

    async fn filter(&self, question: FilterQuestion) -> Result<filter::Answer, FilterError> {
        let mut script = self.script();
        script.filter_asked.push(question);
        script.filter.clone()
    }

    async fn filter_messages(&self, topic: ContentTopic) -> Result<Vec<WakuMessage>, MessagesError> {
        self.ask("messages", &topic.to_string());
        self.script().filter_messages.clone()
    }

    fn store_report(&self) -> Result<Option<StoreReport>, Unavailable> {
        Ok(self.script().store_report.clone())
    }

    async fn quota(&self) -> Result<Option<QuotaReport>, Unavailable> {
        Ok(self.script().quota)
    }

    async fn evidence(&self, newest: usize) -> Result<Option<EvidenceReport>, String> {
        self.ask("evidence", &newest);
        self.script().evidence.clone()
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        self.ask("log level", &level);
        self.script().set_log_level.clone()
    }
}
