//! What is asked of an archive, and what it answers (13/WAKU2-STORE).
//!
//! A [`Query`] selects messages and a page of them. Messages are ordered by timestamp, those of one timestamp
//! by hash, so every message has one place and a page can begin after any of them.

use crate::{ContentTopic, MessageHash, PubsubTopic, Timestamp, WakuMessage};

/// Content topics of one query, at most. Each has a place of its own in the index that is read, and all
/// are held open while a page is put together.
pub const MAX_CONTENT_TOPICS: usize = 100;

/// Hashes of one query, at most: what one page can answer.
pub const MAX_HASHES: usize = 100;

/// Selects messages, and a page of them.
///
/// What is not set does not restrict. What is set restricts together: hashes and filters in one query are
/// both applied, as nwaku does (the specification has it an error; see `docs/spec-map.md`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Whether the answer has messages and topics, or hashes alone.
    pub include_data: bool,
    /// On this topic.
    pub pubsub_topic: Option<PubsubTopic>,
    /// With one of these content topics; any when empty.
    pub content_topics: Vec<ContentTopic>,
    /// Not before this moment.
    pub start: Option<Timestamp>,
    /// Not after this moment: the end is part of the range, as nwaku has it (the specification excludes it).
    pub end: Option<Timestamp>,
    /// One of these; any when empty.
    pub hashes: Vec<MessageHash>,
    /// The message next to which the page begins; it is not part of the page.
    pub cursor: Option<MessageHash>,
    /// Which way pages follow each other.
    pub direction: Direction,
    /// How many messages a page has.
    pub page_size: PageSize,
}

/// Which way pages follow each other. Within a page the oldest message comes first in both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the oldest message to the newest.
    #[default]
    Forward,
    /// From the newest message to the oldest.
    Backward,
}

/// Messages of a page: 1 to [`PageSize::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageSize(u8);

/// A message in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its name on its topic.
    pub hash: MessageHash,
    /// Where it was published.
    pub topic: PubsubTopic,
    /// What was published, with its proof.
    pub message: WakuMessage,
}

/// One message of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name on its topic.
    pub hash: MessageHash,
    /// Where it was published and what, when [`Query::include_data`] asked for it.
    pub data: Option<(PubsubTopic, WakuMessage)>,
}

/// An answer: the messages, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages.
    pub rows: Vec<Row>,
    /// Where the next page begins; none when this is the last one. The newest message of the page when going
    /// forward, the oldest when going backward.
    pub cursor: Option<MessageHash>,
}

impl PageSize {
    /// A longer page is not given.
    pub const MAX: Self = Self(100);

    /// As a client asks for it: absent and 0 mean the default, and more than the maximum means the maximum.
    pub fn requested(size: Option<u64>) -> Self {
        match size {
            None | Some(0) => Self::default(),
            Some(size) => Self(size.min(Self::MAX.0.into()) as u8),
        }
    }

    /// As a number, at least 1.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(20)
    }
}

impl StoredMessage {
    /// `message` as published on `topic`.
    pub fn new(topic: PubsubTopic, message: WakuMessage) -> Self {
        Self { hash: message.hash(topic), topic, message }
    }

    /// Its place among all messages.
    pub const fn place(&self) -> (Timestamp, MessageHash) {
        (self.message.timestamp, self.hash)
    }

    /// As part of an answer.
    pub fn into_row(self, include_data: bool) -> Row {
        Row { hash: self.hash, data: include_data.then_some((self.topic, self.message)) }
    }
}

impl Query {
    /// Whether `message` is one of those that are selected, on whatever page.
    pub fn selects(&self, stored: &StoredMessage) -> bool {
        let timestamp = stored.message.timestamp;
        self.pubsub_topic.is_none_or(|topic| topic == stored.topic)
            && (self.content_topics.is_empty() || self.content_topics.contains(&stored.message.content_topic))
            && self.start.is_none_or(|start| start <= timestamp)
            && self.end.is_none_or(|end| timestamp <= end)
            && (self.hashes.is_empty() || self.hashes.contains(&stored.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_20_messages_unless_asked_for_others_and_never_more_than_100() {
        let sizes = [(None, 20), (Some(0), 20), (Some(1), 1), (Some(100), 100), (Some(101), 100)];
        for (asked, given) in sizes.into_iter().chain([(Some(1 << 63), 100), (Some(u64::MAX), 100)]) {
            assert_eq!(PageSize::requested(asked).get(), given, "{asked:?}");
        }
    }
}
