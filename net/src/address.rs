//! Addresses of peers as text, and peer ids of libp2p as the node's own.

use libp2p::{Multiaddr, PeerId as Libp2pPeerId, multiaddr::Protocol};
use weir_core::{PeerAddress, PeerId};

/// Longest address text in bytes. A DNS name has at most 253, a peer id 88 in base58.
const MAX_LENGTH: usize = 512;

/// Why a text is not the address of a peer this node could dial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Longer than any address is.
    #[error("the address has {0} bytes; at most {MAX_LENGTH} are allowed")]
    TooLong(usize),
    /// Not a multiaddr at all.
    #[error("`{address}` is not a multiaddr ({cause}); expected e.g. /ip4/127.0.0.1/tcp/60000/p2p/16Uiu2HA…")]
    NotAMultiaddr {
        /// The text.
        address: String,
        /// What the parser says.
        cause: String,
    },
    /// The host or the port is missing, or the transport is not plain TCP.
    #[error("`{0}` is not a TCP address: expected /ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>/p2p/<peer id>")]
    NotTcp(String),
    /// The peer id at the end is missing.
    #[error("`{0}` does not tell the peer's id: append /p2p/<peer id>")]
    NoPeerId(String),
}

/// Reads `/<ip4|ip6|dns|dns4|dns6>/<host>/tcp/<port>/p2p/<peer id>`.
pub fn parse(text: &str) -> Result<PeerAddress, AddressError> {
    let address = parse_multiaddr(text)?;
    let mut parts = address.iter();
    if !is_host(parts.next()) || !matches!(parts.next(), Some(Protocol::Tcp(_))) {
        return Err(AddressError::NotTcp(text.to_owned()));
    }
    match (parts.next(), parts.next()) {
        (Some(Protocol::P2p(peer)), None) => Ok(PeerAddress::new(peer_id(&peer), &address.to_string())),
        (None, None) => Err(AddressError::NoPeerId(text.to_owned())),
        _ => Err(AddressError::NotTcp(text.to_owned())),
    }
}

/// Reads `/<ip4|ip6>/<address>/tcp/<port>`, where a node can listen.
pub(crate) fn parse_listen(text: &str) -> Result<Multiaddr, AddressError> {
    let address = parse_multiaddr(text)?;
    let parts: Vec<_> = address.iter().collect();
    match *parts.as_slice() {
        [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Tcp(_)] => Ok(address),
        _ => Err(AddressError::NotTcp(text.to_owned())),
    }
}

/// Whether a text is an address under which a node can be known to others, without its peer id.
pub fn can_be_announced(text: &str) -> bool {
    parse_multiaddr(text).is_ok_and(|address| {
        !address.is_empty() && !address.iter().any(|part| matches!(part, Protocol::P2p(_)))
    })
}

/// Reads an address under which the node is known to others, with or without its peer id.
pub(crate) fn parse_multiaddr(text: &str) -> Result<Multiaddr, AddressError> {
    if text.len() > MAX_LENGTH {
        return Err(AddressError::TooLong(text.len()));
    }
    text.parse().map_err(|cause: libp2p::multiaddr::Error| AddressError::NotAMultiaddr {
        address: text.to_owned(),
        cause: cause.to_string(),
    })
}

/// `address` as one of `peer`, with `/p2p/` at its end.
pub(crate) fn of_peer(address: &Multiaddr, peer: &Libp2pPeerId) -> PeerAddress {
    let address = address.clone().with_p2p(*peer).unwrap_or_else(|address| address);
    PeerAddress::new(peer_id(peer), &address.to_string())
}

/// libp2p's peer id as the node's.
pub(crate) fn peer_id(peer: &Libp2pPeerId) -> PeerId {
    PeerId::from_bytes(&peer.to_bytes()).expect("libp2p's peer ids have 1 to 64 bytes")
}

