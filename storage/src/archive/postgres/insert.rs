//! Keeping a batch: one statement, one transaction, one wait for the disk.

use bytes::Bytes;
use deadpool_postgres::Object;
use tokio_postgres::{error::SqlState, types::ToSql};
use weir_core::store::StoredMessage;

use super::{
    super::Inserted,
    keys::{TopicKey, content_key, lookup_key, pair_key, topic_number},
    partitions::Partitions,
};

/// How often an insert makes partitions that another node dropped under its hands.
const ATTEMPTS: usize = 3;

/// Inserts a batch whose rows are in order.
///
/// Nodes that insert the same messages at the same time wait for one another here. They cannot wait in a
/// circle: rows of every table are written in the table's order, and every later table after the whole
/// of the message table, since all of them read `new` to its end first.
const INSERT: &str = "
WITH batch AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::integer[], $4::bytea[], $5::bytea[], $6::bytea[],
        $7::bigint[]) AS b (ts, hash, topic, content, pair, record, key)
), new AS (
    INSERT INTO weir.message (ts, hash, topic, content, pair, record)
    SELECT ts, hash, topic, content, pair, record FROM batch
    ON CONFLICT DO NOTHING
    RETURNING tableoid, topic
), total AS MATERIALIZED (
    SELECT tableoid, topic, count(*) AS messages FROM new GROUP BY tableoid, topic
), looked_up AS (
    INSERT INTO weir.lookup (key, ts)
    SELECT key, ts FROM batch WHERE (SELECT count(*) FROM total) > 0 ORDER BY key, ts
    ON CONFLICT DO NOTHING
), topics AS (
    INSERT INTO weir.topic (topic) SELECT DISTINCT topic FROM total ORDER BY topic
    ON CONFLICT DO NOTHING
), tallied AS (
    INSERT INTO weir.tally AS t (partition, topic, slot, messages)
    SELECT c.relname::text, total.topic, $8, total.messages
    FROM total JOIN pg_class c ON c.oid = total.tableoid ORDER BY 1, 2
    ON CONFLICT (partition, topic, slot) DO UPDATE SET messages = t.messages + excluded.messages
)
SELECT coalesce(sum(messages), 0)::bigint FROM total";

/// The columns of a batch.
#[derive(Default)]
struct Columns<'a> {
    ts: Vec<i64>,
    hash: Vec<&'a [u8]>,
    topic: Vec<i32>,
    content: Vec<TopicKey>,
    pair: Vec<TopicKey>,
    record: Vec<Bytes>,
    key: Vec<i64>,
}

/// Keeps `messages`.
pub(super) async fn insert(
    connection: &mut Object,
    partitions: &Partitions,
    slot: i16,
    messages: &[StoredMessage],
) -> Result<Inserted, tokio_postgres::Error> {
    let mut sorted: Vec<&StoredMessage> = messages.iter().collect();
    sorted.sort_unstable_by_key(|stored| stored.place());
    let columns = Columns::of(&sorted);
    let record: Vec<&[u8]> = columns.record.iter().map(|record| &record[..]).collect();
    let mut attempts = ATTEMPTS;
    let new: i64 = loop {
        partitions.make(connection, &columns.ts).await?;
        let statement = connection.prepare_cached(INSERT).await?;
        let parameters: [&(dyn ToSql + Sync); 8] = [
            &columns.ts,
            &columns.hash,
            &columns.topic,
            &columns.content,
            &columns.pair,
            &record,
            &columns.key,
            &slot,
        ];
        attempts -= 1;
        match connection.query_one(&statement, &parameters).await {
            Err(error) if attempts > 0 && error.code() == Some(&SqlState::CHECK_VIOLATION) => {
                partitions.forget()
            }
            result => break result?.get(0),
        }
    };
    let new = new as usize;
    Ok(Inserted { new, known: messages.len() - new })
}

impl<'a> Columns<'a> {
    fn of(messages: &[&'a StoredMessage]) -> Self {
        let mut columns = Self::default();
        for stored in messages {
            columns.ts.push(stored.message.timestamp.as_nanos());
            columns.hash.push(stored.hash.as_bytes());
            let (topic, content) = (topic_number(stored.topic), content_key(&stored.message.content_topic));
            columns.topic.push(topic);
            columns.content.push(content);
            columns.pair.push(pair_key(topic, &content));
            columns.record.push(weir_wire::encode_message(&stored.message));
            columns.key.push(lookup_key(stored.hash));
        }
        columns
    }
}
