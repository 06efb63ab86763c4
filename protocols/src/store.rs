//! Store queries (13/WAKU2-STORE): which of those that peers send are answered when, and how others' archives
//! are read.
//!
//! - [`Server`]: rate limits, turns, deadlines and the words of refusals.
//! - [`check_page`]: whether an answer is one to what was asked.
//! - [`Resume`]: what a node missed while it was away, page by page, from one store peer or another.
//!
//! Deviations: `docs/spec-map.md`.

mod check;
mod refusal;
mod resume;
mod server;
#[cfg(test)]
mod tests;

pub use check::{PageFault, check_page};
pub use refusal::{Refused, STATUS_OK, TOO_MANY_REQUESTS};
pub use resume::{ATTEMPTS, Outcome, Resume, ResumeEffect, ResumeInput};
pub use server::{
    ANSWER_ROOM, ANSWER_WITHIN, Effect, Failure, Input, MAX_WAITING, MAX_WAITING_OF_A_PEER, Question,
    RequestId, Server, ServerConfig,
};
