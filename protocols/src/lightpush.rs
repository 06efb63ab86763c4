//! Light push: messages of clients that do not relay, in both versions (19/WAKU2-LIGHTPUSH).
//!
//! [`Server`] judges a request before the relay publishes it and turns the relay's outcome into an answer.
//! [`judge`] tells a client what an answer means for its message and for the peer.

mod proof_quota;
mod recovery;
mod server;

pub use proof_quota::ProofQuotaConfig;
pub use recovery::{Class, Judgement, class_of, judge};
pub use server::{Proofs, Requester, Server, ServerConfig, ToPublish, refusal};
