//! A message that decodes is encoded to bytes that decode to the same message.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_wire::{decode_message, encode_message};

fuzz_target!(|input: &[u8]| {
    if let Ok(message) = decode_message(&Bytes::copy_from_slice(input)) {
        assert_eq!(decode_message(&encode_message(&message)), Ok(message));
    }
});
