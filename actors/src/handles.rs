//! What the rest of the node may ask the actors: plain async methods, no actix.
//!
//! Each method has its own patience. A question that cannot be taken is answered at once.

use std::time::Duration;

use tokio::sync::watch;
use weir_core::{
    Autosharding, AutoshardingError, ContentTopic, PeerAddress, PubsubTopic, Timestamp, WakuMessage,
};
use weir_protocols::{
    peer_manager::PeerInfo,
    relay::{PublishError, Published, SubscribeError},
};
use weir_rln::{Epoch, EpochLength, MembershipIndex, UserMessageLimit};

use crate::{
    Clock,
    membership::{CountMembers, MembershipActor, MembershipReport},
    network::{AskMeshes, CountPeers, Meshes, NetworkActor},
    peers::{AddPeer, AskPeers, PeersActor},
    prover::{QuotaUse, Standing},
    relay::{CacheKey, ChangeContentTopics, ChangeTopics, Publish, RelayActor, TakeMessages},
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

    /// The group; none when the relay is not rate limited.
    pub async fn membership(&self) -> Option<Result<MembershipReport, AskError>> {
        Some(self.membership.as_ref()?.ask(PATIENCE, CountMembers).await)
    }
}

/// Everything there is to ask.
#[derive(Debug, Clone)]
pub struct NodeHandles {
    /// Publishes, topics and received messages.
    pub relay: RelayHandle,
    /// Known peers and connections.
    pub peers: PeersHandle,
    /// The node itself.
    pub status: StatusHandle,
}
