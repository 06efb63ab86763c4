//! Against a real server.

use std::sync::Arc;

use super::*;
use crate::postgres_server::{Fsync, PostgresServer};

mod conformance;

/// The archive in the database at `url`.
fn archive(url: &str) -> Arc<dyn Archive> {
    open(&url.parse().expect("a URL"), Options { connections: 4, ..Options::default() }).expect("opens")
}
