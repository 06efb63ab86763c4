//! The archive in files.

use std::sync::Arc;

use weir_core::{
    ClusterId, ContentTopic, Meta, ProofField, PubsubTopic, ShardId, Timestamp, WakuMessage,
    store::{PageSize, Query, StoredMessage},
};

use super::*;

pub(super) mod disks;

mod concurrency;
mod conformance;
mod faults;
mod files;
mod order;

/// So small that a hundred messages fill some segments.
const TINY: Limits = Limits { segment: 12_000, open: 2, handles: 2, trim_step: 7 };

/// A message of 100 bytes at this moment.
fn message(nanos: i64, number: u64) -> StoredMessage {
    StoredMessage::new(
        PubsubTopic::new(ClusterId(1), ShardId((number % 2) as u16)).unwrap(),
        WakuMessage {
            payload: number.to_le_bytes().repeat(12).into(),
            content_topic: ContentTopic::new(&format!("/weir/1/{}/proto", number % 3)).unwrap(),
            version: 0,
            timestamp: Timestamp::from_nanos(nanos),
            meta: Meta::default(),
            ephemeral: false,
            proof: ProofField::Absent,
        },
    )
}

/// Messages one second apart.
fn messages(range: std::ops::Range<u64>) -> Vec<StoredMessage> {
    range.map(|number| message(number as i64 * 1_000_000_000, number)).collect()
}

fn insert_in(archive: &Segments, messages: &[StoredMessage], batch: usize) {
    for batch in messages.chunks(batch) {
        archive.insert(batch).unwrap();
    }
}

fn all_of(archive: &dyn Archive) -> Vec<StoredMessage> {
    let mut all: Vec<StoredMessage> = Vec::new();
    loop {
        let part = archive.read_on(all.last().map(StoredMessage::place)).unwrap();
        if part.is_empty() {
            return all;
        }
        all.extend(part);
    }
}

fn query_all(page: u64) -> Query {
    Query { include_data: true, page_size: PageSize::requested(Some(page)), ..Query::default() }
}

fn sorted(mut messages: Vec<StoredMessage>) -> Vec<StoredMessage> {
    messages.sort_by_key(StoredMessage::place);
    messages
}
