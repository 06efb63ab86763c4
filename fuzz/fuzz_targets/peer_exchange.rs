//! What decodes of peer exchange is encoded to what decodes to the same; an answer has at most 60 records.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_core::peer_exchange::MAX_RECORDS;
use weir_wire::{PeerExchangeRequest, decode_peer_exchange_response, encode_peer_exchange_response};

fuzz_target!(|input: &[u8]| {
    if let Ok(request) = PeerExchangeRequest::decode(input) {
        assert_eq!(PeerExchangeRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(answer) = decode_peer_exchange_response(&Bytes::copy_from_slice(input)) {
        assert!(answer.records.len() <= MAX_RECORDS);
        assert_eq!(decode_peer_exchange_response(&encode_peer_exchange_response(&answer)), Ok(answer));
    }
});
