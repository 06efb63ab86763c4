//! Bytes of the Waku protocols to the values of `weir-core` and back.
//!
//! Pure and total: every decoder answers any input with a value or a [`DecodeError`], and allocates only
//! for what it found in the input (a content topic, a proof, fewer than 1024 shards), never for a
//! length that was merely announced. No policy lives here: a message that decodes may still be
//! unwelcome, and what happens to its sender is decided in `weir-protocols`.
//!
//! The protobuf rules are nwaku's (`protobuf`), because the gossip id of a message is the hash of
//! its bytes: fields are always written, also when they are empty, in ascending order, and a relay
//! forwards the bytes it received instead of encoding them again. Hand-written, because prost's
//! reader differs: it fails on a known field of another wire type, which nwaku skips, and skips the
//! groups on which nwaku fails. Every decoder is fuzzed (`fuzz/`).
//!
//! Specs: 12/WAKU2-FILTER, 13/WAKU2-STORE, 14/WAKU2-MESSAGE, 17/WAKU2-RLN-RELAY, 19/WAKU2-LIGHTPUSH,
//! 34/WAKU2-PEER-EXCHANGE, 66/WAKU2-METADATA.

mod archive_record;
mod bounds;
mod error;
mod filter;
pub mod framing;
mod lightpush;
mod lightpush_legacy;
mod message;
mod metadata;
mod peer_exchange;
mod protobuf;
pub mod protocol_id;
mod rate_limit_proof;
mod store;
mod varint;

pub use archive_record::{
    ARCHIVE_RECORD_MAX_FRAME, ArchiveRecordError, decode_archive_record, encode_archive_record,
};
pub use error::DecodeError;
pub use filter::{
    FILTER_PUSH_MAX_FRAME, FILTER_REQUEST_MAX_FRAME, FILTER_RESPONSE_MAX_FRAME, FilterRequest,
    FilterResponse, decode_filter_push, encode_filter_push, encode_filter_request,
};
pub use lightpush::{
    LIGHTPUSH_REQUEST_MAX_FRAME, LIGHTPUSH_RESPONSE_MAX_FRAME, LightPushRequest, LightPushResponse,
    NO_REQUEST_ID, encode_lightpush_request,
};
pub use lightpush_legacy::encode_legacy_lightpush_request;
pub use message::{decode_message, encode_message, encoded_len};
pub use metadata::{METADATA_MAX_FRAME, Metadata, MetadataTooLong};
pub use peer_exchange::{
    PEER_EXCHANGE_REQUEST_MAX_FRAME, PEER_EXCHANGE_RESPONSE_MAX_FRAME, PeerExchangeRequest,
    decode_peer_exchange_response, encode_peer_exchange_response,
};
pub use rate_limit_proof::{decode_rate_limit_proof, encode_rate_limit_proof};
pub use store::{
    Asked, MalformedQuery, STORE_REQUEST_MAX_FRAME, STORE_RESPONSE_MAX_FRAME, StoreRequest, StoreResponse,
    encode_store_request,
};
