//! Every kind of damage, and that it leads to tables all the same.

use std::thread;

use tempfile::TempDir;

use super::*;
use crate::msm::TableGroupName;

/// Two small tables in a directory of their own.
struct World {
    directory: TempDir,
    identity: CacheIdentity,
    tables: Vec<Vec<Row>>,
}

impl World {
    fn new() -> Self {
        let shape = |group, columns, rows| TableShape { group, columns, window_bits: 5, rows };
        let row = |index: usize| Row(std::array::from_fn(|word| (index * 8 + word) as u64 * 0x9e37_79b9));
        Self {
            directory: TempDir::new().expect("a directory for the test"),
            identity: CacheIdentity {
                key_sha256: [7; 32],
                kind: BackendKind::Portable,
                shapes: vec![shape(TableGroupName::G1, 2, 10), shape(TableGroupName::G2, 3, 30)],
            },
            tables: vec![(0..10).map(row).collect(), (100..130).map(row).collect()],
        }
    }

    fn with_file() -> Self {
        let world = Self::new();
        world.write();
        world
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("tables")
    }

    fn write(&self) {
        write(&self.path(), &self.identity, &self.rows()).expect("the directory can be written");
    }

    fn rows(&self) -> Vec<&[Row]> {
        self.tables.iter().map(Vec::as_slice).collect()
    }

    fn read(&self) -> Result<Vec<Vec<Row>>, CacheMiss> {
        read(&self.path(), &self.identity)
    }

    fn damage(&self, damage: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path()).expect("the file is there");
        damage(&mut bytes);
        fs::write(self.path(), bytes).expect("the file can be written");
    }

    /// Reads or calculates, then reads again what has to be there now.
    fn rebuild(&self) -> TableOrigin {
        let build = || self.tables.clone();
        let (tables, origin) = read_or_rebuild(
            &self.path(),
            &self.identity,
            |rows| rows,
            build,
            |tables| tables.iter().map(Vec::as_slice).collect(),
        );
        assert_eq!(tables, self.tables);
        origin
    }

    fn assert_healed(&self, is_expected: impl Fn(&CacheMiss) -> bool) {
        let TableOrigin::Built { miss, write_error: None } = self.rebuild() else {
            panic!("they were calculated and written");
        };
        assert!(is_expected(&miss), "{miss:?}");
        assert!(matches!(self.rebuild(), TableOrigin::Cache));
    }
}

#[test]
fn what_was_written_is_read_and_nothing_else_is_left_in_the_directory() {
    let world = World::with_file();
    assert_eq!(world.read().expect("just written"), world.tables);
    assert_eq!(fs::read_dir(world.directory.path()).expect("a directory").count(), 1);
}

#[test]
fn a_file_that_is_not_there_is_made() {
    World::new().assert_healed(|miss| matches!(miss, CacheMiss::Absent));
}

#[test]
fn a_file_cut_off_anywhere_is_made_anew() {
    let world = World::with_file();
    let length = fs::metadata(world.path()).expect("the file is there").len();
    for length in [0, 1, 47, 60, 99, 100, length / 2, length - 33, length - 1] {
        world.damage(|bytes| bytes.truncate(length as usize));
        world.assert_healed(|miss| matches!(miss, CacheMiss::Length { .. }));
    }
}

#[test]
fn trailing_bytes_and_huge_files_are_not_read() {
    let world = World::with_file();
    world.damage(|bytes| bytes.push(0));
    world.assert_healed(|miss| matches!(miss, CacheMiss::Length { .. }));
    let file = OpenOptions::new().write(true).open(world.path()).expect("the file is there");
    file.set_len(1 << 40).expect("a file may have holes");
    world.assert_healed(|miss| matches!(miss, CacheMiss::Length { found, .. } if *found == 1 << 40));
}

#[test]
fn every_flipped_bit_is_found() {
    let world = World::with_file();
    let header = world.identity.header().len();
    let length = world.identity.file_bytes() as usize;
    for byte in (0..header).chain((header..length).step_by(41)).chain(length - 32..length) {
        for bit in [0, 7] {
            world.damage(|bytes| bytes[byte] ^= 1 << bit);
            let miss = world.read().expect_err("a bit was flipped");
            let is_expected = match byte {
                0..8 => matches!(miss, CacheMiss::Magic),
                8..12 => matches!(miss, CacheMiss::Version),
                12..16 => matches!(miss, CacheMiss::Backend),
                16..48 => matches!(miss, CacheMiss::ForeignKey),
                48.. if byte < header => matches!(miss, CacheMiss::Shapes),
                _ => matches!(miss, CacheMiss::Checksum),
            };
            assert!(is_expected, "bit {bit} of byte {byte}: {miss:?}");
            world.damage(|bytes| bytes[byte] ^= 1 << bit);
        }
    }
    world.damage(|bytes| bytes[header] ^= 1);
    world.assert_healed(|miss| matches!(miss, CacheMiss::Checksum));
}

#[test]
fn tables_of_another_key_backend_or_shape_are_replaced() {
    let mut world = World::with_file();
    world.identity.key_sha256[31] ^= 1;
    world.assert_healed(|miss| matches!(miss, CacheMiss::ForeignKey));
    world.identity.kind = BackendKind::Ifma;
    world.assert_healed(|miss| matches!(miss, CacheMiss::Backend));
    world.identity.shapes[1].window_bits += 1;
    world.assert_healed(|miss| matches!(miss, CacheMiss::Shapes));
}

#[test]
fn a_path_that_cannot_be_written_gives_tables_and_says_so() {
    let world = World::new();
    fs::create_dir(world.path()).expect("a directory where the file should be");
    let origin = world.rebuild();
    assert!(matches!(origin, TableOrigin::Built { miss: CacheMiss::NotAFile, write_error: Some(_) }));
    assert_eq!(fs::read_dir(world.directory.path()).expect("a directory").count(), 1, "no temporary file");

    // Below a file there can be no directory, so this cannot be read or written, not even by root.
    let file = world.directory.path().join("file");
    fs::write(&file, "").expect("the directory can be written");
    let build = || world.tables.clone();
    let (_, origin) = read_or_rebuild(
        &file.join("tables"),
        &world.identity,
        |rows| rows,
        build,
        |tables| tables.iter().map(Vec::as_slice).collect(),
    );
    assert!(matches!(origin, TableOrigin::Built { miss: CacheMiss::Unreadable(_), write_error: Some(_) }));
}

#[test]
fn writers_and_readers_at_once_never_see_half_a_file() {
    let world = World::with_file();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| world.write()));
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(world.read().expect("a whole file"), world.tables);
                }
            });
        }
    });
    assert_eq!(fs::read_dir(world.directory.path()).expect("a directory").count(), 1);
}
