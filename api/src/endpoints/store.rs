//! Store queries: by the node's own archive, or by that of a peer.

use std::str::FromStr;

use axum::{
    extract::{Query as Parameters, State, rejection::QueryRejection},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;
use weir_core::{
    ContentTopic, MessageHash, Timestamp,
    store::{Direction, PageSize, Query, Row},
};

use crate::{
    answer::{Answer, Refusal, json},
    app::Node,
    backend::{Backend, StoreAnswer, StoreError},
    message::ReceivedMessage,
    routes::Routes,
};

pub(crate) fn install<B: Backend>(routes: Routes<B>) -> Routes<B> {
    routes.endpoint(__path_messages, messages::<B>).options("/store/v3/messages")
}

/// A page of stored messages, the oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StoreResponse<'a> {
    request_id: &'a str,
    status_code: u16,
    status_desc: &'static str,
    messages: Vec<StoredMessage<'a>>,
    /// Where the next page begins; left out when this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination_cursor: Option<String>,
}

/// A stored message; its hash alone unless the data was asked for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StoredMessage<'a> {
    /// 0x and 64 hex digits.
    message_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<ReceivedMessage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pubsub_topic: Option<String>,
}

/// Ask for stored messages
///
/// A node with an archive answers from it, unless `peerAddr` names another; one without asks a store peer.
#[utoipa::path(get, path = "/store/v3/messages", tag = "store",
    params(
        ("peerAddr" = Option<String>, Query, description = "Multiaddr of the node to ask, ending in /p2p/<id>"),
        ("includeData" = Option<bool>, Query, description = "Whether to answer messages or their hashes alone, which is the default"),
        ("pubsubTopic" = Option<String>, Query, example = "/waku/2/rs/66/0"),
        ("contentTopics" = Option<String>, Query, description = "At most 100, separated by commas", example = "/my-app/1/chat/proto"),
        ("startTime" = Option<i64>, Query, description = "Nanoseconds since the Unix epoch, part of the range; no restriction when 0 or less"),
        ("endTime" = Option<i64>, Query, description = "Nanoseconds since the Unix epoch, part of the range; no restriction when 0 or less"),
        ("hashes" = Option<String>, Query, description = "Message hashes in hex, at most 100, separated by commas"),
        ("cursor" = Option<String>, Query, description = "paginationCursor of the page before, in hex"),
        ("pageSize" = Option<u64>, Query, description = "20 when left out or 0, 100 at most"),
        ("ascending" = Option<String>, Query, description = "Pages from the oldest to the newest message when true or left out; the other way with anything else"),
    ),
    responses(
        (status = 200, body = StoreResponse<'_>),
        (status = 400, body = String, content_type = "text/plain", description = "A parameter cannot be read"),
        (status = 412, body = String, content_type = "text/plain", description = "No archive here and no store peer known"),
        (status = 429, body = String, content_type = "text/plain", description = "More requests than are served"),
        (status = 500, body = String, content_type = "text/plain", description = "The archive refused, or did not answer in time"),
        (status = 503, body = String, content_type = "text/plain", description = "Overloaded or stopping"),
    ))]
async fn messages<B: Backend>(
    State(node): Node<B>,
    parameters: Result<Parameters<Vec<(String, String)>>, QueryRejection>,
) -> Answer {
    let Parameters(parameters) =
        parameters.map_err(|error| Refusal::bad_request(format!("Invalid request: {error}")))?;
    let value_of = |name: &str| {
        let found = parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    let answer = match parse(value_of)? {
        Some(query) => node.backend.store_query(value_of("peerAddr"), query).await?,
        None => StoreAnswer::default(),
    };
    json(&StoreResponse::from(&answer))
}

/// The query that parameters ask for; none when they name topics that no message can have, so that there is
/// nothing to find.
fn parse<'a>(value_of: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Query>, Refusal> {
    let Ok(pubsub_topic) = value_of("pubsubTopic").map(str::parse).transpose() else { return Ok(None) };
    let named: Vec<&str> = items(value_of("contentTopics")).collect();
    let content_topics: Vec<ContentTopic> =
        named.iter().filter_map(|topic| ContentTopic::new(topic).ok()).collect();
    if content_topics.is_empty() && !named.is_empty() {
        return Ok(None);
    }
    let page_size = value_of("pageSize").map(|text| number(text, "page size")).transpose()?;
    Ok(Some(Query {
        include_data: value_of("includeData").map_or(Ok(false), truth)?,
        pubsub_topic,
        content_topics,
        start: time(value_of("startTime"))?,
        end: time(value_of("endTime"))?,
        hashes: items(value_of("hashes")).map(hash).collect::<Result<_, _>>()?,
        cursor: value_of("cursor").map(hash).transpose()?,
        direction: match value_of("ascending") {
            None | Some("true") => Direction::Forward,
            Some(_) => Direction::Backward,
        },
        page_size: PageSize::requested(page_size),
    }))
}

/// The parts of a list, as nwaku cuts it.
fn items(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn number<T: FromStr>(text: &str, what: &str) -> Result<T, Refusal> {
    let wrong = || Refusal::bad_request(format!("{what} parsing error: invalid integer: {text}"));
    text.trim().parse().map_err(|_| wrong())
}

fn time(text: Option<&str>) -> Result<Option<Timestamp>, Refusal> {
    let nanos = text.map(|text| number::<i64>(text, "time")).transpose()?;
    Ok(nanos.filter(|nanos| *nanos > 0).map(Timestamp::from_nanos))
}

/// The words that nwaku takes.
fn truth(text: &str) -> Result<bool, Refusal> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "y" | "yes" | "1" | "on" => Ok(true),
        "false" | "n" | "no" | "0" | "off" => Ok(false),
        _ => Err(Refusal::bad_request(format!(
            "include data parsing error: cannot interpret as a bool: {text}"
        ))),
    }
}

fn hash(text: &str) -> Result<MessageHash, Refusal> {
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let text = format!("Exception converting hex string to bytes: {text} is not hexadecimal");
        return Err(Refusal::bad_request(text));
    }
    digits.parse().map_err(|_| {
        let length = digits.len().div_ceil(2);
        Refusal::bad_request(format!("waku message hash parsing error: invalid hash length: {length}"))
    })
}

impl<'a> From<&'a StoreAnswer> for StoreResponse<'a> {
    fn from(answer: &'a StoreAnswer) -> Self {
        Self {
            request_id: &answer.request_id,
            status_code: 200,
            status_desc: "OK",
            messages: answer.page.rows.iter().map(StoredMessage::from).collect(),
            pagination_cursor: answer.page.cursor.map(|cursor| cursor.to_string()),
        }
    }
}

impl<'a> From<&'a Row> for StoredMessage<'a> {
    fn from(Row { hash, data }: &'a Row) -> Self {
        Self {
            message_hash: hash.to_string(),
            message: data.as_ref().map(|(_, message)| ReceivedMessage::stored(message)),
            pubsub_topic: data.as_ref().map(|(topic, _)| topic.to_string()),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::PeerAddress(_) | StoreError::BadRequest(_) => StatusCode::BAD_REQUEST,
            StoreError::NoPeer => StatusCode::PRECONDITION_FAILED,
            StoreError::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            StoreError::Timeout | StoreError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            StoreError::Unavailable(reason) => return (*reason).into(),
        };
        Self::new(status, error.to_string())
    }
}
