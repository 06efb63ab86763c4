//! Light push: having a message published by a service node, or by the node's own service.

use std::borrow::Cow;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_core::{PubsubTopic, WakuMessage, lightpush::Status};

use crate::{
    answer::{Answer, Refusal, json, ok},
    app::Node,
    backend::{Backend, LightPushVersion, PushError},
    message::NewMessage,
    request::{decode_json, undecodable},
    routes::Routes,
};

pub(crate) fn install<B: Backend>(routes: Routes<B>) -> Routes<B> {
    routes.endpoint(__path_push, push::<B>).endpoint(__path_push_legacy, push_legacy::<B>)
}

/// A message and where it is to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PushRequest<'a> {
    /// Left out or empty for the topic of the content topic.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "/waku/2/rs/66/0")]
    pubsub_topic: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    #[schema(value_type = NewMessage<'_>, required)]
    message: Option<NewMessage<'a>>,
}

/// What came of a push.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PushResponse<'a> {
    /// What went wrong and what to do, after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_desc: Option<&'a str>,
    /// Peers that the service sent the message to.
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_peer_count: Option<u32>,
}

/// Have a message published by light push version 3
///
/// Asks the peers that --lightpushnode names; without any the node's own service publishes, or, if it has
/// none, a connected peer that offers it. The status is that of light push, but 500 for 420.
#[utoipa::path(post, path = "/lightpush/v3/message", tag = "lightpush",
    request_body = PushRequest<'_>,
    responses(
        (status = 200, body = PushResponse<'_>),
        (status = 400, body = PushResponse<'_>, description = "Not a message; a text if it is not JSON"),
        (status = 413, body = PushResponse<'_>, description = "Longer than any valid message"),
        (status = 421, body = PushResponse<'_>, description = "The service does not serve the topic"),
        (status = 429, body = PushResponse<'_>, description = "The service is asked too often, or for too many proofs"),
        (status = 500, body = PushResponse<'_>, description = "The network would not accept the message, or the service failed"),
        (status = 503, body = PushResponse<'_>, description = "No service, or none that can publish now"),
        (status = 504, body = PushResponse<'_>, description = "The service has no proof for the message"),
        (status = 505, body = PushResponse<'_>, description = "The service has no peers for the topic"),
    ))]
async fn push<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let body = node.bodies.publish(request).await?;
    let refused = |refusal: Refusal| refusal.prefixed("Invalid push request! ");
    let (topic, message) = parse(&body, &node.backend).map_err(refused)?;
    let answer = match node.backend.push(LightPushVersion::V3, topic, message).await {
        Ok(answer) => answer,
        Err(PushError::Unavailable(reason)) => return Err(reason.into()),
        Err(error) => weir_core::lightpush::Answer {
            status: Status::ServiceNotAvailable,
            description: Some(error.to_string()),
            relay_peers: None,
        },
    };
    let (status_desc, relay_peer_count) = (answer.description.as_deref(), answer.relay_peers);
    let response = json(&PushResponse { status_desc, relay_peer_count })?;
    Ok((http_status(answer.status), response).into_response())
}

/// Have a message published by light push version 2
///
/// As version 3, for services that are older.
#[utoipa::path(post, path = "/lightpush/v1/message", tag = "lightpush",
    request_body = PushRequest<'_>,
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "Not a message"),
        (status = 413, body = String, content_type = "text/plain", description = "Longer than any valid message"),
        (status = 429, body = String, content_type = "text/plain", description = "The service is asked too often"),
        (status = 503, body = String, content_type = "text/plain", description = "No service, or it did not publish"),
    ))]
async fn push_legacy<B: Backend>(State(node): Node<B>, request: Request) -> Answer {
    let body = node.bodies.publish(request).await?;
    let refused = |refusal: Refusal| refusal.prefixed("Invalid message: ");
    let (topic, message) = parse(&body, &node.backend).map_err(refused)?;
    let answer = match node.backend.push(LightPushVersion::V2, topic, message).await {
        Ok(answer) => answer,
        Err(PushError::Unavailable(reason)) => return Err(reason.into()),
        Err(error) => return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    };
    match answer.status {
        Status::Success => Ok(ok()),
        // nwaku's spelling.
        Status::TooManyRequests => {
            Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Request rate limmit reached"))
        }
        status => {
            let info = answer.description.unwrap_or_else(|| status.name().to_owned());
            let text = format!("Failed to request a message push: {info}");
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text))
        }
    }
}

fn parse<B: Backend>(body: &[u8], backend: &B) -> Result<(Option<PubsubTopic>, WakuMessage), Refusal> {
    // Serde takes a list for an object's values in order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(undecodable("expected an object"));
    }
    let PushRequest { pubsub_topic, message } = decode_json(body)?;
    let message = message.ok_or_else(|| undecodable("Field `message` is missing"))?.check(backend.now())?;
    let topic = pubsub_topic.filter(|topic| !topic.is_empty()).map(|topic| topic.parse()).transpose();
    Ok((topic.map_err(|error: weir_core::PubsubTopicError| undecodable(&error.to_string()))?, message))
}

/// HTTP has no 420, and a status of light push that it does not know says nothing.
fn http_status(status: Status) -> StatusCode {
    match status {
        Status::InvalidMessage | Status::Other(_) => StatusCode::INTERNAL_SERVER_ERROR,
        known => u16::try_from(known.code())
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
