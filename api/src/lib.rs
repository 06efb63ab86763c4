//! The REST API of a node, with nwaku's paths, JSON and texts, and the metrics endpoint.
//!
//! ```text
//!  TCP ─ server ─ cors ─ initializing? ─ route metrics ─ endpoint ─ Backend ─ the node
//!        (bounds)                                        (request, message -> answer)
//! ```
//!
//! The crate knows no actor: [`Backend`] is all it asks of the node, and the only crate that
//! imports axum hides it behind [`App`] and [`serve`]. Errors of the node become a status and a
//! text in one place, `answer`.
//!
//! # Security
//! Requests come from anyone who reaches the port. Heads, bodies, lists and connections are
//! bounded, slow clients are dropped, and nothing in a request can panic a handler. There is no
//! authentication: the port belongs on a loopback or private address.

mod answer;
mod app;
pub mod backend;
mod config;
mod cors;
mod endpoints;
mod message;
mod metrics;
mod metrics_server;
mod pages;
mod request;
mod routes;
mod server;
#[cfg(test)]
mod tests;

pub use app::app;
pub use backend::Backend;
pub use config::Config;
pub use metrics_server::metrics_app;
pub use server::{App, ServerConfig, serve};
