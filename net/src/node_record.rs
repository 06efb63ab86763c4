//! Node records: who a node is and where, signed by itself (EIP-778; 31/WAKU2-ENR).
//!
//! A [`NodeRecord`] is one whose signature holds. Which of the addresses can be dialled is for others to say:
//! whoever signs a record may name any.
//!
//! ```text
//!  ip, tcp (ip6, tcp6)   where the node listens             multiaddrs   names and transports beside TCP
//!  rs | rsv              its cluster and shards             waku2        what it serves, one bit each
//! ```
//!
//! # Security
//! A record has at most 300 bytes, which bounds all that is in it.

use std::net::IpAddr;

use alloy_rlp::Decodable;
use bytes::{BufMut, Bytes, BytesMut};
use enr::{Enr, k256::ecdsa::SigningKey};
use libp2p::{
    Multiaddr, PeerId as Libp2pPeerId,
    identity::{PublicKey, secp256k1},
    multiaddr::Protocol,
};
use weir_core::{
    ClusterId, PeerAddress, PeerId, ShardId,
    peer_exchange::{EncodedRecord, MAX_RECORD_LENGTH, RecordLength},
};
use zeroize::Zeroizing;

use crate::address::{self, of_peer, peer_id};

/// Shards that are written one by one; from this many on they take more room than a bit for each of 1024.
const MANY_SHARDS: usize = 64;

const WAKU2: &str = "waku2";
const SHARDS: &str = "rs";
const SHARD_BITS: &str = "rsv";
const MULTIADDRS: &str = "multiaddrs";

/// A record whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    encoded: EncodedRecord,
    peer: PeerId,
    sequence: u64,
    addresses: Vec<PeerAddress>,
    cluster: Option<ClusterId>,
    text: String,
}

/// What this node tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFacts {
    /// The higher of two records of one node is the newer.
    pub sequence: u64,
    /// Where others are told to find it, with or without its peer id.
    pub addresses: Vec<String>,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The shards that it takes part in.
    pub shards: Vec<ShardId>,
    /// Whether it relays.
    pub relay: bool,
    /// Whether it answers store queries.
    pub store: bool,
    /// Whether it serves filter.
    pub filter: bool,
    /// Whether it serves light push.
    pub lightpush: bool,
}

/// Why bytes are no record, or none can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not a record, or one whose signature does not hold.
    #[error("not a signed node record: {0}")]
    Invalid(String),
    /// Bytes follow it.
    #[error("{0} bytes follow the node record")]
    Trailing(usize),
    /// The key is none.
    #[error("the node's key cannot sign")]
    Key,
    /// It cannot be signed or is too long.
    #[error("the node record cannot be made: {0}")]
    Unsignable(String),
    /// It is longer than a record may be.
    #[error(transparent)]
    Length(#[from] RecordLength),
}

impl NodeRecord {
    /// Verifies a record.
    pub fn verify(encoded: &EncodedRecord) -> Result<Self, RecordError> {
        let mut rest: &[u8] = encoded.as_bytes();
        // Decoding checks the signature.
        let record =
            Enr::<SigningKey>::decode(&mut rest).map_err(|error| RecordError::Invalid(error.to_string()))?;
        if !rest.is_empty() {
            return Err(RecordError::Trailing(rest.len()));
        }
        Self::read(encoded.clone(), &record)
    }

