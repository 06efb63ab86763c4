use tempfile::TempDir;

use super::*;

const DEPTH: u16 = 4;

/// Five leaves, then 3, 2, 1 and 1 nodes.
const NODES: u8 = 12;

fn header() -> TreeHeader {
    TreeHeader { depth: DEPTH, leaves: 5, changes: 9, source: [7; 32], roots: vec![[1; 32], [2; 32]] }
}

fn nodes() -> impl Iterator<Item = TreeWord> {
    (0..NODES).map(|number| [number; 32])
}

/// A file with five leaves in a directory of its own.
fn world() -> (TempDir, TreeFile) {
    let world = TempDir::new().unwrap();
    let file = TreeFile::new(world.path().join("tree"));
    file.write(&header(), nodes()).unwrap();
    (world, file)
}

fn read(file: &TreeFile) -> Result<(TreeHeader, Vec<TreeWord>), TreeFileError> {
    let mut reader = file.open(DEPTH)?;
    let nodes = reader.by_ref().collect();
    let header = reader.header().clone();
    reader.finish()?;
    Ok((header, nodes))
}

#[test]
fn what_was_written_is_read_and_nothing_else_is_left_behind() {
    let (world, file) = world();
    assert_eq!(read(&file).unwrap(), (header(), nodes().collect()));
    let empty = TreeHeader { leaves: 0, roots: Vec::new(), ..header() };
    file.write(&empty, std::iter::empty()).unwrap();
    assert_eq!(read(&file).unwrap(), (empty, Vec::new()));
    assert_eq!(fs::read_dir(world.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_file_is_told_from_a_bad_one() {
    let world = TempDir::new().unwrap();
    let file = TreeFile::new(world.path().join("tree"));
    assert!(matches!(file.open(DEPTH), Err(TreeFileError::Missing { .. })));
}

#[test]
fn a_change_of_any_byte_is_noticed() {
    let (_world, file) = world();
    let sound = fs::read(&file.path).unwrap();
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x40;
        fs::write(&file.path, &bytes).unwrap();
        let error = read(&file).expect_err("a changed byte");
        let expected = match at {
            0..8 => matches!(error, TreeFileError::Foreign),
            8..10 => matches!(error, TreeFileError::Version { .. }),
            10..12 => matches!(error, TreeFileError::Depth { .. }),
            12..16 | 24..28 => matches!(error, TreeFileError::Range(_) | TreeFileError::Length { .. }),
            _ => matches!(error, TreeFileError::Checksum),
        };
        assert!(expected, "byte {at}: {error}");
    }
}

#[test]
fn a_file_cut_anywhere_or_with_something_behind_it_is_refused() {
    let (_world, file) = world();
    let sound = fs::read(&file.path).unwrap();
    for length in 0..sound.len() {
        fs::write(&file.path, &sound[..length]).unwrap();
        let error = read(&file).expect_err("cut short");
        assert!(matches!(error, TreeFileError::Foreign | TreeFileError::Length { .. }), "{length}: {error}");
    }
    fs::write(&file.path, [&sound[..], &[0]].concat()).unwrap();
    assert!(matches!(read(&file), Err(TreeFileError::Length { .. })));
}

/// The numbers of a hostile header decide nothing before they are compared with the file's length.
#[test]
fn a_header_of_huge_numbers_is_refused_without_reading_on() {
    let (_world, file) = world();
    for (at, size) in [(12, 4), (24, 4)] {
        let mut bytes = fs::read(&file.path).unwrap();
        bytes[at..at + size].fill(0xff);
        fs::write(&file.path, &bytes).unwrap();
        assert!(matches!(read(&file), Err(TreeFileError::Range(_))));
        file.write(&header(), nodes()).unwrap();
    }
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let (world, file) = world();
    fs::create_dir(world.path().join("tree.new")).unwrap();
    file.write(&TreeHeader { changes: 10, ..header() }, nodes()).unwrap_err();
    assert_eq!(read(&file).unwrap().0, header());
}

#[test]
fn a_half_written_file_of_a_killed_process_does_not_stand_in_the_way() {
    let (world, file) = world();
    fs::write(world.path().join("tree.new"), b"half").unwrap();
    file.write(&TreeHeader { changes: 10, ..header() }, nodes()).unwrap();
    assert_eq!(read(&file).unwrap().0.changes, 10);
    assert!(!world.path().join("tree.new").exists());
}
