//! The API's questions, answered over the actors' handles.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use rand::{RngCore, rngs::OsRng};
use weir_actors::{
    Clock,
    handles::{
        self, ArchiveReport, EdgeError, EdgeHandle, NodeHandles, PublishAutoError as AutoError, QueryError,
        StoreQueryError, TopicsError,
    },
    supervision::AskError,
};
use weir_api::backend::{
    Backend, ConnectError, EvidenceReport, FilterError, FilterQuestion, FilterTopics, HealthError,
    LightPushVersion, MessagesError, MessagingError, NodeInfo, PublishAutoError, PushError, QuotaReport,
    StoreAnswer, StoreError, StoreReport, SubscribeError, Unavailable,
};
use weir_core::{
    ContentTopic, PeerId, PubsubTopic, ShardId, Timestamp, WakuMessage, filter, lightpush, store::Query,
};
use weir_protocols::{
    edge::{ReceivedMessage, SendEvent, SendId},
    health::{Facts, Lifecycle, Report, RlnState, StoreState},
    peer_manager::{Connectedness, PeerInfo},
    relay::{PublishError, Published},
};
use weir_storage::archive::ArchiveError;
use weir_wire::protocol_id;

use crate::telemetry;

/// A node whose actors answered later than this is lagging (nwaku: 50 ms).
const LAG_LIMIT: Duration = Duration::from_millis(50);

/// The node as the API sees it, from the moment REST listens; the rest comes when it has started.
#[derive(Clone)]
pub(crate) struct NodeBackend {
    running: Arc<OnceLock<Running>>,
    clock: Clock,
}

/// What there is once the node has started.
struct Running {
    handles: NodeHandles,
    peer_id: PeerId,
    evidence: ReadEvidence,
}

/// Reads what breaches are on record, so many of the newest one by one; none when nobody looks.
pub(crate) type ReadEvidence = Box<dyn Fn(usize) -> Result<Option<EvidenceReport>, String> + Send + Sync>;

impl NodeBackend {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { running: Arc::new(OnceLock::new()), clock }
    }

    /// Opens the API; the second call has no effect.
    pub(crate) fn set_running(&self, handles: NodeHandles, peer_id: PeerId, evidence: ReadEvidence) {
        drop(self.running.set(Running { handles, peer_id, evidence }));
    }

    fn running(&self) -> Result<&Running, Unavailable> {
        // While the node starts the API itself answers instead of asking.
        self.running.get().ok_or(Unavailable::Overloaded)
    }

    fn handles(&self) -> Result<&NodeHandles, Unavailable> {
        Ok(&self.running()?.handles)
    }

    /// Without it the API has no endpoint that asks it.
    fn edge(&self) -> Result<&EdgeHandle, Unavailable> {
        self.handles()?.edge.as_ref().ok_or(Unavailable::Overloaded)
    }

    async fn shards(
        &self,
        of: impl Fn(&weir_actors::TopicPeers) -> &[PeerId] + Send,
    ) -> Result<Vec<(ShardId, Vec<PeerInfo>)>, Unavailable> {
        let peers = &self.handles()?.peers;
        let known = peers.all().await.map_err(unavailable)?;
        let mut shards: Vec<_> = peers
            .meshes()
            .await
            .map_err(unavailable)?
            .topics
            .iter()
            .map(|topic| {
                let members = of(topic);
                let infos = known.iter().filter(|info| members.contains(info.address.peer())).cloned();
                (topic.topic.shard(), infos.collect())
            })
            .collect();
        shards.sort_by_key(|(shard, _)| *shard);
        Ok(shards)
    }
}

impl Backend for NodeBackend {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn is_initializing(&self) -> bool {
        self.running.get().is_none()
    }

    async fn publish(&self, topic: PubsubTopic, message: WakuMessage) -> Result<Published, PublishError> {
        let handles = self.handles().map_err(|_| PublishError::Overloaded)?;
        handles.relay.publish(topic, message).await
    }

    async fn publish_auto(&self, message: WakuMessage) -> Result<Published, PublishAutoError> {
        let handles = self.handles().map_err(|_| PublishAutoError::Publish(PublishError::Overloaded))?;
        handles.relay.publish_auto(message).await.map_err(|error| match error {
            AutoError::AutoshardingDisabled => PublishAutoError::AutoshardingDisabled,
            AutoError::Autosharding(error) => PublishAutoError::Autosharding(error.to_string()),
            AutoError::Publish(error) => PublishAutoError::Publish(error),
        })
    }

