//! A query that decodes is encoded to bytes that decode to the same query.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_wire::{Asked, StoreRequest, encode_store_request};

fuzz_target!(|input: &[u8]| {
    let Ok(request) = StoreRequest::decode(input) else { return };
    if let Asked::Query(query) = &request.asked {
        assert_eq!(StoreRequest::decode(&encode_store_request(&request.request_id, query)), Ok(request));
    }
});
