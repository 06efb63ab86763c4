//! Administration beside peers: filter subscriptions and the log level.

use axum::{extract::State, http::StatusCode};

use crate::{
    answer::{Answer, Refusal, ok},
    app::Node,
    backend::Backend,
    request::PathText,
    routes::Routes,
};

/// nwaku's levels.
const LOG_LEVELS: [&str; 7] = ["TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "FATAL"];

pub(crate) fn install<B: Backend>(routes: Routes<B>) -> Routes<B> {
    routes
        .endpoint(__path_filter_subscriptions, filter_subscriptions)
        .endpoint(__path_log_level, log_level::<B>)
}

/// Who subscribed to the filter service, which this node does not have
#[utoipa::path(get, path = "/admin/v1/filter/subscriptions", tag = "admin", responses(
    (status = 400, body = String, content_type = "text/plain", description = "No filter service"),
))]
async fn filter_subscriptions() -> Refusal {
    Refusal::bad_request("Error: Filter Protocol is not mounted to the node")
}

/// Set the log level
#[utoipa::path(post, path = "/admin/v1/log-level/{level}", tag = "admin",
    params(("level" = String, Path, description = "TRACE, DEBUG, INFO, NOTICE, WARN, ERROR or FATAL")),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "OK"),
        (status = 400, body = String, content_type = "text/plain", description = "Not a level"),
        (status = 503, body = String, content_type = "text/plain", description = "The level cannot be changed"),
    ))]
async fn log_level<B: Backend>(State(node): Node<B>, PathText(level): PathText) -> Answer {
    if level.trim().is_empty() {
        return Err(Refusal::bad_request("Invalid log-level, it can’t be empty"));
    }
    let Some(known) = LOG_LEVELS.iter().find(|known| known.eq_ignore_ascii_case(&level)) else {
        return Err(Refusal::bad_request(format!(
            "Invalid log-level: {level}. Please specify one of TRACE, DEBUG, INFO, NOTICE, WARN, ERROR or FATAL"
        )));
    };
    match node.backend.set_log_level(known) {
        Ok(()) => Ok(ok()),
        Err(reason) => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)),
    }
}
