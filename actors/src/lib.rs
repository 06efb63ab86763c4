//! The actors of a weir node: thin shells around the state machines of the crates below.
//!
//! [`node::Node`] makes them, watches them and stops them; [`handles`] is how everything outside asks
//! them. Each file holds one actor and opens with its card: what it owns, receives, sends, its bounds,
//! what happens on a fault and how it stops.
//!
//! ```text
//!                    ┌─────────── peers ───────────┐
//!  network ── gossip ──> relay ── records ──> journal
//!     ^ <── verdicts ──┘ │  ^ └── messages ──> archive
//!                        │  └ <── roots ── membership
//!     ^                  v  │                       ^
//!     │      proof pool, prover                     │
//!     ├── queries, pages ── store ── queries ───────┘
//!     ├── pushes, answers ── lightpush ── publishes ──> relay
//!     ├── records ── peer_exchange ── peers ──> peers
//!     ├── requests, pushes ── filter <── messages ── relay
//!     └── questions, pushes ── filter client
//! ```
//!
//! Invariant: no other crate imports actix.

mod archive;
mod clock;
mod deadline;
mod edge;
mod filter;
mod filter_client;
mod filter_handle;
pub mod handles;
mod journal;
mod lightpush;
mod lightpush_client;
mod membership;
mod metrics;
mod network;
pub mod node;
mod peer_exchange;
mod peers;
pub mod port;
#[cfg(test)]
mod probe;
mod proof_pool;
mod prover;
mod relay;
mod resume;
mod service;
mod service_client;
mod store;
mod store_client;
pub mod supervision;
pub mod system;
mod workers;

pub use archive::ArchiveSettings;
pub use clock::Clock;
pub use edge::EdgeSettings;
pub use filter::FilterServiceSettings;
pub use membership::MembershipReport;
pub use network::{Meshes, TopicPeers};
