//! A process that is killed while it reserves: what it was granted is never granted again.

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
use weir_storage::{OpenError, QuotaStore};

/// Where the child finds its file; the test that has it is the child.
const FILE: &str = "WEIR_STORAGE_KILL_TEST_FILE";
const CHILD: &str = "reserves_until_it_is_killed";
const MEMBER: [u8; 32] = [7; 32];
const RUNS: usize = 20;

#[test]
fn no_id_is_granted_twice_over_twenty_killed_processes() {
    let world = TempDir::new().unwrap();
    let path = world.path().join("keystore.json.quota");
    let mut granted = HashSet::new();
    for run in 0..RUNS {
        let mut child = spawn(&path);
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

fn spawn(path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
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
