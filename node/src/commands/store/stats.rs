//! `weir store count` and `weir store stats`.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use weir_storage::archive::{Location, Summary};

use super::{StoreCommandError, location, open, selection::Selection};
use crate::{
    cli::{CountArgs, StatsArgs},
    moment::Moment,
    output::{
        self, Table,
        progress::{Progress, Unit},
    },
};

/// Counts messages. As JSON: `{"messages"}`.
pub(super) fn count(arguments: &CountArgs) -> Result<(), StoreCommandError> {
    let archive = open(&arguments.archive)?;
    let selection = Selection::new(&arguments.selection);
    let summary = archive.summary()?;
    let mut messages = 0;
    if selection.is_everything() {
        messages = summary.messages;
    } else {
        let mut progress = Progress::new(Unit::Messages, Some(summary.messages));
        selection.for_each(archive.as_ref(), |seen, _| {
            messages += 1;
            progress.set(seen);
            Ok(())
        })?;
    }
    Ok(output::print_as(arguments.format, &Count { messages })?)
}

#[derive(Debug, Serialize)]
struct Count {
    messages: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.messages.fmt(f)
    }
}

/// Shows what there is. As JSON: `{"backend", "place", "messages", "bytes", "oldest", "newest", "by_topic"}` with
/// times in nanoseconds, as messages have them.
pub(super) fn stats(arguments: &StatsArgs) -> Result<(), StoreCommandError> {
    let archive = open(&arguments.archive)?;
    let stats = Stats::of(&location(&arguments.archive)?, &archive.summary()?);
    Ok(output::print_as(arguments.format, &stats)?)
}

#[derive(Debug, Serialize)]
struct Stats {
    backend: &'static str,
    place: String,
    messages: u64,
    bytes: u64,
    oldest: Option<i64>,
    newest: Option<i64>,
    by_topic: BTreeMap<String, u64>,
    #[serde(skip)]
    oldest_and_newest: Option<(Moment, Moment)>,
}

impl Stats {
    fn of(location: &Location, summary: &Summary) -> Self {
        let (backend, place) = match location {
            Location::Folder(folder) => ("redb", folder.display().to_string()),
            Location::Postgres(url) => ("postgres", url.to_string()),
        };
        Self {
            backend,
            place,
            messages: summary.messages,
            bytes: summary.bytes,
            oldest: summary.oldest.map(|oldest| oldest.as_nanos()),
            newest: summary.newest.map(|newest| newest.as_nanos()),
            by_topic: summary.by_topic.iter().map(|(topic, count)| (topic.to_string(), *count)).collect(),
            oldest_and_newest: summary.oldest.map(Moment).zip(summary.newest.map(Moment)),
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "archive   {} in {}", self.backend, self.place)?;
        writeln!(f, "messages  {}", self.messages)?;
        write!(f, "bytes     {}", self.bytes)?;
        if let Some((oldest, newest)) = &self.oldest_and_newest {
            write!(f, "\noldest    {oldest}\nnewest    {newest}")?;
        }
        if !self.by_topic.is_empty() {
            let mut table = Table::new(["TOPIC", "MESSAGES"]);
            for (topic, messages) in &self.by_topic {
                table.push([topic.clone(), messages.to_string()]);
            }
            write!(f, "\n\n{table}")?;
        }
        Ok(())
    }
}
