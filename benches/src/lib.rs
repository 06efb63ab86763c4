//! Measuring weir from outside: the load generators `relay-load`, `relay-rln`, `relay-attack` and
//! `filter-load`, the comparison `rln-compare`, and benches over public functions in `benches/`.
//!
//! Nothing depends on this crate. It knows nothing of a node but what the node serves: REST, metrics,
//! flags, `/proc`, and gossip, which it speaks with the node's own network crate.

mod course;
pub mod filter_load;
mod gossip;
pub mod load;
pub mod relay_attack;
pub mod relay_rln;
mod signed;
