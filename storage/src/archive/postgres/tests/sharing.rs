//! Several nodes and one database.

use std::thread;

use super::*;

#[test]
fn nodes_that_insert_the_same_messages_at_the_same_time_keep_each_once() {
    const NODES: u64 = 4;
    const BATCHES: u64 = 30;
    let url = PostgresServer::shared().database();
    let start = this_hour();
    let nodes: Vec<_> = (0..NODES)
        .map(|node| {
            let url = url.clone();
            thread::spawn(move || {
                let archive = archive(&url);
                let mut new = 0;
                for batch in 0..BATCHES {
                    // Each node has them in another order, and two partitions are made on the way.
                    let mut messages: Vec<_> = (0..100)
                        .map(|at| {
                            let number = batch * 100 + at;
                            let ts = start - HOUR + number as i64 * (3 * HOUR / 3_000);
                            message(ts, (at % 8) as u16, "/weir/1/shared/proto", number)
                        })
                        .collect();
                    messages.rotate_left(node as usize * 25);
                    if node % 2 == 0 {
                        messages.reverse();
                    }
                    new += archive.insert(&messages).expect("inserts").new;
                }
                new
            })
        })
        .collect();
    let new: usize = nodes.into_iter().map(|node| node.join().expect("no panic")).sum();
    assert_eq!(new, 3_000);
    let archive = archive(&url);
    let summary = archive.summary().expect("answers");
    assert_eq!(summary.messages, 3_000);
    assert_eq!(summary.by_topic.len(), 8);
    let verified = archive.verify(&mut |_| {}).expect("reads");
    assert_eq!(verified, Verified { messages: 3_000, ..Verified::default() });
}

#[test]
fn nodes_that_start_at_once_make_the_tables_once() {
    let url = PostgresServer::shared().database();
    let nodes: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            thread::spawn(move || drop(archive(&url).summary().expect("answers")))
        })
        .collect();
    nodes.into_iter().for_each(|node| node.join().expect("no panic"));
    let steps = PostgresServer::shared().sql(database(&url), "SELECT version FROM weir.step");
    assert_eq!(steps, "1");
}

#[test]
fn tables_of_a_newer_weir_are_left_alone() {
    let url = PostgresServer::shared().database();
    drop(archive(&url));
    let server = PostgresServer::shared();
    server.sql(database(&url), "INSERT INTO weir.step (version) VALUES (99)");
    let error = try_open(&url).expect_err("refused");
    assert!(matches!(error, OpenArchiveError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("have version 99, this weir knows up to 1"), "{error}");
}

#[test]
fn topics_that_look_like_sql_are_topics() {
    let url = PostgresServer::shared().database();
    let archive = archive(&url);
    let names = ["'\"; DROP TABLE weir.message; --", "$1", "\\'; SELECT pg_sleep(60); --", "{}\\x00", "%s"];
    let messages: Vec<_> =
        names.iter().zip(0..).map(|(name, at)| message(this_hour() + at, 0, name, 0)).collect();
    assert_eq!(archive.insert(&messages).expect("inserts").new, names.len());
    for (name, stored) in names.iter().zip(&messages) {
        let query = Query { content_topics: vec![content_topic(name)], ..Query::default() };
        assert_eq!(ask(&*archive, &query).rows, [stored.clone().into_row(false)], "{name}");
    }
}
