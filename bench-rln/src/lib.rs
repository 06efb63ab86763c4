//! How fast RLN engines are, one against the other: what `weir bench rln` and `rln-compare` share.
//!
//! ```text
//! Workload ── the same member, messages, proofs and leaves for everyone
//!     │
//! Engine ──── prepares a task and gives what is to be timed; one implementation an engine
//!     │
//! measure ─── round by round, task by task, engine by engine  ──> Samples (wall, CPU)
//!     │
//! Report ──── medians, spread, ratios                         ──> table, Markdown, JSON, SVG
//! ```
//!
//! # How it is measured
//! All engines run in one process and take turns at every single operation, so that whatever slows
//! the machine slows them alike; who begins changes with the round. The figure of an operation is the
//! **median of its processor time**: what other processes do on the machine is not in it. Wall times
//! and the spread are reported beside it. The first round is not counted. Every proof that is made is
//! checked by the `rln` crate and every verdict is compared with the truth, outside of the time taken:
//! an engine that answers wrongly ends the measurement.
//!
//! What an engine cannot do has no figure. Nothing is estimated.

mod clock;
mod engine;
mod footprint;
mod machine;
mod measure;
mod plot;
mod report;
mod run;
mod samples;
mod workload;

pub use engine::{
    Contestant, Engine, EngineError, Equipment, Message, Outcome, RLN_3, StartSettings, Task, Timed, WEIR,
};
pub use footprint::{Footprint, footprint};
pub use machine::Machine;
pub use measure::{CompareError, Settings, compare};
pub use plot::plot;
pub use report::{EngineReport, Figure, Figures, Report};
pub use run::Run;
pub use workload::{Proven, Workload};
