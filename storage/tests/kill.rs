//! Processes that are killed: what was granted is never granted again, a tree on disk is whole, and what was
//! archived is there.

// Helpers of tests are tests too, which clippy.toml cannot see here.
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashSet,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use weir_core::{
    ClusterId, ContentTopic, Meta, ProofField, PubsubTopic, ShardId, Timestamp, WakuMessage,
    store::{Query, StoredMessage},
};
use weir_storage::{
    OpenError, QuotaStore, TreeFile, TreeHeader,
    archive::{Archive, Location, Options, Verified, open},
};

/// Where the child finds its file; the test that has it is the child.
const FILE: &str = "WEIR_STORAGE_KILL_TEST_FILE";
const CHILD: &str = "reserves_until_it_is_killed";
const TREE_CHILD: &str = "writes_trees_until_it_is_killed";
const ARCHIVE_CHILD: &str = "archives_until_it_is_killed";

/// 1023 nodes, 32 KiB: a few pages.
const TREE_DEPTH: u16 = 9;
const MEMBER: [u8; 32] = [7; 32];
const RUNS: usize = 20;

#[test]
fn no_id_is_granted_twice_over_twenty_killed_processes() {
    let world = TempDir::new().unwrap();
    let path = world.path().join("keystore.json.quota");
    let mut granted = HashSet::new();
    for run in 0..RUNS {
        let mut child = spawn(CHILD, &path);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed after a number of grants that differs from run to run, at whatever point of the
        // next one the child has reached by then.
        for line in lines.by_ref().filter_map(grant_of).take(1 + run * 7 % 23) {
            assert!(granted.insert(line), "{line:?} granted twice");
        }
        assert!(
            matches!(QuotaStore::open(&path), Err(OpenError::InUse { .. })),
            "the child has the file for itself"
        );
        child.kill().unwrap();
        for line in lines.filter_map(grant_of) {
            assert!(granted.insert(line), "{line:?} granted twice");
        }
        child.wait().unwrap();
    }
    assert!(granted.len() >= RUNS);
    let store = QuotaStore::open(&path).unwrap();
    for epoch in 0..2 {
        let next = store.reserve(&MEMBER, epoch, 1, u32::MAX).unwrap().start;
        assert!(!granted.contains(&(epoch, next)), "{next} of epoch {epoch} granted twice");
    }
}

/// Not a test of its own: the child's work, when the variable says so.
#[test]
fn reserves_until_it_is_killed() {
    let Some(path) = env::var_os(FILE) else { return };
    let store = QuotaStore::open(path).unwrap();
    for round in 0_u64.. {
        let epoch = round % 2;
        for id in store.reserve(&MEMBER, epoch, 3, u32::MAX).unwrap() {
            // One write, so the parent sees the whole grant or, with the process, nothing.
            std::io::stdout().write_all(format!("\ngrant {epoch} {id}\n").as_bytes()).unwrap();
        }
    }
}

#[test]
fn a_killed_writer_of_the_tree_leaves_a_whole_one() {
    let world = TempDir::new().unwrap();
    let path = world.path().join("tree");
    for run in 0..RUNS {
        let mut child = spawn(TREE_CHILD, &path);
        let written = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(
            written.map_while(Result::ok).filter(|line| line == "written").take(1 + run % 3).count(),
            1 + run % 3
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let mut reader = TreeFile::new(&path).open(TREE_DEPTH).unwrap();
        let first = reader.next().unwrap();
        assert!(reader.all(|node| node == first), "of one write");
        reader.finish().unwrap();
    }
}

/// Not a test of its own: the child's work, when the variable says so.
#[test]
fn writes_trees_until_it_is_killed() {
    let Some(path) = env::var_os(FILE) else { return };
    let file = TreeFile::new(path);
    let leaves = 1 << TREE_DEPTH;
    let header = TreeHeader { depth: TREE_DEPTH, leaves, changes: 0, source: [0; 32], roots: Vec::new() };
    for round in 0_u8..=255 {
        file.write(&header, (0..2 * leaves - 1).map(|_| [round; 32])).unwrap();
        std::io::stdout().write_all(b"\nwritten\n").unwrap();
    }
}

#[test]
fn what_a_killed_process_reported_archived_is_there() {
    let world = TempDir::new().unwrap();
    let folder = world.path().join("archive");
    let mut reported = 0;
    for run in 0..RUNS / 4 {
        let mut child = spawn(ARCHIVE_CHILD, &folder);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let numbers =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("archived ")?.parse().ok());
        reported = numbers.take(1 + run * 3 % 7).last().unwrap_or(reported);
        child.kill().unwrap();
        child.wait().unwrap();
        let archive = open_archive(&folder);
        let messages = archive.summary().unwrap().messages;
        assert!(messages >= reported, "{messages} of {reported}");
        let verified = archive.verify(&mut |_| {}).unwrap();
        assert_eq!(verified, Verified { messages, ..Verified::default() });
        for number in 0..reported {
            let query = Query { hashes: vec![message(number).hash], ..Query::default() };
            assert_eq!(archive.query(&query, &|| true).unwrap().rows.len(), 1, "message {number}");
        }
    }
}

/// Not a test of its own: the child's work, when the variable says so.
#[test]
fn archives_until_it_is_killed() {
    let Some(path) = env::var_os(FILE) else { return };
    let archive = open_archive(Path::new(&path));
    let mut number = archive.summary().unwrap().messages;
    loop {
        let batch: Vec<StoredMessage> = (number..number + 50).map(message).collect();
        archive.insert(&batch).unwrap();
        number += 50;
        std::io::stdout().write_all(format!("\narchived {number}\n").as_bytes()).unwrap();
    }
}

fn open_archive(folder: &Path) -> std::sync::Arc<dyn Archive> {
    open(&Location::Folder(folder.to_owned()), Options::default()).unwrap()
}

fn message(number: u64) -> StoredMessage {
    StoredMessage::new(
        PubsubTopic::new(ClusterId(1), ShardId(0)).unwrap(),
        WakuMessage {
            payload: vec![7; 500].into(),
            content_topic: ContentTopic::new("/weir/1/kill/proto").unwrap(),
            version: 0,
            timestamp: Timestamp::from_nanos(number as i64),
            meta: Meta::default(),
            ephemeral: false,
            proof: ProofField::Absent,
        },
    )
}

fn spawn(child: &str, path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", child, "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn grant_of(line: std::io::Result<String>) -> Option<(u64, u32)> {
    let line = line.ok()?;
    let (epoch, id) = line.strip_prefix("grant ")?.split_once(' ')?;
    Some((epoch.parse().ok()?, id.parse().ok()?))
}
