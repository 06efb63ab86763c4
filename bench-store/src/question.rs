//! What clients ask, and whether an answer can be right.

use std::time::Duration;

use rand::{Rng, SeedableRng, seq::index};
use rand_chacha::ChaCha8Rng;
use serde::{Serialize, Serializer};
use strum::VariantArray;
use weir_core::{
    MessageHash,
    store::{Direction, Page, PageSize, Query, StoredMessage},
};

use crate::workload::{CONTENT_TOPICS, SPAN, Workload};

/// Pages that are fetched one after the other before somewhere else is begun: a client that was away.
const PAGES_OF_A_WALK: u32 = 10;

/// A kind of query. Every one asks for the messages themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, VariantArray)]
pub enum Kind {
    /// One message by its hash.
    Hash1,
    /// Ten messages by their hashes.
    Hash10,
    /// An hour of ten content topics, the first page of 20.
    HourTenTopics,
    /// The newest 20 messages.
    Newest20,
    /// One content topic and a tenth of the whole time, the first page of 20.
    TopicTenthOfTime,
    /// The next 100 messages of a shard, from a cursor.
    Page100,
}

/// Makes queries, each another one.
#[derive(Debug)]
pub(crate) struct Questions<'a> {
    workload: &'a Workload,
    random: ChaCha8Rng,
    walk: Option<Walk>,
}

/// Where a client that fetches page after page is.
#[derive(Debug)]
struct Walk {
    query: Query,
    pages_left: u32,
}

/// An answer that cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongAnswer {
    /// Messages of the day are not there.
    #[error("{found} of {asked} messages came back")]
    Missing {
        /// Messages that had to be there.
        asked: usize,
        /// Messages that were.
        found: usize,
    },
    /// More than a page.
    #[error("{0} messages came back, which is more than a page")]
    TooMany(usize),
    /// A message without its data.
    #[error("a message came without its data")]
    NoData,
    /// A message that the query does not select, or under a hash that is not its own.
    #[error("message {0} is not one that was asked for")]
    NotAsked(MessageHash),
    /// A page that is not in order.
    #[error("the messages are not in order")]
    Order,
}

impl Kind {
    /// Its key in JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Hash1 => "hash_1",
            Self::Hash10 => "hash_10",
            Self::HourTenTopics => "hour_10_topics",
            Self::Newest20 => "newest_20",
            Self::TopicTenthOfTime => "topic_tenth_of_time",
            Self::Page100 => "page_100",
        }
    }

    /// What people call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hash1 => "one hash",
            Self::Hash10 => "10 hashes",
            Self::HourTenTopics => "an hour of 10 content topics",
            Self::Newest20 => "the newest 20",
            Self::TopicTenthOfTime => "a content topic in a tenth of the time",
            Self::Page100 => "the next page of 100",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

impl<'a> Questions<'a> {
    /// Questions about `workload`; another `seed` asks other ones.
    pub(crate) fn new(workload: &'a Workload, seed: u64) -> Self {
        Self { workload, random: ChaCha8Rng::seed_from_u64(seed), walk: None }
    }

    /// The next query of a kind.
    pub(crate) fn next(&mut self, kind: Kind) -> Query {
        match kind {
            Kind::Hash1 => self.hashes(1),
            Kind::Hash10 => self.hashes(10),
            Kind::HourTenTopics => self.topics_within(10, Duration::from_secs(3600)),
            Kind::Newest20 => {
                Query { include_data: true, direction: Direction::Backward, ..Query::default() }
            }
            Kind::TopicTenthOfTime => self.topics_within(1, SPAN / 10),
            Kind::Page100 => self.page(),
        }
    }

    /// Tells what was answered to the last [`Kind::Page100`], so that the next one goes on from there.
    pub(crate) fn went_on(&mut self, page: &Page) {
        let Some(walk) = &mut self.walk else { return };
        walk.pages_left -= 1;
        walk.query.cursor = page.cursor;
        if walk.pages_left == 0 || page.cursor.is_none() {
            self.walk = None;
        }
    }

