//! Queries beside inserts, splits and trims.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use weir_core::store::Direction;

use super::*;
use crate::archive::segments::tests::disks::Disks;

#[test]
fn queries_from_several_threads_see_whole_messages_in_order_while_others_come_and_go() {
    let archive = Segments::open(Folder::Faulty(Disks::default()), TINY).unwrap();
    let done = AtomicBool::new(false);
    // In no order, so that segments are split under the readers.
    let mut shuffled = messages(100..500);
    shuffled.sort_by_key(|message| message.hash);
    insert_in(&archive, &messages(500..600), 50);
    thread::scope(|scope| {
        for direction in [Direction::Forward, Direction::Backward] {
            let (archive, done) = (&archive, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let mut query = Query { direction, ..query_all(30) };
                    let mut places = Vec::new();
                    loop {
                        let page = match archive.query(&query, &|| true) {
                            Ok(page) => page,
                            // The message was dropped meanwhile.
                            Err(ArchiveError::CursorNotFound) => break,
                            Err(error) => panic!("{error}"),
                        };
                        let mut found: Vec<_> = page.rows.into_iter().map(place).collect();
                        if direction == Direction::Backward {
                            found.reverse();
                        }
                        places.extend(found);
                        query.cursor = page.cursor;
                        if query.cursor.is_none() {
                            break;
                        }
                    }
                    let in_order = |pair: &[Place]| match direction {
                        Direction::Forward => pair[0] < pair[1],
                        Direction::Backward => pair[0] > pair[1],
                    };
                    assert!(places.windows(2).all(in_order));
                }
            });
        }
        insert_in(&archive, &shuffled, 13);
        for second in (100..550).step_by(25) {
            while archive.trim(Trim::OlderThan(Timestamp::from_secs(second))).unwrap().more {}
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(all_of(&archive) == messages(525..600));
}

fn place(row: weir_core::store::Row) -> Place {
    let (topic, message) = row.data.unwrap();
    assert_eq!(message.hash(topic), row.hash);
    (message.timestamp, row.hash)
}

#[test]
fn a_query_that_nobody_waits_for_ends() {
    let archive = Segments::open(Folder::Faulty(Disks::default()), TINY).unwrap();
    insert_in(&archive, &messages(0..200), 50);
    let hashes = vec![messages(0..1)[0].hash];
    for query in [query_all(100), Query { hashes, ..Query::default() }] {
        assert!(matches!(archive.query(&query, &|| false), Err(ArchiveError::Cancelled)));
    }
}
