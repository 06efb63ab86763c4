//! Measuring weir from outside: the load generator `relay-load`, and benches over public functions
//! in `benches/`.
//!
//! Nothing depends on this crate, and it knows nothing of the node but what the node serves: REST,
//! metrics, flags, `/proc`.

pub mod load;