    async fn subscribe(&self, topics: Vec<PubsubTopic>) -> Result<(), SubscribeError> {
        self.handles()?.relay.subscribe(topics).await.map_err(subscribe_error)
    }

    async fn unsubscribe(&self, topics: Vec<PubsubTopic>) -> Result<(), SubscribeError> {
        self.handles()?.relay.unsubscribe(topics).await.map_err(subscribe_error)
    }

    async fn subscribe_content(&self, topics: Vec<ContentTopic>) -> Result<(), SubscribeError> {
        self.handles()?.relay.subscribe_content(topics).await.map_err(subscribe_error)
    }

    async fn unsubscribe_content(&self, topics: Vec<ContentTopic>) -> Result<(), SubscribeError> {
        self.handles()?.relay.unsubscribe_content(topics).await.map_err(subscribe_error)
    }

    async fn messages(&self, topic: PubsubTopic) -> Result<Vec<WakuMessage>, MessagesError> {
        let taken = self.handles()?.relay.messages(topic).await.map_err(unavailable)?;
        taken.ok_or(MessagesError::NotSubscribed)
    }

    async fn content_messages(&self, topic: ContentTopic) -> Result<Vec<WakuMessage>, MessagesError> {
        let taken = self.handles()?.relay.content_messages(topic).await.map_err(unavailable)?;
        taken.ok_or(MessagesError::NotSubscribed)
    }

    async fn peers(&self) -> Result<Vec<PeerInfo>, Unavailable> {
        self.handles()?.peers.all().await.map_err(unavailable)
    }

    async fn connect(&self, address: &str) -> Result<(), ConnectError> {
        let address =
            weir_net::address::parse(address).map_err(|error| ConnectError::Address(error.to_string()))?;
        let outcome = self.handles()?.peers.connect(address).await.map_err(unavailable)?;
        outcome.map_err(ConnectError::Failed)
    }

    async fn mesh(&self) -> Result<Vec<(ShardId, Vec<PeerInfo>)>, Unavailable> {
        self.shards(|topic| &topic.mesh).await
    }

    async fn relay_peers(&self) -> Result<Vec<(ShardId, Vec<PeerInfo>)>, Unavailable> {
        self.shards(|topic| &topic.subscribed).await
    }

    async fn info(&self) -> Result<NodeInfo, Unavailable> {
        let running = self.running()?;
        // As nwaku: what others are told, under the name of what is listened on.
        let listen_addresses = running.handles.peers.meshes().await.map_err(unavailable)?.announced_addresses;
        let enr_uri = running.handles.status.record().as_deref().unwrap_or_default().to_owned();
        Ok(NodeInfo { listen_addresses, enr_uri, peer_id: running.peer_id.clone() })
    }

