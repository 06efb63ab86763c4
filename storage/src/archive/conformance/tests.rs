//! The suite accepts the list itself and notices every way in which a list can be wrong.

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use weir_core::{Timestamp, store::Direction};

use super::*;
use crate::archive::{Inserted, Place, Trimmed, Verified};

/// What is wrong with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    EndIsExcluded,
    StartIsExcluded,
    ForgetsInACrash,
    ForgetsWhenClosed,
    CountsDuplicatesAsNew,
    CursorIsPartOfThePage,
    UnknownCursorIsIgnored,
    BackwardPagesAreReversed,
    DropsProofs,
    LastPageHasACursor,
    PageIsTooShort,
    ContentTopicsAreIgnored,
    HashesReplaceFilters,
    AnswersData,
    TrimsOneTooFew,
    TrimsTheNewest,
    SummaryIsLate,
    ReadsOnTwice,
    VerifiesNothing,
}

#[derive(Debug)]
struct Faulty {
    fault: Fault,
    list: Oracle,
}

impl Archive for Faulty {
    fn insert(&self, messages: &[StoredMessage]) -> Result<Inserted, ArchiveError> {
        let mut messages = messages.to_vec();
        if self.fault == Fault::DropsProofs {
            messages.iter_mut().for_each(|message| message.message.proof = weir_core::ProofField::Absent);
        }
        let inserted = self.list.insert(&messages)?;
        Ok(match self.fault {
            Fault::CountsDuplicatesAsNew => Inserted { new: messages.len(), known: 0 },
            _ => inserted,
        })
    }

    fn query(&self, query: &Query, wanted: &(dyn Fn() -> bool + Sync)) -> Result<Page, ArchiveError> {
        let mut query = query.clone();
        let nanos =
            |moment: Timestamp, step: i64| Timestamp::from_nanos(moment.as_nanos().saturating_add(step));
        match self.fault {
            Fault::EndIsExcluded => query.end = query.end.map(|end| nanos(end, -1)),
            Fault::StartIsExcluded => query.start = query.start.map(|start| nanos(start, 1)),
            Fault::ContentTopicsAreIgnored => query.content_topics.truncate(1),
            Fault::HashesReplaceFilters if !query.hashes.is_empty() => query.pubsub_topic = None,
            Fault::AnswersData => query.include_data = true,
            _ => {}
        }
        let page = self.list.query(&query, wanted);
        match (self.fault, page) {
            (Fault::UnknownCursorIsIgnored, Err(ArchiveError::CursorNotFound)) => {
                self.list.query(&Query { cursor: None, ..query }, wanted)
            }
            (fault, Ok(mut page)) => {
                match fault {
                    Fault::CursorIsPartOfThePage => {
                        let row = query.cursor.map(|hash| weir_core::store::Row { hash, data: None });
                        page.rows.splice(0..0, row);
                    }
                    Fault::BackwardPagesAreReversed if query.direction == Direction::Backward => {
                        page.rows.reverse();
                    }
                    Fault::LastPageHasACursor => {
                        page.cursor = page.rows.last().map(|row| row.hash);
                    }
                    Fault::PageIsTooShort => page.rows.truncate(99),
                    _ => {}
                }
                Ok(page)
            }
            (_, error) => error,
        }
    }

    fn summary(&self) -> Result<Summary, ArchiveError> {
        let mut summary = self.list.summary()?;
        if self.fault == Fault::SummaryIsLate {
            summary.messages = summary.messages.saturating_sub(1);
        }
        Ok(summary)
    }

    fn trim(&self, trim: Trim) -> Result<Trimmed, ArchiveError> {
        match (self.fault, trim) {
            (Fault::TrimsOneTooFew, Trim::ToCount(count)) => self.list.trim(Trim::ToCount(count + 1)),
            (Fault::TrimsTheNewest, Trim::ToBytes(_)) => {
                let all = self.list.read_on(None)?;
                self.list.trim(Trim::ToCount(0))?;
                self.list.insert(&all[..all.len().saturating_sub(1)])?;
                Ok(Trimmed { removed: u64::from(!all.is_empty()), more: false })
            }
            _ => self.list.trim(trim),
        }
    }

    fn read_on(&self, after: Option<Place>) -> Result<Vec<StoredMessage>, ArchiveError> {
        let mut part = self.list.read_on(after)?;
        if self.fault == Fault::ReadsOnTwice && after.is_none() {
            part.extend(part.last().cloned());
        }
        Ok(part)
    }

    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Verified, ArchiveError> {
        if self.fault == Fault::VerifiesNothing {
            Ok(Verified::default())
        } else {
            self.list.verify(progress)
        }
    }
}

struct List(Arc<Faulty>);

impl List {
    fn new(fault: Fault) -> Self {
        Self(Arc::new(Faulty { fault, list: Oracle::default() }))
    }

    fn forget_one_for(&self, fault: Fault) {
        if self.0.fault == fault {
            let messages = self.0.list.summary().expect("a list answers").messages;
            self.0.list.trim(Trim::ToCount(messages.saturating_sub(1))).expect("a list trims");
        }
    }
}

impl Subject for List {
    fn archive(&self) -> Arc<dyn Archive> {
        Arc::<Faulty>::clone(&self.0)
    }

    fn reopen(&mut self) {
        self.forget_one_for(Fault::ForgetsWhenClosed);
    }

    fn crash(&mut self) {
        self.forget_one_for(Fault::ForgetsInACrash);
    }
}

/// Whether the suite finds something wrong, always with the same random steps.
fn finds_a_fault(fault: Fault) -> bool {
    // A found fault is not made smaller: nobody reads it.
    let config = Config { cases: 128, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    runner.run(&steps(40), |steps| check(&mut List::new(fault), &steps)).is_err()
}

#[test]
fn a_list_is_an_archive() {
    assert!(!finds_a_fault(Fault::None));
}

#[test]
fn each_fault_of_a_list_is_noticed() {
    for fault in [
        Fault::EndIsExcluded,
        Fault::StartIsExcluded,
        Fault::ForgetsInACrash,
        Fault::ForgetsWhenClosed,
        Fault::CountsDuplicatesAsNew,
        Fault::CursorIsPartOfThePage,
        Fault::UnknownCursorIsIgnored,
        Fault::BackwardPagesAreReversed,
        Fault::DropsProofs,
        Fault::LastPageHasACursor,
        Fault::PageIsTooShort,
        Fault::ContentTopicsAreIgnored,
        Fault::HashesReplaceFilters,
        Fault::AnswersData,
        Fault::TrimsOneTooFew,
        Fault::TrimsTheNewest,
        Fault::SummaryIsLate,
        Fault::ReadsOnTwice,
        Fault::VerifiesNothing,
    ] {
        assert!(finds_a_fault(fault), "{fault:?} is not noticed");
    }
}
