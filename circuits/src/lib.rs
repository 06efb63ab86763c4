//! The RLN relation in plain Rust: what a rate limit proof proves.
//!
//! A proof says that its maker knows a [`Witness`] that satisfies the relation with a public
//! [`Statement`]. [`check`] is that relation with one [`Violation`] per constraint of the circuit,
//! so that a reader can learn the circuit here and a refused witness has a named reason.
//! [`evaluate`] computes the statement that belongs to a witness. [`multi`] is the relation for
//! several messages in one proof.
//!
//! The circuits that say the same to a prover are in `circom/`, our own source of circom-rln's
//! `RLN(20, 16)` and `RLN(20, 16, 4)`; [`witness`] computes their wires and [`r1cs`] reads what the
//! compiler makes of them. [`CircuitKey`] names the files of the trusted set-ups.
//!
//! Spec: 58/RLN-V2, 32/RLN-V1 for the shares, circom-rln `circuits/rln.circom`.

mod hash;
mod key;
mod matrices;
pub mod multi;
pub mod r1cs;
mod relation;
mod shape;
pub mod witness;

pub use hash::{HashElement, Schedule, hash_to_field, pair_schedule, poseidon};
pub use key::{CircuitKey, KeyFile, RLN_V2_DEPTH_20, RLN_V2_DEPTH_20_MULTI_4, UnknownKey, sha256_hex};
pub use matrices::matrices_digest;
pub use r1cs::R1cs;
pub use relation::{MerkleBranch, Statement, Violation, Witness, check, evaluate, share_y};
pub use shape::Shape;

/// The scalar field of BN254, over which the circuit computes.
pub use ark_bn254::Fr;

/// Levels between a leaf of the membership tree and its root: room for 2^20 members.
pub const TREE_DEPTH: usize = 20;
