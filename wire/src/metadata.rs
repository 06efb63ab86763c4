//! Metadata request and response (66/WAKU2-METADATA): which cluster and shards a node serves.
//!
//! Shards travel twice: in field 2, unpacked, which is all the specification and js-waku know, and
//! in field 3, packed, which nwaku reads first.

use bytes::Bytes;
use weir_core::{ClusterId, ShardId};

use crate::{
    DecodeError,
    protobuf::{self, Field, Fields, Value, narrow, read_varint},
    varint,
};

/// Longest metadata body in bytes, without its length prefix; nwaku reads no longer one.
pub const METADATA_MAX_FRAME: usize = 1024;

const CLUSTER_ID: u64 = 1;
const SHARDS: u64 = 2;
const PACKED_SHARDS: u64 = 3;

/// What a node tells about itself on connecting. Request and response have this one form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The cluster it serves.
    pub cluster: Option<ClusterId>,
    /// The shards it serves, in no particular order; empty when it does not tell.
    pub shards: Vec<ShardId>,
}

/// A metadata body above [`METADATA_MAX_FRAME`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("metadata takes {0} bytes; at most {METADATA_MAX_FRAME} are allowed")]
pub struct MetadataTooLong(pub usize);

impl Metadata {
    /// Encodes it, with shards in both fields.
    ///
    /// Fails when the shards do not fit [`METADATA_MAX_FRAME`]. A shard up to 1023 takes at most 3 bytes in
    /// field 2 and 2 in field 3, so 200 of them always do.
    pub fn encode(&self) -> Result<Bytes, MetadataTooLong> {
        let mut packed = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            varint::write(shard.0.into(), &mut packed);
        }
        let mut fields = Vec::with_capacity(self.shards.len() + 2);
        fields.extend(self.cluster.map(|cluster| Field::Varint(CLUSTER_ID, cluster.0.into())));
        fields.extend(self.shards.iter().map(|shard| Field::Varint(SHARDS, shard.0.into())));
        fields.push(Field::Bytes(PACKED_SHARDS, &packed));
        let body = protobuf::encode(&fields);
        if body.len() > METADATA_MAX_FRAME { Err(MetadataTooLong(body.len())) } else { Ok(body) }
    }

    /// Decodes it: shards from packed field 3, else packed field 2, else unpacked field 2.
    ///
    /// Bounded by [`METADATA_MAX_FRAME`]: a shard takes at least one byte, so there are fewer than
    /// 1024 of them.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        if body.len() > METADATA_MAX_FRAME {
            return Err(MetadataTooLong(body.len()).into());
        }
        let mut cluster = None;
        let (mut unpacked, mut packed_deprecated, mut packed) = (Vec::new(), Vec::new(), Vec::new());
        for field in Fields::new(body) {
            match field? {
                (CLUSTER_ID, Value::Varint(value)) => {
                    cluster = Some(ClusterId(narrow(value, "cluster_id", u16::MAX)?));
                }
                (SHARDS, Value::Varint(value)) => unpacked.push(shard(value)?),
                (SHARDS, Value::Bytes(value)) => unpack(value, &mut packed_deprecated)?,
                (PACKED_SHARDS, Value::Bytes(value)) => unpack(value, &mut packed)?,
                _ => {}
            }
        }
        let shards = [packed, packed_deprecated, unpacked].into_iter().find(|shards| !shards.is_empty());
        Ok(Self { cluster, shards: shards.unwrap_or_default() })
    }
}

fn unpack(mut packed: &[u8], shards: &mut Vec<ShardId>) -> Result<(), DecodeError> {
    while !packed.is_empty() {
        shards.push(shard(read_varint(&mut packed)?)?);
    }
    Ok(())
}

/// The protocol has 32 bits for a shard, the network 16, as for a cluster (51/WAKU2-RELAY-SHARDING).
fn shard(value: u64) -> Result<ShardId, DecodeError> {
    narrow(value, "shards", u16::MAX).map(ShardId)
}
