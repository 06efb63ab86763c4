//! What the tests of several crates share: members that can cheat, and messages to send.
//!
//! Everything is deterministic: identities come from seeds, payloads from their length, and time is
//! an argument.
//!
//! Invariant: this crate knows neither actors nor sockets, so that any crate below them can use it.

mod member;
mod message;

pub use member::Member;
pub use message::{CONTENT_TOPIC, message, payload};
