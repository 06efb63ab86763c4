//! The weir node as a program: its configuration, its command line and its life.
//!
//! ```text
//! main ── cli::Cli ──> run ───────> config::load ──> telemetry ──> lifecycle::run
//!                 ├──> rln … ─────> commands::rln
//!                 ├──> store … ───> commands::store
//!                 └──> bench rln ─> commands::bench
//! ```
//!
//! Everything the binary writes to standard output goes through [`output`]; logs and errors go to
//! standard error.
//!
//! Invariant: this crate names neither libp2p, actix, axum nor redb; it speaks to the crates that do
//! (`tests/workspace_arrows.rs`).

mod backend;
pub mod cli;
pub mod commands;
pub mod config;
mod folders;
pub mod lifecycle;
mod moment;
pub mod output;
pub mod telemetry;
