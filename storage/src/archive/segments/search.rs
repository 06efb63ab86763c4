//! Queries: which segments are looked into, in which order, and where in them.

use std::{collections::HashSet, iter};

use weir_core::{
    ContentTopic, MessageHash, Timestamp,
    store::{Direction, Page, Query, Row, StoredMessage},
};

use super::{
    fetchers::Fetchers,
    filter::Asked,
    format::{Key, Span, hash_of, key, successor, topic_number},
    shelf::{Shelf, Slot},
    view::{Spot, View, Walk},
};
use crate::archive::{ArchiveError, Place};

/// Messages that one call of [`read_on`] gives: 0.4 MB of common ones, 38 MB of the largest.
const PART: usize = 256;

/// How often it is asked whether the answer is still wanted, in messages.
const STRIDE: usize = 64;

const LAST_HASH: MessageHash = MessageHash::from_bytes([u8::MAX; 32]);
const FIRST_HASH: MessageHash = MessageHash::from_bytes([0; 32]);

/// What is looked for, in the terms of segments.
struct Search<'q> {
    fetchers: &'q Fetchers,
    query: &'q Query,
    /// Its time range, on from its cursor.
    span: Span,
    topic: Option<u32>,
    /// Each once.
    contents: Vec<&'q ContentTopic>,
    /// Those of `contents`.
    asked_contents: Vec<Asked>,
    wanted: &'q (dyn Fn() -> bool + Sync),
}

/// A message that was found.
struct Found {
    key: Key,
    /// When data is wanted and the page has room.
    message: Option<StoredMessage>,
}

/// A message that is looked for by its hash. New ones are asked for more often, so the search goes from the newest
/// segment to the oldest.
struct Wanted<'q> {
    hash: &'q MessageHash,
    asked: Asked,
    /// The segment to look into; those above it do not have the message.
    at: usize,
}

/// What one segment says about a message.
enum Looked {
    NotHere,
    /// It is here, and the query's filters do not let it through.
    Excluded,
    Here(Box<Found>),
}

impl<'q> Wanted<'q> {
    fn new(hash: &'q MessageHash, shelf: &Shelf) -> Self {
        Self { hash, asked: Asked::hash(hash), at: shelf.slots.len() }
    }

    /// Goes on to the next segment that may have it; false if there is none.
    fn go_on(&mut self, shelf: &Shelf) -> bool {
        let next = shelf.slots[..self.at].iter().rposition(|slot| slot.segment.may_have(self.asked));
        self.at = next.unwrap_or(0);
        next.is_some()
    }
}

/// A page of messages.
pub(super) fn page(
    shelf: &Shelf,
    fetchers: &Fetchers,
    query: &Query,
    wanted: &(dyn Fn() -> bool + Sync),
) -> Result<Page, ArchiveError> {
    let cursor = match query.cursor {
        Some(hash) => Some(find(shelf, &hash, wanted)?.ok_or(ArchiveError::CursorNotFound)?),
        None => None,
    };
    let unique: HashSet<&ContentTopic> = query.content_topics.iter().collect();
    let asked_contents = unique.iter().map(|content| Asked::content(content.as_str())).collect();
    let search = Search {
        fetchers,
        query,
        span: span(query, cursor),
        topic: query.pubsub_topic.map(topic_number),
        contents: unique.into_iter().collect(),
        asked_contents,
        wanted,
    };
    let found = if query.hashes.is_empty() { search.in_order(shelf)? } else { search.by_hash(shelf)? };
    Ok(paged(found, query))
}

/// The first messages after a place.
pub(super) fn read_on(
    shelf: &Shelf,
    fetchers: &Fetchers,
    after: Option<Place>,
) -> Result<Vec<StoredMessage>, ArchiveError> {
    let span = match after {
        None => Span::ALL,
        Some(place) => match successor(&key(place)) {
            Some(from) => Span { from, to: None },
            None => return Ok(Vec::new()),
        },
    };
    for (at, slot) in shelf.slots.iter().enumerate() {
        let span = shelf.span(at).intersection(span);
        let part = slot.segment.look(|view| messages(view, fetchers, span, PART))?.unwrap_or_default();
        if !part.is_empty() {
            return Ok(part);
        }
    }
    Ok(Vec::new())
}

