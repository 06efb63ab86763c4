//! The registry file against damage, other writers and other files.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use weir_membership::{
    CorruptReason, Ledger, LedgerError, LedgerEvent, Membership, MembershipState, RegistryError,
    RegistryFile, Rules,
};
use weir_rln::{IdentityCommitment, UserMessageLimit};

/// Bytes of the header and of each record.
const RECORD: usize = 64;

struct World {
    directory: TempDir,
}

impl World {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("registry")
    }

    fn open(&self) -> RegistryFile {
        open(&self.path()).expect("a sound registry")
    }

    /// A registry with members 1 to `count`, and its bytes.
    fn with_members(count: u32) -> (Self, Vec<u8>) {
        let world = Self::new();
        let mut registry = world.open();
        for number in 1..=count {
            register(&mut registry, number).expect("a new member");
        }
        let bytes = world.bytes();
        (world, bytes)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).expect("the registry is there")
    }

    fn put(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).expect("the directory is writable");
    }
}

fn open(path: &Path) -> Result<RegistryFile, RegistryError> {
    RegistryFile::open(path)
}

fn commitment(number: u32) -> IdentityCommitment {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    IdentityCommitment::from_bytes(&bytes).expect("a small number is canonical")
}

fn limit(number: u32) -> UserMessageLimit {
    UserMessageLimit::new(number).expect("within 16 bits")
}

fn register(registry: &mut RegistryFile, number: u32) -> Result<Membership, LedgerError> {
    registry.register(commitment(number), limit(100))
}

fn members(registry: &mut RegistryFile) -> Vec<u32> {
    let memberships = registry.memberships().expect("a sound registry");
    memberships
        .iter()
        .map(|membership| {
            let bytes = membership.commitment.to_bytes();
            u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"))
        })
        .collect()
}

fn indexes(events: &[LedgerEvent]) -> Vec<u32> {
    events
        .iter()
        .map(|event| match event {
            LedgerEvent::MembershipRegistered { index, .. } => index.get(),
            other => panic!("only registrations were made, not {other:?}"),
        })
        .collect()
}

#[test]
fn memberships_and_events_survive_reopening() {
    let world = World::new();
    let mut registry = world.open();
    let first = register(&mut registry, 7).unwrap();
    assert_eq!((first.index.get(), first.state), (0, MembershipState::Active));
    register(&mut registry, 8).unwrap();
    let erased = registry.erase(&commitment(7)).unwrap();
    assert_eq!(erased, Membership { state: MembershipState::Erased, ..first });
    let events = registry.poll().unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(registry.poll().unwrap(), []);

    let mut reopened = world.open();
    assert_eq!(reopened.contract(), registry.contract());
    assert_eq!(reopened.poll().unwrap(), events);
    assert_eq!(reopened.memberships().unwrap(), registry.memberships().unwrap());
    assert_eq!(reopened.membership(&commitment(7)).unwrap(), Some(erased));
    assert_eq!(reopened.membership(&commitment(9)).unwrap(), None);
}

#[test]
fn a_registry_keeps_the_rules_it_was_made_with() {
    let world = World::new();
    let rules = Rules::new(10, 20, 2).unwrap();
    RegistryFile::open_with_rules(&world.path(), rules).unwrap();
    let mut registry = world.open();
    assert_eq!(registry.rules(), rules);
    for outside in [9, 21] {
        let refused = registry.register(commitment(1), limit(outside));
        assert!(
            matches!(refused, Err(LedgerError::LimitOutOfBounds { min: 10, max: 20, .. })),
            "{refused:?}"
        );
    }
    registry.register(commitment(1), limit(10)).unwrap();
    registry.register(commitment(2), limit(20)).unwrap();
    let refused = registry.register(commitment(3), limit(15));
    assert!(matches!(refused, Err(LedgerError::Full { capacity: 2 })), "{refused:?}");
    assert_eq!(world.bytes().len(), 3 * RECORD);
}

