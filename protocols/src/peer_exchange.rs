//! Peer exchange: node records for peers that cannot look for them (34/WAKU2-PEER-EXCHANGE).
//!
//! What is told is what this node found by itself; what is told by others goes to the peer manager as any other
//! address. Records are not looked into here: who keeps them verifies them.

mod client;
mod server;

pub use client::{Client, ClientConfig, ClientEffect, RequestId};
pub use server::answer;
