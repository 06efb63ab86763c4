//! From layers of settings to a configuration: every rule an operator can break.

use super::{
    Config, ConfigError, LogConfig, Nat, Notice, Preset,
    layers::{Given, Layers, pick, take},
    unserved::UNSERVED,
};

mod filter;
mod listeners;
mod network;
mod relay;
mod rln;
mod servers;
mod services;
mod store;
mod websocket;

/// Checks the settings, cheapest and most general rules first.
pub(super) fn validate(layers: &Layers) -> Result<Config, ConfigError> {
    refuse_unserved(layers)?;
    refuse_what_the_preset_rules_out(layers)?;
    let data_dir = take!(layers, general.data_dir).value;
    let relay = relay::validate(layers)?;
    if relay.at_the_edge {
        refuse_services(layers)?;
    }
    // Light push services make the proofs of a node at the edge.
    let rln = if relay.at_the_edge { None } else { rln::validate(layers, &data_dir)? };
    let store = store::validate(layers, &data_dir)?;
    let store_nodes = network::peer_addresses(items(pick!(layers, store.storenode).as_ref()))?;
    let peers = listeners::peers(layers)?;
    let websockets = listeners::websockets(layers)?;
    let quic = listeners::quic(layers)?;
    let rest = listeners::rest(layers)?;
    let metrics = listeners::metrics(layers)?;
    listeners::refuse_clashes(&[
        Some(&peers),
        websockets.plain.as_ref(),
        websockets.secure.as_ref(),
        rest.as_ref(),
        metrics.as_ref(),
    ])?;
    Ok(Config {
        preset: layers.preset(),
        network: network::validate(
            layers,
            network::Listeners { peers: &peers, quic: quic.as_ref(), websockets: &websockets },
            &data_dir,
        )?,
        relay,
        rln,
        store,
        store_nodes,
        lightpush: services::lightpush(layers)?,
        peer_exchange: services::peer_exchange(layers)?,
        limits: services::limits(layers)?,
        filter: filter::validate(layers)?,
        rest: servers::rest(layers, rest.as_ref())?,
        metrics: servers::metrics(metrics.as_ref()),
        log: LogConfig {
            level: take!(layers, general.log_level).value,
            format: take!(layers, general.log_format).value,
        },
        notices: notices(layers),
        data_dir,
    })
}

/// A node that does not relay has nothing to serve.
fn refuse_services(layers: &Layers) -> Result<(), ConfigError> {
    let switches = [
        take!(layers, relay.relay),
        take!(layers, rln.rln_relay),
        take!(layers, store.store),
        take!(layers, services.lightpush),
        take!(layers, services.peer_exchange),
        take!(layers, filter.filter),
    ];
    let on = switches.into_iter().filter(|switch| switch.value);
    match on.filter_map(|switch| Given::written(Some(switch))).next() {
        Some(setting) => Err(ConfigError::AtTheEdge { setting, mode: take!(layers, relay.mode).setting }),
        None => Ok(()),
    }
}

fn refuse_unserved(layers: &Layers) -> Result<(), ConfigError> {
    for row in UNSERVED {
        let Some(given) = layers.pick(row.option, |raw| raw.unserved.values_of(row.option)) else { continue };
        if !row.accepts(&given.value) {
            return Err(ConfigError::NotServed {
                setting: given.setting,
                feature: row.feature,
                accepted: row.accepted,
            });
        }
    }
    Ok(())
}

/// Rules of waku-wire 7.8: a preset with RLN keeps it on. The Waku Network's contract is not read
/// yet, so its preset cannot run at all.
fn refuse_what_the_preset_rules_out(layers: &Layers) -> Result<(), ConfigError> {
    let preset = layers.preset();
    if preset != Preset::Twn {
        return Ok(());
    }
    let rln = take!(layers, rln.rln_relay);
    if rln.value {
        Err(ConfigError::PresetOnContract { preset })
    } else {
        Err(ConfigError::PresetDemandsRln { setting: rln.setting, preset })
    }
}

fn notices(layers: &Layers) -> Vec<Notice> {
    let nat = take!(layers, network.nat);
    let asked = nat.is_explicit() && nat.value == Nat::Any;
    if asked { vec![Notice::NoPortMapping] } else { Vec::new() }
}

/// The items of a repeatable setting, in order.
fn items(given: Option<&Given<Vec<super::Items>>>) -> impl Iterator<Item = (&str, &super::Setting)> {
    given.into_iter().flat_map(|given| {
        given.value.iter().flat_map(|items| &items.0).map(|item| (item.as_str(), &given.setting))
    })
}

#[cfg(test)]
mod tests;
