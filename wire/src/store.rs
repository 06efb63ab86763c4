//! Store v3 request and response (13/WAKU2-STORE).
//!
//! A request may ask for what no archive of ours can hold: a topic that is no shard, a content topic that is
//! none. It is as well formed as any other and its answer is empty, so such topics are not an error here:
//! see [`Asked::Nothing`].

use std::str;

use bytes::Bytes;
use weir_core::{
    ContentTopic, MessageHash, Timestamp,
    store::{Direction, Page, PageSize, Query, Row},
};

use crate::{
    DecodeError,
    bounds::{needed_pubsub_topic, request_id_from, within},
    decode_message, encode_message, encoded_len,
    protobuf::{self, Field, Fields, Value, narrow, unzigzag, zigzag},
};

/// Longest request body in bytes that is read. Live nodes have no limit; 100 hashes and 100 content topics
/// of 1 KiB, the most that is answered, take 110 KiB.
pub const STORE_REQUEST_MAX_FRAME: usize = 256 * 1024;

/// Longest response body in bytes that is read: a page of 100 messages of 150 KiB, with room for
/// what is around them.
pub const STORE_RESPONSE_MAX_FRAME: usize = 16 * 1024 * 1024;

const REQUEST_ID: u64 = 1;
const INCLUDE_DATA: u64 = 2;
const PUBSUB_TOPIC: u64 = 10;
const CONTENT_TOPICS: u64 = 11;
const TIME_START: u64 = 12;
const TIME_END: u64 = 13;
const MESSAGE_HASHES: u64 = 20;
const CURSOR: u64 = 51;
const FORWARD: u64 = 52;
const LIMIT: u64 = 53;

/// Bytes of a response that are neither messages nor text, at most: three tags and lengths, a status, a cursor.
const AROUND_ROWS: usize = 64;

/// Bytes of a row that are not its message, at most: its hash, the longest topic (`/waku/2/rs/65535/1023`), and
/// tags and lengths of all.
const AROUND_ROW: usize = 96;

const STATUS_CODE: u64 = 10;
const STATUS_DESCRIPTION: u64 = 11;
const MESSAGES: u64 = 20;

const MESSAGE_HASH: u64 = 1;
const MESSAGE: u64 = 2;
const MESSAGE_TOPIC: u64 = 3;

/// A question to an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRequest {
    /// Names the request in its response.
    pub request_id: String,
    /// What is asked.
    pub asked: Asked,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// These messages.
    Query(Box<Query>),
    /// Messages of topics that no message can have.
    Nothing,
    /// The cursor or a hash cannot be one.
    Malformed(MalformedQuery),
}

/// Why a query has no answer whatever is stored. The texts are those of live nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedQuery {
    /// A cursor that is not 32 bytes long.
    #[error("invalid cursor hash length: {0}")]
    CursorLength(usize),
    /// A cursor of zeros.
    #[error("all zeroes cursor hash")]
    ZeroCursor,
    /// A hash that is not 32 bytes long.
    #[error("invalid message hash length: {0}")]
    HashLength(usize),
}

/// The answer of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreResponse {
    /// The request that it answers; some failures are answered without it.
    pub request_id: String,
    /// 200, or what went wrong.
    pub status: u32,
    /// The same in words.
    pub description: String,
    /// The messages; empty unless the status is 200.
    pub page: Page,
}

