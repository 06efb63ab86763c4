//! `weir store verify`. As JSON: `{"messages", "wrong_hash", "index_errors"}`.

use std::fmt;

use serde::Serialize;
use weir_storage::archive::Verified;

use super::{StoreCommandError, open};
use crate::{
    cli::StatsArgs,
    output::{
        self,
        progress::{Progress, Unit},
    },
};

/// Reads the whole archive and fails when something in it is wrong.
pub(super) fn verify(arguments: &StatsArgs) -> Result<(), StoreCommandError> {
    let archive = open(&arguments.archive)?;
    let mut progress = Progress::new(Unit::Messages, Some(archive.summary()?.messages));
    let Verified { messages, wrong_hash, index_errors } = archive.verify(&mut |done| progress.set(done))?;
    drop(progress);
    output::print_as(arguments.format, &Report { messages, wrong_hash, index_errors })?;
    match wrong_hash + index_errors {
        0 => Ok(()),
        errors => Err(StoreCommandError::Damaged(errors)),
    }
}

#[derive(Debug, Serialize)]
struct Report {
    messages: u64,
    wrong_hash: u64,
    index_errors: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "messages      {}", self.messages)?;
        writeln!(f, "wrong hash    {}", self.wrong_hash)?;
        write!(f, "index errors  {}", self.index_errors)
    }
}
