//! Filter: subscribing at a service node, and reading what it pushed.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_core::{
    ContentTopic,
    filter::{Answer as FilterAnswer, Status},
};

use crate::{
    answer::{Answer, Refusal, json},
    app::{Node, Shared},
    backend::{Backend, FilterError, FilterQuestion, FilterTopics, MessagesError},
    message::ReceivedMessage,
    request::PathText,
    routes::Routes,
};

/// Stands for the id of a request that cannot be read, as in nwaku.
const UNKNOWN_REQUEST: &str = "unknown";

pub(crate) fn install<B: Backend>(routes: Routes<B>) -> Routes<B> {
    routes
        .endpoint(__path_ping, ping::<B>)
        .endpoint(__path_subscribe, subscribe::<B>)
        .endpoint(__path_subscribe_again, subscribe_again::<B>)
        .endpoint(__path_unsubscribe, unsubscribe::<B>)
        .endpoint(__path_unsubscribe_all, unsubscribe_all::<B>)
        .endpoint(__path_messages, messages::<B>)
}

/// What to subscribe to, or no more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SubscriptionRequest {
    /// Comes back in the answer.
    request_id: String,
    /// Left out, or empty, for the shards of the content topics.
    #[serde(default)]
    #[schema(example = "/waku/2/rs/66/0")]
    pubsub_topic: Option<String>,
    /// At most 100 content topics.
    #[schema(example = json!(["/my-app/1/chat/proto"]))]
    content_filters: Vec<String>,
}

/// Asks to end all subscriptions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UnsubscribeAllRequest {
    /// Comes back in the answer.
    request_id: String,
}

/// What the service answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SubscriptionResponse<'a> {
    request_id: &'a str,
    status_desc: &'a str,
}

