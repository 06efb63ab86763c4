//! Answering a query: from the lookup table when it names hashes, else along the time, a few partitions at a
//! time, until the page is full.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use deadpool_postgres::Object;
use tokio_postgres::{Row as SqlRow, types::ToSql};
use weir_core::{
    MessageHash, Timestamp,
    store::{Direction, Page, Query, Row, StoredMessage},
};

use super::{
    super::{ArchiveError, Place},
    keys::{TopicKey, content_key, lookup_key, pair_key, topic_number, topic_of},
    partitions::Known,
    spans,
    statements::{LOOK_UP, Places, Shape},
};

/// The places between which messages are looked for; both are left out. A shorter name is before, and a
/// longer one after, every hash that a timestamp can have.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    after: (i64, Vec<u8>),
    before: (i64, Vec<u8>),
}

/// A message as the database has it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    /// Its topic's number and its record, when asked for.
    data: Option<(i32, Bytes)>,
}

/// Places that are looked up one by one; see [`Places::Few`].
const FEW: usize = 16;

/// The page that `query` asks for.
pub(super) async fn page(connection: &Object, known: &Known, query: &Query) -> Result<Page, ArchiveError> {
    let mut bounds = Bounds::of_time(query.start, query.end);
    if let Some(cursor) = query.cursor {
        let place = places_of(connection, known, &[cursor]).await?;
        let place = at_places(connection, known, Shape::NAMES, place, 1, &[]).await?.pop();
        bounds = bounds.beyond(place.ok_or(ArchiveError::CursorNotFound)?.place, query.direction);
    }
    // One more tells whether there is another page.
    let limit = query.page_size.get() + 1;
    // Of several content topics far more messages are looked at than answered: a page for each of them.
    let names_first = query.include_data && query.content_topics.len() > 1;
    let mut found = if query.hashes.is_empty() {
        let shape = Shape { data: query.include_data && !names_first, ..Shape::of(query) };
        in_range(connection, known, shape, &Filters::of(query), &bounds, limit).await?
    } else {
        let mut places = places_of(connection, known, &query.hashes).await?;
        places.retain(|place| bounds.contains(place));
        let filters = Filters::of(query);
        at_places(connection, known, Shape::of(query), places, limit, &filters.parameters()).await?
    };
    let more = found.len() == limit;
    found.truncate(query.page_size.get());
    let cursor = found.last().filter(|_| more).map(|message| message.place.1);
    if names_first && query.hashes.is_empty() {
        let places = found.into_iter().map(|message| message.place).collect();
        let shape = Shape { data: true, direction: query.direction, ..Shape::NAMES };
        found = at_places(connection, known, shape, places, limit, &[]).await?;
    }
    if query.direction == Direction::Backward {
        found.reverse();
    }
    Ok(Page { rows: found.into_iter().map(Found::into_row).collect::<Result<_, _>>()?, cursor })
}

