//! How much memory this process takes.

use std::fs;

/// Memory in RAM now, in KiB; 0 where the system does not tell.
pub fn rss_kib() -> u64 {
    status("VmRSS:")
}

/// The most there was so far, in KiB; 0 where the system does not tell.
pub fn peak_rss_kib() -> u64 {
    status("VmHWM:")
}

/// A line of `/proc/self/status`.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