/// Ask the service whether it has subscriptions of this node
#[utoipa::path(get, path = "/filter/v2/subscriptions/{requestId}", tag = "filter",
    params(("requestId" = String, Path, description = "Comes back in the answer")),
    responses(
        (status = 200, body = SubscriptionResponse<'_>),
        (status = 404, body = SubscriptionResponse<'_>, description = "It has none"),
        (status = 429, body = SubscriptionResponse<'_>, description = "It is asked too often"),
        (status = 500, body = SubscriptionResponse<'_>, description = "What it answered is no answer"),
        (status = 503, body = SubscriptionResponse<'_>, description = "No service is known, or no answer within 5 s"),
        (status = 504, body = SubscriptionResponse<'_>, description = "It cannot be reached"),
    ))]
async fn ping<B: Backend>(State(node): Node<B>, PathText(request_id): PathText) -> Answer {
    ask(&node.backend, &request_id, FilterQuestion::Ping, "Ping timed out").await
}

/// Subscribe to content topics at a service node
///
/// The subscription is kept until it is ended: the node pings the service, and subscribes again where it was
/// forgotten. Messages are kept for reading, 50 of all content topics together.
#[utoipa::path(post, path = "/filter/v2/subscriptions", tag = "filter",
    request_body = SubscriptionRequest,
    responses(
        (status = 200, body = SubscriptionResponse<'_>),
        (status = 400, body = SubscriptionResponse<'_>, description = "Not a request, or not one for a service"),
        (status = 429, body = SubscriptionResponse<'_>, description = "The service is asked too often"),
        (status = 500, body = SubscriptionResponse<'_>, description = "What it answered is no answer"),
        (status = 503, body = SubscriptionResponse<'_>, description = "No service is known, it has no room, or no answer within 5 s"),
        (status = 504, body = SubscriptionResponse<'_>, description = "It cannot be reached"),
    ))]
async fn subscribe<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    subscribe_to(node, request).await
}

/// Subscribe to content topics at a service node, as POST does
#[utoipa::path(put, path = "/filter/v2/subscriptions", tag = "filter",
    request_body = SubscriptionRequest,
    responses(
        (status = 200, body = SubscriptionResponse<'_>),
        (status = 400, body = SubscriptionResponse<'_>, description = "As POST"),
    ))]
async fn subscribe_again<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    subscribe_to(node, request).await
}

/// End subscriptions of content topics
#[utoipa::path(delete, path = "/filter/v2/subscriptions", tag = "filter",
    request_body = SubscriptionRequest,
    responses(
        (status = 200, body = SubscriptionResponse<'_>),
        (status = 400, body = SubscriptionResponse<'_>, description = "Not a request, or not one for a service"),
        (status = 404, body = SubscriptionResponse<'_>, description = "There is no subscription"),
        (status = 429, body = SubscriptionResponse<'_>, description = "The service is asked too often"),
        (status = 503, body = SubscriptionResponse<'_>, description = "No service is known, or no answer within 5 s"),
        (status = 504, body = SubscriptionResponse<'_>, description = "It cannot be reached"),
    ))]
async fn unsubscribe<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let body = node.bodies.filter(request).await?;
    let (request_id, topics) = match parse(&body) {
        Ok(parsed) => parsed,
        Err(refusal) => return refusal.into_answer(),
    };
    let late = "Failed to unsubscribe from contentFilters due to timeout!";
    ask(&node.backend, &request_id, FilterQuestion::Unsubscribe(topics), late).await
}

/// End all subscriptions
#[utoipa::path(delete, path = "/filter/v2/subscriptions/all", tag = "filter",
    request_body = UnsubscribeAllRequest,
    responses(
        (status = 200, body = SubscriptionResponse<'_>),
        (status = 400, body = SubscriptionResponse<'_>, description = "Not a request"),
        (status = 404, body = SubscriptionResponse<'_>, description = "There is no subscription"),
        (status = 503, body = SubscriptionResponse<'_>, description = "No service is known, or no answer within 5 s"),
        (status = 504, body = SubscriptionResponse<'_>, description = "It cannot be reached"),
    ))]
async fn unsubscribe_all<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let body = node.bodies.filter(request).await?;
    let UnsubscribeAllRequest { request_id } = match decode(&body) {
        Ok(decoded) => decoded,
        Err(refusal) => return refusal.into_answer(),
    };
    let late = "Failed to unsubscribe from all contentFilters due to timeout!";
    ask(&node.backend, &request_id, FilterQuestion::UnsubscribeAll, late).await
}

/// Take the messages of a content topic
///
/// Messages that were answered once are not answered again.
#[utoipa::path(get, path = "/filter/v2/messages/{contentTopic}", tag = "filter",
    params(("contentTopic" = String, Path, description = "URL-encoded", example = "/my-app/1/chat/proto")),
    responses(
        (status = 200, body = Vec<ReceivedMessage<'_>>),
        (status = 400, body = String, content_type = "text/plain", description = "Not subscribed"),
        (status = 503, body = String, content_type = "text/plain", description = "Overloaded or stopping"),
    ))]
async fn messages<B: Backend>(State(node): Node<B>, PathText(topic): PathText) -> Answer {
    let not_subscribed = || Refusal::bad_request(format!("Not subscribed to topic: {topic}"));
    let content_topic = ContentTopic::new(&topic).map_err(|_| not_subscribed())?;
    let messages = node.backend.filter_messages(content_topic).await.map_err(|error| match error {
        MessagesError::NotSubscribed => not_subscribed(),
        MessagesError::Unavailable(reason) => reason.into(),
    })?;
    json(&messages.iter().map(ReceivedMessage::pushed).collect::<Vec<_>>())
}

/// A request that is not asked of any service.
struct BadRequest {
    request_id: String,
    why: String,
}

impl BadRequest {
    fn into_answer(self) -> Answer {
        respond(&self.request_id, &FilterAnswer::refused(Status::BadRequest, self.why))
    }
}

async fn subscribe_to<B: Backend>(node: Arc<Shared<B>>, request: Request) -> Answer {
    let body = node.bodies.filter(request).await?;
    let (request_id, topics) = match parse(&body) {
        Ok(parsed) => parsed,
        Err(refusal) => return refusal.into_answer(),
    };
    let question = FilterQuestion::Subscribe(topics);
    ask(&node.backend, &request_id, question, "Subscription request timed out").await
}

fn parse(body: &[u8]) -> Result<(String, FilterTopics), BadRequest> {
    let SubscriptionRequest { request_id, pubsub_topic, content_filters } = decode(body)?;
    let bad = |why: String| BadRequest { request_id: request_id.clone(), why };
    let pubsub_topic = pubsub_topic
        .filter(|topic| !topic.is_empty())
        .map(|topic| topic.parse())
        .transpose()
        .map_err(|error: weir_core::PubsubTopicError| bad(error.to_string()))?;
    let content_topics = content_filters
        .iter()
        .map(|topic| ContentTopic::new(topic))
        .collect::<Result<_, _>>()
        .map_err(|error| bad(error.to_string()))?;
    Ok((request_id, FilterTopics { pubsub_topic, content_topics }))
}

fn decode<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, BadRequest> {
    let failed = |detail: &str| BadRequest {
        request_id: UNKNOWN_REQUEST.to_owned(),
        why: format!("Failed to decode request: Invalid content body, could not decode. {detail}"),
    };
    // Serde takes a list for an object's values in order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(failed("expected an object"));
    }
    serde_json::from_slice(body).map_err(|error| failed(&error.to_string()))
}

/// Asks, and answers as nwaku does; `late` is its text for a service that does not answer.
async fn ask<B: Backend>(backend: &B, request_id: &str, question: FilterQuestion, late: &str) -> Answer {
    let (status, description) = match backend.filter(question).await {
        Ok(answer) => return respond(request_id, &answer),
        Err(FilterError::Unavailable(reason)) => return Err(reason.into()),
        Err(FilterError::NoShard(why)) => (StatusCode::BAD_REQUEST, format!("BAD_REQUEST: {why}")),
        Err(FilterError::NoPeer) => {
            let text = "No suitable service peer & no discovery method";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
        Err(FilterError::Timeout) => (StatusCode::SERVICE_UNAVAILABLE, late.to_owned()),
        Err(FilterError::NotReached(why)) => {
            (StatusCode::GATEWAY_TIMEOUT, format!("PEER_DIAL_FAILURE: {why}"))
        }
        Err(FilterError::Unreadable(why)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("BAD_RESPONSE: {why}"))
        }
    };
    respond_with(status, request_id, &description)
}

fn respond(request_id: &str, answer: &FilterAnswer) -> Answer {
    let status = match answer.status {
        // What nwaku answers to a status that it does not know.
        Status::Ok | Status::Other(_) => StatusCode::OK,
        Status::BadRequest => StatusCode::BAD_REQUEST,
        Status::NotFound => StatusCode::NOT_FOUND,
        Status::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Status::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    respond_with(status, request_id, &answer.description)
}

fn respond_with(status: StatusCode, request_id: &str, status_desc: &str) -> Answer {
    let response = json(&SubscriptionResponse { request_id, status_desc })?;
    Ok((status, response).into_response())
}