/// The first `limit` messages within `bounds`, in the order of the shape.
pub(super) async fn in_range(
    connection: &Object,
    known: &Known,
    shape: Shape,
    filters: &Filters,
    bounds: &Bounds,
    limit: usize,
) -> Result<Vec<Found>, ArchiveError> {
    let mut found = Vec::new();
    let (low, high) = (bounds.after.0, bounds.before.0);
    if low > high {
        return Ok(found);
    }
    let statement = connection.prepare_cached(&shape.in_range()).await?;
    let pairs = filters.pairs();
    for (first, last) in spans::steps(&known.message, low, high, shape.direction) {
        let missing = (limit - found.len()) as i64;
        let (after, before) = (&bounds.after, &bounds.before);
        let mut parameters: Vec<&(dyn ToSql + Sync)> =
            vec![&first, &last, &after.0, &after.1, &before.0, &before.1, &missing];
        match &pairs {
            Some(pairs) => parameters.push(pairs),
            None => parameters.extend(filters.parameters()),
        }
        let rows = connection.query(&statement, &parameters).await?;
        for row in &rows {
            found.push(Found::try_from(row)?);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// The messages at `places` that pass the `filters`, in the order of the shape, at most `limit`.
async fn at_places(
    connection: &Object,
    known: &Known,
    shape: Shape,
    mut places: Vec<Place>,
    limit: usize,
    filters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Found>, ArchiveError> {
    places.sort_unstable();
    let ends = places.first().zip(places.last());
    let near = ends.is_some_and(|((first, _), (last, _))| {
        spans::are_near(&known.message, first.as_nanos(), last.as_nanos())
    });
    let (kind, at_once) =
        if places.len() > FEW && near { (Places::Near, places.len()) } else { (Places::Few, FEW) };
    if shape.direction == Direction::Backward {
        places.reverse();
    }
    let statement = connection.prepare_cached(&shape.at_places(kind)).await?;
    let mut found = Vec::new();
    for places in places.chunks(at_once) {
        let timestamps: Vec<i64> = places.iter().map(|(timestamp, _)| timestamp.as_nanos()).collect();
        let hashes: Vec<&[u8]> = places.iter().map(|(_, hash)| hash.as_bytes().as_slice()).collect();
        let missing = (limit - found.len()) as i64;
        let (first, last) = (timestamps.iter().min(), timestamps.iter().max());
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&timestamps, &hashes, &missing];
        parameters.extend(filters);
        if kind == Places::Near {
            parameters.extend([&first as &(dyn ToSql + Sync), &last]);
        }
        for row in &connection.query(&statement, &parameters).await? {
            found.push(Found::try_from(row)?);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// Where messages with these hashes would be. There need not be any.
pub(super) async fn places_of(
    connection: &Object,
    known: &Known,
    hashes: &[MessageHash],
) -> Result<Vec<Place>, ArchiveError> {
    // Each hash once, because each place is answered once.
    let mut by_key: BTreeMap<i64, Vec<MessageHash>> = BTreeMap::new();
    for hash in hashes {
        let same_key = by_key.entry(lookup_key(*hash)).or_default();
        if !same_key.contains(hash) {
            same_key.push(*hash);
        }
    }
    let keys: Vec<i64> = by_key.keys().copied().collect();
    let statement = connection.prepare_cached(LOOK_UP).await?;
    let mut places = Vec::new();
    for (first, last) in spans::steps(&known.lookup, i64::MIN, i64::MAX, Direction::Backward) {
        for row in connection.query(&statement, &[&keys, &first, &last]).await? {
            let (key, ts): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let same_key = by_key.get(&key).into_iter().flatten();
            places.extend(same_key.map(|hash| (Timestamp::from_nanos(ts), *hash)));
        }
    }
    Ok(places)
}

/// What a query compares beside places.
#[derive(Debug, Default)]
pub(super) struct Filters {
    topic: Option<i32>,
    /// Each once, because the messages of each are looked for.
    content: Option<Vec<TopicKey>>,
}

impl Filters {
    /// Those of `query`.
    pub(super) fn of(query: &Query) -> Self {
        let keys: BTreeSet<_> = query.content_topics.iter().map(content_key).collect();
        let content = (!keys.is_empty()).then(|| keys.into_iter().collect());
        Self { topic: query.pubsub_topic.map(topic_number), content }
    }

    /// The keys of the pubsub topic with each content topic, when there are both.
    fn pairs(&self) -> Option<Vec<TopicKey>> {
        let (topic, content) = self.topic.zip(self.content.as_ref())?;
        Some(content.iter().map(|content| pair_key(topic, content)).collect())
    }

    /// In the order in which statements number them.
    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let topic = self.topic.as_ref().map(|topic| topic as &(dyn ToSql + Sync));
        let content = self.content.as_ref().map(|content| content as &(dyn ToSql + Sync));
        topic.into_iter().chain(content).collect()
    }
}

impl Shape {
    /// Only places, in order.
    pub(super) const NAMES: Self =
        Self { direction: Direction::Forward, data: false, topic: false, content: false };

    pub(super) fn of(query: &Query) -> Self {
        Self {
            direction: query.direction,
            data: query.include_data,
            topic: query.pubsub_topic.is_some(),
            content: !query.content_topics.is_empty(),
        }
    }
}

impl Bounds {
    /// From `start` to `end`, both included.
    pub(super) fn of_time(start: Option<Timestamp>, end: Option<Timestamp>) -> Self {
        Self {
            after: (start.map_or(i64::MIN, Timestamp::as_nanos), Vec::new()),
            before: (end.map_or(i64::MAX, Timestamp::as_nanos), vec![u8::MAX; 33]),
        }
    }

    /// What of it is beyond `place` in `direction`.
    pub(super) fn beyond(mut self, (timestamp, hash): Place, direction: Direction) -> Self {
        let place = (timestamp.as_nanos(), hash.as_bytes().to_vec());
        match direction {
            Direction::Forward => self.after = self.after.max(place),
            Direction::Backward => self.before = self.before.min(place),
        }
        self
    }

    fn contains(&self, (timestamp, hash): &Place) -> bool {
        let place = (timestamp.as_nanos(), hash.as_bytes().to_vec());
        self.after < place && place < self.before
    }
}

impl Found {
    fn into_row(self) -> Result<Row, ArchiveError> {
        let Self { place: (_, hash), ref data } = self;
        if data.is_none() {
            return Ok(Row { hash, data: None });
        }
        Ok(self.into_message()?.into_row(true))
    }

    /// The message; it has to have been asked for.
    pub(super) fn into_message(self) -> Result<StoredMessage, ArchiveError> {
        let (_, hash) = self.place;
        let damaged = |what: &str| ArchiveError::Damaged(format!("message {hash}: {what}"));
        let (topic, record) = self.data.ok_or_else(|| damaged("without record"))?;
        let topic = topic_of(topic).ok_or_else(|| damaged("no such pubsub topic"))?;
        let message = weir_wire::decode_message(&record).map_err(|error| damaged(&error.to_string()))?;
        Ok(StoredMessage { hash, topic, message })
    }
}

impl TryFrom<&SqlRow> for Found {
    type Error = ArchiveError;

    fn try_from(row: &SqlRow) -> Result<Self, Self::Error> {
        let hash: &[u8] = row.try_get(1)?;
        let hash = hash
            .try_into()
            .map_err(|_| ArchiveError::Damaged(format!("a message has a hash of {} bytes", hash.len())))?;
        let data = match row.len() {
            2 => None,
            _ => Some((row.try_get(2)?, Bytes::from(row.try_get::<_, Vec<u8>>(3)?))),
        };
        Ok(Self { place: (Timestamp::from_nanos(row.try_get(0)?), MessageHash::from_bytes(hash)), data })
    }
}
