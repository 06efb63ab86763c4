//! Whole nodes as an operator runs them: the real binary, real sockets on loopback, real files.
//!
//! Every test makes its own [`world::World`], a temporary folder with its own ports and registry,
//! and starts nodes in it. Nothing waits for a fixed time: a test polls for what must come, up to a
//! deadline far beyond what a slow machine needs ([`wait`]). When a test fails, the logs of its
//! nodes are in the output.
//!
//! What single crates can show is shown there: garbage on streams and oversize frames in `net`, REST
//! bodies in `api`, crashes at each write in `storage`.

mod archive;
mod asker;
mod bad_messages;
mod bad_starts;
mod browsers;
mod clusters;
mod crash;
mod double_signal;
mod edge;
mod filter;
mod full_disk;
mod javascript;
mod js_waku;
mod lightpush;
mod log;
mod metrics;
mod node;
mod peer_exchange;
mod ports;
mod quota;
mod relay;
mod rest;
mod rogue;
mod stopping;
mod store_peers;
mod wait;
mod world;
