//! What decodes of light push, in either version, is encoded to what decodes to the same.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_core::lightpush::Status;
use weir_wire::{
    LightPushRequest, LightPushResponse, encode_legacy_lightpush_request, encode_lightpush_request,
};

fuzz_target!(|input: &[u8]| {
    let body = Bytes::copy_from_slice(input);
    let (v3, legacy) = (LightPushRequest::decode(&body), LightPushRequest::decode_legacy(&body));
    if let Ok(asked) = &v3.asked {
        let again = encode_lightpush_request(&v3.request_id, asked.topic, &asked.message);
        assert_eq!(LightPushRequest::decode(&again), v3);
    }
    if let Ok(asked) = &legacy.asked {
        let again = encode_legacy_lightpush_request(&legacy.request_id, asked.topic, &asked.message);
        assert_eq!(LightPushRequest::decode_legacy(&again), legacy);
    }
    if let Ok(response) = LightPushResponse::decode(input) {
        assert_eq!(LightPushResponse::decode(&response.encode()), Ok(response));
    }
    if let Ok(response) = LightPushResponse::decode_legacy(input) {
        let again = LightPushResponse::decode_legacy(&response.encode_legacy()).expect("what was encoded decodes");
        assert_eq!(again.answer.status == Status::Success, response.answer.status == Status::Success);
        assert_eq!(again.answer.status, response.answer.status);
    }
});
