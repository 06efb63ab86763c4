//! The Waku message and its deterministic hash.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{
    ContentTopic, HexError, ProofField, PubsubTopic, Timestamp, fixed_bytes::parse_hex,
    limits::MAX_META_LENGTH,
};

/// A Waku message (14/WAKU2-MESSAGE). Payload and meta are shared, so clones are cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakuMessage {
    /// What the application sends, opaque to the network.
    pub payload: Bytes,
    /// What the application calls it.
    pub content_topic: ContentTopic,
    /// Version of the payload's encryption, 0 where the network is not told.
    pub version: u32,
    /// When the sender made it; zero when absent.
    pub timestamp: Timestamp,
    /// Application data that is part of the message hash.
    pub meta: Meta,
    /// True when stores shall not keep it.
    pub ephemeral: bool,
    /// The RLN proof.
    pub proof: ProofField,
}

/// At most [`MAX_META_LENGTH`] bytes of application data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta(Bytes);

/// A meta field above [`MAX_META_LENGTH`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("meta has {0} bytes; at most {MAX_META_LENGTH} are allowed")]
pub struct MetaTooLong(pub usize);

impl Meta {
    /// Checks the length.
    pub fn new(bytes: Bytes) -> Result<Self, MetaTooLong> {
        if bytes.len() > MAX_META_LENGTH { Err(MetaTooLong(bytes.len())) } else { Ok(Self(bytes)) }
    }

    /// The bytes, empty when the message has no meta.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

/// Deterministic message hash (14/WAKU2-MESSAGE): names a message on its pubsub topic.
///
/// Text form: `0x` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageHash([u8; 32]);

impl WakuMessage {
    /// SHA-256(pubsub topic ‖ payload ‖ content topic ‖ meta ‖ timestamp as 8 bytes big-endian).
    ///
    /// The eight timestamp bytes are hashed for timestamp 0 too, as nwaku does (js-waku leaves them
    /// out; see `docs/spec-map.md`).
    pub fn hash(&self, pubsub_topic: PubsubTopic) -> MessageHash {
        self.hash_on(&pubsub_topic.to_string())
    }

    fn hash_on(&self, pubsub_topic: &str) -> MessageHash {
        let digest = Sha256::new()
            .chain_update(pubsub_topic)
            .chain_update(&self.payload)
            .chain_update(self.content_topic.as_str())
            .chain_update(self.meta.as_bytes())
            .chain_update(self.timestamp.as_nanos().to_be_bytes())
            .finalize();
        MessageHash(digest.into())
    }
}

impl MessageHash {
    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for MessageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for MessageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageHash {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_hex(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Vec<u8> {
        hex::decode("010203045445535405060708").expect("hex")
    }

    fn message(payload: Vec<u8>, meta: Vec<u8>) -> WakuMessage {
        WakuMessage {
            payload: payload.into(),
            content_topic: ContentTopic::new("/waku/2/default-content/proto").expect("topic"),
            version: 0,
            timestamp: Timestamp::from_nanos(0x1757_89bf_a23f_8400),
            meta: Meta::new(meta.into()).expect("short"),
            ephemeral: false,
            proof: ProofField::Absent,
        }
    }

    #[test]
    fn hashes_agree_with_the_vectors_of_nwaku_and_rfc_14() {
        let long_meta: Vec<u8> = (0..64).collect();
        let secret = b"super-secret".to_vec();
        let shard = "/waku/2/rs/0/0";
        let named = "/waku/2/default-waku/proto";
        let vectors = [
            (shard, vec![], payload(), "cccab07fed94181c83937c8ca8340c9108492b7ede354a6d95421ad34141fd37"),
            (
                shard,
                secret.clone(),
                payload(),
                "b9b4852f9d8c489846e8bfc6c5ca6a1a8d460a40d28832a966e029eb39619199",
            ),
            (
                shard,
                long_meta.clone(),
                payload(),
                "653460d04f66c5b11814d235152f4f246e6f03ef80a305a825913636fbafd0ba",
            ),
            (
                shard,
                secret.clone(),
                vec![],
                "0f6448cc23b2db6c696aa6ab4b693eff4cf3549ff346fe1dbeb281697396a09f",
            ),
            (
                named,
                secret.clone(),
                payload(),
                "64cce733fed134e83da02b02c6f689814872b1a0ac97ea56b76095c3c72bfe05",
            ),
            (named, long_meta, payload(), "7158b6498753313368b9af8f6e0a0a05104f68f972981da42a43bc53fb0c1b27"),
            (named, vec![], payload(), "a2554498b31f5bcdfcbf7fa58ad1c2d45f0254f3f8110a85588ec3cf10720fd8"),
            (named, secret, vec![], "483ea950cb63f9b9d6926b262bb36194d3f40a0463ce8446228350bd44e96de4"),
        ];
        for (topic, meta, payload, expected) in vectors {
            assert_eq!(message(payload, meta).hash_on(topic).to_string(), format!("0x{expected}"));
        }
        let topic: PubsubTopic = shard.parse().expect("topic");
        assert_eq!(message(payload(), vec![]).hash(topic), message(payload(), vec![]).hash_on(shard));
    }

    #[test]
    fn hash_text_parses_with_and_without_prefix_and_nothing_shorter() {
        let hash = MessageHash::from_bytes([7; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string()[2..].parse(), Ok(hash));
        assert_eq!("0x07".parse::<MessageHash>(), Err(HexError::Length { expected: 32, actual: 1 }));
        assert!(matches!("zz".parse::<MessageHash>(), Err(HexError::NotHex(_))));
    }

    #[test]
    fn meta_of_65_bytes_is_refused() {
        assert_eq!(Meta::new(vec![0; 65].into()), Err(MetaTooLong(65)));
        assert!(Meta::new(vec![0; 64].into()).is_ok());
    }
}
