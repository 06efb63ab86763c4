//! How quick it is. Run by hand, on a quiet machine:
//! `cargo test --release -p weir-storage --lib -- --ignored --nocapture postgres::tests::speed`

use std::time::SystemTime;

use weir_core::{ClusterId, ContentTopic, MessageHash, PubsubTopic, ShardId, WakuMessage, store::PageSize};

use super::*;
use crate::archive::MAX_BATCH;

const DAY: i64 = 86_400_000_000_000;
const CONTENT_TOPICS: u64 = 100;
const SHARDS: u16 = 8;
const SAMPLES: u64 = 500;

/// Numbers that look random and are the same in every run (splitmix64).
fn random(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn content_topic(number: u64) -> ContentTopic {
    ContentTopic::new(&format!("/weir/1/topic-{number}/proto")).expect("short")
}

fn topic_of_content(number: u64) -> PubsubTopic {
    PubsubTopic::new(ClusterId(1), ShardId((number % u64::from(SHARDS)) as u16)).expect("few shards")
}

/// Message `number` of `count`, which are spread over the day before `end`.
fn message(number: u64, count: u64, end: i64) -> StoredMessage {
    let content = random(number) % CONTENT_TOPICS;
    let size = 200 + random(number ^ 0x5555) % 1_848;
    let mut payload = vec![0; size as usize];
    for (at, chunk) in payload.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&random(number * 1_000 + at as u64).to_le_bytes()[..chunk.len()]);
    }
    let step = (DAY as u64 / count) as i64;
    let message = WakuMessage {
        payload: payload.into(),
        content_topic: content_topic(content),
        version: 1,
        timestamp: Timestamp::from_nanos(end - DAY + number as i64 * step),
        meta: weir_core::Meta::default(),
        ephemeral: false,
        proof: weir_core::ProofField::Absent,
    };
    StoredMessage::new(topic_of_content(content), message)
}

fn percentiles(kind: &str, mut query: impl FnMut(u64) -> Query, archive: &dyn Archive) {
    let mut times: Vec<f64> = Vec::new();
    let mut rows = 0;
    for sample in 0..SAMPLES {
        let query = query(sample);
        let start = Instant::now();
        rows += archive.query(&query, &|| true).expect("answers").rows.len();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[(part * times.len() as f64) as usize];
    println!(
        "{kind:24} p50 {:7.2} p90 {:7.2} p95 {:7.2} p99 {:7.2} ms, {rows} rows",
        at(0.5),
        at(0.9),
        at(0.95),
        at(0.99)
    );
}

#[test]
#[ignore = "takes minutes; prints figures"]
fn figures() {
    let count: u64 = std::env::var("MESSAGES").map_or(1_000_000, |count| count.parse().expect("a number"));
    let own;
    let url = match std::env::var("DATABASE_URL") {
        Ok(url) => url,
        Err(_) => {
            own = PostgresServer::start(Fsync::On);
            own.database()
        }
    };
    let archive =
        open(&url.parse().expect("a URL"), Options { connections: 10, ..Options::default() }).expect("opens");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let end = now.as_nanos() as i64;
    let start = Instant::now();
    let mut making = Duration::ZERO;
    for first in (0..count).step_by(MAX_BATCH) {
        let began = Instant::now();
        let batch: Vec<_> =
            (first..count.min(first + MAX_BATCH as u64)).map(|number| message(number, count, end)).collect();
        making += began.elapsed();
        assert_eq!(archive.insert(&batch).expect("inserts").new, batch.len());
    }
    let took = start.elapsed() - making;
    println!("ingest {:.0} messages/s", count as f64 / took.as_secs_f64());

    let hashes = |sample: u64, many: u64| -> Vec<MessageHash> {
        (0..many).map(|at| message(random(sample * 100 + at) % count, count, end).hash).collect()
    };
    let data = Query { include_data: true, ..Query::default() };
    let moment = |sample: u64, length: i64| end - DAY + (random(sample) % (DAY - length) as u64) as i64;
    let range = |sample: u64, length: i64| {
        let start = moment(sample, length);
        (Some(Timestamp::from_nanos(start)), Some(Timestamp::from_nanos(start + length)))
    };
    for round in ["first", "again"] {
        println!("-- {round}");
        percentiles("hash_1", |s| Query { hashes: hashes(s, 1), ..data.clone() }, &*archive);
        percentiles("hash_10", |s| Query { hashes: hashes(s, 10), ..data.clone() }, &*archive);
        percentiles("hash_100", |s| Query { hashes: hashes(s, 100), ..data.clone() }, &*archive);
        let ten = |sample: u64, page: u64| {
            let (start, end) = range(sample, DAY / 24);
            let content_topics: Vec<_> = (0..10).map(|at| content_topic((sample + at * 7) % 100)).collect();
            let page_size = PageSize::requested(Some(page));
            Query { start, end, content_topics, page_size, ..data.clone() }
        };
        percentiles("hour_10_topics", |s| ten(s, 100), &*archive);
        let shard = Some(topic_of_content(0));
        percentiles("hour_10_topics+pubsub", |s| Query { pubsub_topic: shard, ..ten(s, 100) }, &*archive);
        let newest = Query { direction: Direction::Backward, ..data.clone() };
        percentiles("newest_20", |_| newest.clone(), &*archive);
        let tenth = |sample: u64| {
            let (start, end) = range(sample, DAY / 10);
            Query { start, end, content_topics: vec![content_topic(sample % 100)], ..data.clone() }
        };
        percentiles("topic_tenth_of_time", tenth, &*archive);
        let both =
            |sample: u64| Query { pubsub_topic: Some(topic_of_content(sample % 100)), ..tenth(sample) };
        percentiles("both_topics_tenth", both, &*archive);
        let page = |sample: u64| {
            let (start, end) = range(sample, DAY / 10);
            Query { start, end, page_size: PageSize::MAX, ..data.clone() }
        };
        percentiles("page_100", page, &*archive);
        percentiles("page_100+cursor", |s| Query { cursor: Some(hashes(s, 1)[0]), ..page(s) }, &*archive);
        let absent = |_| Query { content_topics: vec![content_topic(1_000)], ..data.clone() };
        percentiles("absent_topic_all_time", absent, &*archive);
        let summaries = Instant::now();
        archive.summary().expect("answers");
        println!("summary {:.2} ms", summaries.elapsed().as_secs_f64() * 1e3);
    }
    println!("{:?}", archive.summary().expect("answers"));
}
