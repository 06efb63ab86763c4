//! What every archive has to do, as a test: random steps, each compared with a plain list.
//!
//! A backend implements [`Subject`] and runs [`check`] over [`steps`]. Messages come from a small world
//! ([`world`]), so that duplicates, ties and messages that are asked for in vain are common.
//!
//! Everything an archive answers has to be equal to what [`Oracle`] answers, with these exceptions:
//!
//! - [`Summary::bytes`] is the archive's own. It is compared with the aim of [`Trim::ToBytes`] alone.
//! - How many messages [`Trim::ToBytes`] drops is the archive's own: it drops files or partitions. What is left
//!   has to be the newest of what was there, with no gap.
//! - Rows that one step of trimming removes, as long as all steps together are right.
//!
//! [`Summary::bytes`]: super::Summary::bytes

use std::sync::Arc;

use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestCaseResult},
};
use weir_core::{
    MessageHash,
    store::{Page, Query, StoredMessage},
};

use super::{Archive, ArchiveError, MAX_BATCH, Summary, Trim, oracle::Oracle};

mod world;

pub use world::Seed;

/// Steps of trimming after which an archive is taken to have lost itself.
const MAX_TRIM_STEPS: usize = 100_000;

/// An archive, and what can happen to the process that has it.
pub trait Subject {
    /// The archive as it is open now.
    fn archive(&self) -> Arc<dyn Archive>;

    /// Closes it and opens it again.
    fn reopen(&mut self);

    /// Ends the process without a warning and starts another.
    fn crash(&mut self);
}

/// Something that is done to an archive.
#[derive(Debug, Clone)]
pub enum Step {
    /// Keeps these messages in one batch.
    Insert(Vec<Seed>),
    /// Keeps many messages, of which `first` is the first and each is `stride` after the one before.
    Fill {
        /// Nanoseconds.
        first: i64,
        /// Nanoseconds; may be 0 or negative.
        stride: i64,
        /// How many.
        count: u16,
    },
    /// Asks.
    Query(Query),
    /// Asks with the cursor of the last answer that had one.
    QueryOn(Query),
    /// Asks for all pages, one after the other, and keeps these messages after each of them.
    Walk(Query, Vec<Seed>),
    /// Looks at the summary.
    Summary,
    /// Drops messages until there is no more to do.
    Trim(Trim),
    /// Drops messages until the archive takes this part of its bytes, in percent.
    TrimBytes(u8),
    /// Reads everything.
    ReadAll,
    /// Checks everything.
    Verify,
    /// See [`Subject::reopen`].
    Reopen,
    /// See [`Subject::crash`].
    Crash,
}

/// Up to `most` steps.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..=most)
}

fn step() -> impl Strategy<Value = Step> {
    let seeds = || proptest::collection::vec(world::seed(), 0..24);
    prop_oneof![
        8 => seeds().prop_map(Step::Insert),
        2 => (world::moment(), -40_i64..40, 1_u16..600)
            .prop_map(|(first, stride, count)| Step::Fill { first, stride, count }),
        8 => world::query().prop_map(Step::Query),
        4 => world::query().prop_map(Step::QueryOn),
        2 => (world::query(), seeds()).prop_map(|(query, seeds)| Step::Walk(query, seeds)),
        2 => Just(Step::Summary),
        2 => world::moment().prop_map(|moment| Step::Trim(Trim::OlderThan(world::at(moment)))),
        2 => (0_u64..800).prop_map(|count| Step::Trim(Trim::ToCount(count))),
        1 => (0_u8..=100).prop_map(Step::TrimBytes),
        1 => Just(Step::ReadAll),
        1 => Just(Step::Verify),
        2 => Just(Step::Reopen),
        2 => Just(Step::Crash),
    ]
}

/// Does `steps` to a new and empty archive and to a list, and compares what they answer.
pub fn check(subject: &mut impl Subject, steps: &[Step]) -> TestCaseResult {
    let oracle = Oracle::default();
    let mut cursor = None;
    for step in steps {
        run(subject, &oracle, step, &mut cursor)
            .map_err(|error| TestCaseError::fail(format!("{error} at {step:?}")))?;
    }
    for step in [Step::Summary, Step::ReadAll, Step::Verify, Step::Reopen, Step::ReadAll, Step::Summary] {
        run(subject, &oracle, &step, &mut cursor)
            .map_err(|error| TestCaseError::fail(format!("{error} at the end, at {step:?}")))?;
    }
    Ok(())
}

