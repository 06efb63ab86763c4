//! What of the network's messages is archived, and when a batch of them is written.
//!
//! [`admit`] says which messages are kept; [`Batcher`] gathers them, so that one fsync covers many, and says
//! when to try again what could not be written.

mod admission;
mod batcher;

pub use admission::{MAX_CLOCK_DISTANCE, NotArchived, Source, admit};
pub use batcher::{Batcher, Limits, Write};
