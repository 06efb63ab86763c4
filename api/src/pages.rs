//! Web pages that the node serves beside its API, so that a browser finds both at one place.

use std::path::Path;

use axum::{Router, response::Redirect, routing::get};
use tower_http::services::ServeDir;

/// Where the chat page is, without its last slash.
pub(crate) const CHAT: &str = "/debug/chat";

/// Serves the files of `folder`, and nothing above it, below [`CHAT`].
pub(crate) fn chat(folder: &Path) -> Router {
    // The page names its files relative to itself, so its address has to end with a slash.
    let to_page = async || Redirect::permanent("/debug/chat/");
    Router::new().route(CHAT, get(to_page)).nest_service("/debug/chat/", ServeDir::new(folder))
}
