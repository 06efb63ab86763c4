//! Folders that are, or are not, archives.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{filter::Asked, *};

fn open(folder: &Path) -> Result<Segments, OpenError> {
    file::create_directory(folder).unwrap();
    Segments::open(Folder::Disk(folder.to_owned()), TINY)
}

/// A closed archive of 150 messages.
fn filled() -> (TempDir, PathBuf) {
    let world = TempDir::new().unwrap();
    let folder = world.path().join("archive");
    insert_in(&open(&folder).unwrap(), &messages(0..150), 13);
    (world, folder)
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn all_files_are_the_owners_alone() {
    let (_world, folder) = filled();
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    assert!(files(&folder, "segment").len() > 3 && !files(&folder, "filter").is_empty());
}

#[test]
fn a_folder_has_one_archive_at_a_time() {
    let (_world, folder) = filled();
    let first = open(&folder).unwrap();
    assert!(matches!(open(&folder), Err(OpenError::InUse { .. })));
    drop(first);
    assert_eq!(open(&folder).unwrap().summary().unwrap().messages, 150);
}

#[test]
fn a_segment_that_is_cut_short_or_gone_is_named() {
    let (_world, folder) = filled();
    for path in files(&folder, "segment") {
        let whole = fs::read(&path).unwrap();
        for length in [0, 100, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            let refused = open(&folder).unwrap_err();
            assert!(
                matches!(&refused, OpenError::Corrupt { path: named, .. } if *named == path),
                "{refused}"
            );
        }
        fs::remove_file(&path).unwrap();
        let refused = open(&folder).unwrap_err();
        assert!(matches!(&refused, OpenError::Corrupt { path: named, .. } if *named == path), "{refused}");
        fs::write(&path, &whole).unwrap();
    }
    assert!(all_of(&open(&folder).unwrap()) == messages(0..150));
}

#[test]
fn a_file_of_something_else_is_refused_and_left_alone() {
    let (_world, folder) = filled();
    // The last one is open for writing, so it is looked at when the archive is opened.
    let path = files(&folder, "segment").pop().unwrap();
    fs::write(&path, b"notes of something else").unwrap();
    assert!(matches!(open(&folder), Err(OpenError::Foreign { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"notes of something else");
}

#[test]
fn other_files_of_the_folder_are_left_alone() {
    let (_world, folder) = filled();
    let others =
        ["notes.txt", "1.segment", "lost+found", "00000001.segment.bak"].map(|name| folder.join(name));
    others.iter().for_each(|path| fs::write(path, b"mine").unwrap());
    open(&folder).unwrap();
    assert!(others.iter().all(|path| fs::read(path).unwrap() == b"mine"));
}

#[test]
fn without_its_catalog_an_archive_is_not_taken_for_an_empty_one() {
    let (_world, folder) = filled();
    let segments = files(&folder, "segment");
    let catalog = folder.join("catalog.redb");
    let whole = fs::read(&catalog).unwrap();
    fs::remove_file(&catalog).unwrap();
    let refused = open(&folder).unwrap_err();
    assert!(matches!(&refused, OpenError::Corrupt { .. }), "{refused}");
    assert!(open(&folder).is_err(), "nor when it is opened once more");
    let mut damaged = whole.clone();
    damaged[5_000..].fill(0x55);
    fs::write(&catalog, &damaged).unwrap();
    assert!(matches!(open(&folder), Err(OpenError::Corrupt { .. })));
    assert_eq!(files(&folder, "segment"), segments);
    fs::write(&catalog, &whole).unwrap();
    assert!(all_of(&open(&folder).unwrap()) == messages(0..150));
}

#[test]
fn what_the_catalog_does_not_name_is_removed() {
    let (_world, folder) = filled();
    let (segment, filter) = (folder.join("00000900.segment"), folder.join("00000900.filter.new"));
    fs::write(&segment, b"half made").unwrap();
    fs::write(&filter, b"half made").unwrap();
    open(&folder).unwrap();
    assert!(!segment.exists() && !filter.exists());
}

#[test]
fn without_filters_every_segment_is_asked() {
    let (_world, folder) = filled();
    for (path, number) in files(&folder, "filter").iter().zip(0..) {
        if number % 2 == 0 { fs::write(path, b"no filter") } else { fs::remove_file(path) }.unwrap();
    }
    let archive = open(&folder).unwrap();
    for message in messages(0..150) {
        let query = Query { hashes: vec![message.hash], ..Query::default() };
        assert_eq!(archive.query(&query, &|| true).unwrap().rows.len(), 1);
    }
}

#[test]
fn dropped_segments_give_their_space_back_at_once() {
    let (_world, folder) = filled();
    let archive = open(&folder).unwrap();
    let (bytes, segments) = (archive.summary().unwrap().bytes, files(&folder, "segment").len());
    while archive.trim(Trim::ToBytes(bytes / 2)).unwrap().more {}
    assert!(archive.summary().unwrap().bytes <= bytes / 2);
    assert!(files(&folder, "segment").len() <= segments / 2 + 1);
    while archive.trim(Trim::ToCount(0)).unwrap().more {}
    assert!(files(&folder, "segment").is_empty() && files(&folder, "filter").is_empty());
}

/// A data directory may be given from where the node was started.
#[test]
fn a_folder_with_a_relative_path_gives_its_space_back_too() {
    let here = std::env::current_dir().unwrap();
    let world = TempDir::new_in(&here).unwrap();
    let folder = world.path().strip_prefix(&here).unwrap().join("archive");
    let archive = open(&folder).unwrap();
    insert_in(&archive, &messages(0..150), 13);
    assert!(files(&folder, "segment").len() > 3);
    while archive.trim(Trim::ToCount(0)).unwrap().more {}
    assert!(files(&folder, "segment").is_empty() && files(&folder, "filter").is_empty());
}

#[test]
fn a_damaged_page_is_found_by_a_check_and_named_by_a_query() {
    let (_world, folder) = filled();
    let path = files(&folder, "segment").remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let message = &messages(0..150)[3];
    let payload = &message.message.payload[..];
    // Pages of earlier commits have it too.
    let places = (0..bytes.len() - payload.len()).filter(|at| bytes[*at..].starts_with(payload));
    for at in places.collect::<Vec<_>>() {
        bytes[at] ^= 1;
    }
    fs::write(&path, &bytes).unwrap();
    let archive = open(&folder).unwrap();
    let found = archive.verify(&mut |_| {});
    assert!(matches!(&found, Err(ArchiveError::Damaged(text)) if text.contains("segment")), "{found:?}");
    bytes[4096..].fill(0xff);
    drop(archive);
    fs::write(&path, &bytes).unwrap();
    let answer = open(&folder).unwrap().query(&query_all(20), &|| true);
    assert!(matches!(&answer, Err(ArchiveError::Damaged(text)) if text.contains("segment")), "{answer:?}");
}

/// Looking into each segment that is written to, in vain, was most of what a query by hash cost.
#[test]
fn a_segment_knows_what_it_does_not_have_while_it_is_written_to_too() {
    let (_world, folder) = filled();
    let there = messages(0..150);
    let missing = messages(150..151);
    let asked = |message: &StoredMessage| Asked::hash(&message.hash);
    let mut archive = open(&folder).unwrap();
    for _ in ["the first time", "closed and opened"] {
        let shelf = archive.shelf();
        assert!(shelf.slots.iter().any(|slot| !slot.segment.is_sealed()));
        for slot in &shelf.slots {
            assert!(!slot.segment.may_have(asked(&missing[0])), "{}", slot.segment.id);
            assert!(!slot.segment.may_have(Asked::content("/another/1/topic/proto")));
            assert!(slot.segment.may_have(Asked::content(there[0].message.content_topic.as_str())));
        }
        for message in &there {
            let may = shelf.slots.iter().filter(|slot| slot.segment.may_have(asked(message)));
            assert_eq!(may.count(), 1);
        }
        drop(shelf);
        drop(archive);
        archive = open(&folder).unwrap();
    }
    archive.insert(&missing).unwrap();
    let shelf = archive.shelf();
    assert!(shelf.slots.iter().any(|slot| slot.segment.may_have(asked(&missing[0]))));
}
