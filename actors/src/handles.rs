//! What the rest of the node may ask the actors: plain async methods, no actix.
//!
//! Each method has its own patience. A question that cannot be taken is answered at once.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::{Semaphore, watch};
use weir_core::{
    Autosharding, AutoshardingError, ContentTopic, PeerAddress, PubsubTopic, Timestamp, WakuMessage,
    store::{Page, Query, StoredMessage},
};
use weir_protocols::{
    peer_manager::PeerInfo,
    relay::{PublishError, Published, SubscribeError},
};
use weir_rln::{Epoch, EpochLength, MembershipIndex, UserMessageLimit};
use weir_storage::archive::{ArchiveError, MAX_BATCH, Summary};

use crate::{
    Clock,
    archive::{BROUGHT_AT_ONCE, Condition, RunQuery, WriteJob},
    membership::{CountMembers, MembershipActor, MembershipReport},
    network::{AskMeshes, CountPeers, Meshes, NetworkActor},
    peers::{AddPeer, AskPeers, PeersActor},
    port::{Port, Refusal, Reply},
    prover::{QuotaUse, Standing},
    relay::{CacheKey, ChangeContentTopics, ChangeTopics, Publish, RelayActor, TakeMessages},
    resume::{self, ResumeState},
    supervision::{AskError, Handle},
};

/// A publish waits this long for its proof and its way to the network (nwaku: 5 s). The relay's own
/// deadline is the same, so the extra second only matters when the relay is gone.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(6);

/// All other questions are answered from memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes, topics and received messages.
#[derive(Debug, Clone)]
pub struct RelayHandle {
    pub(crate) relay: Handle<RelayActor>,
    pub(crate) network: Handle<NetworkActor>,
    pub(crate) autosharding: Option<Autosharding>,
    pub(crate) clock: Clock,
}