impl StoreRequest {
    /// Decodes a request body.
    ///
    /// Bounded by [`STORE_REQUEST_MAX_FRAME`]; hashes and content topics take no more memory than a small
    /// multiple of their bytes.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        within(body, "store request", STORE_REQUEST_MAX_FRAME)?;
        let mut request_id: &[u8] = &[];
        // Clients whose encoder leaves out what is false, js-waku among them, ask for backward this way. nwaku
        // takes it for forward, but its own client never leaves it out.
        let mut query = Query { direction: Direction::Backward, ..Query::default() };
        let (mut cursor, mut page_size) = (None, None);
        let (mut impossible, mut content_topics, mut malformed) = (false, 0_usize, None);
        for field in Fields::new(body) {
            match field? {
                (REQUEST_ID, Value::Bytes(value)) => request_id = value,
                (INCLUDE_DATA, Value::Varint(value)) => query.include_data = value != 0,
                (PUBSUB_TOPIC, Value::Bytes(value)) => {
                    query.pubsub_topic = str::from_utf8(value).ok().and_then(|topic| topic.parse().ok());
                    impossible |= query.pubsub_topic.is_none();
                }
                (CONTENT_TOPICS, Value::Bytes(value)) => {
                    content_topics += 1;
                    let topic = str::from_utf8(value).ok().and_then(|topic| ContentTopic::new(topic).ok());
                    query.content_topics.extend(topic);
                }
                (TIME_START, Value::Varint(value)) => {
                    query.start = Some(Timestamp::from_nanos(unzigzag(value)));
                }
                (TIME_END, Value::Varint(value)) => query.end = Some(Timestamp::from_nanos(unzigzag(value))),
                (MESSAGE_HASHES, Value::Bytes(value)) => match hash(value) {
                    Some(hash) => query.hashes.push(hash),
                    None => malformed = malformed.or(Some(MalformedQuery::HashLength(value.len()))),
                },
                (CURSOR, Value::Bytes(value)) => cursor = Some(value),
                (FORWARD, Value::Varint(value)) => {
                    query.direction = if value == 0 { Direction::Backward } else { Direction::Forward };
                }
                (LIMIT, Value::Varint(value)) => page_size = Some(value),
                _ => {}
            }
        }
        query.page_size = PageSize::requested(page_size);
        // An empty one is absent: encoders without presence write it always.
        if let Some(bytes) = cursor.filter(|bytes| !bytes.is_empty()) {
            query.cursor = hash(bytes);
            malformed = match query.cursor {
                None => Some(MalformedQuery::CursorLength(bytes.len())),
                Some(hash) if hash.as_bytes() == &[0; 32] => Some(MalformedQuery::ZeroCursor),
                Some(_) => malformed,
            };
        }
        impossible |= content_topics > 0 && query.content_topics.is_empty();
        let asked = match malformed {
            Some(malformed) => Asked::Malformed(malformed),
            None if impossible => Asked::Nothing,
            None => Asked::Query(Box::new(query)),
        };
        Ok(Self { request_id: request_id_from(request_id)?, asked })
    }
}

/// Encodes a request as live nodes do: what is not asked for is left out, and the direction is always there,
/// because its absence means forward to some and backward to others.
pub fn encode_store_request(request_id: &str, query: &Query) -> Bytes {
    let topic = query.pubsub_topic.map(|topic| topic.to_string());
    let mut fields = vec![
        Field::Bytes(REQUEST_ID, request_id.as_bytes()),
        Field::Varint(INCLUDE_DATA, query.include_data.into()),
    ];
    fields.extend(topic.as_deref().map(|topic| Field::Bytes(PUBSUB_TOPIC, topic.as_bytes())));
    fields.extend(
        query.content_topics.iter().map(|topic| Field::Bytes(CONTENT_TOPICS, topic.as_str().as_bytes())),
    );
    fields.extend(query.start.map(|start| Field::Varint(TIME_START, zigzag(start.as_nanos()))));
    fields.extend(query.end.map(|end| Field::Varint(TIME_END, zigzag(end.as_nanos()))));
    fields.extend(query.hashes.iter().map(|hash| Field::Bytes(MESSAGE_HASHES, hash.as_bytes())));
    fields.extend(query.cursor.as_ref().map(|cursor| Field::Bytes(CURSOR, cursor.as_bytes())));
    fields.push(Field::Varint(FORWARD, (query.direction == Direction::Forward).into()));
    fields.push(Field::Varint(LIMIT, query.page_size.get() as u64));
    protobuf::encode(&fields)
}

impl StoreResponse {
    /// The same with no more messages than a body of `max` bytes holds, though one at least. The page then ends
    /// there, and the next one, in `direction`, begins behind it.
    #[must_use]
    pub fn fitting(mut self, direction: Direction, max: usize) -> Self {
        let mut room = max.saturating_sub(self.request_id.len() + self.description.len() + AROUND_ROWS);
        let rows = &mut self.page.rows;
        // In the order in which pages follow each other, so that what is cut off is the page's end.
        if direction == Direction::Backward {
            rows.reverse();
        }
        let mut kept = 0;
        while let Some(left) = rows.get(kept).and_then(|row| room.checked_sub(most_bytes(row))) {
            (kept, room) = (kept + 1, left);
        }
        let kept = kept.max(1);
        if kept < rows.len() {
            rows.truncate(kept);
            self.page.cursor = rows.last().map(|row| row.hash);
        }
        if direction == Direction::Backward {
            rows.reverse();
        }
        self
    }

