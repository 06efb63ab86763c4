//! Nodes on real loopback sockets, driven without sleeping: a test ends when what it waits for has
//! happened, or fails after a minute.

mod closing;
mod connections;
mod filter_push;
mod hostile;
mod metadata;
mod metrics;
mod nat;
mod nodes;
mod outsider;
mod relay;
mod scores;
mod services;
mod transports;