/// Why topics could not be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicsError {
    /// The relay refused a topic; those before it were joined.
    #[error(transparent)]
    Refused(#[from] SubscribeError),
    /// The relay did not answer.
    #[error(transparent)]
    Unavailable(#[from] AskError),
}

/// Why a message was not published by autosharding.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PublishAutoError {
    /// The network has no autosharding rule.
    #[error("Autosharding is disabled")]
    AutoshardingDisabled,
    /// The content topic has no shard.
    #[error(transparent)]
    Autosharding(#[from] AutoshardingError),
    /// The publish itself failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl RelayHandle {
    /// Publishes on `topic`. A message without a timestamp gets the current time.
    pub async fn publish(
        &self,
        topic: PubsubTopic,
        mut message: WakuMessage,
    ) -> Result<Published, PublishError> {
        if !message.timestamp.is_set() {
            message.timestamp = self.clock.now();
        }
        let answer = self.relay.ask(PUBLISH_PATIENCE, |reply| Publish { topic, message, reply }).await;
        answer.unwrap_or_else(|error| {
            Err(match error {
                AskError::Busy | AskError::Down => PublishError::Overloaded,
                AskError::Timeout => PublishError::Timeout,
            })
        })
    }

    /// Publishes on the topic of the message's content topic.
    pub async fn publish_auto(&self, message: WakuMessage) -> Result<Published, PublishAutoError> {
        let rule = self.autosharding.ok_or(PublishAutoError::AutoshardingDisabled)?;
        let topic = rule.pubsub_topic_of(&message.content_topic)?;
        // Nobody chose the topic, so that nobody is there is an error, and it is told before a message
        // id is spent.
        let peers = self.network.ask(PATIENCE, |reply| CountPeers { topic, reply }).await;
        if peers.map_err(|_| PublishError::Overloaded)? == 0 {
            return Err(PublishError::NoPeers.into());
        }
        Ok(self.publish(topic, message).await?)
    }

    /// Joins pubsub topics, and keeps their messages for [`Self::messages`].
    pub async fn subscribe(&self, topics: Vec<PubsubTopic>) -> Result<(), TopicsError> {
        self.change_topics(topics, Vec::new()).await
    }

    /// Leaves pubsub topics and drops their kept messages.
    pub async fn unsubscribe(&self, topics: Vec<PubsubTopic>) -> Result<(), TopicsError> {
        self.change_topics(Vec::new(), topics).await
    }

    async fn change_topics(
        &self,
        join: Vec<PubsubTopic>,
        leave: Vec<PubsubTopic>,
    ) -> Result<(), TopicsError> {
        Ok(self.relay.ask(PATIENCE, |reply| ChangeTopics { join, leave, reply }).await??)
    }

    /// Keeps the messages of content topics for [`Self::content_messages`], and joins the pubsub
    /// topics that carry them.
    pub async fn subscribe_content(&self, topics: Vec<ContentTopic>) -> Result<(), TopicsError> {
        self.change_content_topics(topics, Vec::new()).await
    }

    /// No longer keeps the messages of content topics, and leaves pubsub topics that nobody else wants.
    pub async fn unsubscribe_content(&self, topics: Vec<ContentTopic>) -> Result<(), TopicsError> {
        self.change_content_topics(Vec::new(), topics).await
    }

    async fn change_content_topics(
        &self,
        join: Vec<ContentTopic>,
        leave: Vec<ContentTopic>,
    ) -> Result<(), TopicsError> {
        Ok(self.relay.ask(PATIENCE, |reply| ChangeContentTopics { join, leave, reply }).await??)
    }

    /// Takes the kept messages of a pubsub topic; none when it is not subscribed.
    pub async fn messages(&self, topic: PubsubTopic) -> Result<Option<Vec<WakuMessage>>, AskError> {
        self.take(CacheKey::Pubsub(topic)).await
    }

    /// Takes the kept messages of a content topic; none when it is not subscribed.
    pub async fn content_messages(&self, topic: ContentTopic) -> Result<Option<Vec<WakuMessage>>, AskError> {
        self.take(CacheKey::Content(topic)).await
    }

    async fn take(&self, key: CacheKey) -> Result<Option<Vec<WakuMessage>>, AskError> {
        self.relay.ask(PATIENCE, |reply| TakeMessages { key, reply }).await
    }
}

/// Known peers and connections.
#[derive(Debug, Clone)]
pub struct PeersHandle {
    pub(crate) peers: Handle<PeersActor>,
    pub(crate) network: Handle<NetworkActor>,
}

impl PeersHandle {
    /// Every peer the node knows.
    pub async fn all(&self) -> Result<Vec<PeerInfo>, AskError> {
        self.peers.ask(PATIENCE, AskPeers).await
    }

    /// Connects to a peer; answers when the connection stands or has failed.
    pub async fn connect(&self, address: PeerAddress) -> Result<Result<(), String>, AskError> {
        // libp2p's own dial limit is 10 s.
        self.peers.ask(Duration::from_secs(12), |reply| AddPeer { address, reply }).await
    }

    /// The gossipsub state of the joined topics.
    pub async fn meshes(&self) -> Result<Meshes, AskError> {
        self.network.ask(PATIENCE, AskMeshes).await
    }
}

/// The node itself.
#[derive(Debug, Clone)]
pub struct StatusHandle {
    pub(crate) membership: Option<Handle<MembershipActor>>,
    pub(crate) quota: Option<QuotaWatch>,
    pub(crate) resume: Option<watch::Receiver<ResumeState>>,
    pub(crate) record: Option<watch::Receiver<Option<Arc<str>>>>,
    pub(crate) serves_peer_exchange: bool,
    pub(crate) serves_filter: bool,
    pub(crate) clock: Clock,
}

/// Reads the quota without asking anybody.
#[derive(Debug, Clone)]
pub(crate) struct QuotaWatch {
    pub(crate) epoch_length: EpochLength,
    pub(crate) standing: watch::Receiver<Option<Standing>>,
    pub(crate) used: watch::Receiver<Option<QuotaUse>>,
}

/// The member's quota of the current epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaReport {
    /// The member's leaf in the tree.
    pub index: MembershipIndex,
    /// Messages an epoch.
    pub limit: UserMessageLimit,
    /// Message ids spent in this epoch.
    pub used: u32,
    /// The epoch.
    pub epoch: Epoch,
    /// When it ends.
    pub resets_at: Timestamp,
}

impl StatusHandle {
    /// The quota of the current epoch; none when the node is no member, or not yet.
    pub fn quota(&self) -> Option<QuotaReport> {
        let watch = self.quota.as_ref()?;
        let membership = watch.standing.borrow().as_ref()?.membership;
        let epoch = watch.epoch_length.of(self.clock.now());
        let used = watch
            .used
            .borrow()
            .filter(|used| used.epoch == epoch)
            .map_or(0, |used| used.used)
            .min(membership.limit.get());
        Some(QuotaReport {
            index: membership.index,
            limit: membership.limit,
            used,
            epoch,
            resets_at: watch.epoch_length.end(epoch),
        })
    }

    /// Whether messages are pushed to filter clients.
    pub const fn serves_filter(&self) -> bool {
        self.serves_filter
    }

    /// Whether peers are told of others.
    pub const fn serves_peer_exchange(&self) -> bool {
        self.serves_peer_exchange
    }

    /// The node's own record, `enr:-…`; none when it tells nobody, or not yet.
    pub fn record(&self) -> Option<Arc<str>> {
        self.record.as_ref()?.borrow().clone()
    }

    /// Whether the node still fetches what it missed while it was away.
    pub fn is_resuming(&self) -> bool {
        self.resume.as_ref().is_some_and(resume::is_fetching)
    }

