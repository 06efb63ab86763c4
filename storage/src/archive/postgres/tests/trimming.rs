//! Partitions come before they are needed and go when they are old.

use super::*;

/// The names of the partitions of `table`.
fn partitions(url: &str, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'weir.{table}'::regclass ORDER BY 1"
    );
    PostgresServer::shared().sql(database(url), &sql).lines().map(str::to_owned).collect()
}

fn hour_partition(first: i64) -> String {
    format!("message_{}_{}", first / SECOND, (first + HOUR) / SECOND)
}

#[test]
fn the_next_hour_is_made_ahead_every_hour() {
    let url = PostgresServer::shared().database();
    let archive = archive(&url);
    let hour = this_hour() - 10 * HOUR;
    for hour in (0..5).map(|later| hour + later * HOUR) {
        archive.insert(&[message(hour + HOUR / 2, 0, "/a/1/b/c", 0)]).expect("inserts");
        let made = partitions(&url, "message");
        assert!(made.contains(&hour_partition(hour)), "{made:?}");
        assert_eq!(made.last(), Some(&hour_partition(hour + HOUR)));
    }
}

#[test]
fn partitions_are_shorter_when_an_hour_is_too_much_for_the_size() {
    let url = PostgresServer::shared().database();
    let options = Options { connections: 4, size_cap: Some(1_000_000) };
    let archive = open(&url.parse().expect("a URL"), options).expect("opens");
    // Inside of the hour around now in which partitions may be shorter.
    let start = this_hour() + 10 * SECOND;
    archive.insert(&[message(start, 0, "/a/1/b/c", 0)]).expect("inserts");
    let made = partitions(&url, "message");
    let first = spans::Table::Message.span(&made[0]).expect("a partition of ours");
    assert_eq!(first.to - first.from, 60, "{made:?}");
}

#[test]
fn whatever_is_imported_the_partitions_are_few() {
    let url = PostgresServer::shared().database();
    let archive = archive(&url);
    let now = this_hour();
    // Ten years back in steps of nine hours, and the ends of time.
    let mut times: Vec<i64> = (0..9_733).map(|step| now - step * 9 * HOUR).collect();
    times.extend([i64::MIN, -1, 0, i64::MAX]);
    for batch in times.chunks(512) {
        let messages: Vec<_> = batch.iter().map(|ts| message(*ts, 0, "/a/1/b/c", 0)).collect();
        assert_eq!(archive.insert(&messages).expect("inserts").new, messages.len());
    }
    let made = partitions(&url, "message").len();
    // 6 hours, 58 days, 50 months since 2020, both ends, the hour ahead; and some where widths meet.
    assert!(made <= 200, "{made} partitions");
    let verified = archive.verify(&mut |_| {}).expect("reads");
    assert_eq!(verified, Verified { messages: times.len() as u64, ..Verified::default() });
}

#[test]
fn old_partitions_are_dropped_whole_and_the_one_in_between_row_by_row() {
    let url = PostgresServer::shared().database();
    let archive = archive(&url);
    let start = this_hour() - 40 * HOUR;
    let all: Vec<_> =
        (0..4_000_i64).map(|at| message(start + at * (HOUR / 100), 0, "/a/1/b/c", at as u64)).collect();
    for batch in all.chunks(500) {
        archive.insert(batch).expect("inserts");
    }
    let before = archive.summary().expect("answers").bytes;
    // In the middle of the thirty-first hour.
    let moment = Timestamp::from_nanos(start + 30 * HOUR + HOUR / 2);
    let mut removed = 0;
    loop {
        let step = archive.trim(Trim::OlderThan(moment)).expect("trims");
        assert!(step.removed <= 100, "one partition at a time: {step:?}");
        removed += step.removed;
        if !step.more {
            break;
        }
    }
    assert_eq!(removed, 3_050);
    let made = partitions(&url, "message");
    assert!(!made.contains(&hour_partition(start + 29 * HOUR)), "{made:?}");
    assert!(made.contains(&hour_partition(start + 30 * HOUR)), "{made:?}");
    let after = archive.summary().expect("answers");
    assert_eq!((after.messages, after.oldest), (950, Some(moment)));
    assert!(after.bytes < before / 2, "{} of {before} bytes are left", after.bytes);
    // Lookups go with the last of the messages beside them.
    let moment = Timestamp::from_nanos(this_hour() + 60 * 24 * HOUR);
    while archive.trim(Trim::OlderThan(moment)).expect("trims").more {}
    assert_eq!((partitions(&url, "message").len(), partitions(&url, "lookup").len()), (0, 0));
    // And come back.
    assert_eq!(archive.insert(&all[..500]).expect("inserts").new, 500);
    let query = Query { hashes: vec![all[7].hash], ..Query::default() };
    assert_eq!(ask(&*archive, &query).rows.len(), 1);
}

#[test]
fn a_partition_that_another_node_dropped_is_made_again() {
    let url = PostgresServer::shared().database();
    let (one, other) = (archive(&url), archive(&url));
    let start = this_hour();
    one.insert(&[message(start, 0, "/a/1/b/c", 1)]).expect("inserts");
    while other.trim(Trim::OlderThan(Timestamp::from_nanos(i64::MAX))).expect("trims").more {}
    assert_eq!(one.insert(&[message(start, 0, "/a/1/b/c", 2)]).expect("inserts").new, 1);
    assert_eq!(other.summary().expect("answers").messages, 1);
}

#[test]
fn nodes_that_drop_the_same_messages_at_once_drop_each_once() {
    let url = PostgresServer::shared().database();
    let start = this_hour() - 20 * HOUR;
    let all: Vec<_> =
        (0..2_000_i64).map(|at| message(start + at * (HOUR / 100), 0, "/a/1/b/c", at as u64)).collect();
    for batch in all.chunks(500) {
        archive(&url).insert(batch).expect("inserts");
    }
    let nodes: Vec<_> = (0..3)
        .map(|_| {
            let archive = archive(&url);
            std::thread::spawn(move || {
                let mut removed = 0;
                loop {
                    let step = archive.trim(Trim::ToCount(150)).expect("trims");
                    removed += step.removed;
                    if !step.more {
                        return removed;
                    }
                }
            })
        })
        .collect();
    let removed: u64 = nodes.into_iter().map(|node| node.join().expect("no panic")).sum();
    let left = archive(&url).summary().expect("answers").messages;
    // They decide at the same time and may both take what was one too many.
    assert_eq!(removed + left, 2_000);
    assert!(left <= 150, "{left} are left");
}

#[test]
fn a_size_is_kept_by_dropping_partitions_and_the_newest_one_stays() {
    let url = PostgresServer::shared().database();
    let archive = archive(&url);
    let start = this_hour() - 30 * HOUR;
    let all: Vec<_> =
        (0..3_000_i64).map(|at| message(start + at * (HOUR / 100), 0, "/a/1/b/c", at as u64)).collect();
    for batch in all.chunks(500) {
        archive.insert(batch).expect("inserts");
    }
    let aim = archive.summary().expect("answers").bytes / 2;
    while archive.trim(Trim::ToBytes(aim)).expect("trims").more {}
    let bytes = archive.summary().expect("answers").bytes;
    assert!(bytes <= aim && bytes > aim * 9 / 10, "{bytes} bytes, aim {aim}");
    while archive.trim(Trim::ToBytes(0)).expect("trims").more {}
    assert_eq!(archive.summary().expect("answers").messages, 100);
}
