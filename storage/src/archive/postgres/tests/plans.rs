//! How the server answers each shape of a query: from indexes alone, from few partitions, reading few rows.
//!
//! The server is told to log the plan of everything it runs, so these are the plans of the queries themselves.

use weir_core::store::PageSize;

use super::*;

const HOURS: i64 = 36;
const BATCH: i64 = 400;

/// What a logged statement did.
#[derive(Debug)]
struct Plan {
    text: String,
}

impl Plan {
    /// Rows that its scans of messages and lookups returned.
    fn rows_read(&self) -> u64 {
        let scans =
            self.text.lines().filter(|line| line.contains(" on message_") || line.contains(" on lookup_"));
        scans.map(|line| after(line, "actual rows=") * after(line, "loops=")).sum()
    }

    /// Pages that it looked at.
    fn pages(&self) -> u64 {
        let first = self.text.lines().find(|line| line.contains("Buffers:")).unwrap_or_default();
        after(first, "hit=") + after(first, "read=")
    }

    fn partitions(&self) -> usize {
        let scans = self.text.lines().filter(|line| line.contains(" on message_"));
        let names = scans.filter_map(|line| line.split(" on ").nth(1)?.split(' ').next());
        names.collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// The number after the first `mark` in `line`; 0 when there is none.
fn after(line: &str, mark: &str) -> u64 {
    let rest = line.split_once(mark).map_or("", |(_, rest)| rest);
    rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The plans in `log` that touch our tables.
fn plans(log: &str) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut open = false;
    for line in log.lines() {
        if line.contains(" plan:") {
            open = true;
            plans.push(Plan { text: String::new() });
        } else if !line.starts_with('\t') {
            open = false;
        }
        if let Some(plan) = plans.last_mut().filter(|_| open) {
            plan.text.push_str(line);
            plan.text.push('\n');
        }
    }
    plans.retain(|plan| plan.text.contains("weir."));
    plans
}

#[test]
fn every_shape_of_a_query_reads_indexes_alone_and_little_of_them() {
    let server = PostgresServer::start(Fsync::Off);
    let url = server.database();
    let name = database(&url);
    // Statistics are ours to make or not to make.
    server.sql("postgres", "ALTER SYSTEM SET autovacuum = off");
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_buffers = on",
        "auto_explain.log_timing = off",
    ] {
        server.sql("postgres", &format!("ALTER DATABASE {name} SET {setting}"));
    }
    server.sql("postgres", "SELECT pg_reload_conf()");
    let archive = archive(&url);
    let start = this_hour() - HOURS * HOUR;
    let mut all = Vec::new();
    for hour in 0..HOURS {
        all.extend((0..BATCH).map(|at| {
            let number = hour * BATCH + at;
            // A tenth has one topic, the others twenty; a rare one is in the first hour alone.
            let content = match at {
                0 if hour == 0 => "/rare/1/x/proto".to_owned(),
                at if at % 10 == 0 => "/common/1/x/proto".to_owned(),
                at => format!("/topic/1/{}/proto", at % 20),
            };
            message(start + hour * HOUR + at * (HOUR / BATCH), (number % 4) as u16, &content, number as u64)
        }));
    }
    // Many at one moment.
    let crowd = start + 10 * HOUR + 1;
    all.extend((0..4_000).map(|at| message(crowd, 0, "/crowd/1/x/proto", 1_000_000 + at)));
    for batch in all.chunks(500) {
        archive.insert(batch).expect("inserts");
    }
    check_all(&server, &*archive, &all, start, crowd);
    server.sql(name, "ANALYZE");
    check_all(&server, &*archive, &all, start, crowd);
}

fn check_all(server: &PostgresServer, archive: &dyn Archive, all: &[StoredMessage], start: i64, crowd: i64) {
    let at = |ts: i64| Some(Timestamp::from_nanos(ts));
    let topics = |numbers: std::ops::Range<usize>| -> Vec<ContentTopic> {
        numbers.map(|number| content_topic(&format!("/topic/1/{number}/proto"))).collect()
    };
    let hashes: Vec<_> = all.iter().step_by(1_471).map(|stored| stored.hash).collect();
    let in_crowd = {
        let mut crowd: Vec<_> = all
            .iter()
            .filter(|stored| stored.message.timestamp.as_nanos() == crowd)
            .map(|s| s.hash)
            .collect();
        crowd.sort();
        crowd[2_000]
    };
    let any = Query::default();
    let hour = Query { start: at(start + 5 * HOUR), end: at(start + 6 * HOUR - 1), ..any.clone() };
    let cases = [
        ("everything", any.clone()),
        ("an hour", hour.clone()),
        ("a pubsub topic", Query { pubsub_topic: Some(topic(1)), ..any.clone() }),
        ("a pubsub topic in an hour", Query { pubsub_topic: Some(topic(1)), ..hour.clone() }),
        ("a pubsub topic without messages", Query { pubsub_topic: Some(topic(9)), ..any.clone() }),
        ("a content topic", Query { content_topics: topics(0..1), ..any.clone() }),
        ("ten content topics in an hour", Query { content_topics: topics(0..10), ..hour.clone() }),
        ("both topics", Query { content_topics: topics(1..4), pubsub_topic: Some(topic(1)), ..any.clone() }),
        (
            "a pair of topics that never meet",
            Query { content_topics: topics(1..2), pubsub_topic: Some(topic(2)), ..any.clone() },
        ),
        (
            "a crowd that is elsewhere",
            Query {
                content_topics: vec![content_topic("/crowd/1/x/proto")],
                pubsub_topic: Some(topic(1)),
                start: at(crowd - 1),
                end: at(crowd + HOUR - 2),
                ..any.clone()
            },
        ),
        (
            "the time before a crowd",
            Query {
                content_topics: vec![content_topic("/crowd/1/x/proto")],
                start: at(crowd - 1),
                end: at(crowd - 1),
                ..any.clone()
            },
        ),
        (
            "the time before a crowd of a pubsub topic",
            Query { pubsub_topic: Some(topic(0)), start: at(crowd - 1), end: at(crowd - 1), ..any.clone() },
        ),
        ("a rare topic", Query { content_topics: vec![content_topic("/rare/1/x/proto")], ..any.clone() }),
        (
            "an absent topic",
            Query { content_topics: vec![content_topic("/absent/1/x/proto")], ..any.clone() },
        ),
        ("a hundred topics", Query { content_topics: topics(0..100), ..hour.clone() }),
        ("a hash", Query { hashes: hashes[..1].to_vec(), ..any.clone() }),
        ("a hash in a crowd", Query { hashes: vec![in_crowd], ..any.clone() }),
        ("hashes", Query { hashes: hashes[..10].to_vec(), ..any.clone() }),
        (
            "hashes and filters",
            Query { hashes, pubsub_topic: Some(topic(1)), content_topics: topics(1..4), ..hour },
        ),
        ("a cursor", Query { cursor: Some(all[7_000].hash), ..any.clone() }),
        ("a cursor in a crowd", Query { cursor: Some(in_crowd), ..any.clone() }),
        (
            "a cursor in a crowd of one topic",
            Query { cursor: Some(in_crowd), pubsub_topic: Some(topic(0)), ..any },
        ),
        (
            "a cursor in a crowd of one content topic",
            Query {
                cursor: Some(in_crowd),
                content_topics: vec![content_topic("/crowd/1/x/proto")],
                ..Query::default()
            },
        ),
    ];
    let mut checked = server.log().len();
    for (case, query) in &cases {
        for include_data in [false, true] {
            for direction in [Direction::Forward, Direction::Backward] {
                let page_size = PageSize::requested(Some(20));
                let query = Query { include_data, direction, page_size, ..query.clone() };
                ask(archive, &query);
                let log = server.log();
                check_plans(case, &query, &plans(&log[checked..]));
                checked = log.len();
            }
        }
    }
}

fn check_plans(case: &str, query: &Query, plans: &[Plan]) {
    assert!(!plans.is_empty(), "{case}: the server logged nothing");
    for plan in plans {
        let text = &plan.text;
        for bad in ["Seq Scan", "Bitmap", "Hash Join", "Merge Join", "Incremental Sort", "Parallel", "JIT"] {
            assert!(!text.contains(bad), "{case}: {bad}\n{text}");
        }
        // Among messages that hashes name, the filters of the query are applied one by one.
        let by_filter = text.lines().any(|line| line.contains("Rows Removed by Filter"));
        assert!(!by_filter || !query.hashes.is_empty(), "{case}: reads what it does not answer\n{text}");
        // 21 of each pair of topics, and one more where the sorted streams of partitions are merged.
        let pairs = query.content_topics.len().max(1) as u64 * query.pubsub_topic.map_or(4, |_| 1);
        let rows = pairs * (21 + 16) + query.hashes.len() as u64;
        assert!(plan.rows_read() <= rows, "{case}: {} rows, expected {rows}\n{text}", plan.rows_read());
        let wide = if query.hashes.is_empty() { 16 } else { query.hashes.len() };
        assert!(plan.partitions() <= wide.max(16), "{case}: {} partitions\n{text}", plan.partitions());
        // An index of this size has two levels, or three, and is entered for each pair in each partition. A row
        // is on a page of the index and on one of the table.
        let entered = (pairs + query.hashes.len() as u64) * (plan.partitions().max(1) as u64 + 1) * 3;
        let pages = entered + 2 * plan.rows_read() + 10;
        assert!(plan.pages() <= pages, "{case}: {} pages, expected {pages}\n{text}", plan.pages());
        if query.start.is_some() && query.hashes.is_empty() {
            assert!(plan.partitions() <= 1, "{case}: other hours\n{text}");
        }
    }
}