#[test]
fn a_refused_registration_writes_nothing() {
    let (world, before) = World::with_members(2);
    let mut registry = world.open();
    registry.erase(&commitment(2)).unwrap();
    let after_erasing = world.bytes();
    for number in [1, 2] {
        let refused = register(&mut registry, number);
        let Err(LedgerError::DuplicateCommitment { index, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(index.get(), number - 1, "erased members cannot come back either");
    }
    assert!(matches!(register(&mut registry, 0), Err(LedgerError::ZeroCommitment)));
    assert!(matches!(registry.erase(&commitment(2)), Err(LedgerError::AlreadyErased { .. })));
    assert!(matches!(registry.erase(&commitment(3)), Err(LedgerError::UnknownCommitment { .. })));
    assert_eq!(world.bytes(), after_erasing);
    assert_eq!(after_erasing[..before.len()], before, "records never change");
}

#[test]
fn each_registry_has_its_own_name_in_keystores() {
    let (one, two) = (World::new().open().contract(), World::new().open().contract());
    assert_eq!(one.chain_id, "0");
    assert_eq!(one.address.len(), 42);
    assert!(one.address.starts_with("0x"));
    assert_ne!(one.address, two.address);
}

#[test]
fn a_tail_torn_at_any_byte_is_ignored_and_replaced_by_the_next_writer() {
    let (world, whole) = World::with_members(3);
    for length in RECORD..=whole.len() {
        world.put(&whole[..length]);
        let complete = u32::try_from((length - RECORD) / RECORD).unwrap();
        let mut registry = world.open();
        assert_eq!(members(&mut registry), (1..=complete).collect::<Vec<_>>(), "{length} bytes");
        assert_eq!(world.bytes(), whole[..length], "reading changes nothing");

        assert_eq!(register(&mut registry, 9).unwrap().index.get(), complete);
        let expected: Vec<_> = (1..=complete).chain([9]).collect();
        assert_eq!(members(&mut world.open()), expected);
        assert_eq!(world.bytes().len(), RECORD * (expected.len() + 1));
    }
}

#[test]
fn a_last_record_whose_bytes_never_reached_the_disk_is_a_torn_tail() {
    let (world, mut bytes) = World::with_members(1);
    bytes.extend([0; RECORD]);
    world.put(&bytes);
    let mut registry = world.open();
    assert_eq!(members(&mut registry), [1]);
    assert_eq!(register(&mut registry, 2).unwrap().index.get(), 1);
    assert_eq!(members(&mut world.open()), [1, 2]);
}

#[test]
fn a_blank_record_anywhere_else_is_corruption() {
    let (world, mut bytes) = World::with_members(1);
    bytes.extend([0; RECORD + 1]);
    world.put(&bytes);
    let error = open(&world.path()).unwrap_err();
    assert!(matches!(error, RegistryError::Corrupt { offset: 128, .. }), "{error:?}");
    assert_eq!(world.bytes(), bytes);
}

#[test]
fn a_header_cut_short_is_never_taken_for_a_new_file() {
    let (world, whole) = World::with_members(0);
    for length in 0..RECORD {
        world.put(&whole[..length]);
        let error = open(&world.path()).unwrap_err();
        if length < 8 {
            assert!(matches!(error, RegistryError::Foreign { .. }), "{length} bytes: {error:?}");
        } else {
            let reason = CorruptReason::HeaderCutShort;
            assert!(
                matches!(&error, RegistryError::Corrupt { offset: 0, reason: found, .. } if *found == reason),
                "{length} bytes: {error:?}"
            );
        }
        assert_eq!(world.bytes(), whole[..length]);
    }
}

#[test]
fn one_wrong_byte_anywhere_is_an_error_that_names_the_place_and_touches_nothing() {
    let (world, sound) = World::with_members(3);
    for at in 0..sound.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = sound.clone();
            damaged[at] ^= flip;
            world.put(&damaged);
            match open(&world.path()).unwrap_err() {
                RegistryError::Foreign { .. } => assert!(at < 8, "byte {at}"),
                RegistryError::UnsupportedVersion { .. } => assert!((8..10).contains(&at), "byte {at}"),
                RegistryError::Corrupt { path, offset, .. } => {
                    assert_eq!(path, world.path());
                    assert_eq!(offset, (at / RECORD * RECORD) as u64, "byte {at}");
                }
                other => panic!("byte {at}: {other:?}"),
            }
            assert_eq!(world.bytes(), damaged, "byte {at}");
        }
    }
}

#[test]
fn an_open_registry_refuses_to_read_or_write_past_damage_others_left() {
    let (world, sound) = World::with_members(1);
    let mut registry = world.open();
    assert_eq!(registry.poll().unwrap().len(), 1);
    let mut other = world.open();
    register(&mut other, 2).unwrap();
    register(&mut other, 3).unwrap();
    let mut damaged = world.bytes();
    damaged[sound.len() + 20] ^= 1;
    OpenOptions::new().write(true).open(world.path()).unwrap().write_all(&damaged).unwrap();

    let at_second_record =
        |error: &RegistryError| matches!(error, RegistryError::Corrupt { offset: 128, .. });
    for result in [registry.poll().map(drop), register(&mut registry, 4).map(drop)] {
        let Err(LedgerError::Registry(error)) = result else { panic!("{result:?}") };
        assert!(at_second_record(&error), "{error:?}");
    }
    assert_eq!(world.bytes(), damaged);
}

#[test]
fn records_do_not_fit_another_registry_nor_another_place() {
    let (world, bytes) = World::with_members(3);
    let (_other_world, other) = World::with_members(3);
    let record = |bytes: &[u8], number: usize| bytes[number * RECORD..][..RECORD].to_vec();
    let header_and_first = &bytes[..2 * RECORD];
    let spliced = [
        [header_and_first, &record(&other, 2)].concat(),
        [header_and_first, &record(&bytes, 3), &record(&bytes, 2)].concat(),
        [header_and_first, &record(&bytes, 1)].concat(),
        [header_and_first, &record(&bytes, 3)].concat(),
    ];
    for bytes in spliced {
        world.put(&bytes);
        let error = open(&world.path()).unwrap_err();
        let reason = CorruptReason::Checksum;
        assert!(
            matches!(&error, RegistryError::Corrupt { offset: 128, reason: found, .. } if *found == reason),
            "{error:?}"
        );
    }
}

