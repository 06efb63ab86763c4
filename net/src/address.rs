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
    /// The host or the port is missing, or what follows is no transport of this node.
    #[error(
        "`{0}` is not an address weir can use: expected /ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>, then nothing, \
         /ws, /wss or /tls/ws, or /udp/<port>/quic-v1, then /p2p/<peer id>"
    )]
    Unsupported(String),
    /// Not where a node can listen.
    #[error(
        "`{0}` is not an address to listen on: expected /ip4|ip6/<address>/tcp/<port>, then nothing, /ws or /wss, \
         or /udp/<port>/quic-v1"
    )]
    NotToListenOn(String),
    /// The peer id at the end is missing.
    #[error("`{0}` does not tell the peer's id: append /p2p/<peer id>")]
    NoPeerId(String),
}

/// How bytes get to an address and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Carrier {
    Tcp,
    Quic,
    WebSocket,
    SecureWebSocket,
}

/// An address taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The host and the port, and what it takes to have a stream of bytes or a QUIC connection there.
    pub(crate) socket: Multiaddr,
    /// The host as a URL has it.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) carrier: Carrier,
    /// The name to ask for in the TLS handshake, if it is not the host.
    pub(crate) server_name: Option<String>,
    pub(crate) peer: Option<Libp2pPeerId>,
}

/// Reads `/<ip4|ip6|dns|dns4|dns6>/<host>/tcp/<port>`, `/ws`, `/wss`, `/tls/ws` or nothing, or
/// `/udp/<port>/quic-v1`, then `/p2p/<peer id>`; that may be a relay's, followed by `/p2p-circuit/p2p/<peer id>`.
pub fn parse(text: &str) -> Result<PeerAddress, AddressError> {
    let address = parse_multiaddr(text)?;
    let whose = whose(&address).ok_or_else(|| AddressError::Unsupported(text.to_owned()))?;
    match whose {
        Some(peer) => Ok(PeerAddress::new(peer_id(&peer), &address.to_string())),
        None => Err(AddressError::NoPeerId(text.to_owned())),
    }
}

/// Reads `/<ip4|ip6>/<address>/tcp/<port>` and `/ws`, `/wss` or nothing, or `/udp/<port>/quic-v1`, where a
/// node can listen.
pub(crate) fn parse_listen(text: &str) -> Result<Multiaddr, AddressError> {
    let address = parse_multiaddr(text)?;
    let has_ip = matches!(address.iter().next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_)));
    let fits = |parts: &Parts| has_ip && parts.peer.is_none() && parts.server_name.is_none();
    match take_apart(&address).filter(fits) {
        Some(_) => Ok(address),
        None => Err(AddressError::NotToListenOn(text.to_owned())),
    }
}

/// The parts of an address, unless it is one of another form than [`parse`] reads or goes through a
/// relay; the peer id may be missing.
pub(crate) fn take_apart(address: &Multiaddr) -> Option<Parts> {
    let mut rest = address.iter().peekable();
    let host = rest.next()?;
    let host_text = host_text(&host)?;
    let transport = rest.next()?;
    let mut socket = Multiaddr::from_iter([host, transport.clone()]);
    let (Protocol::Tcp(port) | Protocol::Udp(port)) = transport else { return None };
    let mut server_name = None;
    let carrier = match rest.peek() {
        _ if matches!(transport, Protocol::Udp(_)) => {
            socket.push(rest.next_if_eq(&Protocol::QuicV1)?);
            Carrier::Quic
        }
        Some(Protocol::Ws(_) | Protocol::Wss(_) | Protocol::Tls) => match rest.next()? {
            Protocol::Ws(path) if path == "/" => Carrier::WebSocket,
            Protocol::Wss(path) if path == "/" => Carrier::SecureWebSocket,
            Protocol::Tls => {
                if let Some(name) = rest.next_if(|part| matches!(part, Protocol::Sni(_))) {
                    let Protocol::Sni(name) = name else { return None };
                    server_name = Some(name.into_owned());
                }
                match rest.next()? {
                    Protocol::Ws(path) if path == "/" => Carrier::SecureWebSocket,
                    _ => return None,
                }
            }
            _ => return None,
        },
        _ => Carrier::Tcp,
    };
    let peer = match rest.next() {
        Some(Protocol::P2p(peer)) => Some(peer),
        Some(_) => return None,
        None => None,
    };
    rest.next().is_none().then_some(Parts { socket, host: host_text, port, carrier, server_name, peer })
}

