//! A Groth16 engine over BN254 for one circuit whose key is known long before its proofs.
//!
//! ark's types are its values at every edge. Inside, the arithmetic is written once, generic over a
//! [`lanes::Backend`]: one element at a time anywhere, eight in step where the processor has
//! AVX-512 IFMA.

mod decompress;
mod fft;
pub mod key;
pub mod lanes;
mod large_pages;
pub mod msm;
mod pairing;
pub mod prover;
mod qap;
mod scratch;
#[cfg(any(test, feature = "test-utils"))]
pub mod selftest;
pub mod tables;
pub mod verifier;

/// Compiles and runs the example of the readme.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
