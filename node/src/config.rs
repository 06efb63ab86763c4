//! The configuration of `weir run`: from what the operator wrote to what the node trusts.
//!
//! [`RawConfig`] is one layer of settings as written, nothing required. [`load`] stacks the layers,
//! strongest first, and `validate` turns them into a [`Config`] of domain types, or
//! into the one [`ConfigError`] that names the setting, where it came from and the mend.
//!
//! ```text
//! flags > environment (WEIR_*) > file (--config-file) > preset (--preset) > defaults
//! ```
//!
//! A repeatable setting is taken whole from the strongest layer that has it; lists are not merged.

use std::{collections::BTreeMap, ffi::OsString};

mod error;
mod layers;
mod log;
mod nat;
mod presets;
mod raw;
mod secret;
mod size;
mod sources;
mod unserved;
mod validate;
mod validated;

pub use error::ConfigError;
pub use layers::{Origin, Setting};
pub use log::{LogFormat, LogLevel};
pub use nat::Nat;
pub use presets::Preset;
pub use raw::{Items, RawConfig};
pub use secret::Secret;
pub use size::{MessageSize, MessageSizeError};
pub use validated::{
    Announced, CertificateSource, Config, CredentialSource, FilterConfig, FilterServiceConfig,
    LightPushConfig, LogConfig, MetricsConfig, NetworkConfig, NodeKey, Notice, PeerExchangeConfig,
    RelayConfig, RestConfig, RlnConfig, SecureWebSocket, Sharding, StoreConfig, WebSocketConfig,
};

/// Reads the other layers, stacks them under `flags` and validates the result.
///
/// `environment` is the process environment; names that do not start with `WEIR_` are skipped, and
/// names that do but are no setting become a [`Notice`].
pub fn load(
    flags: RawConfig,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
    let (environment, unknown) = sources::from_environment(&environment)?;
    let stacked = layers::Layers::stack(flags, environment)?;
    let mut config = validate::validate(&stacked)?;
    config.notices.extend(unknown.into_iter().map(Notice::UnknownEnvironment));
    Ok(config)
}
