//! Peer identity without a network library.

use std::{fmt, str::FromStr, sync::Arc};

/// Longest libp2p peer id: an identity multihash of a 42-byte public key, or a 32-byte digest.
const MAX_LENGTH: usize = 64;

/// A libp2p peer id: the multihash of a public key. Opaque here; text form is base58.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(Arc<[u8]>);

/// Why bytes or a text are not a peer id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerIdError {
    /// Empty or over 64 bytes.
    #[error("a peer id has 1 to {MAX_LENGTH} bytes, not {0}")]
    Length(usize),
    /// A character outside the base58 alphabet.
    #[error("`{0}` is not a base58 peer id")]
    NotBase58(String),
}

impl PeerId {
    /// From multihash bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PeerIdError> {
        if bytes.is_empty() || bytes.len() > MAX_LENGTH {
            return Err(PeerIdError::Length(bytes.len()));
        }
        Ok(Self(bytes.into()))
    }

    /// The multihash bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(&self.0).into_string())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PeerId {
    type Err = PeerIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Base58 text is at most 1.37 times as long as its bytes; longer input is not decoded.
        if text.len() > MAX_LENGTH * 2 {
            return Err(PeerIdError::Length(text.len()));
        }
        let bytes = bs58::decode(text).into_vec().map_err(|_| PeerIdError::NotBase58(text.to_owned()))?;
        Self::from_bytes(&bytes)
    }
}

/// Where a peer can be dialled: its id and a multiaddr that ends in `/p2p/<id>`.
///
/// Only `weir-net` can tell whether a text is a multiaddr, so only its parser makes these from
/// what an operator or a peer wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    peer: PeerId,
    multiaddr: Arc<str>,
}

impl PeerAddress {
    /// An address that was parsed; `multiaddr` ends in `/p2p/<peer>`.
    pub fn new(peer: PeerId, multiaddr: &str) -> Self {
        Self { peer, multiaddr: multiaddr.into() }
    }

    /// Whose address it is.
    pub const fn peer(&self) -> &PeerId {
        &self.peer
    }

    /// The multiaddr with its `/p2p/` part.
    pub fn as_str(&self) -> &str {
        &self.multiaddr
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.multiaddr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_the_one_other_nodes_print() {
        let text = "16Uiu2HAmNaeL4p3WEYzC9mgXBmBWSgWjPHRvatZTXnp8Jgv3iKsb";
        assert_eq!(text.parse::<PeerId>().map(|id| id.to_string()), Ok(text.to_owned()));
        assert!(matches!("0OIl".parse::<PeerId>(), Err(PeerIdError::NotBase58(_))));
        assert_eq!("".parse::<PeerId>(), Err(PeerIdError::Length(0)));
    }
}
