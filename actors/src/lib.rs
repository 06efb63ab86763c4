//! The actors of a weir node.
mod clock;
pub mod port;
pub mod supervision;
pub mod system;
mod workers;

pub use clock::Clock;
