//! A node that does not relay: it sends by light push, receives by filter, and makes sure of both by store.
//!
//! ```text
//! send ──> Sender ──> push to 2 peers ──> propagated ──> store has it? ──> sent
//!             ▲  └─ failed: other peers, later          │ no: push again
//!             └───────────────────────────────────────────┘
//! pushes of filter ──> Receiver ──> received, each once
//!                          ▲
//! back online, each minute └── store: hashes of the time since ──> messages that are missing
//! ```
//!
//! The three parts share nothing but the events of [`Event`]; [`crate::filter::Client`] keeps the subscriptions.
//!
//! Spec: P2P-RELIABILITY and MESSAGING-API LIPs (chat-reliability 3.2 to 3.5).

mod event;
mod health;
mod log;
mod receiver;
mod sender;

pub use event::{Event, SendError};
pub use health::{Health, Reach, Subscription};
pub use log::{EventLog, ReceivedMessage, SendEvent, SendOutcome};
pub use receiver::{Receiver, ReceiverConfig, ReceiverEffect};
pub use sender::{Outgoing, PushId, SendId, Sender, SenderConfig, SenderEffect};

/// Names a store query of the sender or of the receiver, each of which gives its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);