    /// Signs this node's own record with `key`. Addresses that do not fit are left out, the last first.
    pub fn sign(key: &Zeroizing<[u8; 32]>, facts: &OwnFacts) -> Result<Self, RecordError> {
        let key = SigningKey::from_slice(key.as_slice()).map_err(|_| RecordError::Key)?;
        let mut builder = Enr::builder();
        builder.seq(facts.sequence).add_value(WAKU2, &capabilities(facts).as_slice());
        let (name, shards) = encode_shards(facts.cluster, &facts.shards);
        builder.add_value(name, &&shards[..]);
        let parsed = facts.addresses.iter().filter_map(|text| address::parse_multiaddr(text).ok());
        let mut named = Vec::new();
        let mut has_ip = [false; 2];
        for address in parsed {
            match plain_tcp(&address) {
                Some((IpAddr::V4(ip), port)) if !std::mem::replace(&mut has_ip[0], true) => {
                    builder.ip4(ip).tcp4(port);
                }
                Some((IpAddr::V6(ip), port)) if !std::mem::replace(&mut has_ip[1], true) => {
                    builder.ip6(ip).tcp6(port);
                }
                Some(_) => {}
                None => named.push(address),
            }
        }
        loop {
            if !named.is_empty() {
                builder.add_value(MULTIADDRS, &&encode_multiaddrs(&named)[..]);
            }
            match builder.build(&key) {
                Ok(record) => {
                    let encoded = EncodedRecord::new(alloy_rlp::encode(&record).into())?;
                    return Self::read(encoded, &record);
                }
                Err(enr::Error::ExceedsMaxSize) if named.pop().is_some() => {
                    builder.add_value(MULTIADDRS, &&encode_multiaddrs(&named)[..]);
                }
                Err(error) => return Err(RecordError::Unsignable(error.to_string())),
            }
        }
    }

    fn read(encoded: EncodedRecord, record: &Enr<SigningKey>) -> Result<Self, RecordError> {
        let key = record.public_key().to_sec1_point(true);
        let key = secp256k1::PublicKey::try_from_bytes(key.as_bytes())
            .map_err(|error| RecordError::Invalid(error.to_string()))?;
        let peer = PublicKey::from(key).to_peer_id();
        Ok(Self {
            encoded,
            peer: peer_id(&peer),
            sequence: record.seq(),
            addresses: addresses(record, &peer),
            cluster: cluster(record),
            text: record.to_base64(),
        })
    }

    /// As it is sent.
    pub const fn encoded(&self) -> &EncodedRecord {
        &self.encoded
    }

    /// Whose it is.
    pub const fn peer(&self) -> &PeerId {
        &self.peer
    }

    /// The higher of two records of one node is the newer.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Where it says that it can be dialled over TCP; names first.
    pub fn addresses(&self) -> &[PeerAddress] {
        &self.addresses
    }

    /// Its cluster, if it tells one.
    pub const fn cluster(&self) -> Option<ClusterId> {
        self.cluster
    }

