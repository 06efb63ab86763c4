//! Messages on their way into an archive, from wherever they come.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::Serialize;
use weir_core::store::StoredMessage;
use weir_storage::archive::{Archive, Inserted, MAX_BATCH};

use super::StoreCommandError;

/// Bytes of payloads after which a batch is stored even when it could have more messages.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Collects messages and stores them in batches.
#[derive(Debug)]
pub(super) struct Intake {
    archive: Arc<dyn Archive>,
    batch: Vec<StoredMessage>,
    batch_bytes: usize,
    report: Report,
}

/// What came of the messages. As JSON: `{"read", "new", "known", "refused": {<reason>: {"messages", "example"}}}`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Messages that were there to be taken in.
    pub(super) read: u64,
    /// Stored now.
    pub(super) new: u64,
    /// Stored before.
    pub(super) known: u64,
    /// Not stored.
    pub(super) refused: BTreeMap<&'static str, Tally>,
}

/// Messages that were refused for one reason.
#[derive(Debug, Serialize)]
pub(super) struct Tally {
    pub(super) messages: u64,
    /// Which message was the first.
    example: String,
    /// The reason for people; programs have its name.
    #[serde(skip)]
    reason: String,
}

impl Intake {
    pub(super) fn new(archive: Arc<dyn Archive>) -> Self {
        Self { archive, batch: Vec::with_capacity(MAX_BATCH), batch_bytes: 0, report: Report::default() }
    }

    /// Messages that were taken or refused.
    pub(super) const fn read(&self) -> u64 {
        self.report.read
    }

    /// Takes a message, which is stored now or later.
    pub(super) fn take(&mut self, message: StoredMessage) -> Result<(), StoreCommandError> {
        self.report.read += 1;
        self.batch_bytes += message.message.payload.len();
        self.batch.push(message);
        if self.batch.len() >= MAX_BATCH || self.batch_bytes >= MAX_BATCH_BYTES {
            self.store()?;
        }
        Ok(())
    }

    /// Notes a message that is not to be stored.
    pub(super) fn refuse(
        &mut self,
        name: &'static str,
        reason: impl fmt::Display,
        example: impl fmt::Display,
    ) {
        self.report.read += 1;
        let first = || Tally { messages: 0, example: example.to_string(), reason: reason.to_string() };
        self.report.refused.entry(name).or_insert_with(first).messages += 1;
    }

    /// Stores what was taken.
    pub(super) fn finish(mut self) -> Result<Report, StoreCommandError> {
        self.store()?;
        Ok(self.report)
    }

    fn store(&mut self) -> Result<(), StoreCommandError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let Inserted { new, known } = self
            .archive
            .insert(&self.batch)
            .map_err(|source| StoreCommandError::Interrupted { kept: self.report.new, source })?;
        self.report.new += new as u64;
        self.report.known += known as u64;
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(())
    }
}

impl Report {
    /// Messages that were refused for a reason other than `excused`.
    pub(super) fn refused_but(&self, excused: &str) -> u64 {
        self.refused.iter().filter(|(name, _)| **name != excused).map(|(_, tally)| tally.messages).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "read     {}", self.read)?;
        writeln!(f, "new      {}", self.new)?;
        writeln!(f, "known    {}", self.known)?;
        write!(f, "refused  {}", self.refused.values().map(|tally| tally.messages).sum::<u64>())?;
        for Tally { messages, example, reason } in self.refused.values() {
            write!(f, "\n  {messages}: {reason}, for example of {example}")?;
        }
        Ok(())
    }
}
