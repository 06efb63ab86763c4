//! What the API asks of the node: the port that the node implements over its actors' handles.
//!
//! Every question has a deadline of its own on the other side, so no handler here waits for ever;
//! a question that could not be answered is [`Unavailable`]. Time comes from here too, which makes
//! each answer a function of the request and the backend.

use std::{collections::BTreeMap, future::Future};

use weir_core::{
    ContentTopic, PeerId, PubsubTopic, ShardId, Timestamp, WakuMessage, filter, lightpush,
    store::{Page, Query},
};
use weir_protocols::{
    edge::{ReceivedMessage, SendEvent},
    health,
    peer_manager::PeerInfo,
    relay::{PublishError, Published},
};

/// The node behind the API.
pub trait Backend: Clone + Send + Sync + 'static {
    /// The node's clock.
    fn now(&self) -> Timestamp;

    /// Whether the node is still starting. Until it is not, only health is answered.
    fn is_initializing(&self) -> bool {
        false
    }

    /// Publishes on a topic, with a proof if the node makes them. The message has its timestamp.
    fn publish(
        &self,
        topic: PubsubTopic,
        message: WakuMessage,
    ) -> impl Future<Output = Result<Published, PublishError>> + Send;

    /// Publishes on the topic that autosharding derives from the content topic.
    fn publish_auto(
        &self,
        message: WakuMessage,
    ) -> impl Future<Output = Result<Published, PublishAutoError>> + Send;

    /// Joins topics and starts keeping their messages for [`Backend::messages`].
    fn subscribe(&self, topics: Vec<PubsubTopic>) -> impl Future<Output = Result<(), SubscribeError>> + Send;

    /// Leaves topics and drops what was kept for them.
    fn unsubscribe(
        &self,
        topics: Vec<PubsubTopic>,
    ) -> impl Future<Output = Result<(), SubscribeError>> + Send;

    /// As [`Backend::subscribe`], by content topic.
    fn subscribe_content(
        &self,
        topics: Vec<ContentTopic>,
    ) -> impl Future<Output = Result<(), SubscribeError>> + Send;

    /// As [`Backend::unsubscribe`], by content topic.
    fn unsubscribe_content(
        &self,
        topics: Vec<ContentTopic>,
    ) -> impl Future<Output = Result<(), SubscribeError>> + Send;

    /// Takes the messages kept for a topic; the next call gets only newer ones.
    fn messages(
        &self,
        topic: PubsubTopic,
    ) -> impl Future<Output = Result<Vec<WakuMessage>, MessagesError>> + Send;

    /// As [`Backend::messages`], by content topic.
    fn content_messages(
        &self,
        topic: ContentTopic,
    ) -> impl Future<Output = Result<Vec<WakuMessage>, MessagesError>> + Send;

    /// Every peer the node knows.
    fn peers(&self) -> impl Future<Output = Result<Vec<PeerInfo>, Unavailable>> + Send;

    /// Connects to the peer at a multiaddr that ends in `/p2p/<id>`.
    fn connect(&self, address: &str) -> impl Future<Output = Result<(), ConnectError>> + Send;

    /// The relay mesh of every subscribed shard, with scores.
    fn mesh(&self) -> impl Future<Output = Result<Vec<(ShardId, Vec<PeerInfo>)>, Unavailable>> + Send;

    /// The relay peers of every subscribed shard, with scores.
    fn relay_peers(&self) -> impl Future<Output = Result<Vec<(ShardId, Vec<PeerInfo>)>, Unavailable>> + Send;

    /// Who and where the node is.
    fn info(&self) -> impl Future<Output = Result<NodeInfo, Unavailable>> + Send;

    /// How the node is.
    fn health(&self) -> impl Future<Output = Result<health::Report, HealthError>> + Send;

    /// Answers a store query: by the peer at a multiaddr, if one is named, else from the node's own archive,
    /// else by a store peer.
    fn store_query(
        &self,
        peer: Option<&str>,
        query: Query,
    ) -> impl Future<Output = Result<StoreAnswer, StoreError>> + Send;

    /// Has a message published by light push, on the topic of its content topic if none is given.
    fn push(
        &self,
        version: LightPushVersion,
        topic: Option<PubsubTopic>,
        message: WakuMessage,
    ) -> impl Future<Output = Result<lightpush::Answer, PushError>> + Send;

    /// Asks filter services, as the node is a client of theirs.
    fn filter(
        &self,
        question: FilterQuestion,
    ) -> impl Future<Output = Result<filter::Answer, FilterError>> + Send;

    /// Takes the messages of a content topic that filter services pushed; the next call gets only newer ones.
    fn filter_messages(
        &self,
        topic: ContentTopic,
    ) -> impl Future<Output = Result<Vec<WakuMessage>, MessagesError>> + Send;

    /// Sends a message of a node without relay; the answer names it in its events.
    fn send(&self, message: WakuMessage) -> impl Future<Output = Result<String, MessagingError>> + Send;

    /// Receives messages of these topics from now on, or no more.
    fn receive(
        &self,
        topics: Vec<ContentTopic>,
        wanted: bool,
    ) -> impl Future<Output = Result<(), MessagingError>> + Send;

    /// Takes the events of all sends, or of the one of this name; the oldest send first.
    fn take_send_events(
        &self,
        name: Option<&str>,
    ) -> impl Future<Output = Result<Vec<(String, Vec<SendEvent>)>, Unavailable>> + Send;

    /// Takes the messages that were received.
    fn take_received(&self) -> impl Future<Output = Result<Vec<ReceivedMessage>, Unavailable>> + Send;

    /// How the node's archive is; `None` without one.
    fn store_report(&self) -> Result<Option<StoreReport>, Unavailable>;

    /// What is left of this epoch's messages; `None` without a membership.
    fn quota(&self) -> impl Future<Output = Result<Option<QuotaReport>, Unavailable>> + Send;

    /// The breaches of the rate limit the node has proof of, the `newest` of them one by one; `None`
    /// when it does not look. An error says why they cannot be read.
    fn evidence(&self, newest: usize) -> impl Future<Output = Result<Option<EvidenceReport>, String>> + Send;

    /// Sets the log level: one of `TRACE`, `DEBUG`, `INFO`, `NOTICE`, `WARN`, `ERROR`, `FATAL`.
    /// An error says why the level cannot be changed.
    fn set_log_level(&self, level: &str) -> Result<(), String>;
}

