//! Segments stay small and are not many, in whatever order messages come.

use super::*;
use crate::archive::segments::tests::disks::Disks;

const COUNT: u64 = 1200;

fn check(name: &str, messages: Vec<StoredMessage>, most_segments: usize) {
    let archive = Segments::open(Folder::Faulty(Disks::default()), TINY).unwrap();
    insert_in(&archive, &messages, 13);
    let shelf = archive.shelf();
    let weights: Vec<u64> = shelf.slots.iter().map(|slot| slot.segment.weight()).collect();
    assert!(weights.iter().all(|weight| *weight <= TINY.segment * 2), "{name}: {weights:?}");
    assert!(weights.len() <= most_segments, "{name}: {} segments, {weights:?}", weights.len());
    assert!(all_of(&archive) == sorted(messages), "{name}");
    let verified = archive.verify(&mut |_| {}).unwrap();
    assert_eq!(verified, Verified { messages: COUNT, ..Verified::default() }, "{name}");
}

/// As few as there can be, with what a full one takes too much.
fn fewest() -> usize {
    let weight: u64 = messages(0..COUNT).iter().map(|message| format::Row::new(message).weight()).sum();
    (weight / TINY.segment) as usize + 1
}

#[test]
fn messages_that_come_in_order_fill_each_segment_once() {
    check("oldest first", messages(0..COUNT), fewest());
}

#[test]
fn an_archive_is_filled_from_the_newest_to_the_oldest_without_moving_a_message() {
    check("newest first", messages(0..COUNT).into_iter().rev().collect(), fewest());
}

#[test]
fn messages_in_no_order_split_segments_in_halves() {
    let mut shuffled = messages(0..COUNT);
    shuffled.sort_by_key(|message| message.hash);
    check("shuffled", shuffled, 2 * fewest());
}

#[test]
fn messages_of_one_moment_are_divided_by_their_hashes() {
    check("one moment", (0..COUNT).map(|number| message(5, number)).collect(), 2 * fewest());
}

#[test]
fn the_past_and_the_present_come_together() {
    let (past, present) = (messages(0..COUNT / 2), messages(COUNT / 2..COUNT));
    let both = past.chunks(13).zip(present.chunks(13)).flat_map(|(past, present)| [past, present]);
    check("past and present", both.flatten().cloned().collect(), 2 * fewest());
}