/// Whose address it is, `None` within where that is not told. `None` for one that is of another form
/// than [`parse`] reads.
fn whose(address: &Multiaddr) -> Option<Option<Libp2pPeerId>> {
    let parts: Vec<_> = address.iter().collect();
    let Some(at) = parts.iter().position(|part| *part == Protocol::P2pCircuit) else {
        return take_apart(address).map(|parts| parts.peer);
    };
    // The relay has to be known by its id.
    take_apart(&Multiaddr::from_iter(parts[..at].iter().cloned()))?.peer?;
    match parts[at + 1..] {
        [] => Some(None),
        [Protocol::P2p(peer)] => Some(Some(peer)),
        _ => None,
    }
}

/// Whether this leads through a relay.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Puts addresses in the order in which they are best dialled and shown.
pub(crate) fn by_carrier(address: &str) -> Carrier {
    let parts = address.parse().ok().and_then(|address| take_apart(&address));
    parts.map_or(Carrier::SecureWebSocket, |parts| parts.carrier)
}

/// Whether a browser could dial this: it ends in a WebSocket.
pub(crate) fn is_websocket(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Ws(_) | Protocol::Wss(_)))
}

/// Whether this is dialled with QUIC.
pub(crate) fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::QuicV1)
}

/// Whether a text is an address under which a node can be known to others, without its peer id.
pub fn can_be_announced(text: &str) -> bool {
    parse_multiaddr(text).is_ok_and(|address| {
        !address.is_empty() && !address.iter().any(|part| matches!(part, Protocol::P2p(_)))
    })
}

/// Whether a text is an address browsers can dial.
pub fn is_for_browsers(text: &str) -> bool {
    parse_multiaddr(text).is_ok_and(|address| is_websocket(&address))
}

