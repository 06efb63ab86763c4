//! What is kept of tables between runs.

pub mod cache;
