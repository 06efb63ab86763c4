//! Peer exchange v2: request and response, which share one message (34/WAKU2-PEER-EXCHANGE).
//!
//! Live nodes write both parts in both directions and want the request's part in a response.

use bytes::Bytes;
use weir_core::peer_exchange::{Answer, EncodedRecord, MAX_RECORDS, Status};

use crate::{
    DecodeError,
    bounds::within,
    protobuf::{self, Field, Fields, Value, narrow},
};

/// Longest request body in bytes that is read: two small numbers, with room for what is not known here.
pub const PEER_EXCHANGE_REQUEST_MAX_FRAME: usize = 1024;

/// Longest response body in bytes that is read: 60 records of 300 bytes take 18 KiB.
pub const PEER_EXCHANGE_RESPONSE_MAX_FRAME: usize = 64 * 1024;

const QUERY: u64 = 1;
const RESPONSE: u64 = 2;

const NUM_PEERS: u64 = 1;

const PEER_INFOS: u64 = 1;
const STATUS_CODE: u64 = 10;
const STATUS_DESCRIPTION: u64 = 11;

const RECORD: u64 = 1;

/// A request for peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerExchangeRequest {
    /// How many are asked for.
    pub count: u64,
}

impl PeerExchangeRequest {
    /// Encodes it, with the response's part as live nodes write it: without peers, with status 0.
    pub fn encode(&self) -> Bytes {
        protobuf::encode(&[
            Field::Message(QUERY, &[Field::Varint(NUM_PEERS, self.count)]),
            Field::Message(RESPONSE, &[Field::Varint(STATUS_CODE, 0)]),
        ])
    }

    /// Decodes a request body.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        within(body, "peer exchange request", PEER_EXCHANGE_REQUEST_MAX_FRAME)?;
        let query = part(body, QUERY)?.ok_or(DecodeError::Missing("query"))?;
        let mut count = 0;
        for field in Fields::new(query) {
            if let (NUM_PEERS, Value::Varint(value)) = field? {
                count = value;
            }
        }
        Ok(Self { count })
    }
}

/// Encodes a response.
pub fn encode_peer_exchange_response(answer: &Answer) -> Bytes {
    let infos: Vec<[Field<'_>; 1]> =
        answer.records.iter().map(|record| [Field::Bytes(RECORD, record.as_bytes())]).collect();
    let mut response: Vec<Field<'_>> = infos.iter().map(|info| Field::Message(PEER_INFOS, info)).collect();
    response.push(Field::Varint(STATUS_CODE, answer.status.code().into()));
    let description = answer.description.as_deref();
    response.extend(description.map(|text| Field::Bytes(STATUS_DESCRIPTION, text.as_bytes())));
    protobuf::encode(&[
        Field::Message(QUERY, &[Field::Varint(NUM_PEERS, 0)]),
        Field::Message(RESPONSE, &response),
    ])
}

/// Decodes a response body; records share its buffer.
///
/// A record of a length that no record has is left out, so that the others are of use. More than
/// [`MAX_RECORDS`] are an error: nobody asks for them. Without a status, as older nodes answer, peers are a success and
/// no peers mean that there is no service.
pub fn decode_peer_exchange_response(body: &Bytes) -> Result<Answer, DecodeError> {
    within(body, "peer exchange response", PEER_EXCHANGE_RESPONSE_MAX_FRAME)?;
    let response = part(body, RESPONSE)?.ok_or(DecodeError::Missing("response"))?;
    let (mut status, mut description, mut records, mut infos) = (None, None, Vec::new(), 0);
    for field in Fields::new(response) {
        match field? {
            (PEER_INFOS, Value::Bytes(value)) => {
                infos += 1;
                within_count(infos)?;
                let record = part(value, RECORD)?.unwrap_or_default();
                records.extend(EncodedRecord::new(body.slice_ref(record)).ok());
            }
            (STATUS_CODE, Value::Varint(value)) => status = Some(narrow(value, "status_code", u32::MAX)?),
            (STATUS_DESCRIPTION, Value::Bytes(value)) => {
                description = Some(String::from_utf8_lossy(value).into_owned());
            }
            _ => {}
        }
    }
    let untold = if records.is_empty() { Status::ServiceUnavailable } else { Status::Success };
    Ok(Answer { status: status.map_or(untold, Status::from_code), description, records })
}

/// The last field `number` that holds bytes.
fn part(body: &[u8], number: u64) -> Result<Option<&[u8]>, DecodeError> {
    let mut found = None;
    for field in Fields::new(body) {
        match field? {
            (tag, Value::Bytes(value)) if tag == number => found = Some(value),
            _ => {}
        }
    }
    Ok(found)
}

fn within_count(count: usize) -> Result<(), DecodeError> {
    if count <= MAX_RECORDS {
        return Ok(());
    }
    Err(DecodeError::Range { field: "peer_infos", max: MAX_RECORDS as u64, value: count as u64 })
}
