//! What the benchmarks of `weir bench` have in common: the machine they ran on, percentiles, the forms of a
//! report.
//!
//! Invariant: nothing here knows what is measured.

mod machine;
mod memory;
mod percentile;
mod text;

pub use machine::{Machine, load};
pub use memory::{peak_rss_kib, rss_kib};
pub use percentile::{ms, percentile, sorted};
pub use text::{Format, Rows, digits};
