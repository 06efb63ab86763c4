//! Opening what is, or is not, a store: real files in a directory of the test's own.

// Helpers of tests are tests too, which clippy.toml cannot see here.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use weir_storage::{OpenError, QuotaStore, StateStore};

const MEMBER: [u8; 32] = [7; 32];

#[test]
fn a_new_store_is_readable_by_its_owner_only_and_so_is_a_new_directory() {
    let world = TempDir::new().unwrap();
    let path = world.path().join("deep").join("er").join("state.redb");
    let store = StateStore::open(&path).unwrap();
    store.put_node_key(&[1; 32]).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&world.path().join("deep")), 0o700);
    assert_eq!(mode(&world.path().join("deep/er")), 0o700);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn a_store_that_others_could_read_is_closed_to_them() {
    let (_world, path) = quota_file();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    QuotaStore::open(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_second_opening_is_refused_until_every_handle_of_the_first_is_gone() {
    let (_world, path) = quota_file();
    let first = QuotaStore::open(&path).unwrap();
    let clone = first.clone();
    drop(first);
    let refused = QuotaStore::open(&path).unwrap_err();
    assert!(matches!(&refused, OpenError::InUse { path: named } if *named == path));
    assert!(refused.to_string().contains("stop the other node"));
    drop(clone);
    QuotaStore::open(&path).unwrap();
}

#[test]
fn a_half_made_file_of_a_killed_process_does_not_stand_in_the_way() {
    let world = TempDir::new().unwrap();
    let path = world.path().join("quota");
    fs::write(world.path().join("quota.new"), b"half").unwrap();
    QuotaStore::open(&path).unwrap().reserve(&MEMBER, 1, 1, 10).unwrap();
    assert!(!world.path().join("quota.new").exists());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let world = TempDir::new().unwrap();
    fs::write(world.path().join("file"), b"").unwrap();
    let refused = StateStore::open(world.path().join("file/state.redb")).unwrap_err();
    assert!(matches!(refused, OpenError::Unwritable { .. }), "{refused}");
}

#[test]
fn what_is_not_ours_is_refused_and_left_alone() {
    let (_world, path) = quota_file();
    let foreign = redb::Database::create(path.with_extension("redb")).unwrap();
    let write = foreign.begin_write().unwrap();
    write.open_table(redb::TableDefinition::<&str, u64>::new("theirs")).unwrap().insert("a", 1).unwrap();
    write.commit().unwrap();
    drop(foreign);
    let state = path.with_extension("state");
    drop(StateStore::open(&state).unwrap());
    let foreign_files = [
        fs::read(path.with_extension("redb")).unwrap(),
        fs::read(state).unwrap(),
        b"{\"keystore\": true}".to_vec(),
        b"redb".to_vec(),
        vec![0; 100_000],
    ];
    for bytes in foreign_files {
        let refused = open_bytes(&path, &bytes).unwrap_err();
        assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused_and_left_alone() {
    let (_world, path) = quota_file();
    let sound = fs::read(&path).unwrap();
    let cuts = [0, 1, 8, 9, 100, 320, 512, 4095, 4096, 4097, 20_000, sound.len() - 4096, sound.len() - 1];
    for length in cuts {
        let refused = open_bytes(&path, &sound[..length]).unwrap_err();
        assert!(
            matches!(refused, OpenError::Corrupt { .. } | OpenError::Foreign { .. }),
            "{length}: {refused}"
        );
    }
}

/// The byte in which redb keeps, among flags, which of two commits is the newest: the one byte of the
/// file that nothing checks.
const COMMIT_SELECTOR: usize = 9;

#[test]
fn a_changed_byte_is_noticed_or_harmless_but_never_gives_quota_back() {
    let (_world, path) = quota_file();
    check_every_changed_byte(&path, &fs::read(&path).unwrap());
}

#[test]
fn a_changed_byte_after_a_crash_is_not_taken_for_a_torn_commit_and_rolled_back() {
    let (_world, path) = quota_file();
    let store = QuotaStore::open(&path).unwrap();
    store.reserve(&MEMBER, 3, 10, 100).unwrap();
    let as_left_by_a_crash = fs::read(&path).unwrap();
    drop(store);
    check_every_changed_byte(&path, &as_left_by_a_crash);
}

/// Changes bytes of a file with a quota on record, one at a time. Most are of pages no longer in use.
fn check_every_changed_byte(path: &Path, sound: &[u8]) {
    let used = open_bytes(path, sound).unwrap().used(&MEMBER, 3).unwrap();
    let written = sound.iter().enumerate().filter(|(at, byte)| **byte != 0 && *at != COMMIT_SELECTOR);
    let mut refused = 0;
    // A prime stride, so that no field of redb's pages is always missed.
    for at in written.map(|(at, _)| at).step_by(61) {
        let mut bytes = sound.to_vec();
        bytes[at] ^= 0x55;
        match open_bytes(path, &bytes) {
            Err(OpenError::Corrupt { .. } | OpenError::Foreign { .. }) => refused += 1,
            Err(other) => panic!("byte {at}: {other}"),
            Ok(store) => assert_eq!(store.used(&MEMBER, 3).unwrap(), used, "byte {at}"),
        }
    }
    assert!(refused > 0);
}

/// A quota file with 30 ids of epoch 3 granted in three commits, closed.
fn quota_file() -> (TempDir, PathBuf) {
    let world = TempDir::new().unwrap();
    let path = world.path().join("keystore.json.quota");
    let store = QuotaStore::open(&path).unwrap();
    for _ in 0..3 {
        store.reserve(&MEMBER, 3, 10, 100).unwrap();
    }
    (world, path)
}

/// Opens a file with these bytes; if that is refused, it must still have them.
fn open_bytes(path: &Path, bytes: &[u8]) -> Result<QuotaStore, OpenError> {
    fs::write(path, bytes).unwrap();
    let opened = QuotaStore::open(path);
    if opened.is_err() {
        assert!(fs::read(path).unwrap() == bytes, "a refused file was written to");
    }
    opened
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
