//! Disks that are full and power that is lost, at every moment of what an archive does.

use super::*;
use crate::archive::segments::tests::disks::Disks;

/// In batches of 13, more than fill a segment and seal it; the late ones go to it once more.
fn work() -> Vec<Vec<StoredMessage>> {
    let mut batches: Vec<Vec<StoredMessage>> = messages(100..190).chunks(13).map(<[_]>::to_vec).collect();
    batches.push((0..13).map(|number| message(110_500_000_000, number)).collect());
    batches
}

fn open(disks: &Disks) -> Result<Segments, crate::OpenError> {
    Segments::open(Folder::Faulty(disks.clone()), TINY)
}

/// The archive has all of `stored`, what it has besides is of `tried`, and it agrees with itself.
fn check(archive: &Segments, stored: &[StoredMessage], tried: &[StoredMessage], when: &str) {
    let all = all_of(archive);
    for message in stored {
        assert!(all.contains(message), "{when}: lost what was reported");
    }
    assert!(all.iter().all(|message| tried.contains(message)), "{when}");
    let verified = archive.verify(&mut |_| {}).unwrap();
    assert_eq!(verified, Verified { messages: all.len() as u64, ..Verified::default() }, "{when}");
    assert_eq!(archive.summary().unwrap().messages, all.len() as u64, "{when}");
}

#[test]
fn what_was_reported_survives_a_power_loss_at_any_moment() {
    for at in 0..160 {
        let disks = Disks::default();
        let archive = open(&disks).unwrap();
        let (mut stored, mut tried) = (Vec::new(), Vec::new());
        for (number, batch) in work().into_iter().enumerate() {
            // The first batches are there before; which one the power is lost in moves on.
            if number == at % 8 {
                disks.lose_power_after(at as u64 / 8);
            }
            tried.extend(batch.clone());
            if archive.insert(&batch).is_err() {
                break;
            }
            stored.extend(batch);
        }
        for seed in 0..2 {
            let disks = disks.after_power_loss(seed);
            let archive = open(&disks).unwrap_or_else(|error| panic!("{at}: {error}"));
            check(&archive, &stored, &tried, &format!("lost at {at}, {seed}"));
            archive.insert(&tried).unwrap();
            check(&archive, &tried, &tried, &format!("lost at {at}, {seed}, and gone on"));
        }
    }
}

#[test]
fn a_full_disk_refuses_messages_answers_queries_and_takes_messages_when_there_is_room() {
    for at in 0..30 {
        let disks = Disks::default();
        let archive = open(&disks).unwrap();
        let batches = work();
        archive.insert(&batches[0]).unwrap();
        disks.fill_up_after(at);
        let mut stored = batches[0].clone();
        let mut refused = 0;
        for batch in &batches[1..] {
            match archive.insert(batch) {
                Ok(_) => stored.extend(batch.clone()),
                Err(error) => {
                    assert!(matches!(error, ArchiveError::Full(_)), "{at}: {error}");
                    refused += 1;
                }
            }
            let page =
                archive.query(&query_all(100), &|| true).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert!(page.rows.len() >= stored.len().min(100), "{at}: queries go on");
        }
        assert!(refused > 0 || at > 5, "{at}");
        disks.heal();
        for batch in &batches {
            archive.insert(batch).unwrap();
        }
        let tried: Vec<StoredMessage> = batches.concat();
        check(&archive, &tried, &tried, &format!("full at {at}"));
    }
}

#[test]
fn a_power_loss_while_messages_are_dropped_loses_no_others() {
    for at in 0..20 {
        let disks = Disks::default();
        let archive = open(&disks).unwrap();
        let all = messages(0..150);
        insert_in(&archive, &all, 13);
        disks.lose_power_after(at);
        let trim = Trim::OlderThan(Timestamp::from_secs(77));
        while archive.trim(trim).is_ok_and(|trimmed| trimmed.more) {}
        let archive = open(&disks.after_power_loss(at)).unwrap();
        check(&archive, &all[77..], &all, &format!("lost at {at}"));
        while archive.trim(trim).unwrap().more {}
        assert!(all_of(&archive) == all[77..], "lost at {at}");
    }
}
