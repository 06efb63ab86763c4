//! Rules of filter.

use std::time::Duration;

use super::{items, network::peer_addresses, pick, take};
use crate::config::{
    ConfigError, FilterConfig, FilterServiceConfig, Setting,
    layers::{Given, Layers},
};

/// Ten thousand clients with a hundred topics each of their own take 200 MB, and a machine that carries more
/// connections than this is none of the usual.
const MOST_CLIENTS: u32 = 100_000;

/// Each takes about 200 bytes, so that one client costs no more than 20 MB.
const MOST_CRITERIA: u32 = 100_000;

/// Clients ping once a minute (js-waku), and one ping may be lost.
const SHORTEST_TIMEOUT_SECS: u64 = 60;

/// A day: longer than any client is away and wants what it missed from here.
const LONGEST_TIMEOUT_SECS: u64 = 24 * 60 * 60;

pub(super) fn validate(layers: &Layers) -> Result<FilterConfig, ConfigError> {
    let nodes = peer_addresses(items(pick!(layers, filter.filternode).as_ref()))?;
    Ok(FilterConfig { service: service(layers)?, nodes })
}

fn service(layers: &Layers) -> Result<Option<FilterServiceConfig>, ConfigError> {
    let switch = take!(layers, filter.filter);
    let max_clients = take!(layers, filter.filter_max_peers_to_serve);
    let max_criteria = take!(layers, filter.filter_max_criteria);
    let timeout = take!(layers, filter.filter_subscription_timeout);
    if !switch.value {
        let written = [
            Given::written(Some(max_clients)),
            Given::written(Some(max_criteria)),
            Given::written(Some(timeout)),
        ];
        return match written.into_iter().flatten().next() {
            Some(setting) => Err(ConfigError::FilterOff { setting, switch: switch.setting }),
            None => Ok(None),
        };
    }
    Ok(Some(FilterServiceConfig {
        max_clients: within(max_clients, 1, MOST_CLIENTS)? as usize,
        max_criteria: within(max_criteria, 1, MOST_CRITERIA)? as usize,
        subscription_timeout: Duration::from_secs(within(
            timeout,
            SHORTEST_TIMEOUT_SECS,
            LONGEST_TIMEOUT_SECS,
        )?),
    }))
}

fn within<T: Into<u64> + Copy>(given: Given<T>, least: T, most: T) -> Result<T, ConfigError> {
    let Given { value, setting } = given;
    let (number, least, most): (u64, u64, u64) = (value.into(), least.into(), most.into());
    if (least..=most).contains(&number) { Ok(value) } else { Err(out_of_range(setting, number, least, most)) }
}

const fn out_of_range(setting: Setting, value: u64, least: u64, most: u64) -> ConfigError {
    ConfigError::FilterRange { setting, value, least, most }
}