    async fn health(&self) -> Result<Report, HealthError> {
        let Some(running) = self.running.get() else {
            let starting = Facts {
                lifecycle: Lifecycle::Starting,
                lagging: false,
                relay_peers: 0,
                rln: RlnState::Off,
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
            return Ok(starting.report());
        };
        let asked = tokio::time::Instant::now();
        let peers = running.handles.peers.all().await.map_err(health_error)?;
        let lagging = asked.elapsed() > LAG_LIMIT;
        let rln = match running.handles.status.membership().await {
            None => RlnState::Off,
            Some(report) => match report.map_err(health_error)? {
                report if report.ledger_error.is_some() => RlnState::Faulty,
                _ => RlnState::Ready,
            },
        };
        let connected = |protocol: &str| {
            let speaks = |peer: &&PeerInfo| {
                peer.connectedness == Connectedness::Connected
                    && peer.protocols.iter().any(|id| id == protocol)
            };
            peers.iter().filter(speaks).count()
        };
        let store = match &running.handles.archive {
            None => StoreState::Off,
            Some(archive) if archive.report().unavailable.is_some() => StoreState::Unavailable,
            Some(_) => StoreState::Ready,
        };
        let facts = Facts {
            lifecycle: Lifecycle::Running,
            lagging,
            relay_peers: connected(protocol_id::RELAY),
            rln,
            store,
            resuming: running.handles.status.is_resuming(),
            store_peers: connected(protocol_id::STORE_QUERY),
            serves_lightpush: running.handles.lightpush.serves(),
            lightpush_peers: connected(protocol_id::LIGHTPUSH),
            legacy_lightpush_peers: connected(protocol_id::LIGHTPUSH_LEGACY),
            serves_peer_exchange: running.handles.status.serves_peer_exchange(),
            serves_filter: running.handles.status.serves_filter(),
            filter_peers: running.handles.filter.as_ref().map(|_| connected(protocol_id::FILTER_SUBSCRIBE)),
            edge: match &running.handles.edge {
                Some(edge) => Some(edge.report().await.map_err(health_error)?.connection),
                None => None,
            },
        };
        Ok(facts.report())
    }

    async fn push(
        &self,
        version: LightPushVersion,
        topic: Option<PubsubTopic>,
        message: WakuMessage,
    ) -> Result<lightpush::Answer, PushError> {
        let version = match version {
            LightPushVersion::V2 => handles::LightPushVersion::V2,
            LightPushVersion::V3 => handles::LightPushVersion::V3,
        };
        self.handles()?.lightpush.push(version, topic, message).await.map_err(|error| match error {
            handles::PushError::NoPeer => PushError::NoPeer,
            handles::PushError::Timeout => PushError::Timeout,
            handles::PushError::Busy => PushError::Unavailable(Unavailable::Overloaded),
            handles::PushError::Failed(why) => PushError::Failed(why),
        })
    }

    async fn store_query(&self, peer: Option<&str>, query: Query) -> Result<StoreAnswer, StoreError> {
        let handles = self.handles()?;
        let peer = peer
            .map(weir_net::address::parse)
            .transpose()
            .map_err(|error| StoreError::PeerAddress(error.to_string()))?;
        match (&handles.archive, peer) {
            (Some(archive), None) => {
                let page = archive.query(query).await.map_err(store_error)?;
                Ok(StoreAnswer { request_id: request_id(), page })
            }
            (_, peer) => {
                let answer = handles.store.query(peer, query).await.map_err(remote_store_error)?;
                Ok(StoreAnswer { request_id: answer.request_id, page: answer.page })
            }
        }
    }

    async fn filter(&self, question: FilterQuestion) -> Result<filter::Answer, FilterError> {
        // Without a client the API has no such endpoint.
        let Some(client) = &self.handles()?.filter else { return Err(FilterError::NoPeer) };
        let answer = match question {
            FilterQuestion::Ping => client.ping().await,
            FilterQuestion::Subscribe(FilterTopics { pubsub_topic, content_topics }) => {
                client.subscribe(pubsub_topic, content_topics).await
            }
            FilterQuestion::Unsubscribe(FilterTopics { pubsub_topic, content_topics }) => {
                client.unsubscribe(pubsub_topic, content_topics).await
            }
            FilterQuestion::UnsubscribeAll => client.unsubscribe_all().await,
        };
        answer.map_err(filter_error)
    }

    async fn filter_messages(&self, topic: ContentTopic) -> Result<Vec<WakuMessage>, MessagesError> {
        let Some(client) = &self.handles()?.filter else { return Err(MessagesError::NotSubscribed) };
        let taken = client.messages(topic).await.map_err(unavailable)?;
        taken.ok_or(MessagesError::NotSubscribed)
    }

    async fn send(&self, message: WakuMessage) -> Result<String, MessagingError> {
        let edge = self.edge()?;
        Ok(name_of(edge.send(message).await.map_err(messaging_error)?))
    }

    async fn receive(&self, topics: Vec<ContentTopic>, wanted: bool) -> Result<(), MessagingError> {
        let edge = self.edge()?;
        let outcome = if wanted { edge.subscribe(topics).await } else { edge.unsubscribe(topics).await };
        outcome.map_err(messaging_error)
    }

    async fn take_send_events(
        &self,
        name: Option<&str>,
    ) -> Result<Vec<(String, Vec<SendEvent>)>, Unavailable> {
        let edge = self.edge()?;
        let sends = match name.map(send_of) {
            None => edge.take_sends().await.map_err(unavailable)?,
            Some(None) => Vec::new(),
            Some(Some(send)) => {
                let events = edge.take_send(send).await.map_err(unavailable)?;
                events.into_iter().map(|events| (send, events)).collect()
            }
        };
        Ok(sends.into_iter().map(|(send, events)| (name_of(send), events)).collect())
    }

    async fn take_received(&self) -> Result<Vec<ReceivedMessage>, Unavailable> {
        self.edge()?.take_received().await.map_err(unavailable)
    }

    fn store_report(&self) -> Result<Option<StoreReport>, Unavailable> {
        Ok(self.handles()?.archive.as_ref().map(|archive| store_report(archive.report())))
    }

    async fn quota(&self) -> Result<Option<QuotaReport>, Unavailable> {
        Ok(self.handles()?.status.quota().map(|quota| QuotaReport {
            limit: quota.limit.get(),
            used: quota.used,
            epoch: quota.epoch.number(),
            resets_at: quota.resets_at,
        }))
    }

    async fn evidence(&self, newest: usize) -> Result<Option<EvidenceReport>, String> {
        (self.running().map_err(|error| error.to_string())?.evidence)(newest)
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        telemetry::set_log_level(level)
    }
}

const fn unavailable(error: AskError) -> Unavailable {
    match error {
        AskError::Busy | AskError::Down => Unavailable::Overloaded,
        AskError::Timeout => Unavailable::Timeout,
    }
}

fn subscribe_error(error: TopicsError) -> SubscribeError {
    match error {
        TopicsError::Unavailable(error) => SubscribeError::Unavailable(unavailable(error)),
        other => SubscribeError::Refused(other.to_string()),
    }
}

/// What the node's own archive refuses, in the words a live node has for it.
fn store_error(error: QueryError) -> StoreError {
    match error {
        QueryError::Archive(
            error @ (ArchiveError::TooManyHashes(_) | ArchiveError::TooManyContentTopics(_)),
        ) => StoreError::BadRequest(error.to_string()),
        QueryError::Archive(error) => StoreError::Failed(format!("BAD_RESPONSE: archive error: {error}")),
        QueryError::Busy => StoreError::RateLimited,
        QueryError::Timeout => StoreError::Timeout,
        QueryError::Down => StoreError::Unavailable(Unavailable::Stopping),
    }
}

/// What came of asking another node, as nwaku's REST has it.
fn remote_store_error(error: StoreQueryError) -> StoreError {
    match error {
        StoreQueryError::NoPeer => StoreError::NoPeer,
        StoreQueryError::Timeout => StoreError::Timeout,
        StoreQueryError::RateLimited => StoreError::RateLimited,
        StoreQueryError::Refused(why) | StoreQueryError::Failed(why) => StoreError::Failed(why),
    }
}

/// How REST names a send.
fn name_of(send: SendId) -> String {
    format!("{:016x}", send.0)
}

/// The send of this name, if it is one.
fn send_of(name: &str) -> Option<SendId> {
    u64::from_str_radix(name, 16).ok().map(SendId).filter(|send| name_of(*send) == name)
}

fn messaging_error(error: EdgeError) -> MessagingError {
    match error {
        EdgeError::NoShard(error) => MessagingError::NoShard(error.to_string()),
        EdgeError::Busy => MessagingError::Unavailable(Unavailable::Overloaded),
    }
}

fn filter_error(error: handles::FilterError) -> FilterError {
    match error {
        handles::FilterError::NoPeer => FilterError::NoPeer,
        handles::FilterError::NotReached(why) => FilterError::NotReached(why),
        handles::FilterError::Unreadable(why) => FilterError::Unreadable(why),
        handles::FilterError::Timeout => FilterError::Timeout,
        handles::FilterError::NoShard(why) => FilterError::NoShard(why),
        handles::FilterError::Busy => FilterError::Unavailable(Unavailable::Overloaded),
    }
}

/// As live nodes name their requests: 10 random bytes in hex.
fn request_id() -> String {
    let mut bytes = [0; 10];
    OsRng.fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn store_report(report: ArchiveReport) -> StoreReport {
    let summary = report.summary.unwrap_or_default();
    StoreReport {
        messages: summary.messages,
        by_shard: summary.by_shard(),
        oldest: summary.oldest,
        newest: summary.newest,
        bytes: summary.bytes,
        waiting_messages: report.waiting_messages as u64,
        waiting_bytes: report.waiting_bytes as u64,
        stored: report.stored,
        dropped: report.dropped,
        unavailable: report.unavailable,
    }
}

const fn health_error(error: AskError) -> HealthError {
    match error {
        AskError::Timeout => HealthError::Timeout,
        AskError::Busy | AskError::Down => HealthError::Failed,
    }
}