/// Whether a text is an address that is dialled with QUIC.
pub fn is_for_quic(text: &str) -> bool {
    parse_multiaddr(text).is_ok_and(|address| is_quic(&address))
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

fn host_text(part: &Protocol<'_>) -> Option<String> {
    use Protocol::{Dns, Dns4, Dns6, Ip4, Ip6};
    match part {
        Ip4(ip) => Some(ip.to_string()),
        Ip6(ip) => Some(format!("[{ip}]")),
        Dns(name) | Dns4(name) | Dns6(name) => Some(name.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "16Uiu2HAmNaeL4p3WEYzC9mgXBmBWSgWjPHRvatZTXnp8Jgv3iKsb";

    #[test]
    fn addresses_with_a_peer_id_read_back_as_they_were() {
        for host in
            ["/ip4/127.0.0.1", "/ip6/::1", "/dns4/node-01.example.org", "/dns6/a.example", "/dns/a.example"]
        {
            for transport in ["", "/ws", "/wss", "/tls/ws", "/tls/sni/b.example/ws"] {
                let text = format!("{host}/tcp/60000{transport}/p2p/{PEER}");
                let address = parse(&text).expect("an address");
                assert_eq!((address.as_str(), address.peer().to_string().as_str()), (text.as_str(), PEER));
            }
            let relay = Libp2pPeerId::random();
            for way in ["/udp/1/quic-v1".to_owned(), format!("/tcp/1/ws/p2p/{relay}/p2p-circuit")] {
                let text = format!("{host}{way}/p2p/{PEER}");
                let address = parse(&text).expect("an address");
                assert_eq!((address.as_str(), address.peer().to_string().as_str()), (text.as_str(), PEER));
            }
        }
    }

    #[test]
    fn an_address_comes_apart_into_what_each_layer_dials() {
        let parts = |text: &str| take_apart(&text.parse().expect("a multiaddr")).expect("an address");
        let plain = parts("/ip6/::1/tcp/80/ws");
        assert_eq!((plain.host.as_str(), plain.port, plain.carrier), ("[::1]", 80, Carrier::WebSocket));
        assert_eq!(plain.socket.to_string(), "/ip6/::1/tcp/80");
        let quic = parts("/ip4/127.0.0.1/udp/443/quic-v1");
        assert_eq!((quic.port, quic.carrier), (443, Carrier::Quic));
        assert_eq!(quic.socket.to_string(), "/ip4/127.0.0.1/udp/443/quic-v1");
        let secure = parts("/dns4/a.example/tcp/443/tls/sni/b.example/ws");
        assert_eq!((secure.host.as_str(), secure.carrier), ("a.example", Carrier::SecureWebSocket));
        assert_eq!(secure.server_name.as_deref(), Some("b.example"));
        assert_eq!(parts("/dns4/a.example/tcp/443/wss").carrier, Carrier::SecureWebSocket);
        assert_eq!(parts("/ip4/127.0.0.1/tcp/1").carrier, Carrier::Tcp);
    }

    #[test]
    fn other_texts_are_refused_by_the_rule_they_break() {
        let unsupported = |text: &str| Err(AddressError::Unsupported(text.to_owned()));
        for transport in [
            "udp/1",
            "udp/1/quic",
            "udp/1/quic-v1/ws",
            "udp/1/quic-v1/webtransport",
            "tcp/1/quic-v1",
            "tcp/1/p2p-circuit",
            "tcp/1/tls",
            "tcp/1/ws/ws",
            "tcp/1/tls/wss",
            "tcp/1/x-parity-ws/%2fpath",
        ] {
            let text = format!("/ip4/127.0.0.1/{transport}/p2p/{PEER}");
            assert_eq!(parse(&text), unsupported(&text));
        }
        let twice = format!("/ip4/127.0.0.1/tcp/1/p2p/{PEER}/p2p-circuit/p2p/{PEER}/p2p-circuit/p2p/{PEER}");
        assert_eq!(parse(&twice), unsupported(&twice));
        let at_relay = format!("/ip4/127.0.0.1/tcp/1/p2p/{PEER}/p2p-circuit");
        assert_eq!(parse(&at_relay), Err(AddressError::NoPeerId(at_relay)));
        let bare = format!("/p2p/{PEER}");
        assert_eq!(parse(&bare), unsupported(&bare));
        for nobody in ["/ip4/127.0.0.1/tcp/60000", "/dns4/a.example/tcp/443/wss"] {
            assert_eq!(parse(nobody), Err(AddressError::NoPeerId(nobody.to_owned())));
        }
        assert_eq!(parse(&"/".repeat(513)), Err(AddressError::TooLong(513)));
        for text in ["", "127.0.0.1:60000", "/ip4/1.2.3/tcp/1", "/ip4/1.2.3.4/tcp/1/p2p/nobody"] {
            let error = parse(text).expect_err(text);
            assert!(
                matches!(error, AddressError::NotAMultiaddr { .. } | AddressError::Unsupported(_)),
                "{error}"
            );
        }
    }

    #[test]
    fn a_node_listens_on_addresses_without_names_and_ids() {
        for text in [
            "/ip4/0.0.0.0/udp/0/quic-v1",
            "/ip4/0.0.0.0/tcp/0",
            "/ip6/::/tcp/60000",
            "/ip4/0.0.0.0/tcp/0/ws",
            "/ip6/::1/tcp/1/wss",
        ] {
            assert!(parse_listen(text).is_ok(), "{text}");
        }
        for text in [
            &format!("/ip4/0.0.0.0/tcp/0/p2p/{PEER}"),
            "/dns4/a.example/tcp/1",
            "/ip4/0.0.0.0",
            "/ip4/0.0.0.0/udp/0",
            "/ip4/0.0.0.0/tcp/0/tls/sni/a.example/ws",
        ] {
            assert_eq!(parse_listen(text), Err(AddressError::NotToListenOn(text.to_owned())));
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
