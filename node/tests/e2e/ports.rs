//! Ports for the nodes of a test.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
};

/// Below the range from which Linux takes ports for outgoing connections (32768), so that nobody
/// gets one of ours between our test and the node's bind, or between two runs of a node.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port nobody listens on, another one each time.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Test processes that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(61);
    loop {
        let step = TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(step < COUNT, "no free port from {FIRST} to {}", FIRST + COUNT - 1);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        let port = u16::try_from(port).expect("below 32000");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