    /// Encodes it.
    pub fn encode(&self) -> Bytes {
        let rows: Vec<Bytes> = self.page.rows.iter().map(encode_row).collect();
        let mut fields = vec![
            Field::Bytes(REQUEST_ID, self.request_id.as_bytes()),
            Field::Varint(STATUS_CODE, self.status.into()),
            Field::Bytes(STATUS_DESCRIPTION, self.description.as_bytes()),
        ];
        fields.extend(rows.iter().map(|row| Field::Bytes(MESSAGES, row)));
        fields.extend(self.page.cursor.as_ref().map(|cursor| Field::Bytes(CURSOR, cursor.as_bytes())));
        protobuf::encode(&fields)
    }

    /// Decodes a response body; payloads share its buffer.
    ///
    /// More than [`PageSize::MAX`] messages are an error: nobody asks for them.
    pub fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        within(body, "store response", STORE_RESPONSE_MAX_FRAME)?;
        let (mut request_id, mut description): (&[u8], &[u8]) = (&[], &[]);
        let mut status = 0;
        let mut page = Page::default();
        for field in Fields::new(body) {
            match field? {
                (REQUEST_ID, Value::Bytes(value)) => request_id = value,
                (STATUS_CODE, Value::Varint(value)) => status = narrow(value, "status_code", u32::MAX)?,
                (STATUS_DESCRIPTION, Value::Bytes(value)) => description = value,
                (MESSAGES, Value::Bytes(value)) => {
                    within_count(page.rows.len() + 1)?;
                    page.rows.push(decode_row(&body.slice_ref(value))?);
                }
                (CURSOR, Value::Bytes(value)) if !value.is_empty() => page.cursor = Some(needed_hash(value)?),
                _ => {}
            }
        }
        let description = String::from_utf8_lossy(description).into_owned();
        Ok(Self { request_id: request_id_from(request_id)?, status, description, page })
    }
}

/// Bytes that a row takes in a response, at most.
fn most_bytes(row: &Row) -> usize {
    AROUND_ROW + row.data.as_ref().map_or(0, |(_, message)| encoded_len(message))
}

/// Encodes a `WakuMessageKeyValue`.
pub(crate) fn encode_row(row: &Row) -> Bytes {
    let data = row.data.as_ref().map(|(topic, message)| (encode_message(message), topic.to_string()));
    let mut fields = vec![Field::Bytes(MESSAGE_HASH, row.hash.as_bytes())];
    if let Some((message, topic)) = &data {
        fields.extend([Field::Bytes(MESSAGE, message), Field::Bytes(MESSAGE_TOPIC, topic.as_bytes())]);
    }
    protobuf::encode(&fields)
}

/// Decodes a `WakuMessageKeyValue`; the payload shares the buffer.
pub(crate) fn decode_row(bytes: &Bytes) -> Result<Row, DecodeError> {
    let (mut found, mut message, mut topic) = (None, None, None);
    for field in Fields::new(bytes) {
        match field? {
            (MESSAGE_HASH, Value::Bytes(value)) => found = Some(needed_hash(value)?),
            (MESSAGE, Value::Bytes(value)) => message = Some(decode_message(&bytes.slice_ref(value))?),
            (MESSAGE_TOPIC, Value::Bytes(value)) => topic = Some(needed_pubsub_topic(value)?),
            _ => {}
        }
    }
    let hash = found.ok_or(DecodeError::Missing("message_hash"))?;
    Ok(Row { hash, data: topic.zip(message) })
}

fn hash(bytes: &[u8]) -> Option<MessageHash> {
    bytes.try_into().ok().map(MessageHash::from_bytes)
}

fn needed_hash(bytes: &[u8]) -> Result<MessageHash, DecodeError> {
    hash(bytes).ok_or(DecodeError::Length { field: "message_hash", expected: 32, actual: bytes.len() })
}

fn within_count(count: usize) -> Result<(), DecodeError> {
    let max = PageSize::MAX.get();
    if count <= max {
        return Ok(());
    }
    Err(DecodeError::Range { field: "messages", max: max as u64, value: count as u64 })
}
