//! Being a filter client, for whoever asks over REST.

use std::{collections::BTreeMap, time::Duration};

use weir_core::{
    Autosharding, ContentTopic, PubsubTopic, WakuMessage,
    filter::{Answer, BadRequest, Criteria, Request, Status},
};

use crate::{
    filter_client::{AskFilter, FilterClientActor, FilterError, TakePushed},
    supervision::{AskError, Handle},
};

/// A local client waits this long for a service (nwaku).
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks filter services, and reads what they pushed.
#[derive(Debug, Clone)]
pub struct FilterHandle {
    pub(crate) client: Handle<FilterClientActor>,
    pub(crate) autosharding: Option<Autosharding>,
}

impl FilterHandle {
    /// Subscribes `content_topics` on `topic`, or on the shards that carry them, and stays subscribed.
    pub async fn subscribe(
        &self,
        topic: Option<PubsubTopic>,
        content_topics: Vec<ContentTopic>,
    ) -> Result<Answer, FilterError> {
        self.ask_for_each(topic, content_topics, Request::Subscribe).await
    }

    /// Ends subscriptions of `content_topics`.
    pub async fn unsubscribe(
        &self,
        topic: Option<PubsubTopic>,
        content_topics: Vec<ContentTopic>,
    ) -> Result<Answer, FilterError> {
        self.ask_for_each(topic, content_topics, Request::Unsubscribe).await
    }

    /// Ends all subscriptions.
    pub async fn unsubscribe_all(&self) -> Result<Answer, FilterError> {
        self.ask(Request::UnsubscribeAll).await
    }

    /// Asks whether there are subscriptions.
    pub async fn ping(&self) -> Result<Answer, FilterError> {
        self.ask(Request::Ping).await
    }

    /// Takes the messages of a content topic; none when it is not subscribed.
    pub async fn messages(&self, topic: ContentTopic) -> Result<Option<Vec<WakuMessage>>, AskError> {
        self.client.ask(PATIENCE, |reply| TakePushed { topic, reply }).await
    }

    /// Asks for one shard after the other, until one answers no.
    async fn ask_for_each(
        &self,
        topic: Option<PubsubTopic>,
        content_topics: Vec<ContentTopic>,
        request: fn(Criteria) -> Request,
    ) -> Result<Answer, FilterError> {
        let refused = |why: BadRequest| Ok(Answer::refused(Status::BadRequest, why));
        if content_topics.is_empty() {
            return refused(BadRequest::NoCriteria);
        }
        for (topic, content_topics) in self.by_shard(topic, content_topics)? {
            let criteria = match Criteria::new(topic, content_topics) {
                Ok(criteria) => criteria,
                // What every service answers; so none is asked.
                Err(why) => return refused(why),
            };
            let answer = self.ask(request(criteria)).await?;
            if answer.status != Status::Ok {
                return Ok(answer);
            }
        }
        Ok(Answer::ok())
    }

    fn by_shard(
        &self,
        topic: Option<PubsubTopic>,
        content_topics: Vec<ContentTopic>,
    ) -> Result<BTreeMap<PubsubTopic, Vec<ContentTopic>>, FilterError> {
        let mut shards = BTreeMap::<_, Vec<_>>::new();
        for content_topic in content_topics {
            let shard = match (topic, self.autosharding) {
                (Some(topic), _) => topic,
                (None, Some(rule)) => rule
                    .pubsub_topic_of(&content_topic)
                    .map_err(|error| FilterError::NoShard(error.to_string()))?,
                (None, None) => {
                    let why = "pubsubTopic must be specified: there is no autosharding here";
                    return Err(FilterError::NoShard(why.to_owned()));
                }
            };
            shards.entry(shard).or_default().push(content_topic);
        }
        Ok(shards)
    }

    async fn ask(&self, request: Request) -> Result<Answer, FilterError> {
        let answer = self.client.ask(PATIENCE, |reply| AskFilter { request, reply }).await;
        answer.map_err(|error| match error {
            AskError::Timeout => FilterError::Timeout,
            AskError::Busy | AskError::Down => FilterError::Busy,
        })?
    }
}
