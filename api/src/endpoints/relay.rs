//! Relay by pubsub topic: joining shards, publishing, reading.

use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use weir_core::PubsubTopic;

use crate::{
    answer::{Answer, Refusal, json, ok},
    app::Node,
    backend::{Backend, MessagesError, SubscribeError},
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
        .options("/relay/v1/subscriptions")
        .options("/relay/v1/messages/{pubsubTopic}")
}

/// Join pubsub topics and keep their messages
#[utoipa::path(post, path = "/relay/v1/subscriptions", tag = "relay",
    request_body(content = Vec<String>, example = json!(["/waku/2/rs/66/0"])),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "Not a list of pubsub topics"),
        (status = 500, body = String, content_type = "text/plain", description = "A topic cannot be joined"),
        (status = 503, body = String, content_type = "text/plain", description = "Overloaded or stopping"),
    ))]
async fn subscribe<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let topics = parse_topics(&node.bodies.list(request).await?)?;
    node.backend.subscribe(topics).await.map_err(|error| subscription_refusal("Subscribe", error))?;
    Ok(ok())
}

/// Leave pubsub topics
#[utoipa::path(delete, path = "/relay/v1/subscriptions", tag = "relay",
    request_body(content = Vec<String>, example = json!(["/waku/2/rs/66/0"])),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "Not a list of pubsub topics"),
        (status = 500, body = String, content_type = "text/plain", description = "A topic cannot be left"),
        (status = 503, body = String, content_type = "text/plain", description = "Overloaded or stopping"),
    ))]
async fn unsubscribe<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let topics = parse_topics(&node.bodies.list(request).await?)?;
    node.backend.unsubscribe(topics).await.map_err(|error| subscription_refusal("Unsubscribe", error))?;
    Ok(ok())
}

/// Take the messages of a pubsub topic
///
/// Messages that were answered once are not answered again.
#[utoipa::path(get, path = "/relay/v1/messages/{pubsubTopic}", tag = "relay",
    params(("pubsubTopic" = String, Path, description = "URL-encoded", example = "/waku/2/rs/66/0")),
    responses(
        (status = 200, body = Vec<ReceivedMessage<'_>>),
        (status = 404, body = String, content_type = "text/plain", description = "Not subscribed, no text"),
    ))]
async fn messages<B: Backend>(State(node): Node<B>, PathText(topic): PathText) -> Answer {
    let not_subscribed = || Refusal::not_found("");
    let topic: PubsubTopic = topic.parse().map_err(|_| not_subscribed())?;
    let messages = node.backend.messages(topic).await.map_err(|error| match error {
        MessagesError::NotSubscribed => not_subscribed(),
        MessagesError::Unavailable(reason) => reason.into(),
    })?;
    json(&messages.iter().map(ReceivedMessage::from).collect::<Vec<_>>())
}

/// Publish a message on a pubsub topic
///
/// Answers 200 also when no peer got the message.
#[utoipa::path(post, path = "/relay/v1/messages/{pubsubTopic}", tag = "relay",
    params(("pubsubTopic" = String, Path, description = "URL-encoded", example = "/waku/2/rs/66/0")),
    request_body = NewMessage<'_>,
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "Not subscribed, or not a valid message"),
        (status = 413, body = String, content_type = "text/plain", description = "Longer than any valid message"),
        (status = 429, body = String, content_type = "text/plain", description = "The quota of this epoch is used up",
            headers(("Retry-After" = u64, description = "Seconds until the next epoch"))),
        (status = 500, body = String, content_type = "text/plain", description = "No proof, or no answer in time"),
        (status = 503, body = String, content_type = "text/plain", description = "No membership, disk full, overloaded or stopping"),
    ))]
async fn publish<B: Backend>(State(node): Node<B>, PathText(topic): PathText, request: Request) -> Answer {
    let Ok(topic) = topic.parse::<PubsubTopic>() else {
        return Err(Refusal::bad_request(format!(
            "Failed to publish: Node not subscribed to topic: {topic}"
        )));
    };
    let body = node.bodies.publish(request).await?;
    let message = message::parse(&body, node.backend.now())?;
    match node.backend.publish(topic, message).await {
        Ok(_) => Ok(ok()),
        Err(error) => Err(Refusal::publish(&error, node.backend.now())),
    }
}

/// The refusal to join or leave topics; `verb` names which.
pub(crate) fn subscription_refusal(verb: &str, error: SubscribeError) -> Refusal {
    let prefix = format!("{verb} failed:");
    match error {
        SubscribeError::Refused(detail) => {
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{prefix}{detail}"))
        }
        SubscribeError::Unavailable(reason) => Refusal::unavailable(&prefix, reason),
    }
}

fn parse_topics(topics: &[String]) -> Result<Vec<PubsubTopic>, Refusal> {
    let (good, bad): (Vec<_>, Vec<_>) =
        topics.iter().map(|topic| topic.parse().map_err(|_| topic)).partition(Result::is_ok);
    if bad.is_empty() {
        return Ok(good.into_iter().flatten().collect());
    }
    let bad: Vec<&String> = bad.into_iter().filter_map(Result::err).collect();
    Err(Refusal::bad_request(format!("Invalid pubsub topic(s): @{bad:?}")))
}
