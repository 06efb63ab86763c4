//! Peer exchange: node records for peers that cannot look for them (34/WAKU2-PEER-EXCHANGE).
//!
//! What is told are records of peers that were connected to this node ([`Book`]), whoever told of them first; what
//! is learned goes to the peer manager as any other address. Records are not looked into here: who keeps them
//! verifies them.

mod book;
mod client;
mod server;

pub use book::{Book, MAX_KNOWN};
pub use client::{Client, ClientConfig, ClientEffect, RequestId};
pub use server::answer;
