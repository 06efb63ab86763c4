//! An archive that is a list: what every other one is compared with, and what tests use.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use weir_core::{
    MessageHash,
    store::{Direction, Page, Query, StoredMessage},
};

use super::{Archive, ArchiveError, Inserted, Place, Summary, Trim, Trimmed, Verified, check_bounds};

/// Messages that one call of [`Archive::read_on`] gives.
const PART: usize = 256;

/// The list.
#[derive(Debug, Default)]
pub struct Oracle(Mutex<BTreeMap<Place, StoredMessage>>);

impl Oracle {
    fn list(&self) -> MutexGuard<'_, BTreeMap<Place, StoredMessage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Archive for Oracle {
    fn insert(&self, messages: &[StoredMessage]) -> Result<Inserted, ArchiveError> {
        let mut list = self.list();
        let mut inserted = Inserted::default();
        for message in messages {
            match list.entry(message.place()) {
                Entry::Vacant(place) => {
                    place.insert(message.clone());
                    inserted.new += 1;
                }
                Entry::Occupied(_) => inserted.known += 1,
            }
        }
        Ok(inserted)
    }

    fn query(&self, query: &Query, _: &(dyn Fn() -> bool + Sync)) -> Result<Page, ArchiveError> {
        check_bounds(query)?;
        let list = self.list();
        let place_of = |hash: MessageHash| list.keys().find(|(_, known)| *known == hash).copied();
        let cursor =
            query.cursor.map(|hash| place_of(hash).ok_or(ArchiveError::CursorNotFound)).transpose()?;
        let mut found: Vec<&StoredMessage> = list.values().filter(|message| query.selects(message)).collect();
        if query.direction == Direction::Backward {
            found.reverse();
        }
        found.retain(|message| {
            cursor.is_none_or(|cursor| match query.direction {
                Direction::Forward => message.place() > cursor,
                Direction::Backward => message.place() < cursor,
            })
        });
        let more = found.len() > query.page_size.get();
        found.truncate(query.page_size.get());
        let cursor = found.last().filter(|_| more).map(|message| message.hash);
        if query.direction == Direction::Backward {
            found.reverse();
        }
        let rows = found.into_iter().map(|message| message.clone().into_row(query.include_data)).collect();
        Ok(Page { rows, cursor })
    }

    fn summary(&self) -> Result<Summary, ArchiveError> {
        let list = self.list();
        let mut summary = Summary {
            messages: list.len() as u64,
            oldest: list.keys().next().map(|(timestamp, _)| *timestamp),
            newest: list.keys().next_back().map(|(timestamp, _)| *timestamp),
            ..Summary::default()
        };
        for message in list.values() {
            *summary.by_topic.entry(message.topic).or_default() += 1;
            summary.bytes += message.message.payload.len() as u64;
        }
        Ok(summary)
    }

    fn trim(&self, trim: Trim) -> Result<Trimmed, ArchiveError> {
        let mut list = self.list();
        let before = list.len();
        match trim {
            Trim::OlderThan(moment) => list.retain(|(timestamp, _), _| *timestamp >= moment),
            Trim::ToCount(count) => while list.len() as u64 > count && list.pop_first().is_some() {},
            Trim::ToBytes(bytes) => {
                let mut held: u64 = list.values().map(|message| message.message.payload.len() as u64).sum();
                while held > bytes
                    && let Some((_, message)) = list.pop_first()
                {
                    held -= message.message.payload.len() as u64;
                }
            }
        }
        Ok(Trimmed { removed: (before - list.len()) as u64, more: false })
    }

    fn read_on(&self, after: Option<Place>) -> Result<Vec<StoredMessage>, ArchiveError> {
        let list = self.list();
        let later = |place: &Place| after.is_none_or(|after| *place > after);
        Ok(list
            .iter()
            .filter(|(place, _)| later(place))
            .take(PART)
            .map(|(_, message)| message.clone())
            .collect())
    }

    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Verified, ArchiveError> {
        let list = self.list();
        let wrong = |message: &&StoredMessage| message.message.hash(message.topic) != message.hash;
        progress(list.len() as u64);
        Ok(Verified {
            messages: list.len() as u64,
            wrong_hash: list.values().filter(wrong).count() as u64,
            index_errors: 0,
        })
    }
}
