//! A proof that decodes is encoded to 335 bytes that decode to the same proof.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_wire::{decode_rate_limit_proof, encode_rate_limit_proof};

fuzz_target!(|input: &[u8]| {
    if let Ok(proof) = decode_rate_limit_proof(input) {
        let encoded = encode_rate_limit_proof(&proof);
        assert_eq!(encoded.len(), 335);
        assert_eq!(decode_rate_limit_proof(&encoded), Ok(proof));
    }
});