/// Why the node did not answer a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Too many questions are waiting.
    #[error("the node is overloaded; try again")]
    Overloaded,
    /// No answer in time.
    #[error("the node did not answer in time")]
    Timeout,
    /// The node is shutting down.
    #[error("the node is stopping")]
    Stopping,
}

/// The version of light push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LightPushVersion {
    /// Version 2, whose answer is yes or no and a text.
    V2,
    /// Version 3.
    V3,
}

/// Why a push has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Nobody is known who serves light push.
    #[error("No suitable service peer & none discovered")]
    NoPeer,
    /// No answer in time.
    #[error("Push request timed out")]
    Timeout,
    /// The peer cannot be reached, or its answer is none.
    #[error("{0}")]
    Failed(String),
    /// The node did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a message for the topic of its content topic was not published.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PublishAutoError {
    /// The cluster has no autosharding.
    #[error("Autosharding is disabled")]
    AutoshardingDisabled,
    /// The content topic has no shard.
    #[error("Autosharding error: {0}")]
    Autosharding(String),
    /// It has one, and publishing there failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Why topics were not joined or left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The relay refused: the topic is of another cluster, has no shard, or is one too many.
    #[error("{0}")]
    Refused(String),
    /// The relay did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why there are no messages to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessagesError {
    /// Nobody subscribed to the topic.
    #[error("not subscribed to the topic")]
    NotSubscribed,
    /// The relay did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a peer was not connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The text is not a multiaddr that ends in `/p2p/<id>`.
    #[error("{0}")]
    Address(String),
    /// The peer could not be reached, or refused.
    #[error("{0}")]
    Failed(String),
    /// The peer manager did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The answer to a store query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreAnswer {
    /// The request that it answers.
    pub request_id: String,
    /// The messages.
    pub page: Page,
}

