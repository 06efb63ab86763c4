//! `weir store import`: the records of an export into an archive.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
};

use weir_core::store::StoredMessage;
use weir_wire::ArchiveRecordError;

use super::{StoreCommandError, intake::Intake, open_or_make, records::Records};
use crate::{
    cli::ImportArgs,
    output::{
        self,
        progress::{Progress, Unit},
    },
};

/// Stores what is in an export and reports what came of it.
///
/// A record whose message is not to be kept is counted, and the command goes on and fails at its end. What is no
/// record ends it at once, as nobody knows where the next one begins.
pub(super) fn import(arguments: &ImportArgs) -> Result<(), StoreCommandError> {
    let (input, bytes) = open_input(&arguments.input)?;
    let mut intake = Intake::new(open_or_make(&arguments.archive)?);
    let mut records = Records::new(input);
    let mut progress = Progress::new(Unit::Bytes, bytes);
    let read = loop {
        match records.next_record() {
            Ok(None) => break Ok(()),
            Ok(Some(record)) => take(&mut intake, record, records.number())?,
            Err(error) => break Err(error),
        }
        progress.set(records.bytes());
    };
    let report = intake.finish()?;
    drop(progress);
    output::print_as(arguments.format, &report)?;
    read?;
    match report.refused_but("") {
        0 => Ok(()),
        refused => Err(StoreCommandError::Refused(refused)),
    }
}

fn take(
    intake: &mut Intake,
    record: Result<StoredMessage, ArchiveRecordError>,
    number: u64,
) -> Result<(), StoreCommandError> {
    let example = format!("record {number}");
    match record {
        Ok(message) if message.message.ephemeral => {
            intake.refuse("ephemeral", "the message is ephemeral, so no archive keeps it", example);
        }
        Ok(message) => intake.take(message)?,
        Err(error @ ArchiveRecordError::WrongHash { .. }) => {
            intake.refuse(
                "wrong_hash",
                "the hash is not that of the message",
                format!("{example} ({error})"),
            );
        }
        Err(error) => intake.refuse("no_message", error, example),
    }
    Ok(())
}

/// The stream, and its length where it is a file.
fn open_input(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), StoreCommandError> {
    if path == Path::new("-") {
        let input = io::stdin().lock();
        if input.is_terminal() {
            return Err(StoreCommandError::Terminal("--input"));
        }
        return Ok((Box::new(input), None));
    }
    let failed = |source| StoreCommandError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    Ok((Box::new(file), about.is_file().then_some(about.len())))
}
