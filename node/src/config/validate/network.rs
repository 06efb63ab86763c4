//! Rules of the libp2p side.

use std::net::{IpAddr, SocketAddr};

use weir_core::PeerAddress;
use weir_net::address;
use zeroize::Zeroizing;

use super::{items, pick, take};
use crate::config::{
    ConfigError, ExternalAddress, Nat, NetworkConfig, NodeKey, Setting,
    layers::{Given, Layers},
};

/// identify frames hold 4096 bytes for the key, the addresses, the protocols and this.
const MOST_AGENT_LENGTH: usize = 256;
/// Longest DNS name (RFC 1035).
const MOST_NAME_LENGTH: usize = 253;

pub(super) fn validate(layers: &Layers, listen: SocketAddr) -> Result<NetworkConfig, ConfigError> {
    let connections = take!(layers, network.max_connections);
    if connections.value == 0 {
        return Err(ConfigError::NoConnections { setting: connections.setting });
    }
    Ok(NetworkConfig {
        listen_address: listen.ip(),
        tcp_port: listen.port(),
        external: external_addresses(layers, listen.port())?,
        static_nodes: static_nodes(layers)?,
        max_connections: connections.value,
        agent: agent(take!(layers, network.agent_string))?,
        node_key: pick!(layers, network.nodekey).map(node_key).transpose()?,
    })
}

/// A DNS name stands in for the external IP (waku-wire 5.5).
fn external_addresses(layers: &Layers, port: u16) -> Result<Vec<ExternalAddress>, ConfigError> {
    let mut addresses = Vec::new();
    let nat = take!(layers, network.nat);
    let name = pick!(layers, network.dns4_domain_name);
    match (nat.value, name) {
        (Nat::Upnp | Nat::Pmp, _) => {
            return Err(ConfigError::NotServed {
                setting: nat.setting,
                feature: "port mapping by a router",
                accepted: &["none", "any", "extip:<IP>"],
            });
        }
        (_, Some(Given { setting, .. })) if port == 0 => return Err(ConfigError::AnnouncedPort { setting }),
        (Nat::ExternalIp(_), None) if port == 0 => {
            return Err(ConfigError::AnnouncedPort { setting: nat.setting });
        }
        (_, Some(name)) => addresses.push(ExternalAddress::Host(format!("/dns4/{}", dns_name(name)?))),
        (Nat::ExternalIp(IpAddr::V4(ip)), None) => {
            addresses.push(ExternalAddress::Host(format!("/ip4/{ip}")))
        }
        (Nat::ExternalIp(IpAddr::V6(ip)), None) => {
            addresses.push(ExternalAddress::Host(format!("/ip6/{ip}")))
        }
        (Nat::Any | Nat::None, None) => {}
    }
    let given = pick!(layers, network.ext_multiaddr);
    for (text, setting) in items(given.as_ref()) {
        addresses.push(external_multiaddr(text, setting)?);
    }
    Ok(addresses)
}

fn external_multiaddr(text: &str, setting: &Setting) -> Result<ExternalAddress, ConfigError> {
    if address::can_be_announced(text) {
        Ok(ExternalAddress::Multiaddr(text.to_owned()))
    } else {
        Err(ConfigError::ExternalMultiaddr { setting: setting.clone(), address: text.to_owned() })
    }
}

fn dns_name(given: Given<String>) -> Result<String, ConfigError> {
    let Given { value: name, setting } = given;
    let label_is_valid = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if name.len() <= MOST_NAME_LENGTH && name.split('.').all(label_is_valid) {
        Ok(name)
    } else {
        Err(ConfigError::DnsName { setting, name })
    }
}

fn static_nodes(layers: &Layers) -> Result<Vec<PeerAddress>, ConfigError> {
    let (entry, fixed) = (pick!(layers, network.entry_node), pick!(layers, network.staticnode));
    peer_addresses(items(entry.as_ref()).chain(items(fixed.as_ref())))
}

/// Addresses of peers, each once.
pub(super) fn peer_addresses<'a>(
    items: impl Iterator<Item = (&'a str, &'a Setting)>,
) -> Result<Vec<PeerAddress>, ConfigError> {
    let mut nodes = Vec::new();
    for (text, setting) in items {
        refuse_discovery(text, setting)?;
        let node = address::parse(text)
            .map_err(|source| ConfigError::PeerAddress { setting: setting.clone(), source })?;
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    Ok(nodes)
}

fn refuse_discovery(text: &str, setting: &Setting) -> Result<(), ConfigError> {
    let feature = if text.starts_with("enr:") {
        "discv5 (enr:)"
    } else if text.starts_with("enrtree:") {
        "DNS discovery (enrtree:)"
    } else {
        return Ok(());
    };
    Err(ConfigError::NotServed {
        setting: setting.clone(),
        feature,
        accepted: &["a multiaddr with /p2p/<id>"],
    })
}

fn agent(given: Given<String>) -> Result<String, ConfigError> {
    let printable = given.value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if printable && (1..=MOST_AGENT_LENGTH).contains(&given.value.len()) {
        Ok(given.value)
    } else {
        Err(ConfigError::Agent { setting: given.setting, most: MOST_AGENT_LENGTH })
    }
}

fn node_key(given: Given<crate::config::Secret>) -> Result<NodeKey, ConfigError> {
    let text = given.value.expose();
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), key.as_mut())
        .map_err(|_| ConfigError::NodeKey { setting: given.setting })?;
    Ok(NodeKey::new(key))
}
