//! `weir store migrate`: an archive of nwaku into one of weir.

use weir_core::Timestamp;
use weir_storage::archive::nwaku::{Reader, Refusal, Source};

use super::{StoreCommandError, intake::Intake, open_or_make};
use crate::{
    cli::MigrateArgs,
    output::{
        self,
        progress::{Progress, Unit},
    },
};

/// Stores what nwaku has and reports what came of it.
///
/// Rows of topics that are no shards are left behind without complaint, as no node of ours could serve them. Any
/// other row that cannot be kept makes the command fail at its end.
pub(super) fn migrate(arguments: &MigrateArgs) -> Result<(), StoreCommandError> {
    let source: Source = arguments.from.expose().parse()?;
    let start = arguments.start.map_or(Timestamp::from_nanos(i64::MIN), |moment| moment.0);
    let mut reader = Reader::open(&source, start)?;
    let mut intake = Intake::new(open_or_make(&arguments.archive)?);
    let mut progress = Progress::new(Unit::Messages, Some(reader.count()?));
    let read = loop {
        let part = match reader.next_part() {
            Ok(Some(part)) => part,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        for row in part.refused {
            intake.refuse(row.refusal.name(), row.refusal, row.example);
        }
        for message in part.messages {
            intake.take(message)?;
        }
        progress.set(intake.read());
    };
    let report = intake.finish()?;
    drop(progress);
    output::print_as(arguments.format, &report)?;
    read?;
    output::note("nwaku's archives keep no RLN proofs, so the messages from there have none");
    match report.refused_but(Refusal::ForeignTopic.name()) {
        0 => Ok(()),
        refused => Err(StoreCommandError::Refused(refused)),
    }
}