    /// `enr:-…`
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Bit 0 relay, 1 store, 2 filter, 3 light push.
fn capabilities(facts: &OwnFacts) -> [u8; 1] {
    let bits = [facts.relay, facts.store, facts.filter, facts.lightpush];
    [bits.into_iter().enumerate().map(|(bit, on)| u8::from(on) << bit).sum()]
}

fn encode_shards(cluster: ClusterId, shards: &[ShardId]) -> (&'static str, Bytes) {
    let mut bytes = BytesMut::new();
    bytes.put_u16(cluster.0);
    match u8::try_from(shards.len()) {
        Ok(count) if shards.len() < MANY_SHARDS => {
            bytes.put_u8(count);
            shards.iter().for_each(|shard| bytes.put_u16(shard.0));
            (SHARDS, bytes.freeze())
        }
        _ => {
            let mut bits = [0_u8; 128];
            for shard in shards {
                if let Some(byte) = bits.get_mut(usize::from(shard.0 / 8)) {
                    *byte |= 1 << (shard.0 % 8);
                }
            }
            bytes.put_slice(&bits);
            (SHARD_BITS, bytes.freeze())
        }
    }
}

/// Both forms begin with the cluster.
fn cluster(record: &Enr<SigningKey>) -> Option<ClusterId> {
    let value = [SHARD_BITS, SHARDS].iter().find_map(|name| record.get_decodable::<Bytes>(name)?.ok())?;
    Some(ClusterId(u16::from_be_bytes(value.get(..2)?.try_into().ok()?)))
}

/// Of the form `/ip4|ip6/<address>/tcp/<port>`, with or without a peer id; other forms have no place of their own.
fn plain_tcp(address: &Multiaddr) -> Option<(IpAddr, u16)> {
    let parts: Vec<_> = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
    match *parts.as_slice() {
        [Protocol::Ip4(ip), Protocol::Tcp(port)] => Some((ip.into(), port)),
        [Protocol::Ip6(ip), Protocol::Tcp(port)] => Some((ip.into(), port)),
        _ => None,
    }
}

fn encode_multiaddrs(addresses: &[Multiaddr]) -> Bytes {
    let mut bytes = BytesMut::new();
    for address in addresses {
        let own: Multiaddr = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        if let Ok(length) = u16::try_from(own.len()) {
            bytes.put_u16(length);
            bytes.put_slice(own.as_ref());
        }
    }
    bytes.freeze()
}

fn addresses(record: &Enr<SigningKey>, peer: &Libp2pPeerId) -> Vec<PeerAddress> {
    let named = record.get_decodable::<Bytes>(MULTIADDRS).and_then(Result::ok).unwrap_or_default();
    let tcp4 = record.tcp4_socket().map(|at| (IpAddr::from(*at.ip()), at.port()));
    let tcp6 = record.tcp6_socket().map(|at| (IpAddr::from(*at.ip()), at.port()));
    let plain = tcp4.into_iter().chain(tcp6);
    let plain = plain.map(|(ip, port)| Multiaddr::from(ip).with(Protocol::Tcp(port)));
    decode_multiaddrs(&named)
        .into_iter()
        .chain(plain)
        .map(|address| of_peer(&address, peer))
        .filter_map(|address| address::parse(address.as_str()).ok())
        .collect()
}

/// Each is behind its length. What cannot be read is skipped, and after a length that is none there is nothing.
fn decode_multiaddrs(mut bytes: &[u8]) -> Vec<Multiaddr> {
    let mut found = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((address, rest)) = rest.split_at_checked(length).filter(|_| length > 0) else { break };
        found.extend(Multiaddr::try_from(address.to_vec()).ok());
        bytes = rest;
    }
    found
}

