//! `weir circuits`: compiled circuits and their keys, which are known by what they are.
//!
//! A key's file is read in full and every point in it is checked, so an answer about a key means that
//! it is well-formed. Whether it is *trustworthy* is another question: that follows from its hash alone.

mod file;
mod inspect;
mod setup;
mod verify_key;

use std::{io, path::PathBuf};

use weir_circuits::{UnknownKey, r1cs::R1csError};
use weir_circuits_setup::SetupError;
use weir_groth16::key::KeyError;

use crate::cli::CircuitsCommand;

/// Why a command of `weir circuits` failed.
#[derive(Debug, thiserror::Error)]
pub enum CircuitsError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is so large that it is something else.
    #[error("{path} has {bytes} bytes; files of circuits up to {most} are read", path = path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most.
        most: u64,
    },
    /// A file that begins as an .r1cs breaks its rules.
    #[error("{path} {source}", path = path.display())]
    R1cs {
        /// Which.
        path: PathBuf,
        /// The rule.
        source: R1csError,
    },
    /// A file is no key.
    #[error("{path} is neither an .r1cs nor a key: {source}", path = path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// What is wrong with it as the kind of key it looks most like.
        source: KeyError,
    },
    /// A command is about keys and got something else.
    #[error("{path} is {kind}, not a key", path = path.display())]
    NotAKey {
        /// Which.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A command is about compiled circuits and got something else.
    #[error("{path} is {kind}, not an .r1cs", path = path.display())]
    NotAnR1cs {
        /// Which.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The key comes from another set-up.
    #[error("the key is well-formed, but its verifying key is not a published one: {0}")]
    NotPublished(UnknownKey),
    /// The verifying key is known, and the constraints beside it are another circuit's.
    #[error("the verifying key is that of {circuit}, but the constraints in the file are not")]
    OtherConstraints {
        /// The circuit's name.
        circuit: &'static str,
    },
    /// The constraints are not those of the given circuit.
    #[error("the key's constraints are not those of {path}", path = path.display())]
    NotOfThisCircuit {
        /// The compiled circuit.
        path: PathBuf,
    },
    /// A verifying key has no constraints to compare.
    #[error("a verifying key holds no constraints; --r1cs needs a proving key")]
    NoConstraints,
    /// No key could be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A key could not be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command of `weir circuits`.
pub fn run(command: CircuitsCommand) -> Result<(), CircuitsError> {
    match command {
        CircuitsCommand::Inspect(arguments) => inspect::inspect(&arguments),
        CircuitsCommand::Setup(arguments) => setup::set_up(&arguments),
        CircuitsCommand::VerifyKey(arguments) => verify_key::verify_key(&arguments),
    }
}