fn run(
    subject: &mut impl Subject,
    oracle: &Oracle,
    step: &Step,
    cursor: &mut Option<MessageHash>,
) -> TestCaseResult {
    let archive = subject.archive();
    match step {
        Step::Insert(seeds) => insert(&*archive, oracle, &world::messages(seeds)),
        Step::Fill { first, stride, count } => {
            insert(&*archive, oracle, &world::fill(*first, *stride, *count))
        }
        Step::Query(query) => ask(&*archive, oracle, query, cursor),
        Step::QueryOn(query) => {
            let query = Query { cursor: *cursor, ..query.clone() };
            ask(&*archive, oracle, &query, cursor)
        }
        Step::Walk(query, seeds) => walk(&*archive, oracle, query, seeds),
        Step::Summary => compare_summaries(&*archive, oracle),
        Step::Trim(trim) => {
            let removed = trim_all(&*archive, *trim)?;
            prop_assert_eq!(removed, trim_all(oracle, *trim)?, "messages removed");
            compare_summaries(&*archive, oracle)
        }
        Step::TrimBytes(percent) => trim_bytes(&*archive, oracle, *percent),
        Step::ReadAll => compare_contents(&*archive, oracle),
        Step::Verify => {
            let verified = archive.verify(&mut |_| {}).map_err(broken)?;
            prop_assert_eq!(verified, oracle.verify(&mut |_| {}).map_err(broken)?);
            Ok(())
        }
        Step::Reopen => {
            drop(archive);
            subject.reopen();
            Ok(())
        }
        Step::Crash => {
            drop(archive);
            subject.crash();
            Ok(())
        }
    }
}

fn insert(archive: &dyn Archive, oracle: &Oracle, messages: &[StoredMessage]) -> TestCaseResult {
    for batch in messages.chunks(MAX_BATCH) {
        let inserted = archive.insert(batch).map_err(broken)?;
        prop_assert_eq!(inserted, oracle.insert(batch).map_err(broken)?);
    }
    Ok(())
}

fn ask(
    archive: &dyn Archive,
    oracle: &Oracle,
    query: &Query,
    cursor: &mut Option<MessageHash>,
) -> TestCaseResult {
    if let Some(page) = ask_both(archive, oracle, query)? {
        *cursor = page.cursor.or(*cursor);
    }
    Ok(())
}

/// The answer, when both have the same one and it is not a refusal.
fn ask_both(archive: &dyn Archive, oracle: &Oracle, query: &Query) -> Result<Option<Page>, TestCaseError> {
    match (archive.query(query, &|| true), oracle.query(query, &|| true)) {
        (Ok(page), expected) => {
            prop_assert_eq!(Some(page.clone()), expected.ok(), "asked {:?}", query);
            Ok(Some(page))
        }
        (Err(error), Ok(expected)) => {
            Err(TestCaseError::fail(format!("{error}, but expected {expected:?} to {query:?}")))
        }
        (Err(error), Err(expected)) => {
            prop_assert_eq!(error.to_string(), expected.to_string());
            Ok(None)
        }
    }
}

/// Pages follow each other to the end, whatever is kept meanwhile.
fn walk(archive: &dyn Archive, oracle: &Oracle, query: &Query, seeds: &[Seed]) -> TestCaseResult {
    let mut query = query.clone();
    let mut late = seeds.chunks(2);
    while let Some(page) = ask_both(archive, oracle, &query)? {
        if page.cursor.is_none() {
            break;
        }
        query.cursor = page.cursor;
        insert(archive, oracle, &world::messages(late.next().unwrap_or_default()))?;
    }
    Ok(())
}

/// How many messages all steps of `trim` removed.
fn trim_all(archive: &dyn Archive, trim: Trim) -> Result<u64, TestCaseError> {
    let mut removed = 0;
    for _ in 0..MAX_TRIM_STEPS {
        let trimmed = archive.trim(trim).map_err(broken)?;
        removed += trimmed.removed;
        if !trimmed.more {
            return Ok(removed);
        }
    }
    Err(TestCaseError::fail("trimming does not end"))
}

fn trim_bytes(archive: &dyn Archive, oracle: &Oracle, percent: u8) -> TestCaseResult {
    let before = archive.summary().map_err(broken)?;
    let aim = before.bytes / 100 * u64::from(percent);
    let removed = trim_all(archive, Trim::ToBytes(aim))?;
    let after = archive.summary().map_err(broken)?;
    prop_assert_eq!(before.messages - after.messages, removed, "messages removed");
    trim_all(oracle, Trim::ToCount(after.messages))?;
    compare_summaries(archive, oracle)?;
    compare_contents(archive, oracle)
}

fn compare_summaries(archive: &dyn Archive, oracle: &Oracle) -> TestCaseResult {
    let bytes = 0;
    let summary = Summary { bytes, ..archive.summary().map_err(broken)? };
    prop_assert_eq!(summary, Summary { bytes, ..oracle.summary().map_err(broken)? });
    Ok(())
}

fn compare_contents(archive: &dyn Archive, oracle: &Oracle) -> TestCaseResult {
    let (found, expected) = (read_all(archive)?, read_all(oracle)?);
    let first_difference = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    prop_assert_eq!(first_difference.map(|at| (&found[at], &expected[at])), None);
    prop_assert_eq!(found.len(), expected.len(), "messages read");
    Ok(())
}

fn read_all(archive: &dyn Archive) -> Result<Vec<StoredMessage>, TestCaseError> {
    let mut all: Vec<StoredMessage> = Vec::new();
    loop {
        let part = archive.read_on(all.last().map(StoredMessage::place)).map_err(broken)?;
        if part.is_empty() {
            return Ok(all);
        }
        all.extend(part);
    }
}

fn broken(error: ArchiveError) -> TestCaseError {
    TestCaseError::fail(format!("failed with `{error}`"))
}

#[cfg(test)]
mod tests;
