//! Rules of the libp2p side.

use std::{
    net::IpAddr,
    num::{NonZeroU16, NonZeroU32},
    path::Path,
};

use weir_core::PeerAddress;
use weir_net::{Autonat, Colocation, address};
use zeroize::Zeroizing;

use super::{
    items,
    listeners::{Listener, WebSockets},
    pick, take, websocket,
};
use crate::config::{
    Announced, ConfigError, Nat, NetworkConfig, NodeKey, Setting,
    layers::{Given, Layers},
};

/// identify frames hold 4096 bytes for the key, the addresses, the protocols and this.
const MOST_AGENT_LENGTH: usize = 256;
/// Longest DNS name (RFC 1035).
const MOST_NAME_LENGTH: usize = 253;

/// Where peers connect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listeners<'a> {
    pub(super) peers: &'a Listener,
    pub(super) quic: Option<&'a Listener>,
    pub(super) websockets: &'a WebSockets,
}

pub(super) fn validate(
    layers: &Layers,
    listeners: Listeners<'_>,
    data_dir: &Path,
) -> Result<NetworkConfig, ConfigError> {
    let connections = take!(layers, network.max_connections);
    if connections.value == 0 {
        return Err(ConfigError::NoConnections { setting: connections.setting });
    }
    let host = external_host(layers)?;
    Ok(NetworkConfig {
        listen_address: listeners.peers.address().ip(),
        tcp_port: listeners.peers.address().port(),
        quic_port: listeners.quic.map(|listener| listener.address().port()),
        nat: nat(layers),
        websocket: websocket::validate(layers, listeners.websockets, host.as_ref(), data_dir)?,
        announced: announced(layers, host, listeners)?,
        static_nodes: static_nodes(layers)?,
        max_connections: connections.value,
        colocation: colocation(take!(layers, network.ip_colocation_limit)),
        agent: agent(take!(layers, network.agent_string))?,
        node_key: pick!(layers, network.nodekey).map(node_key).transpose()?,
    })
}

/// Of the default this machine is left out: several nodes of one operator are no attack.
fn colocation(limit: Given<u32>) -> Option<Colocation> {
    let loopback = limit.is_explicit();
    NonZeroU32::new(limit.value).map(|limit| Colocation { limit, loopback })
}

fn nat(layers: &Layers) -> weir_net::Nat {
    weir_net::Nat {
        relay_slots: NonZeroU16::new(take!(layers, network.circuit_relay_slots).value),
        relay_client: take!(layers, network.relay_client).value,
        autonat: take!(layers, network.autonat).value.then(Autonat::default),
    }
}

/// How the node is known outside.
#[derive(Debug)]
pub(super) enum Host {
    Name(Given<String>),
    Ip(Given<IpAddr>),
}

impl Host {
    /// The name or the address.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Name(name) => name.value.clone(),
            Self::Ip(ip) => ip.value.to_string(),
        }
    }

    fn multiaddr(&self) -> String {
        match self {
            Self::Name(name) => format!("/dns4/{}", name.value),
            Self::Ip(Given { value: IpAddr::V4(ip), .. }) => format!("/ip4/{ip}"),
            Self::Ip(Given { value: IpAddr::V6(ip), .. }) => format!("/ip6/{ip}"),
        }
    }

    /// Its address at the port of `listener`.
    fn at(&self, listener: &Listener, (below, above): (&str, &str)) -> Result<String, ConfigError> {
        let (Self::Name(Given { setting, .. }) | Self::Ip(Given { setting, .. })) = self;
        match listener.address().port() {
            0 => {
                Err(ConfigError::AnnouncedPort { setting: setting.clone(), port: listener.setting().clone() })
            }
            port => Ok(format!("{}/{below}/{port}{above}", self.multiaddr())),
        }
    }
}

/// A DNS name stands in for the external IP (waku-wire 5.5).
fn external_host(layers: &Layers) -> Result<Option<Host>, ConfigError> {
    let nat = take!(layers, network.nat);
    match (nat.value, pick!(layers, network.dns4_domain_name)) {
        (Nat::Upnp | Nat::Pmp, _) => Err(ConfigError::NotServed {
            setting: nat.setting,
            feature: "port mapping by a router",
            accepted: &["none", "any", "extip:<IP>"],
        }),
        (_, Some(name)) => Ok(Some(Host::Name(dns_name(name)?))),
        (Nat::ExternalIp(value), None) => Ok(Some(Host::Ip(Given { value, setting: nat.setting }))),
        (Nat::Any | Nat::None, None) => Ok(None),
    }
}

/// The external host at each port, or else the addresses listened on; then what the operator adds,
/// which is all when he says so.
fn announced(
    layers: &Layers,
    host: Option<Host>,
    listeners: Listeners<'_>,
) -> Result<Announced, ConfigError> {
    let given = pick!(layers, network.ext_multiaddr);
    let added = items(given.as_ref())
        .map(|(text, setting)| external_multiaddr(text, setting))
        .collect::<Result<Vec<_>, _>>()?;
    let only = take!(layers, network.ext_multiaddr_only);
    if only.value {
        if added.is_empty() {
            return Err(ConfigError::NothingAnnounced { setting: only.setting });
        }
        return Ok(Announced { addresses: added, listeners: false });
    }
    let Some(host) = host else { return Ok(Announced { addresses: added, listeners: true }) };
    let mut addresses = vec![host.at(listeners.peers, ("tcp", ""))?];
    // As of the listeners: who writes how browsers and QUIC get here knows it best.
    if let Some(quic) = listeners.quic
        && !added.iter().any(|text| address::is_for_quic(text))
    {
        addresses.push(host.at(quic, ("udp", "/quic-v1"))?);
    }
    if !added.iter().any(|text| address::is_for_browsers(text)) {
        let WebSockets { plain, secure } = listeners.websockets;
        for (listener, above) in [(plain, "/ws"), (secure, "/wss")] {
            addresses.extend(listener.as_ref().map(|at| host.at(at, ("tcp", above))).transpose()?);
        }
    }
    for address in added {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(Announced { addresses, listeners: false })
}

fn external_multiaddr(text: &str, setting: &Setting) -> Result<String, ConfigError> {
    if address::can_be_announced(text) {
        Ok(text.to_owned())
    } else {
        Err(ConfigError::ExternalMultiaddr { setting: setting.clone(), address: text.to_owned() })
    }
}

fn dns_name(given: Given<String>) -> Result<Given<String>, ConfigError> {
    let label_is_valid = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if given.value.len() <= MOST_NAME_LENGTH && given.value.split('.').all(label_is_valid) {
        Ok(given)
    } else {
        Err(ConfigError::DnsName { setting: given.setting, name: given.value })
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
