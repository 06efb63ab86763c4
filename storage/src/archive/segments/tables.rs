//! The tables of a segment while it is written to.

use std::collections::HashMap;

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};
use weir_core::ContentTopic;

use super::format::{
    BY_LANE, BY_TOPIC, HASHES, HashValue, Key, LANES, PLACES, PrefixedKey, RECORDS, Row, hash_of, prefixed,
    timestamp_of,
};

pub(super) struct Tables<'t> {
    records: Table<'t, u32, &'static [u8]>,
    places: Table<'t, &'static Key, (u32, u32)>,
    hashes: Table<'t, &'static [u8; 32], HashValue>,
    lanes: Table<'t, (&'static str, u32), u32>,
    by_lane: Table<'t, &'static PrefixedKey, u32>,
    by_topic: Table<'t, &'static PrefixedKey, u32>,
    /// The number of the next message.
    next_number: u32,
    /// Lanes of this transaction's messages.
    used_lanes: HashMap<(ContentTopic, u32), u32>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(write: &'t WriteTransaction) -> Result<Self, redb::Error> {
        let records = write.open_table(RECORDS)?;
        let next_number = records.last()?.map_or(0, |(last, _)| last.value() + 1);
        Ok(Self {
            records,
            places: write.open_table(PLACES)?,
            hashes: write.open_table(HASHES)?,
            lanes: write.open_table(LANES)?,
            by_lane: write.open_table(BY_LANE)?,
            by_topic: write.open_table(BY_TOPIC)?,
            next_number,
            used_lanes: HashMap::new(),
        })
    }

    /// Puts a message into all of them; false when it is there already.
    pub(super) fn put(&mut self, row: &Row) -> Result<bool, redb::Error> {
        let hash = hash_of(&row.key);
        if self.hashes.get(hash.as_bytes())?.is_some() {
            return Ok(false);
        }
        let number = self.next_number;
        self.next_number += 1;
        let lane = self.lane(row)?;
        self.records.insert(number, row.record.as_slice())?;
        self.places.insert(&row.key, (number, row.topic))?;
        let timestamp = timestamp_of(&row.key).as_nanos();
        self.hashes.insert(hash.as_bytes(), (timestamp, number, lane, row.topic))?;
        self.by_lane.insert(&prefixed(lane, &row.key), number)?;
        self.by_topic.insert(&prefixed(row.topic, &row.key), number)?;
        Ok(true)
    }

    /// The lane of a message, which is made if it is the first.
    fn lane(&mut self, row: &Row) -> Result<u32, redb::Error> {
        let name = (row.content.clone(), row.topic);
        if let Some(lane) = self.used_lanes.get(&name) {
            return Ok(*lane);
        }
        let key = (row.content.as_str(), row.topic);
        let known = self.lanes.get(key)?.map(|lane| lane.value());
        let lane = match known {
            Some(lane) => lane,
            None => {
                let lane = self.lanes.len()? as u32;
                self.lanes.insert(key, lane)?;
                lane
            }
        };
        self.used_lanes.insert(name, lane);
        Ok(lane)
    }
}
