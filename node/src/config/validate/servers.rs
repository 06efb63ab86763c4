//! Rules of the REST and metrics servers.

use super::{items, listeners::Listener, pick, take};
use crate::config::{ConfigError, MetricsConfig, RestConfig, layers::Layers};

pub(super) fn rest(layers: &Layers, listener: Option<&Listener>) -> Result<Option<RestConfig>, ConfigError> {
    let Some(listener) = listener else { return Ok(None) };
    let capacity = take!(layers, rest.rest_relay_cache_capacity);
    if capacity.value == 0 {
        return Err(ConfigError::CacheCapacity { setting: capacity.setting });
    }
    Ok(Some(RestConfig {
        listen: listener.address(),
        relay_cache_capacity: capacity.value,
        chat_page: pick!(layers, rest.rest_chat_page).map(|folder| folder.value),
        admin: take!(layers, rest.rest_admin).value,
        allow_origins: allow_origins(layers)?,
    }))
}

pub(super) fn metrics(listener: Option<&Listener>) -> Option<MetricsConfig> {
    listener.map(|listener| MetricsConfig { listen: listener.address() })
}

fn allow_origins(layers: &Layers) -> Result<Vec<String>, ConfigError> {
    let given = pick!(layers, rest.rest_allow_origin);
    items(given.as_ref())
        .map(|(pattern, setting)| match pattern.trim() {
            "" => Err(ConfigError::OriginPattern { setting: setting.clone() }),
            pattern => Ok(pattern.to_owned()),
        })
        .collect()
}
