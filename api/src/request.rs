//! Reading requests: bounded bodies, JSON, and parts of the path.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    extract::{FromRequestParts, Path, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::{answer::Refusal, backend::Unavailable};

/// Longest request body in bytes where nothing tighter holds: 16 MiB, as nwaku.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Most entries of a list in a request: as many as a cluster has shards.
const MAX_LIST: usize = 1024;

/// How long a client may take to send a body. 16 MiB in this time is 4 Mbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest list in bytes that is read without further ado. Nearly all are shorter.
const SMALL_LIST: u64 = 64 * 1024;

/// Longest filter request in bytes: 100 content topics of 1 KiB, each character of which may be escaped to six, and
/// as much again for the rest.
const MAX_FILTER: usize = 2 * 100 * 1024 * 6;

/// Longer lists that are read at a time. Together they take 64 MiB at most.
const LARGE_LISTS: usize = 4;

/// Reads request bodies inside their bounds.
#[derive(Debug)]
pub(crate) struct Bodies {
    max_message_size: usize,
    /// Longest publish request in bytes.
    publish_limit: usize,
    large_lists: Semaphore,
}

impl Bodies {
    /// For messages of at most `max_message_size` encoded bytes.
    ///
    /// That bounds a publish request: base64 makes four characters of three bytes, and the only one
    /// of them an encoder escapes is `/`, which doubles it. 16 KiB hold the rest: a content topic of
    /// 1024 bytes escaped to six characters each, 64 bytes of meta, a proof of 338 bytes, numbers
    /// and names.
    pub(crate) fn new(max_message_size: usize) -> Self {
        let base64 = max_message_size.div_ceil(3).saturating_mul(4);
        let publish_limit = base64.saturating_mul(2).saturating_add(16 * 1024);
        Self { max_message_size, publish_limit, large_lists: Semaphore::new(LARGE_LISTS) }
    }

    /// The JSON of a message to publish.
    pub(crate) async fn publish(&self, request: Request) -> Result<Bytes, Refusal> {
        read_json(request, self.publish_limit).await.map_err(|error| match error {
            BodyError::TooLong => Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!(
                    "Request body exceeds {} bytes, the most that a message of {} bytes takes as JSON",
                    self.publish_limit, self.max_message_size
                ),
            ),
            BodyError::Refused(refusal) => refusal,
        })
    }

    /// The JSON of a filter request.
    pub(crate) async fn filter(&self, request: Request) -> Result<Bytes, Refusal> {
        if !request.body().is_end_stream() && !is_json(request.headers()) {
            return Err(Refusal::bad_request("Wrong Content-Type, expected application/json"));
        }
        read_json(request, MAX_FILTER).await.map_err(|error| match error {
            BodyError::TooLong => {
                let text = format!("Request body exceeds {MAX_FILTER} bytes");
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text)
            }
            BodyError::Refused(refusal) => refusal,
        })
    }

    /// A JSON list of texts.
    pub(crate) async fn list(&self, request: Request) -> Result<Vec<String>, Refusal> {
        let is_small = request.body().size_hint().upper().is_some_and(|length| length <= SMALL_LIST);
        let permit = if is_small { None } else { Some(self.large_lists.try_acquire()) };
        if let Some(Err(_)) = permit {
            return Err(Unavailable::Overloaded.into());
        }
        let body = read_json(request, MAX_BODY).await.map_err(|error| match error {
            BodyError::TooLong => {
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("Request body exceeds {MAX_BODY} bytes"))
            }
            BodyError::Refused(refusal) => refusal,
        })?;
        let list: Vec<String> = decode_json(&body)?;
        if list.len() > MAX_LIST {
            return Err(Refusal::bad_request(format!(
                "{} entries in one request; at most {MAX_LIST} are allowed",
                list.len()
            )));
        }
        Ok(list)
    }
}

/// Decodes a JSON body.
pub(crate) fn decode_json<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| undecodable(&error.to_string()))
}

/// The refusal of a body that is not what it should be.
pub(crate) fn undecodable(detail: &str) -> Refusal {
    Refusal::bad_request(format!(
        "Invalid content body, could not decode: Unable to deserialize data: {detail}"
    ))
}

/// The one parameter of the path, URL-decoded.
#[derive(Debug)]
pub(crate) struct PathText(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(Refusal::bad_request("Invalid request")),
        }
    }
}

enum BodyError {
    TooLong,
    Refused(Refusal),
}

impl From<Refusal> for BodyError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

async fn read_json(request: Request, limit: usize) -> Result<Bytes, BodyError> {
    let missing = || Refusal::bad_request("Missing content body");
    if request.body().is_end_stream() {
        return Err(missing().into());
    }
    if !is_json_or_text(request.headers()) {
        return Err(
            Refusal::bad_request("Wrong Content-Type, expected application/json or text/plain").into()
        );
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, read_body(request.into_body(), limit))
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "Request body took too long to arrive"))??;
    if body.is_empty() {
        return Err(missing().into());
    }
    Ok(body)
}

fn is_json_or_text(headers: &HeaderMap) -> bool {
    is_json(headers) || content_type(headers).eq_ignore_ascii_case("text/plain")
}

fn is_json(headers: &HeaderMap) -> bool {
    content_type(headers).eq_ignore_ascii_case("application/json")
}

/// Without its parameters.
fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// Reads at most `limit` bytes. A body of one frame, which most are, is not copied.
async fn read_body(body: Body, limit: usize) -> Result<Bytes, BodyError> {
    let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let mut frames = body.into_data_stream();
    if announced.is_some_and(|length| length > limit) {
        return Err(discard(frames, 0).await);
    }
    let Some(first) = frames.next().await.transpose().map_err(broken)? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(discard(frames, first.len()).await);
    }
    if announced == Some(first.len()) {
        return Ok(first);
    }
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or(first.len() * 2));
    bytes.extend_from_slice(&first);
    while let Some(frame) = frames.next().await.transpose().map_err(broken)? {
        if bytes.len() + frame.len() > limit {
            return Err(discard(frames, bytes.len() + frame.len()).await);
        }
        bytes.extend_from_slice(&frame);
    }
    Ok(bytes.freeze())
}

/// Takes in the rest of a body that is too long, up to [`MAX_BODY`]: a client that is still
/// sending when its connection closes would not see the answer.
async fn discard(mut frames: axum::body::BodyDataStream, mut taken: usize) -> BodyError {
    while taken <= MAX_BODY
        && let Some(Ok(frame)) = frames.next().await
    {
        taken += frame.len();
    }
    BodyError::TooLong
}

fn broken(_: axum::Error) -> BodyError {
    Refusal::bad_request("Invalid content body").into()
}
