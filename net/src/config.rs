//! What the network is started with.

use std::{collections::BTreeSet, fmt};

use weir_core::{ClusterId, limits::DEFAULT_MAX_MESSAGE_SIZE};
use zeroize::Zeroizing;

use crate::{
    PushStreams, Service,
    certificate::{Authorities, Certificate},
    colocation::Colocation,
    nat::Nat,
};

/// The settings of [`crate::Network`]. Parameters of the protocols are not among them: they have to
/// be the same on all nodes (11/WAKU2-RELAY).
#[derive(Clone)]
pub struct Config {
    /// The secp256k1 secret key the node is known by, 32 bytes big-endian.
    pub key: Zeroizing<[u8; 32]>,
    /// Where to listen: `/<ip4|ip6>/<address>/tcp/<port>` and `/ws`, `/wss` or nothing, or
    /// `/udp/<port>/quic-v1`; port 0 takes a free one.
    pub listen: Vec<String>,
    /// The certificate of `/wss`, without which it cannot be listened on.
    pub certificate: Option<Certificate>,
    /// Who may vouch for a peer that is dialled by `/wss`.
    pub authorities: Authorities,
    /// Whether QUIC is dialled and can be listened on.
    pub quic: bool,
    /// What to do about NAT.
    pub nat: Nat,
    /// Addresses to tell others.
    pub announce: Vec<String>,
    /// Whether to tell the addresses listened on too. Those of WebSockets are left out when
    /// `announce` has one, and those of QUIC likewise: who writes that knows how to get here.
    pub announce_listeners: bool,
    /// The cluster whose topics exist for this node.
    pub cluster: ClusterId,
    /// What identify calls this node.
    pub agent: String,
    /// Longest gossip frame of the network in bytes; a message is shorter by the frame's own bytes.
    pub max_message_size: usize,
    /// Connections in and out together, at most. A sixth is kept free for outgoing ones.
    pub max_connections: u32,
    /// How many of these one IP address may have; `None` for any number.
    pub colocation: Option<Colocation>,
    /// Whether the node offers relay. One that does not joins no topic.
    pub relays: bool,
    /// What peers may ask this node for; they are told of nothing else.
    pub serves: BTreeSet<Service>,
    /// The way to the node's filter clients; none when it has none. A network that takes the place of another is
    /// given the same.
    pub filter_clients: Option<PushStreams>,
    /// Whether peers may push messages to this node as to a filter client; otherwise they are told that they
    /// cannot.
    pub is_filter_client: bool,
}

impl Config {
    /// The network's defaults for a node of `cluster` that listens nowhere.
    pub fn new(key: Zeroizing<[u8; 32]>, cluster: ClusterId) -> Self {
        Self {
            key,
            listen: Vec::new(),
            certificate: None,
            authorities: Authorities::default(),
            quic: false,
            nat: Nat::default(),
            announce: Vec::new(),
            announce_listeners: true,
            cluster,
            agent: concat!("weir-", env!("CARGO_PKG_VERSION")).to_owned(),
            max_message_size: DEFAULT_MAX_MESSAGE_SIZE,
            max_connections: 150,
            colocation: None,
            relays: true,
            serves: BTreeSet::new(),
            filter_clients: None,
            is_filter_client: false,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("key", &"[REDACTED]")
            .field("listen", &self.listen)
            .field("certificate", &self.certificate)
            .field("quic", &self.quic)
            .field("nat", &self.nat)
            .field("announce", &self.announce)
            .field("announce_listeners", &self.announce_listeners)
            .field("cluster", &self.cluster)
            .field("agent", &self.agent)
            .field("max_message_size", &self.max_message_size)
            .field("max_connections", &self.max_connections)
            .field("colocation", &self.colocation)
            .field("relays", &self.relays)
            .field("serves", &self.serves)
            .field("filter_clients", &self.filter_clients)
            .field("is_filter_client", &self.is_filter_client)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_not_printed() {
        let config = Config::new(Zeroizing::new([0xab; 32]), ClusterId(1));
        let text = format!("{config:?}");
        assert!(text.contains("[REDACTED]") && !text.contains("171") && !text.contains("ab, "), "{text}");
    }
}
