//! What the operator decides about the API.

use std::path::PathBuf;

use weir_core::{ClusterId, limits::DEFAULT_MAX_MESSAGE_SIZE};

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether the node relays; without it the relay endpoints do not exist (`--relay`).
    pub relay: bool,
    /// Whether the node is a filter client; without it the filter endpoints do not exist (`--filternode`).
    pub filter: bool,
    /// Whether the node sends and receives without relay; without that the messaging endpoints do not exist
    /// (`--mode=edge`).
    pub messaging: bool,
    /// Whether the admin endpoints exist (`--rest-admin`).
    pub admin: bool,
    /// Origins of web pages that may use the API, with `*` and `?` (`--rest-allow-origin`). When
    /// empty, origins are not looked at.
    pub allow_origin: Vec<String>,
    /// Largest encoded message in bytes, which bounds what a publish request can carry.
    pub max_message_size: usize,
    /// The network that the node is of.
    pub cluster: ClusterId,
    /// Shards of the network, among which content topics are spread; `None` when they are not
    /// (`--num-shards-in-network=0`).
    pub shards: Option<u16>,
    /// Folder of the chat page that is served at `/debug/chat/` (`--rest-chat-page`).
    pub chat_page: Option<PathBuf>,
    /// The node's version, as `/version` tells it.
    pub version: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            relay: true,
            filter: false,
            messaging: false,
            admin: false,
            allow_origin: Vec::new(),
            max_message_size: DEFAULT_MAX_MESSAGE_SIZE,
            cluster: ClusterId(0),
            shards: None,
            chat_page: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