const _: () = assert!(MAX_RECORD_LENGTH == 300, "what the crate allows");

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Zeroizing<[u8; 32]> {
        Zeroizing::new([7; 32])
    }

    fn facts() -> OwnFacts {
        OwnFacts {
            sequence: 3,
            addresses: vec!["/ip4/192.0.2.1/tcp/60000".to_owned()],
            cluster: ClusterId(66),
            shards: vec![ShardId(1), ShardId(10)],
            relay: true,
            store: false,
            filter: false,
            lightpush: true,
        }
    }

    #[test]
    fn a_record_of_the_live_network_is_read() {
        let text = "enr:-QESuED0qW1BCmF-oH_ARGPr97Nv767bl_43uoy70vrbah3EaCAdK3Q0iRQ6wkSTTpdrg_dU_NC2ydO8leSlRpBX4pxi\
                    AYJpZIJ2NIJpcIRA4VDAim11bHRpYWRkcnO4XAArNiZub2RlLTAxLmRvLWFtczMud2FrdS5zYW5kYm94LnN0YXR1cy5pbQZ2X\
                    wAtNiZub2RlLTAxLmRvLWFtczMud2FrdS5zYW5kYm94LnN0YXR1cy5pbQYfQN4DgnJzkwABCAAAAAEAAgADAAQABQAGAAeJc2V\
                    jcDI1NmsxoQOTd-h5owwj-cx7xrmbvQKU8CV3Fomfdvcv1MBc-67T5oN0Y3CCdl-DdWRwgiMohXdha3UyDw";
        let live: Enr<SigningKey> = text.parse().expect("the documents have it so");
        let encoded = EncodedRecord::new(alloy_rlp::encode(&live).into()).expect("short");
        let record = NodeRecord::verify(&encoded).expect("signed");
        assert_eq!(record.peer().to_string(), "16Uiu2HAmNaeL4p3WEYzC9mgXBmBWSgWjPHRvatZTXnp8Jgv3iKsb");
        assert_eq!((record.cluster(), record.text()), (Some(ClusterId(1)), text));
        let addresses: Vec<&str> = record.addresses().iter().map(PeerAddress::as_str).collect();
        assert_eq!(
            addresses,
            [
                format!("/dns4/node-01.do-ams3.waku.sandbox.status.im/tcp/30303/p2p/{}", record.peer()),
                format!("/dns4/node-01.do-ams3.waku.sandbox.status.im/tcp/8000/wss/p2p/{}", record.peer()),
                format!("/ip4/64.225.80.192/tcp/30303/p2p/{}", record.peer())
            ],
            "all can be dialled"
        );
    }

    #[test]
    fn an_own_record_reads_back() {
        let own = NodeRecord::sign(&key(), &facts()).expect("signed");
        let record = NodeRecord::verify(own.encoded()).expect("signed");
        assert_eq!(record, own);
        assert_eq!((record.cluster(), record.sequence()), (Some(ClusterId(66)), 3));
        let expected = format!("/ip4/192.0.2.1/tcp/60000/p2p/{}", record.peer());
        assert_eq!(record.addresses().iter().map(PeerAddress::as_str).collect::<Vec<_>>(), [expected]);
        let raw: Enr<SigningKey> = own.text().parse().expect("a record");
        let value = |name: &str| raw.get_decodable::<Bytes>(name).expect("there").expect("bytes");
        assert_eq!(value(WAKU2)[..], [0b1001]);
        assert_eq!(value(SHARDS)[..], [0, 66, 2, 0, 1, 0, 10]);
    }

    #[test]
    fn many_shards_take_a_bit_each() {
        // The example of nwaku's tests, and the one derived from it.
        let mut expected = vec![0, 73, 2, 4];
        expected.resize(130, 0);
        let shards: Vec<ShardId> = [1, 10].map(ShardId).into();
        let all: Vec<ShardId> = shards.iter().copied().cycle().take(MANY_SHARDS).collect();
        assert_eq!(encode_shards(ClusterId(73), &all), (SHARD_BITS, expected.into()));
        let (name, listed) = encode_shards(ClusterId(73), &shards);
        assert_eq!((name, &listed[..]), (SHARDS, &[0, 73, 2, 0, 1, 0, 10][..]));
    }

    #[test]
    fn names_that_do_not_fit_are_left_out_and_the_rest_stays() {
        let name = |n: usize| format!("/dns4/node-{n}.a-name-of-some-length.example.org/tcp/443/tls/ws");
        let addresses = facts().addresses.into_iter().chain((0..8).map(name)).collect();
        let own = NodeRecord::sign(&key(), &OwnFacts { addresses, ..facts() }).expect("signed");
        assert!(own.encoded().as_bytes().len() <= MAX_RECORD_LENGTH);
        let raw: Enr<SigningKey> = own.text().parse().expect("a record");
        let kept = raw.get_decodable::<Bytes>(MULTIADDRS).expect("there").expect("bytes");
        let names = decode_multiaddrs(&kept).len();
        assert!((1..8).contains(&names), "{names}");
        assert_eq!(own.addresses().len(), 1 + names);
    }

    #[test]
    fn a_record_that_was_changed_or_goes_on_is_none() {
        let own = NodeRecord::sign(&key(), &facts()).expect("signed");
        let bytes = own.encoded().as_bytes();
        for place in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[place] ^= 1;
            let changed = EncodedRecord::new(changed.into()).expect("as long");
            assert!(NodeRecord::verify(&changed).is_err(), "{place}");
        }
        let longer = EncodedRecord::new([&bytes[..], b"x"].concat().into()).expect("short");
        assert_eq!(NodeRecord::verify(&longer), Err(RecordError::Trailing(1)));
    }

    #[test]
    fn lists_of_addresses_that_break_off_give_what_came_before() {
        let list = encode_multiaddrs(&["/dns4/a.example/tcp/1".parse().expect("an address")]);
        for tail in [&[][..], &[0], &[0, 0, 1], &[0, 9, 1]] {
            assert_eq!(decode_multiaddrs(&[&list[..], tail].concat()).len(), 1, "{tail:?}");
        }
    }
}
