//! Answers: texts, JSON, and the one type every refusal becomes.
//!
//! nwaku's forms: a success without data is the text `OK`, data is JSON, a refusal is a status and
//! a text that says what was wrong.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use weir_core::Timestamp;
use weir_protocols::relay::PublishError;

use crate::backend::{HealthError, Unavailable};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Seconds after which a client may ask again when the node was busy. Queues hold less than a
/// second of work, and a header cannot say less.
const BUSY_RETRY_AFTER: u64 = 1;

/// Text that goes before every reason a message was not published.
const PUBLISH_FAILED: &str = "Failed to publish: ";

/// A refusal: a status, the reason as text, and when to try again.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: Cow<'static, str>,
    retry_after: Option<u64>,
}

/// What a handler answers.
pub(crate) type Answer = Result<Response, Refusal>;

/// The text `OK`.
pub(crate) fn ok() -> Response {
    text("OK")
}

/// A text.
pub(crate) fn text(body: impl Into<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, TEXT)], body.into()).into_response()
}

/// Data as JSON.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(json_bytes(body.into())),
        Err(error) => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("An error occurred while building the json response: {error}"),
        )),
    }
}

/// JSON that is already text.
pub(crate) fn json_bytes(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }

    pub(crate) fn bad_request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn not_found(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// The same refusal with `prefix` before its text.
    pub(crate) fn prefixed(self, prefix: &str) -> Self {
        Self { text: format!("{prefix}{}", self.text).into(), ..self }
    }

    /// The node did not answer; `prefix` says what it was asked.
    pub(crate) fn unavailable(prefix: &str, reason: Unavailable) -> Self {
        let (status, retry_after) = match reason {
            Unavailable::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, Some(BUSY_RETRY_AFTER)),
            Unavailable::Stopping => (StatusCode::SERVICE_UNAVAILABLE, None),
            Unavailable::Timeout => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        Self { status, text: format!("{prefix}{reason}").into(), retry_after }
    }

    /// A message that was not published, with `now` to say how long an exhausted quota lasts.
    pub(crate) fn publish(error: &PublishError, now: Timestamp) -> Self {
        let (status, retry_after) = match error {
            PublishError::QuotaExhausted { limit, resets_at } => {
                return Self::quota_exhausted(error, *limit, *resets_at, now);
            }
            PublishError::NotSubscribed(_)
            | PublishError::TooLarge { .. }
            | PublishError::Invalid(_)
            | PublishError::NoPeers => (StatusCode::BAD_REQUEST, None),
            PublishError::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, Some(BUSY_RETRY_AFTER)),
            PublishError::NoMembership
            | PublishError::NotYetRegistered
            | PublishError::Synchronizing
            | PublishError::Storage(_)
            | PublishError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, None),
            PublishError::ProofFailed(_) | PublishError::Timeout => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        Self { status, text: format!("{PUBLISH_FAILED}{error}").into(), retry_after }
    }

    fn quota_exhausted(error: &PublishError, limit: u32, resets_at: Timestamp, now: Timestamp) -> Self {
        // Rounded up, so that a client that waits this long is in the next epoch.
        let wait = resets_at.saturating_since(now).as_nanos().div_ceil(1_000_000_000);
        let seconds = u64::try_from(wait).unwrap_or(u64::MAX).max(1);
        let text = format!(
            "{PUBLISH_FAILED}{error}. All {limit} messages of this epoch are used; the next epoch starts in \
             {seconds} s, at unix time {}",
            resets_at.as_secs()
        );
        Self { status: StatusCode::TOO_MANY_REQUESTS, text: text.into(), retry_after: Some(seconds) }
    }
}

impl From<Unavailable> for Refusal {
    fn from(reason: Unavailable) -> Self {
        Self::unavailable("", reason)
    }
}

impl From<HealthError> for Refusal {
    fn from(error: HealthError) -> Self {
        let status = match error {
            HealthError::Timeout => StatusCode::INTERNAL_SERVER_ERROR,
            HealthError::Failed => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = match self.text {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        let mut response = (self.status, [(header::CONTENT_TYPE, TEXT)], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