#[test]
fn a_file_that_is_something_else_is_left_alone() {
    let world = World::new();
    for content in [&b""[..], b"x", b"{\"application\":\"waku-rln-relay\"}", &[0; 4096]] {
        world.put(content);
        let error = open(&world.path()).unwrap_err();
        assert!(matches!(error, RegistryError::Foreign { .. }), "{error:?}");
        assert_eq!(world.bytes(), content);
    }
}

#[test]
fn a_later_format_is_refused_with_its_version() {
    let (world, mut bytes) = World::with_members(1);
    bytes[8] = 2;
    world.put(&bytes);
    let error = open(&world.path()).unwrap_err();
    assert!(matches!(error, RegistryError::UnsupportedVersion { found: 2, .. }), "{error:?}");
}

#[test]
fn a_registry_that_shrinks_vanishes_or_is_replaced_is_an_error_for_those_who_have_it_open() {
    type Harm = fn(&World);
    type Named = fn(&RegistryError) -> bool;
    let cases: [(Harm, Named); 3] = [
        (
            |world| OpenOptions::new().write(true).open(world.path()).unwrap().set_len(64).unwrap(),
            |error| matches!(error, RegistryError::Shrunk { known: 192, found: 64, .. }),
        ),
        (
            |world| fs::remove_file(world.path()).unwrap(),
            |error| matches!(error, RegistryError::Missing { .. }),
        ),
        (
            |world| {
                let copy = world.path().with_extension("copy");
                fs::copy(world.path(), &copy).unwrap();
                fs::rename(copy, world.path()).unwrap();
            },
            |error| matches!(error, RegistryError::Replaced { .. }),
        ),
    ];
    for (harm, named) in cases {
        let (world, _) = World::with_members(2);
        let mut registry = world.open();
        harm(&world);
        let before = fs::read(world.path()).ok();
        for result in [registry.poll().map(drop), register(&mut registry, 3).map(drop)] {
            let Err(LedgerError::Registry(error)) = result else { panic!("{result:?}") };
            assert!(named(&error), "{error:?}");
        }
        assert_eq!(fs::read(world.path()).ok(), before, "nothing is written or made anew");
    }
}

#[test]
fn polling_an_unchanged_registry_reads_none_of_it() {
    let (world, mut bytes) = World::with_members(2);
    let mut registry = world.open();
    registry.poll().unwrap();
    bytes.fill(0xff);
    OpenOptions::new().write(true).open(world.path()).unwrap().write_all(&bytes).unwrap();
    assert_eq!(registry.poll().unwrap(), [], "content that is known is not read again");
}

#[test]
fn writers_with_their_own_handles_get_distinct_indexes_and_agree_on_the_order() {
    const WRITERS: u32 = 4;
    const EACH: u32 = 25;
    let world = World::new();
    let path = world.path();
    // All make the file at once as well.
    let mut given: Vec<u32> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let path = &path;
                scope.spawn(move || {
                    let mut registry = open(path).expect("made by one of us");
                    let mine = writer * EACH + 1..=(writer + 1) * EACH;
                    mine.map(|number| register(&mut registry, number).expect("new").index.get())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().expect("no panic")).collect()
    });
    given.sort_unstable();
    assert_eq!(given, (0..WRITERS * EACH).collect::<Vec<_>>());
    let mut registry = world.open();
    assert_eq!(indexes(&registry.poll().unwrap()), given);
    let leftovers = fs::read_dir(world.directory.path()).unwrap().count();
    assert_eq!(leftovers, 1, "only the registry is left in the directory");
}

#[test]
fn one_commitment_registered_by_two_writers_at_once_is_registered_once() {
    let world = World::new();
    let path = world.path();
    let registered: usize = std::thread::scope(|scope| {
        let writers = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut registry = open(&path).expect("made by one of us");
                (1..=20).filter(|number| register(&mut registry, *number).is_ok()).count()
            })
        });
        writers.into_iter().map(|writer| writer.join().expect("no panic")).sum()
    });
    assert_eq!(registered, 20);
    assert_eq!(members(&mut world.open()).len(), 20);
}

#[test]
fn a_reader_that_polls_meanwhile_sees_every_event_once_and_in_order() {
    const MEMBERS: u32 = 60;
    let world = World::new();
    let (mut writer, mut reader) = (world.open(), world.open());
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            for number in 1..=MEMBERS {
                register(&mut writer, number).expect("a new member");
            }
        });
        while !writing.is_finished() {
            seen.extend(reader.poll().expect("a sound registry"));
            std::thread::yield_now();
        }
    });
    seen.extend(reader.poll().expect("a sound registry"));
    assert_eq!(indexes(&seen), (0..MEMBERS).collect::<Vec<_>>());
}