    fn hashes(&mut self, count: u64) -> Query {
        let count = count.min(self.workload.len());
        let mut hashes = Vec::new();
        while (hashes.len() as u64) < count {
            let hash = self.workload.message(self.random.gen_range(0..self.workload.len())).hash;
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
        Query { include_data: true, hashes, ..Query::default() }
    }

    fn topics_within(&mut self, topics: usize, span: Duration) -> Query {
        let content_topics = index::sample(&mut self.random, CONTENT_TOPICS, topics)
            .into_iter()
            .map(|number| self.workload.content_topic(number).clone())
            .collect();
        let begin = (SPAN - span).mul_f64(self.random.gen_range(0.0..1.0));
        let start = self.workload.start().saturating_add(begin);
        Query {
            include_data: true,
            content_topics,
            start: Some(start),
            end: Some(start.saturating_add(span)),
            ..Query::default()
        }
    }

    fn page(&mut self) -> Query {
        if let Some(walk) = &self.walk {
            return walk.query.clone();
        }
        let topics = self.workload.pubsub_topics();
        let pubsub_topic = Some(topics[self.random.gen_range(0..topics.len())]);
        let begin = SPAN.mul_f64(self.random.gen_range(0.0..1.0));
        let query = Query {
            include_data: true,
            pubsub_topic,
            start: Some(self.workload.start().saturating_add(begin)),
            page_size: PageSize::MAX,
            ..Query::default()
        };
        self.walk = Some(Walk { query: query.clone(), pages_left: PAGES_OF_A_WALK });
        query
    }
}

/// Holds `page` against what was asked.
pub(crate) fn check(query: &Query, page: &Page) -> Result<(), WrongAnswer> {
    if page.rows.len() > query.page_size.get() {
        return Err(WrongAnswer::TooMany(page.rows.len()));
    }
    if page.rows.len() < query.hashes.len() {
        return Err(WrongAnswer::Missing { asked: query.hashes.len(), found: page.rows.len() });
    }
    let mut places = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        let (topic, message) = row.data.clone().ok_or(WrongAnswer::NoData)?;
        let stored = StoredMessage::new(topic, message);
        if stored.hash != row.hash || !query.selects(&stored) {
            return Err(WrongAnswer::NotAsked(row.hash));
        }
        places.push(stored.place());
    }
    if places.is_sorted_by(|one, next| one < next) { Ok(()) } else { Err(WrongAnswer::Order) }
}

#[cfg(test)]
mod tests {
    use weir_core::{Timestamp, store::Row};

    use super::*;

    fn workload() -> Workload {
        Workload::new(1, 50, Timestamp::from_secs(1_700_000_000))
    }

    fn page(messages: impl IntoIterator<Item = StoredMessage>) -> Page {
        Page { rows: messages.into_iter().map(|message| message.into_row(true)).collect(), cursor: None }
    }

    #[test]
    fn every_kind_of_wrong_answer_is_found() {
        let workload = workload();
        let [first, second] = [4, 9].map(|number| workload.message(number));
        let hashes = vec![first.hash, second.hash];
        let query = Query { include_data: true, hashes, ..Query::default() };
        assert_eq!(check(&query, &page([first.clone(), second.clone()])), Ok(()));
        let refused = |page: Page| check(&query, &page).expect_err("wrong");
        assert_eq!(refused(page([first.clone()])), WrongAnswer::Missing { asked: 2, found: 1 });
        assert_eq!(refused(page([second.clone(), first.clone()])), WrongAnswer::Order);
        let other = workload.message(5);
        assert_eq!(refused(page([first.clone(), other.clone()])), WrongAnswer::NotAsked(other.hash));
        let renamed = Row { hash: second.hash, ..first.clone().into_row(true) };
        let renamed = Page { rows: vec![renamed, second.clone().into_row(true)], cursor: None };
        assert_eq!(refused(renamed), WrongAnswer::NotAsked(second.hash));
        let bare = Page { rows: vec![first.into_row(false), second.into_row(true)], cursor: None };
        assert_eq!(refused(bare), WrongAnswer::NoData);
        assert_eq!(refused(page((0..21).map(|number| workload.message(number)))), WrongAnswer::TooMany(21));
    }

    #[test]
    fn a_walk_goes_on_from_its_cursor_and_ends_somewhere() {
        let workload = workload();
        let mut questions = Questions::new(&workload, 1);
        let first = questions.next(Kind::Page100);
        assert_eq!((first.cursor, first.page_size), (None, PageSize::MAX));
        let cursor = Some(workload.message(3).hash);
        questions.went_on(&Page { rows: Vec::new(), cursor });
        let next = questions.next(Kind::Page100);
        assert_eq!(next, Query { cursor, ..first });
        for _ in 1..PAGES_OF_A_WALK {
            questions.went_on(&Page { rows: Vec::new(), cursor });
        }
        assert_eq!(questions.next(Kind::Page100).cursor, None, "another walk");
        questions.went_on(&Page::default());
        assert_eq!(questions.next(Kind::Page100).cursor, None, "the last page has no next one");
    }

    #[test]
    fn ranges_lie_within_the_day() {
        let workload = workload();
        let mut questions = Questions::new(&workload, 1);
        for _ in 0..100 {
            let hour = questions.next(Kind::HourTenTopics);
            let (start, end) = (hour.start.expect("set"), hour.end.expect("set"));
            assert_eq!(start.distance(end), Duration::from_secs(3_600));
            assert!(start >= workload.start() && end <= workload.start().saturating_add(SPAN));
            let mut topics = hour.content_topics;
            topics.sort_unstable();
            topics.dedup();
            assert_eq!(topics.len(), 10);
        }
    }
}
