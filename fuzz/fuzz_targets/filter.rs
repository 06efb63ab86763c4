//! What decodes of filter is encoded to what decodes to the same; a request names at most 100 topics.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_core::filter::{MAX_CONTENT_TOPICS, Request};
use weir_wire::{
    FilterRequest, FilterResponse, decode_filter_push, encode_filter_push, encode_filter_request,
};

fuzz_target!(|input: &[u8]| {
    if let Ok(FilterRequest { request_id, asked: Ok(request) }) = FilterRequest::decode(input) {
        if let Request::Subscribe(criteria) | Request::Unsubscribe(criteria) = &request {
            assert!((1..=MAX_CONTENT_TOPICS).contains(&criteria.content_topics().len()));
        }
        let again = FilterRequest::decode(&encode_filter_request(&request_id, &request));
        assert_eq!(again, Ok(FilterRequest { request_id, asked: Ok(request) }));
    }
    if let Ok(response) = FilterResponse::decode(input) {
        assert_eq!(FilterResponse::decode(&response.encode()), Ok(response));
    }
    if let Ok((topic, message)) = decode_filter_push(&Bytes::copy_from_slice(input)) {
        assert_eq!(decode_filter_push(&encode_filter_push(topic, &message)), Ok((topic, message)));
    }
});
