//! The node's protocols as state machines: what to do, never how.
//!
//! Inputs and the time go in, effects come out. Nothing here reads a clock or a socket, waits,
//! draws randomness, or sees bytes of a protocol; those belong to the actors and to `weir-net`. So
//! each machine can be driven through any interleaving in a test.
//!
//! - [`ingress`]: how much of our time a peer may take.
//! - [`rate_limit`]: how often services are answered, as the operator sets it.
//! - [`store`]: which store queries are answered when, and how others' archives are read.
//! - [`relay`]: which messages are accepted and forwarded, and how local ones are published.
//! - [`archive`]: which messages are archived, and in what batches.
//! - [`metadata`]: whether a peer is of our network.
//! - [`peer_manager`]: whom to dial, keep and forget.
//! - [`health`]: what the node says of itself.

pub mod archive;
mod fair_share;
pub mod health;
pub mod ingress;
pub mod metadata;
pub mod peer_manager;
pub mod rate_limit;
pub mod relay;
pub mod store;
