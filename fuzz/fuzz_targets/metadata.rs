//! Metadata that decodes names fewer than 1024 shards and, where it can be encoded, decodes again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_wire::Metadata;

fuzz_target!(|input: &[u8]| {
    if let Ok(metadata) = Metadata::decode(input) {
        assert!(metadata.shards.len() < 1024);
        if let Ok(body) = metadata.encode() {
            assert_eq!(Metadata::decode(&body), Ok(metadata));
        }
    }
});
