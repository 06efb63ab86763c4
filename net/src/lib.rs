//! The node's only contact with libp2p: connections, gossip, identify, ping and metadata.
//!
//! [`Network`] owns the swarm. It is a stream of [`Event`]s that its owner polls, and a set of
//! plain command methods; polling the stream is all the driving it needs. Nothing of libp2p shows
//! in the public names, so the rest of the node is tested without it.
//!
//! ```text
//!  TCP | WebSocket | WebSocket over TLS     websocket, certificate (QUIC has no such layers)
//!  Noise ─ Yamux | mplex                transport, stall (who takes what is written to him)
//!    └─ limits, deny list, one per peer     behaviour, colocation, deny_list, single
//!        ├─ gossipsub                    gossip (parameters, scores, filter, queues)
//!        ├─ identify, ping
//!        ├─ metadata                     metadata (answered here, from the last one set)
//!        ├─ store, filter, light push, peer exchange   service (one frame each way, answered by the owner)
//!        ├─ filter push                  push (what clients are pushed comes from their owner directly)
//!        └─ circuit relay, DCUtR, AutoNAT  nat (off unless wanted)
//!             ▼
//!         Network: Stream<Item = Event>  network (commands, events, closing)
//! ```
//!
//! # Security
//! Everything a peer sends is bounded before it is decoded: frames by the limits of their protocols, topics by the subscription filter, connections and handshakes by [`Config`].
//! Messages leave this crate decoded but unjudged; each waits for [`Network::report`].
//!
//! Specs: 11/WAKU2-RELAY, 12/WAKU2-FILTER, 13/WAKU2-STORE, 19/WAKU2-LIGHTPUSH, 31/WAKU2-ENR, 34/WAKU2-PEER-EXCHANGE,
//! 66/WAKU2-METADATA, libp2p gossipsub v1.1. Deviations: no IDONTWANT is
//! sent (libp2p ties it to its own protocol ids); one that is received is honoured.

pub mod address;
mod behaviour;
pub mod certificate;
mod colocation;
mod config;
mod deny_list;
mod error;
mod event;
mod exchange;
mod gossip;
mod metadata;
mod metrics;
mod nat;
mod network;
mod node_record;
mod push;
mod service;
mod single;
mod stall;
mod transport;
mod websocket;

pub use colocation::Colocation;
pub use config::Config;
pub use error::{PublishError, StartError, SubscribeError};
pub use event::{
    Acceptance, DialFailure, Direction, DisconnectReason, Event, GossipId, Identity, InboundGossip,
    MetadataError, QuestionId, RequestError, RequestId,
};
pub use metrics::Metrics;
pub use nat::{Autonat, Nat};
pub use network::{Network, Published};
pub use node_record::{NodeRecord, OwnFacts, RecordError};
pub use push::{PushEvent, PushFrame, PushStreams};
pub use service::{Body, Frame, REQUEST_TIMEOUT, Service};