/// The node's peer id as libp2p's, unless it is none.
pub(crate) fn libp2p_peer_id(peer: &PeerId) -> Option<Libp2pPeerId> {
    Libp2pPeerId::from_bytes(peer.as_bytes()).ok()
}

fn is_host(part: Option<Protocol<'_>>) -> bool {
    use Protocol::{Dns, Dns4, Dns6, Ip4, Ip6};
    matches!(part, Some(Ip4(_) | Ip6(_) | Dns(_) | Dns4(_) | Dns6(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "16Uiu2HAmNaeL4p3WEYzC9mgXBmBWSgWjPHRvatZTXnp8Jgv3iKsb";

    #[test]
    fn tcp_addresses_with_a_peer_id_read_back_as_they_were() {
        for host in
            ["/ip4/127.0.0.1", "/ip6/::1", "/dns4/node-01.example.org", "/dns6/a.example", "/dns/a.example"]
        {
            let text = format!("{host}/tcp/60000/p2p/{PEER}");
            let address = parse(&text).expect("an address");
            assert_eq!((address.as_str(), address.peer().to_string().as_str()), (text.as_str(), PEER));
        }
    }

    #[test]
    fn other_texts_are_refused_by_the_rule_they_break() {
        let not_tcp = |text: &str| Err(AddressError::NotTcp(text.to_owned()));
        let udp = format!("/ip4/127.0.0.1/udp/1/p2p/{PEER}");
        assert_eq!(parse(&udp), not_tcp(&udp));
        let ws = format!("/ip4/127.0.0.1/tcp/1/ws/p2p/{PEER}");
        assert_eq!(parse(&ws), not_tcp(&ws));
        let relayed = format!("/ip4/127.0.0.1/tcp/1/p2p/{PEER}/p2p-circuit/p2p/{PEER}");
        assert_eq!(parse(&relayed), not_tcp(&relayed));
        let bare = format!("/p2p/{PEER}");
        assert_eq!(parse(&bare), not_tcp(&bare));
        let nobody = "/ip4/127.0.0.1/tcp/60000";
        assert_eq!(parse(nobody), Err(AddressError::NoPeerId(nobody.to_owned())));
        assert_eq!(parse(&"/".repeat(513)), Err(AddressError::TooLong(513)));
        for text in ["", "127.0.0.1:60000", "/ip4/1.2.3/tcp/1", "/ip4/1.2.3.4/tcp/1/p2p/nobody"] {
            let error = parse(text).expect_err(text);
            assert!(matches!(error, AddressError::NotAMultiaddr { .. } | AddressError::NotTcp(_)), "{error}");
        }
    }

    #[test]
    fn a_node_listens_on_addresses_without_names_and_ids() {
        assert!(parse_listen("/ip4/0.0.0.0/tcp/0").is_ok());
        assert!(parse_listen("/ip6/::/tcp/60000").is_ok());
        for text in [&format!("/ip4/0.0.0.0/tcp/0/p2p/{PEER}"), "/dns4/a.example/tcp/1", "/ip4/0.0.0.0"] {
            assert_eq!(parse_listen(text), Err(AddressError::NotTcp(text.to_owned())));
        }
    }

    #[test]
    fn whole_multiaddrs_without_an_id_can_be_announced() {
        for text in ["/dns4/a.example/tcp/443/wss", "/ip4/192.0.2.1/udp/1/quic-v1"] {
            assert!(can_be_announced(text), "{text}");
        }
        for text in ["", "/", "example.org", "/example/org", &format!("/ip4/192.0.2.1/tcp/1/p2p/{PEER}")] {
            assert!(!can_be_announced(text), "{text}");
        }
    }

    #[test]
    fn peer_ids_convert_both_ways() {
        let peer = Libp2pPeerId::random();
        assert_eq!(libp2p_peer_id(&peer_id(&peer)), Some(peer));
        assert_eq!(libp2p_peer_id(&PeerId::from_bytes(b"not a multihash").expect("short")), None);
    }
}
