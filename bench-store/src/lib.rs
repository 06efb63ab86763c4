//! How fast the archive takes messages and answers queries: what `weir bench store` measures.
//!
//! ```text
//! Workload ── the messages of a day, made from a seed        Questions ── six kinds of query about them
//!     │                                                          │
//!     ▼ fill                                                     ▼ ask: idle, then while messages come in
//! Subject ─── a node with an archive, and a peer that asks it and sends it messages
//!     │
//! Report ──── messages kept a second, percentiles of each kind ──> table, Markdown, JSON
//! ```
//!
//! # How it is measured
//! Both nodes are whole ones, in this process, connected by libp2p over loopback; the archive is in a folder of
//! its own or an empty database. It is filled by the batch through the node's archive writer, as a resume
//! or an import is, while some messages pass through the relay. Then kinds of query take turns one by one,
//! so that whatever slows the machine for a while slows all alike. One query is under way at a time, and
//! its time is that of the wall's clock. Every answer is checked, outside of the time taken: a message that
//! was not asked for, or one that is missing, ends the measurement. In the second phase the peer publishes at
//! a steady rate, so messages take the whole way through relay and archive; at its end it is looked whether
//! all of them are there.

mod measure;
mod question;
mod report;
mod run;
mod subject;
mod workload;

pub use measure::Relayed;
pub use question::{Kind, WrongAnswer};
pub use report::{Answers, OverLibp2p, Report, Spread};
pub use run::{Backend, BenchError, Place, Progress, Settings, Stage, run};
