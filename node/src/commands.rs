//! The commands beside `weir run`.

pub mod bench;
pub mod rln;
