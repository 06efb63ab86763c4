//! Relay by content topic: autosharding picks the shard.

use axum::extract::{Request, State};
use weir_core::ContentTopic;
use weir_protocols::relay::{PublishError, Published};

use super::relay::subscription_refusal;
use crate::{
    answer::{Answer, Refusal, json, ok},
    app::Node,
    backend::{Backend, MessagesError, PublishAutoError},
    message::{self, NewMessage, ReceivedMessage},
    request::PathText,
    routes::Routes,
};

pub(crate) fn install<B: Backend>(routes: Routes<B>) -> Routes<B> {
    routes
        .endpoint(__path_subscribe, subscribe::<B>)
        .endpoint(__path_unsubscribe, unsubscribe::<B>)
        .endpoint(__path_messages, messages::<B>)
        .endpoint(__path_publish, publish::<B>)
        .options("/relay/v1/auto/subscriptions")
        .options("/relay/v1/auto/messages/{contentTopic}")
        .options("/relay/v1/auto/messages")
}

/// Keep the messages of content topics
#[utoipa::path(post, path = "/relay/v1/auto/subscriptions", tag = "relay",
    request_body(content = Vec<String>, example = json!(["/my-app/1/chat/proto"])),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "Not a list of content topics"),
        (status = 500, body = String, content_type = "text/plain", description = "A topic has no shard, or it cannot be joined"),
        (status = 503, body = String, content_type = "text/plain", description = "Overloaded or stopping"),
    ))]
async fn subscribe<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let topics = parse_topics(&node.bodies.list(request).await?)?;
    let result = node.backend.subscribe_content(topics).await;
    result.map_err(|error| subscription_refusal("Subscribe", error))?;
    Ok(ok())
}

/// Stop keeping the messages of content topics
#[utoipa::path(delete, path = "/relay/v1/auto/subscriptions", tag = "relay",
    request_body(content = Vec<String>, example = json!(["/my-app/1/chat/proto"])),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "Not a list of content topics"),
        (status = 500, body = String, content_type = "text/plain", description = "A topic has no shard, or it cannot be left"),
        (status = 503, body = String, content_type = "text/plain", description = "Overloaded or stopping"),
    ))]
async fn unsubscribe<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let topics = parse_topics(&node.bodies.list(request).await?)?;
    let result = node.backend.unsubscribe_content(topics).await;
    result.map_err(|error| subscription_refusal("Unsubscribe", error))?;
    Ok(ok())
}

/// Take the messages of a content topic
///
/// Messages that were answered once are not answered again.
#[utoipa::path(get, path = "/relay/v1/auto/messages/{contentTopic}", tag = "relay",
    params(("contentTopic" = String, Path, description = "URL-encoded", example = "/my-app/1/chat/proto")),
    responses(
        (status = 200, body = Vec<ReceivedMessage<'_>>),
        (status = 404, body = String, content_type = "text/plain", description = "Not subscribed; the text is the topic"),
    ))]
async fn messages<B: Backend>(State(node): Node<B>, PathText(text): PathText) -> Answer {
    let Ok(topic) = ContentTopic::new(&text) else { return Err(Refusal::not_found(text)) };
    match node.backend.content_messages(topic).await {
        Ok(messages) => json(&messages.iter().map(ReceivedMessage::from).collect::<Vec<_>>()),
        Err(MessagesError::NotSubscribed) => Err(Refusal::not_found(text)),
        Err(MessagesError::Unavailable(reason)) => Err(reason.into()),
    }
}

/// Publish a message on the shard of its content topic
#[utoipa::path(post, path = "/relay/v1/auto/messages", tag = "relay",
    request_body = NewMessage<'_>,
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "No shard, no peers, or not a valid message"),
        (status = 413, body = String, content_type = "text/plain", description = "Longer than any valid message"),
        (status = 429, body = String, content_type = "text/plain", description = "The quota of this epoch is used up",
            headers(("Retry-After" = u64, description = "Seconds until the next epoch"))),
        (status = 500, body = String, content_type = "text/plain", description = "No proof, or no answer in time"),
        (status = 503, body = String, content_type = "text/plain", description = "No membership, disk full, overloaded or stopping"),
    ))]
async fn publish<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let body = node.bodies.publish(request).await?;
    let message = message::parse(&body, node.backend.now())?;
    match node.backend.publish_auto(message).await {
        // nwaku takes this for a failure here, and for a success where the caller names the shard.
        Ok(Published { peers: 0, .. }) => Err(Refusal::publish(&PublishError::NoPeers, node.backend.now())),
        Ok(Published { .. }) => Ok(ok()),
        Err(PublishAutoError::Publish(error)) => Err(Refusal::publish(&error, node.backend.now())),
        Err(error @ (PublishAutoError::AutoshardingDisabled | PublishAutoError::Autosharding(_))) => {
            Err(Refusal::bad_request(format!("Failed to publish. {error}")))
        }
    }
}

pub(super) fn parse_topics(topics: &[String]) -> Result<Vec<ContentTopic>, Refusal> {
    let bad: Vec<&String> = topics.iter().filter(|topic| ContentTopic::new(topic).is_err()).collect();
    if !bad.is_empty() {
        return Err(Refusal::bad_request(format!("Invalid content topic(s): @{bad:?}")));
    }
    Ok(topics.iter().flat_map(|topic| ContentTopic::new(topic)).collect())
}
