//! How fast the archive takes messages and answers queries: what `weir bench store` measures.
//!
//! ```text
//! Workload ── the messages of a day, made from a seed        Questions ── six kinds of query about them
//!     │                                                          │
//!     ▼ fill                                                     ▼ measure: idle, then while messages come in
//! Subject ─── an archive in a folder of its own or an empty database
//!     │
//! Report ──── messages kept a second, percentiles of each kind ──> table, Markdown, JSON
//! ```
//!
//! # How it is measured
//! Kinds of query take turns one by one, so that whatever slows the machine for a while slows all alike. One
//! query is under way at a time, and its time is that of the wall's clock. Every answer is checked, outside of the
//! time taken: a message that was not asked for, or one that is missing, ends the measurement.

mod measure;
mod question;
mod report;
mod run;
mod subject;
mod workload;

pub use measure::Relayed;
pub use question::{Kind, WrongAnswer};
pub use report::{Answers, Report, Spread};
pub use run::{Backend, BenchError, Place, Progress, Settings, Stage, run};
