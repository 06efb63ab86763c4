//! Rules of ports: the shift, and no two services on one.

use std::net::{IpAddr, SocketAddr};

use super::{pick, take};
use crate::config::{
    ConfigError, Setting,
    layers::{Given, Layers},
};

/// Where a service listens, and the setting that says its port.
#[derive(Debug)]
pub(super) struct Listener {
    setting: Setting,
    address: SocketAddr,
}

impl Listener {
    /// `port` is shifted, unless it is 0: the system then chooses.
    fn new(layers: &Layers, address: IpAddr, port: Given<u16>) -> Result<Self, ConfigError> {
        let shift = take!(layers, network.ports_shift).value;
        let Given { value: port, setting } = port;
        let shifted = if port == 0 { Some(0) } else { port.checked_add(shift) };
        match shifted {
            Some(shifted) => Ok(Self { setting, address: SocketAddr::new(address, shifted) }),
            None => Err(ConfigError::PortTooHigh { setting, port, shift }),
        }
    }

    /// The setting that says the port.
    pub(super) const fn setting(&self) -> &Setting {
        &self.setting
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether both would bind the same port: a wildcard covers the addresses of its family, and
    /// the wildcard of IPv6 those of IPv4 too, as Linux binds it.
    fn clashes_with(&self, other: &Self) -> bool {
        let (a, b) = (self.address.ip(), other.address.ip());
        let covers = |a: IpAddr, b: IpAddr| a.is_unspecified() && (a.is_ipv6() || b.is_ipv4());
        self.address.port() != 0
            && self.address.port() == other.address.port()
            && (a == b || covers(a, b) || covers(b, a))
    }
}

/// Where peers connect.
pub(super) fn peers(layers: &Layers) -> Result<Listener, ConfigError> {
    let address = take!(layers, network.listen_address).value;
    Listener::new(layers, address, take!(layers, network.tcp_port))
}

/// Where peers connect by QUIC, if it is on. Its ports are of UDP, so no other server wants them.
pub(super) fn quic(layers: &Layers) -> Result<Option<Listener>, ConfigError> {
    let switch = take!(layers, network.quic_support);
    let port = take!(layers, network.quic_port);
    if switch.value {
        let address = take!(layers, network.listen_address).value;
        return Listener::new(layers, address, port).map(Some);
    }
    if port.is_explicit() {
        return Err(ConfigError::QuicOff { setting: port.setting, switch: switch.setting });
    }
    Ok(None)
}

/// Where browsers connect.
#[derive(Debug)]
pub(super) struct WebSockets {
    pub(super) plain: Option<Listener>,
    pub(super) secure: Option<Listener>,
}

/// Where WebSockets are listened for. As in nwaku one port is for both kinds, and secure ones have it
/// when they are on; a second port lets the node have both.
pub(super) fn websockets(layers: &Layers) -> Result<WebSockets, ConfigError> {
    let address = take!(layers, network.listen_address).value;
    let (plain, secure) =
        (take!(layers, websocket.websocket_support), take!(layers, websocket.websocket_secure_support));
    let port = take!(layers, websocket.websocket_port);
    let own_port = pick!(layers, websocket.websocket_secure_port);
    let plain_has_port = plain.value && (!secure.value || own_port.is_some());
    if let (Some(own_port), false) = (&own_port, secure.value) {
        return Err(ConfigError::SecureWebSocketOff {
            setting: own_port.setting.clone(),
            switch: secure.setting,
        });
    }
    if port.is_explicit() && !plain_has_port && (!secure.value || own_port.is_some()) {
        return Err(ConfigError::WebSocketOff { setting: port.setting, switch: plain.setting });
    }
    let secure_port = secure.value.then(|| own_port.unwrap_or_else(|| port.clone()));
    Ok(WebSockets {
        plain: plain_has_port.then(|| Listener::new(layers, address, port)).transpose()?,
        secure: secure_port.map(|port| Listener::new(layers, address, port)).transpose()?,
    })
}

/// Where the REST server listens, if it is on.
pub(super) fn rest(layers: &Layers) -> Result<Option<Listener>, ConfigError> {
    let switch = take!(layers, rest.rest);
    if switch.value {
        let address = take!(layers, rest.rest_address).value;
        return Listener::new(layers, address, take!(layers, rest.rest_port)).map(Some);
    }
    // `--rest-admin=false` agrees with a server that is off.
    let admin = pick!(layers, rest.rest_admin).filter(|admin| admin.value);
    let written = [
        Given::written(admin),
        Given::written(pick!(layers, rest.rest_address)),
        Given::written(pick!(layers, rest.rest_port)),
        Given::written(pick!(layers, rest.rest_relay_cache_capacity)),
        Given::written(pick!(layers, rest.rest_allow_origin)),
        Given::written(pick!(layers, rest.rest_chat_page)),
    ];
    match written.into_iter().flatten().next() {
        Some(setting) => Err(ConfigError::RestOff { setting, switch: switch.setting }),
        None => Ok(None),
    }
}

/// Where the metrics server listens, if it is on.
pub(super) fn metrics(layers: &Layers) -> Result<Option<Listener>, ConfigError> {
    let switch = take!(layers, metrics.metrics_server);
    if switch.value {
        let address = take!(layers, metrics.metrics_server_address).value;
        return Listener::new(layers, address, take!(layers, metrics.metrics_server_port)).map(Some);
    }
    let written = [
        Given::written(pick!(layers, metrics.metrics_server_address)),
        Given::written(pick!(layers, metrics.metrics_server_port)),
    ];
    match written.into_iter().flatten().next() {
        Some(setting) => Err(ConfigError::MetricsOff { setting, switch: switch.setting }),
        None => Ok(None),
    }
}

/// No two services may want the same port.
pub(super) fn refuse_clashes(listeners: &[Option<&Listener>]) -> Result<(), ConfigError> {
    let listeners: Vec<&Listener> = listeners.iter().flatten().copied().collect();
    for (index, first) in listeners.iter().enumerate() {
        if let Some(second) = listeners[index + 1..].iter().find(|second| first.clashes_with(second)) {
            return Err(ConfigError::PortClash {
                first: first.setting.clone(),
                second: second.setting.clone(),
                port: first.address.port(),
            });
        }
    }
    Ok(())
}
