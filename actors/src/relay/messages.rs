//! What the relay actor is asked.

use actix::Message;
use weir_core::{ContentTopic, PubsubTopic, WakuMessage};
use weir_protocols::relay::{PublishError, Published, SubscribeError};

use crate::port::Reply;

/// Asks for a message to be published; its timestamp is set.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Publish {
    pub(crate) topic: PubsubTopic,
    pub(crate) message: WakuMessage,
    pub(crate) reply: Reply<Result<Published, PublishError>>,
}

/// Asks for pubsub topics to be served or given up, by the node and by the cache.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ChangeTopics {
    pub(crate) join: Vec<PubsubTopic>,
    pub(crate) leave: Vec<PubsubTopic>,
    pub(crate) reply: Reply<Result<(), SubscribeError>>,
}

/// Asks for content topics, and the shards that carry them, to be served or given up.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ChangeContentTopics {
    pub(crate) join: Vec<ContentTopic>,
    pub(crate) leave: Vec<ContentTopic>,
    pub(crate) reply: Reply<Result<(), SubscribeError>>,
}

/// Whose messages are asked for.
#[derive(Debug, Clone)]
pub(crate) enum CacheKey {
    Pubsub(PubsubTopic),
    Content(ContentTopic),
}

/// Takes the cached messages of a topic; none when the topic is not subscribed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct TakeMessages {
    pub(crate) key: CacheKey,
    pub(crate) reply: Reply<Option<Vec<WakuMessage>>>,
}

/// Refuses new publishes, and answers when those under way are finished.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct DrainRelay(pub(crate) Reply<()>);
