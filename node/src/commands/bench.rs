//! `weir bench`: what this machine can do.

use crate::cli::BenchCommand;

mod rln;
mod store;

pub use rln::BenchRlnError;
pub use store::BenchStoreError;

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Of the RLN engines.
    #[error(transparent)]
    Rln(#[from] BenchRlnError),
    /// Of the archive.
    #[error(transparent)]
    Store(#[from] BenchStoreError),
}

/// Runs a command of `weir bench`.
pub fn run(command: &BenchCommand) -> Result<(), BenchError> {
    match command {
        BenchCommand::Rln(arguments) => Ok(rln::run(arguments)?),
        BenchCommand::Store(arguments) => Ok(store::run(arguments)?),
    }
}