/// Why there is no answer to a store query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The text is not a multiaddr that ends in `/p2p/<id>`.
    #[error("Failed parsing remote peer info: {0}")]
    PeerAddress(String),
    /// More was asked for than an archive answers.
    #[error("{0}")]
    BadRequest(String),
    /// There is no archive here, and no peer with one is known.
    #[error("No suitable service peer & no discovery method")]
    NoPeer,
    /// More requests than are served.
    #[error("Request rate limit reached")]
    RateLimited,
    /// No answer in time.
    #[error("No history response received (timeout)")]
    Timeout,
    /// The archive refused, or the peer could not be asked.
    #[error("Error occurred in queryFut.read() [{0}]")]
    Failed(String),
    /// The node did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why nothing is sent, or received from now on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessagingError {
    /// A content topic has no shard.
    #[error("{0}")]
    NoShard(String),
    /// The node did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What filter services are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterQuestion {
    /// Whether there are subscriptions.
    Ping,
    /// To push messages of these from now on.
    Subscribe(FilterTopics),
    /// To push no more messages of these.
    Unsubscribe(FilterTopics),
    /// To push no more messages.
    UnsubscribeAll,
}

/// Content topics on one pubsub topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterTopics {
    /// None for the shards that autosharding derives.
    pub pubsub_topic: Option<PubsubTopic>,
    /// Any number of them.
    pub content_topics: Vec<ContentTopic>,
}

/// Why a filter service gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No service is known.
    #[error("no filter service is known")]
    NoPeer,
    /// A content topic has no shard, and none was named.
    #[error("{0}")]
    NoShard(String),
    /// The service cannot be reached.
    #[error("{0}")]
    NotReached(String),
    /// What it answered is no answer.
    #[error("{0}")]
    Unreadable(String),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The node did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// How the node's archive is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreReport {
    /// Messages in it.
    pub messages: u64,
    /// Messages of each shard.
    pub by_shard: BTreeMap<ShardId, u64>,
    /// Timestamp of the oldest message.
    pub oldest: Option<Timestamp>,
    /// Timestamp of the newest message.
    pub newest: Option<Timestamp>,
    /// Bytes it takes.
    pub bytes: u64,
    /// Messages that wait to be written.
    pub waiting_messages: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Messages stored since the start.
    pub stored: u64,
    /// Messages lost to it since the start.
    pub dropped: u64,
    /// Why it cannot be written or read now, if so.
    pub unavailable: Option<String>,
}

/// Why the node cannot tell how it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HealthError {
    /// No answer in time.
    #[error("Health check timed out")]
    Timeout,
    /// The check itself failed.
    #[error("Health check failed")]
    Failed,
}

/// Who and where the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Multiaddrs the node listens on, each ending in `/p2p/<id>`.
    pub listen_addresses: Vec<String>,
    /// The node's ENR as text, empty while it has none.
    pub enr_uri: String,
    /// The node's peer id.
    pub peer_id: PeerId,
}

/// The breaches of the rate limit that were seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceReport {
    /// How many there are.
    pub count: u64,
    /// The newest, the latest first.
    pub newest: Vec<Breach>,
}

/// Who broke the rate limit, and when. The secret it gave away stays with the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The member's identity commitment, 64 hex digits, little-endian.
    pub commitment: String,
    /// The epoch's number.
    pub epoch: u64,
    /// When its second message came.
    pub seen_at: Timestamp,
}

/// What is left of this epoch's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaReport {
    /// Messages per epoch.
    pub limit: u32,
    /// Messages of this epoch that are spent.
    pub used: u32,
    /// The epoch's number.
    pub epoch: u64,
    /// When the next epoch starts.
    pub resets_at: Timestamp,
}
