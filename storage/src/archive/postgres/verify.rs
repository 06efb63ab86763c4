//! Checking messages against their hashes, and what they are found by against what they say.

use deadpool_postgres::Object;
use weir_core::store::StoredMessage;

use super::{
    super::{ArchiveError, Verified},
    keys::{TopicKey, content_key, lookup_key, pair_key, topic_number},
};

/// The lookups and the keys of a part of the messages. Each is one row when nothing is wrong.
const ENTRIES: &str = "
SELECT p.at, p.name,
    EXISTS (SELECT FROM weir.lookup l WHERE l.key = p.key AND l.ts = p.at AND l.ts BETWEEN $5 AND $6),
    EXISTS (SELECT FROM weir.message m WHERE m.ts = p.at AND m.hash = p.name AND m.content = p.content
        AND m.pair = p.pair AND m.ts BETWEEN $5 AND $6)
FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bytea[], $7::bytea[])
    AS p (at, name, key, content, pair)";

/// Counts what is wrong with `part`, which is in order.
pub(super) async fn check(
    connection: &Object,
    part: &[StoredMessage],
    verified: &mut Verified,
) -> Result<(), ArchiveError> {
    let (Some(first), Some(last)) = (part.first(), part.last()) else { return Ok(()) };
    let place = |stored: &StoredMessage| stored.message.timestamp.as_nanos();
    let timestamps: Vec<i64> = part.iter().map(place).collect();
    let hashes: Vec<&[u8]> = part.iter().map(|stored| stored.hash.as_bytes().as_slice()).collect();
    let keys: Vec<i64> = part.iter().map(|stored| lookup_key(stored.hash)).collect();
    let content: Vec<TopicKey> =
        part.iter().map(|stored| content_key(&stored.message.content_topic)).collect();
    let pairs = part.iter().zip(&content);
    let pairs: Vec<TopicKey> =
        pairs.map(|(stored, content)| pair_key(topic_number(stored.topic), content)).collect();
    let statement = connection.prepare_cached(ENTRIES).await?;
    let rows = connection
        .query(&statement, &[&timestamps, &hashes, &keys, &content, &place(first), &place(last), &pairs])
        .await?;
    for row in rows {
        let (looked_up, listed): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
        verified.index_errors += u64::from(!looked_up) + u64::from(!listed);
    }
    verified.messages += part.len() as u64;
    let wrong = part.iter().filter(|stored| stored.message.hash(stored.topic) != stored.hash);
    verified.wrong_hash += wrong.count() as u64;
    Ok(())
}
