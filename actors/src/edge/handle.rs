//! Sending and receiving without relay, for whoever uses the node.

use std::time::Duration;

use weir_core::{AutoshardingError, ContentTopic, PubsubTopic, Timestamp, WakuMessage};
use weir_protocols::{
    edge::{Reach, ReceivedMessage, SendEvent, SendId},
    health::{ConnectionStatus, TopicHealth},
};

use super::{EdgeActor, Work};
use crate::{
    port::Reply,
    supervision::{AskError, Handle},
};

/// All is answered from memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends and receives without relay.
#[derive(Debug, Clone)]
pub struct EdgeHandle(pub(crate) Handle<EdgeActor>);

/// How a node without relay is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeReport {
    /// As good as the worst of the three services.
    pub connection: ConnectionStatus,
    /// Peers of each service.
    pub reach: Reach,
    /// The content topics that are wanted.
    pub topics: Vec<(PubsubTopic, ContentTopic, TopicHealth)>,
    /// Sends under way.
    pub sending: usize,
    /// Messages that went out and that no store confirmed.
    pub unconfirmed: u64,
    /// Received messages that were pushed out before anybody read them.
    pub missed: u64,
    /// Everything before is received, as far as stores have it.
    pub covered_until: Option<Timestamp>,
}

/// Why nothing was begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    /// The content topic has no shard.
    #[error(transparent)]
    NoShard(AutoshardingError),
    /// Too much is asked at a time.
    #[error("the node is overloaded; try again")]
    Busy,
}

impl EdgeHandle {
    /// Sends a message; what becomes of it is told in its events. A message without a timestamp gets the current
    /// time.
    pub async fn send(&self, message: WakuMessage) -> Result<SendId, EdgeError> {
        self.work(|reply| Work::Send(Box::new(message), reply)).await.map_err(|_| EdgeError::Busy)?
    }

    /// Receives messages of these topics from now on.
    pub async fn subscribe(&self, topics: Vec<ContentTopic>) -> Result<(), EdgeError> {
        self.work(|reply| Work::Subscribe(topics, reply)).await.map_err(|_| EdgeError::Busy)?
    }

    /// Receives no more messages of these topics.
    pub async fn unsubscribe(&self, topics: Vec<ContentTopic>) -> Result<(), EdgeError> {
        self.work(|reply| Work::Unsubscribe(topics, reply)).await.map_err(|_| EdgeError::Busy)?
    }

    /// Takes the events of all sends, the oldest send first.
    pub async fn take_sends(&self) -> Result<Vec<(SendId, Vec<SendEvent>)>, AskError> {
        self.work(Work::TakeSends).await
    }

    /// Takes the events of one send; none if there are none.
    pub async fn take_send(&self, send: SendId) -> Result<Option<Vec<SendEvent>>, AskError> {
        self.work(|reply| Work::TakeSend(send, reply)).await
    }

    /// Takes the messages that were received, in the order in which they came.
    pub async fn take_received(&self) -> Result<Vec<ReceivedMessage>, AskError> {
        self.work(Work::TakeReceived).await
    }

    /// How the node is connected.
    pub async fn report(&self) -> Result<EdgeReport, AskError> {
        self.work(Work::Report).await
    }

    async fn work<T>(&self, work: impl FnOnce(Reply<T>) -> Work) -> Result<T, AskError> {
        self.0.ask(PATIENCE, work).await
    }
}
