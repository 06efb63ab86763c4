//! Filter v2: messages pushed to clients that do not relay (12/WAKU2-FILTER).
//!
//! [`Server`] is the side that pushes, [`Client`] the side that is pushed to. Neither sends anything: the
//! server says who is to be pushed a message, the client what is to be asked of whom.

mod client;
mod held;
mod outbox;
mod server;
mod subscriptions;

pub use client::{Client, ClientConfig, ClientEffect, Failure, RequestId, Requested};
pub use server::{Counters, MAX_HELD_BYTES, Reset, Server, ServerConfig};
