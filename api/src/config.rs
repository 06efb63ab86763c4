//! What the operator decides about the API.

use weir_core::limits::DEFAULT_MAX_MESSAGE_SIZE;

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether the node relays; without it the relay endpoints do not exist (`--relay`).
    pub relay: bool,
    /// Whether the admin endpoints exist (`--rest-admin`).
    pub admin: bool,
    /// Origins of web pages that may use the API, with `*` and `?` (`--rest-allow-origin`). When
    /// empty, origins are not looked at.
    pub allow_origin: Vec<String>,
    /// Largest encoded message in bytes, which bounds what a publish request can carry.
    pub max_message_size: usize,
    /// The node's version, as `/version` tells it.
    pub version: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            relay: true,
            admin: false,
            allow_origin: Vec::new(),
            max_message_size: DEFAULT_MAX_MESSAGE_SIZE,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
