//! Whether indexes and messages agree.

use redb::{ReadOnlyTable, ReadableTableMetadata};
use weir_core::store::{Direction, StoredMessage};

use super::{
    format::{Key, Span, hash_of, prefixed, topic_number},
    shelf::Shelf,
    view::{Spot, View},
};
use crate::archive::{ArchiveError, Verified};

/// How often progress is told, in messages.
const STRIDE: u64 = 1000;

pub(super) fn verify(shelf: &Shelf, progress: &mut dyn FnMut(u64)) -> Result<Verified, ArchiveError> {
    let mut verified = Verified::default();
    for (at, slot) in shelf.slots.iter().enumerate() {
        let span = shelf.span(at);
        slot.segment.verify_pages()?;
        slot.segment.look(|view| {
            check_lengths(view, &mut verified)?;
            check_messages(view, span, &mut verified, progress)
        })?;
    }
    progress(verified.messages);
    Ok(verified)
}

/// Each table has one entry for each message, dropped ones among them. Together with what is checked of each
/// message, no entry is left over.
fn check_lengths(view: &View, verified: &mut Verified) -> Result<(), ArchiveError> {
    let lengths = || -> Result<[u64; 5], redb::StorageError> {
        Ok([
            view.places.len()?,
            view.records.len()?,
            view.hashes.len()?,
            view.by_lane.len()?,
            view.by_topic.len()?,
        ])
    };
    let [messages, others @ ..] = lengths().map_err(|error| view.trouble(error))?;
    verified.index_errors += others.iter().map(|length| length.abs_diff(messages)).sum::<u64>();
    Ok(())
}

fn check_messages(
    view: &View,
    span: Span,
    verified: &mut Verified,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ArchiveError> {
    for row in view.walk(span, Direction::Forward)? {
        let (key, number) = row.map_err(|error| view.trouble(error))?;
        verified.messages += 1;
        if verified.messages.is_multiple_of(STRIDE) {
            progress(verified.messages);
        }
        // A message that cannot be read is not there for whoever asks for it.
        let Ok(message) = view.message(&key, number) else {
            verified.index_errors += 1;
            continue;
        };
        verified.wrong_hash += u64::from(message.message.hash(message.topic) != message.hash);
        let agrees = agrees(view, &key, number, &message).map_err(|error| view.trouble(error))?;
        verified.index_errors += u64::from(!agrees);
    }
    Ok(())
}

/// Whether every index leads to this message.
fn agrees(view: &View, key: &Key, number: u32, message: &StoredMessage) -> Result<bool, redb::StorageError> {
    let Ok(Some(spot)) = view.find(&hash_of(key)) else { return Ok(false) };
    let Spot { key: place, number: numbered, lane, topic } = spot;
    let content = message.message.content_topic.as_str();
    let leads = |table: &ReadOnlyTable<_, u32>, prefix| -> Result<bool, redb::StorageError> {
        Ok(table.get(&prefixed(prefix, key))?.is_some_and(|found| found.value() == number))
    };
    Ok(place == *key
        && numbered == number
        && view.places.get(key)?.is_some_and(|found| found.value() == (number, topic))
        && super::format::timestamp_of(key) == message.message.timestamp
        && topic == topic_number(message.topic)
        && view.lanes.get((content, topic))?.is_some_and(|known| known.value() == lane)
        && leads(&view.by_lane, lane)?
        && leads(&view.by_topic, topic)?)
}
