//! Rules of what clients are served: light push, and how often services may be asked.

use weir_actors::node::ProofShare;
use weir_protocols::rate_limit::{self, RateLimits};

use super::{items, network::peer_addresses, pick, take};
use crate::config::{
    ConfigError, LightPushConfig, PeerExchangeConfig, Setting,
    layers::{Given, Layers},
};

/// How often peers may ask, of every service.
pub(super) fn limits(layers: &Layers) -> Result<RateLimits, ConfigError> {
    let given = pick!(layers, services.rate_limit);
    let switches = [
        take!(layers, store.store),
        take!(layers, services.lightpush),
        take!(layers, services.peer_exchange),
        take!(layers, filter.filter),
    ];
    if let Some(setting) = Given::written(given.clone()).filter(|_| switches.iter().all(|on| !on.value)) {
        return Err(ConfigError::NothingServed { setting });
    }
    let parse = |(text, setting): (&str, &Setting)| {
        text.parse::<rate_limit::Setting>()
            .map_err(|source| ConfigError::RateLimit { setting: setting.clone(), source })
    };
    items(given.as_ref()).map(parse).collect()
}

pub(super) fn lightpush(layers: &Layers) -> Result<LightPushConfig, ConfigError> {
    let switch = take!(layers, services.lightpush);
    let share = pick!(layers, services.lightpush_rln_service);
    if let Some(setting) = Given::written(share.clone()).filter(|_| !switch.value) {
        return Err(ConfigError::LightPushOff { setting, switch: switch.setting });
    }
    let rln = take!(layers, rln.rln_relay);
    if let Some(setting) = Given::written(share.clone()).filter(|_| !rln.value) {
        return Err(ConfigError::RlnOff { setting, switch: rln.setting });
    }
    Ok(LightPushConfig {
        serves: switch.value,
        proofs: share.map(parse_share).transpose()?,
        nodes: peer_addresses(items(pick!(layers, services.lightpushnode).as_ref()))?,
    })
}

pub(super) fn peer_exchange(layers: &Layers) -> Result<PeerExchangeConfig, ConfigError> {
    Ok(PeerExchangeConfig {
        serves: take!(layers, services.peer_exchange).value,
        nodes: peer_addresses(items(pick!(layers, services.peer_exchange_node).as_ref()))?,
    })
}

/// `<for one client>/<for all>`, the first no more than the second and neither 0.
fn parse_share(given: Given<String>) -> Result<ProofShare, ConfigError> {
    let Given { value, setting } = given;
    let parsed = value.split_once('/').and_then(|(per_client, total)| {
        Some(ProofShare { per_client: per_client.trim().parse().ok()?, total: total.trim().parse().ok()? })
    });
    parsed
        .filter(|share| (1..=share.total).contains(&share.per_client))
        .ok_or(ConfigError::ProofShare { setting, text: value })
}