fn messages(
    view: &View,
    fetchers: &Fetchers,
    span: Span,
    most: usize,
) -> Result<Vec<StoredMessage>, ArchiveError> {
    let places: Result<Vec<(Key, u32)>, _> = view.walk(span, Direction::Forward)?.take(most).collect();
    let places = places.map_err(|error| view.trouble(error))?;
    fetchers.read(&places, |(key, number)| view.message(key, *number)).into_iter().collect()
}

/// The place of a message.
fn find(
    shelf: &Shelf,
    hash: &MessageHash,
    wanted: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Key>, ArchiveError> {
    let mut looking = Wanted::new(hash, shelf);
    while looking.go_on(shelf) {
        check(wanted)?;
        let found = shelf.slots[looking.at].segment.look(|view| view.find(hash))?.flatten();
        if let Some(spot) = found.filter(|spot| shelf.span(looking.at).contains(&spot.key)) {
            return Ok(Some(spot.key));
        }
    }
    Ok(None)
}

/// The places between start, end and cursor.
fn span(query: &Query, cursor: Option<Key>) -> Span {
    let nothing = Span { from: super::format::FIRST, to: Some(super::format::FIRST) };
    let from = key((query.start.unwrap_or(Timestamp::from_nanos(i64::MIN)), FIRST_HASH));
    // The end is part of the range. The last place of all has no successor, and then there is no end.
    let to = query.end.and_then(|end| successor(&key((end, LAST_HASH))));
    let range = Span { from, to };
    match (cursor, query.direction) {
        (None, _) => range,
        (Some(cursor), Direction::Forward) => {
            successor(&cursor).map_or(nothing, |from| range.intersection(Span { from, to: None }))
        }
        (Some(cursor), Direction::Backward) => {
            range.intersection(Span { from: super::format::FIRST, to: Some(cursor) })
        }
    }
}

/// `found` in the query's direction, as a page.
fn paged(mut found: Vec<Found>, query: &Query) -> Page {
    let more = found.len() > query.page_size.get();
    found.truncate(query.page_size.get());
    let cursor = found.last().filter(|_| more).map(|last| hash_of(&last.key));
    if query.direction == Direction::Backward {
        found.reverse();
    }
    let row = |found: Found| Row {
        hash: hash_of(&found.key),
        data: found.message.map(|message| (message.topic, message.message)),
    };
    Page { rows: found.into_iter().map(row).collect(), cursor }
}

fn check(wanted: &(dyn Fn() -> bool + Sync)) -> Result<(), ArchiveError> {
    if wanted() { Ok(()) } else { Err(ArchiveError::Cancelled) }
}

impl Search<'_> {
    /// The page and one more message, if there are so many, from the segments of the range in turn.
    fn in_order(&self, shelf: &Shelf) -> Result<Vec<Found>, ArchiveError> {
        let mut found = Vec::new();
        let forward = self.query.direction == Direction::Forward;
        let count = shelf.slots.len();
        for at in (0..count).map(|at| if forward { at } else { count - 1 - at }) {
            let span = shelf.span(at).intersection(self.span);
            if span.is_empty() || !self.may_have(&shelf.slots[at]) {
                continue;
            }
            check(self.wanted)?;
            shelf.slots[at].segment.look(|view| self.collect(view, span, &mut found))?;
            if found.len() > self.query.page_size.get() {
                break;
            }
        }
        Ok(found)
    }

    fn may_have(&self, slot: &Slot) -> bool {
        let on_topic = self.topic.is_none_or(|topic| slot.segment.has_topic(topic));
        on_topic
            && (self.contents.is_empty()
                || self.asked_contents.iter().any(|content| slot.segment.may_have(*content)))
    }

    /// Adds what one segment has until the page is full.
    fn collect(&self, view: &View, span: Span, found: &mut Vec<Found>) -> Result<(), ArchiveError> {
        let size = self.query.page_size.get();
        let mut places = Vec::new();
        for (row, since) in self.walk(view, span)?.take(size + 1 - found.len()).zip(1_usize..) {
            places.push(row.map_err(|error| view.trouble(error))?);
            if since.is_multiple_of(STRIDE) {
                check(self.wanted)?;
            }
        }
        let with_data = if self.query.include_data { places.len().min(size - found.len()) } else { 0 };
        let messages = self.fetchers.read(&places[..with_data], |(key, number)| view.message(key, *number));
        let messages: Vec<StoredMessage> = messages.into_iter().collect::<Result<_, _>>()?;
        let messages = messages.into_iter().map(Some).chain(iter::repeat_with(|| None));
        found.extend(places.iter().zip(messages).map(|((key, _), message)| Found { key: *key, message }));
        Ok(())
    }

    fn walk(&self, view: &View, span: Span) -> Result<Walk, ArchiveError> {
        let direction = self.query.direction;
        match self.topic {
            _ if !self.contents.is_empty() => {
                let lanes = view.lanes(&self.contents, self.topic)?;
                if lanes.is_empty() {
                    Ok(Box::new(iter::empty()))
                } else {
                    view.walk_lanes(self.fetchers, &lanes, span, direction)
                }
            }
            Some(topic) => view.walk_topic(topic, span, direction),
            None => view.walk(span, direction),
        }
    }

    /// The messages among those that are named which the filters let through, in the query's direction. There
    /// are no more of them than a page has.
    fn by_hash(&self, shelf: &Shelf) -> Result<Vec<Found>, ArchiveError> {
        let hashes: HashSet<&MessageHash> = self.query.hashes.iter().collect();
        let mut left: Vec<Wanted<'_>> = hashes.into_iter().map(|hash| Wanted::new(hash, shelf)).collect();
        let mut found = Vec::new();
        loop {
            check(self.wanted)?;
            left.retain_mut(|wanted| wanted.go_on(shelf));
            if left.is_empty() {
                break;
            }
            let looked = self.fetchers.read(&left, |wanted| self.look_for(wanted, shelf));
            let mut not_there = Vec::new();
            for (wanted, looked) in left.into_iter().zip(looked) {
                match looked? {
                    Looked::NotHere => not_there.push(wanted),
                    Looked::Excluded => {}
                    Looked::Here(message) => found.push(*message),
                }
            }
            left = not_there;
        }
        found.sort_by_key(|found| found.key);
        if self.query.direction == Direction::Backward {
            found.reverse();
        }
        Ok(found)
    }

    /// Looks for a message in the segment that may have it.
    fn look_for(&self, wanted: &Wanted<'_>, shelf: &Shelf) -> Result<Looked, ArchiveError> {
        let in_range = shelf.span(wanted.at);
        let looked = shelf.slots[wanted.at].segment.look(|view| {
            let Some(spot) = view.find(wanted.hash)?.filter(|spot| in_range.contains(&spot.key)) else {
                return Ok(Looked::NotHere);
            };
            if !self.selects(&spot, &view.lanes(&self.contents, self.topic)?) {
                return Ok(Looked::Excluded);
            }
            let message =
                self.query.include_data.then(|| view.message(&spot.key, spot.number)).transpose()?;
            Ok(Looked::Here(Box::new(Found { key: spot.key, message })))
        });
        Ok(looked?.unwrap_or(Looked::NotHere))
    }

    /// Whether the filters let a message through. `lanes` are those of the query in the message's segment.
    fn selects(&self, spot: &Spot, lanes: &[u32]) -> bool {
        self.span.contains(&spot.key)
            && self.topic.is_none_or(|topic| topic == spot.topic)
            && (self.contents.is_empty() || lanes.contains(&spot.lane))
    }
}
