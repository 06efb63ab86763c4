//! The commands beside `weir run`.

pub mod bench;
pub mod circuits;
pub mod rln;
pub mod store;
