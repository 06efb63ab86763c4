//! Sending and receiving without knowing how: for nodes without relay.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;
use weir_core::ContentTopic;
use weir_protocols::edge::{SendEvent, SendOutcome};

use crate::{
    answer::{Answer, Refusal, json, ok},
    app::{Node, Shared},
    backend::{Backend, MessagingError},
    endpoints::auto::parse_topics,
    message::{self, NewMessage, ReceivedMessage},
    request::PathText,
    routes::Routes,
};

pub(crate) fn install<B: Backend>(routes: Routes<B>) -> Routes<B> {
    routes
        .endpoint(__path_subscribe, subscribe::<B>)
        .endpoint(__path_unsubscribe, unsubscribe::<B>)
        .options("/messaging/v1/subscriptions")
        .endpoint(__path_send, send::<B>)
        .options("/messaging/v1/messages")
        .endpoint(__path_send_events, send_events::<B>)
        .endpoint(__path_events_of_send, events_of_send::<B>)
        .endpoint(__path_received, received::<B>)
}

/// Names a send.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Sending {
    /// By which its events are found.
    request_id: String,
}

/// What became of a send.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventsOfSend {
    request_id: String,
    events: Vec<EventOfSend>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventOfSend {
    /// `propagated` when a service node gave it to its peers, `sent` when a store has it, `error` when it did not
    /// get out.
    #[schema(example = "propagated")]
    kind: &'static str,
    /// `0x` and 64 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// When the node knew, in nanoseconds since the Unix epoch.
    timestamp: i64,
}

/// A message that was received.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Received<'a> {
    /// `0x` and 64 hex digits.
    message_hash: String,
    message: ReceivedMessage<'a>,
}

/// Receive messages of content topics from now on
///
/// They are subscribed at two filter services, and what these do not push is fetched from a store.
#[utoipa::path(post, path = "/messaging/v1/subscriptions", tag = "messaging",
    request_body(content = Vec<String>, example = json!(["/my-app/1/chat/proto"])),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "Not a list of content topics"),
        (status = 500, body = String, content_type = "text/plain", description = "A topic has no shard"),
        (status = 503, body = String, content_type = "text/plain", description = "Overloaded"),
    ))]
async fn subscribe<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let topics = parse_topics(&node.bodies.list(request).await?)?;
    change(&node, topics, true, "Subscribe").await
}

/// Receive no more messages of content topics
#[utoipa::path(delete, path = "/messaging/v1/subscriptions", tag = "messaging",
    request_body(content = Vec<String>, example = json!(["/my-app/1/chat/proto"])),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "Not a list of content topics"),
        (status = 500, body = String, content_type = "text/plain", description = "A topic has no shard"),
        (status = 503, body = String, content_type = "text/plain", description = "Overloaded"),
    ))]
async fn unsubscribe<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let topics = parse_topics(&node.bodies.list(request).await?)?;
    change(&node, topics, false, "Unsubscribe").await
}

async fn change<B: Backend>(
    node: &Arc<Shared<B>>,
    topics: Vec<ContentTopic>,
    wanted: bool,
    what: &str,
) -> Answer {
    match node.backend.receive(topics, wanted).await {
        Ok(()) => Ok(ok()),
        Err(MessagingError::Unavailable(reason)) => Err(Refusal::from(reason)),
        Err(error @ MessagingError::NoShard(_)) => Err(failed(format!("{what} failed: {error}"))),
    }
}

/// nwaku's status for what it cannot begin.
fn failed(text: String) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text)
}

/// Send a message on the shard of its content topic
///
/// It is pushed to two light push services, and again to others until a store has it. What becomes of it is told in
/// its events.
#[utoipa::path(post, path = "/messaging/v1/messages", tag = "messaging",
    request_body = NewMessage<'_>,
    responses(
        (status = 200, body = Sending),
        (status = 400, body = String, content_type = "text/plain", description = "Not a valid message"),
        (status = 413, body = String, content_type = "text/plain", description = "Longer than any valid message"),
        (status = 500, body = String, content_type = "text/plain", description = "The content topic has no shard"),
        (status = 503, body = String, content_type = "text/plain", description = "Overloaded"),
    ))]
async fn send<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let body = node.bodies.publish(request).await?;
    let message =
        message::parse(&body, node.backend.now()).map_err(|refusal| refusal.prefixed("Invalid message: "))?;
    match node.backend.send(message).await {
        Ok(request_id) => json(&Sending { request_id }),
        Err(MessagingError::Unavailable(reason)) => Err(reason.into()),
        Err(error @ MessagingError::NoShard(_)) => Err(failed(format!("Send failed: {error}"))),
    }
}

/// Take the events of all sends
///
/// Events that were answered once are not answered again. Those of the last 10,000 sends are kept.
#[utoipa::path(get, path = "/messaging/v1/events/send", tag = "messaging",
    responses((status = 200, body = Vec<EventsOfSend>)))]
async fn send_events<B: Backend>(State(node): Node<B>) -> Answer {
    let sends = node.backend.take_send_events(None).await?;
    json(&sends.into_iter().map(EventsOfSend::from).collect::<Vec<_>>())
}

/// Take the events of one send
#[utoipa::path(get, path = "/messaging/v1/events/send/{requestId}", tag = "messaging",
    params(("requestId" = String, Path, description = "As the answer to the send has it")),
    responses(
        (status = 200, body = EventsOfSend),
        (status = 404, body = String, content_type = "text/plain", description = "There are none that were not taken"),
    ))]
async fn events_of_send<B: Backend>(State(node): Node<B>, PathText(request_id): PathText) -> Answer {
    let sends = node.backend.take_send_events(Some(&request_id)).await?;
    let send = sends.into_iter().next();
    let none = || Refusal::not_found(format!("No send events for requestId: {request_id}"));
    json(&send.map(EventsOfSend::from).ok_or_else(none)?)
}

/// Take the messages that were received
///
/// Messages that were answered once are not answered again. The last 50 are kept.
#[utoipa::path(get, path = "/messaging/v1/events/received", tag = "messaging",
    responses((status = 200, body = Vec<Received<'_>>)))]
async fn received<B: Backend>(State(node): Node<B>) -> Answer {
    let received = node.backend.take_received().await?;
    let rows = received.iter().map(|received| Received {
        message_hash: received.hash.to_string(),
        message: ReceivedMessage::pushed(&received.message),
    });
    json(&rows.collect::<Vec<_>>())
}

impl From<(String, Vec<SendEvent>)> for EventsOfSend {
    fn from((request_id, events): (String, Vec<SendEvent>)) -> Self {
        Self { request_id, events: events.into_iter().map(EventOfSend::from).collect() }
    }
}

impl From<SendEvent> for EventOfSend {
    fn from(SendEvent { at, outcome }: SendEvent) -> Self {
        let (kind, message_hash, error) = match outcome {
            SendOutcome::Propagated(hash) => ("propagated", Some(hash.to_string()), None),
            SendOutcome::Sent(hash) => ("sent", Some(hash.to_string()), None),
            SendOutcome::Failed(error) => ("error", None, Some(error.to_string())),
        };
        Self { kind, message_hash, error, timestamp: at.as_nanos() }
    }
}
