//! Whatever is read as a key or a witness has parts that fit each other; nothing makes a reader panic
//! or take much more memory than the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use weir_groth16::key::{ProvingKey, Trust};
use weir_groth16::prover::read_wtns;

fuzz_target!(|file: &[u8]| {
    // Pinned, so that points need not be on their curves and the fuzzer gets behind them.
    let pinned = Trust::Pinned(Sha256::digest(file).into());
    for key in [ProvingKey::from_arkzkey(file, pinned), ProvingKey::from_zkey(file, pinned)].into_iter().flatten() {
        assert!(key.domain_size().is_power_of_two());
        assert!(key.constraint_count() + key.public_wire_count() <= key.domain_size());
        assert!(key.public_wire_count() <= key.wire_count());
    }
    let _ = read_wtns(file);
});
