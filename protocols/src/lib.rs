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
//! - [`filter`]: what clients are pushed, and what this node is pushed as a client.
//! - [`lightpush`]: how messages of clients are published.
//! - [`peer_exchange`]: which peers others are told, and what they are asked.
//! - [`service_peers`]: which peers serve a node that does not relay.
//! - [`edge`]: how such a node sends and receives.
//! - [`health`]: what the node says of itself.

pub mod archive;
mod deadlines;
pub mod edge;
mod fair_share;
pub mod filter;
pub mod health;
pub mod ingress;
pub mod lightpush;
pub mod metadata;
pub mod peer_exchange;
pub mod peer_manager;
pub mod rate_limit;
mod recent;
pub mod relay;
pub mod service_peers;
pub mod store;