    /// The group; none when the relay is not rate limited.
    pub async fn membership(&self) -> Option<Result<MembershipReport, AskError>> {
        Some(self.membership.as_ref()?.ask(PATIENCE, CountMembers).await)
    }
}

/// The node's own archive.
#[derive(Clone)]
pub struct ArchiveHandle {
    queries: Port<RunQuery>,
    writer: Port<WriteJob>,
    condition: Condition,
    clock: Clock,
    bringing: Arc<Semaphore>,
}

/// Why a query has no page.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The archive refused it, or cannot answer now.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// As many queries wait as may.
    #[error("the archive is busy; try again")]
    Busy,
    /// It took longer than anybody waits.
    #[error("the query took too long")]
    Timeout,
    /// The node stops.
    #[error("the archive is closed")]
    Down,
}

/// What became of messages that were brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Messages that were not there before.
    pub new: usize,
    /// Messages that were.
    pub known: usize,
    /// Messages that are not kept, since their senders want it so.
    pub ephemeral: usize,
}

/// Why messages that were brought are not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The archive cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// More than one batch.
    #[error("{0} messages at a time are too many; at most {MAX_BATCH} can be kept")]
    TooMany(usize),
    /// As many bring messages as may at one time.
    #[error("the archive is busy; try again")]
    Busy,
    /// The node stops, or the archive failed.
    #[error("the archive is closed")]
    Down,
}

/// How the archive is.
#[derive(Debug, Clone)]
pub struct ArchiveReport {
    /// What it holds, a few seconds ago; none when it could not be read yet.
    pub summary: Option<Summary>,
    /// Messages that wait to be written.
    pub waiting_messages: usize,
    /// Bytes of messages that wait to be written.
    pub waiting_bytes: usize,
    /// Messages stored since the start.
    pub stored: u64,
    /// Messages lost to it since the start.
    pub dropped: u64,
    /// Why it cannot be written or read now, if so.
    pub unavailable: Option<String>,
}

impl ArchiveHandle {
    pub(crate) fn new(
        queries: Port<RunQuery>,
        writer: Port<WriteJob>,
        condition: Condition,
        clock: Clock,
    ) -> Self {
        Self { queries, writer, condition, clock, bringing: Arc::new(Semaphore::new(BROUGHT_AT_ONCE)) }
    }

    /// Answers from the archive. Dropping the future cancels the query.
    pub async fn query(&self, query: Query) -> Result<Page, QueryError> {
        let (reply, answer) = Reply::channel();
        let not_after = self.clock.now().saturating_add(PATIENCE);
        self.queries.tell(RunQuery { query, not_after, reply }).map_err(|refused| match refused.why {
            Refusal::Busy => QueryError::Busy,
            Refusal::Down => QueryError::Down,
        })?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            // The thread unwound.
            Ok(Err(_)) => Err(QueryError::Down),
            Err(_) => Err(QueryError::Timeout),
        }
    }

    /// Keeps messages that another archive has, at most [`MAX_BATCH`]; they are durable when it returns. Their
    /// timestamps are not looked at, and ephemeral ones are left out.
    pub async fn keep(&self, messages: Vec<StoredMessage>) -> Result<Kept, KeepError> {
        let _turn = self.bringing.try_acquire().map_err(|_| KeepError::Busy)?;
        let (reply, answer) = Reply::channel();
        self.writer.tell(WriteJob::Keep { messages, reply }).map_err(|refused| match refused.why {
            Refusal::Busy => KeepError::Busy,
            Refusal::Down => KeepError::Down,
        })?;
        answer.await.unwrap_or(Err(KeepError::Down))
    }

    /// How it is, from memory.
    pub fn report(&self) -> ArchiveReport {
        self.condition.report()
    }
}

impl fmt::Debug for ArchiveHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArchiveHandle")
    }
}

pub use crate::edge::{EdgeError, EdgeHandle, EdgeReport};
pub use crate::filter_client::FilterError;
pub use crate::filter_handle::FilterHandle;
pub use crate::lightpush_client::{LightPushHandle, LightPushVersion, PushError};
pub use crate::store_client::{StoreAnswer, StoreHandle, StoreQueryError};

/// Everything there is to ask.
#[derive(Debug, Clone)]
pub struct NodeHandles {
    /// Having messages published by light push.
    pub lightpush: LightPushHandle,
    /// Sending and receiving without relay; none when the node relays.
    pub edge: Option<EdgeHandle>,
    /// The archives of other nodes.
    pub store: StoreHandle,
    /// The filter services of other nodes; none when the node is no filter client.
    pub filter: Option<FilterHandle>,
    /// The node's own archive; none when it keeps none.
    pub archive: Option<ArchiveHandle>,
    /// Publishes, topics and received messages.
    pub relay: RelayHandle,
    /// Known peers and connections.
    pub peers: PeersHandle,
    /// The node itself.
    pub status: StatusHandle,
}
