//! Groth16 keys of one circuit.

mod verifying;

pub use verifying::VerifyingKey;
