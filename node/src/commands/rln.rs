//! `weir rln`: identities and memberships by hand.

use std::{io, path::PathBuf};

use weir_membership::{LedgerError, RegistryError, keystore::KeystoreError};
use weir_rln::{ClaimError, EvidenceError, LimitOutOfRange, RecoverError};
use weir_storage::{OpenError, StoreError};
use weir_wire::DecodeError;

use crate::cli::RlnCommand;

mod keystore;
mod list;
mod recover;

pub(crate) use keystore::{quota_path, unregistered_credential};

/// Why a command of `weir rln` failed. Nothing was lost, and nothing changed unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum RlnError {
    /// A password of no characters.
    #[error("the password is empty; set WEIR_RLN_RELAY_CRED_PASSWORD")]
    EmptyPassword,
    /// A quota no membership can have.
    #[error(transparent)]
    Limit(#[from] LimitOutOfRange),
    /// The keystore could not be read or written.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The folder of the keystore cannot be made.
    #[error("cannot make the folder {path}: {source}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The registration is in the registry, and the keystore does not know its index.
    #[error(
        "the identity is registered, but the keystore {path} could not be updated: {source}; run the same \
         command again",
        path = path.display()
    )]
    Unrecorded {
        /// The keystore.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The membership was ended.
    #[error("the membership of this identity was erased, and it cannot register again; make a new identity")]
    Erased,
    /// The registry could not be opened.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is no file to read.
    #[error("there is no {what} at {path}; check --data-dir", path = path.display())]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The node's state could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The node's state could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A proof that is neither of the two forms.
    #[error("proof {position} is not the base64 of a proof, nor JSON with x and y: {problem}")]
    NotAProof {
        /// 1 or 2.
        position: usize,
        /// What the parser said.
        problem: String,
    },
    /// The bytes are not a proof.
    #[error("proof {position} does not decode: {source}")]
    Undecodable {
        /// 1 or 2.
        position: usize,
        /// The rule.
        source: DecodeError,
    },
    /// The parts of a proof are no field elements.
    #[error("proof {position}: {source}")]
    Claim {
        /// 1 or 2.
        position: usize,
        /// The rule.
        source: ClaimError,
    },
    /// The proofs are not of one message id.
    #[error("the proofs have different nullifiers, so they are no breach and reveal nothing")]
    DifferentNullifiers,
    /// The shares are not of one line.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The shares do not give a secret.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command of `weir rln`.
pub fn run(command: RlnCommand) -> Result<(), RlnError> {
    match command {
        RlnCommand::Keygen(arguments) => keystore::keygen(&arguments),
        RlnCommand::Register(arguments) => keystore::register(&arguments),
        RlnCommand::List(arguments) => list::list(&arguments),
        RlnCommand::Recover(arguments) => recover::recover(&arguments),
    }
}
