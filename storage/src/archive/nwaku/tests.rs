//! Archives with the tables that nwaku's have.

use std::path::Path;

use rusqlite::{Connection, params};
use tempfile::TempDir;
use weir_core::{MessageHash, store::StoredMessage};

use super::*;

mod on_postgres;

/// The table of nwaku's newest schema and its index, in the journal mode in which nwaku writes.
const SQLITE: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE Message (
        messageHash BLOB PRIMARY KEY NOT NULL,
        pubsubTopic BLOB NOT NULL,
        contentTopic BLOB NOT NULL,
        payload BLOB,
        version INTEGER NOT NULL,
        timestamp INTEGER NOT NULL,
        meta BLOB
    ) WITHOUT ROWID;
    CREATE INDEX i_ts ON Message (timestamp);
    PRAGMA user_version = 10";

const INSERT: &str = "INSERT INTO Message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Messages in their order: pairs with one timestamp, empty and long payloads, with and without meta.
fn messages(count: i64) -> Vec<StoredMessage> {
    let mut messages: Vec<StoredMessage> = (0..count)
        .map(|index| {
            let message = WakuMessage {
                payload: vec![index as u8; index as usize % 100].into(),
                content_topic: ContentTopic::new(&format!("/app/1/{}/proto", index % 3)).expect("topic"),
                version: index as u32 % 2,
                timestamp: Timestamp::from_nanos(1_700_000_000_000_000_000 + index / 2),
                meta: Meta::new(vec![7; index as usize % 5].into()).expect("short"),
                ephemeral: false,
                proof: ProofField::Absent,
            };
            StoredMessage::new(format!("/waku/2/rs/1/{}", index % 8).parse().expect("topic"), message)
        })
        .collect();
    messages.sort_by_key(StoredMessage::place);
    messages
}

/// As nwaku binds it: what is empty becomes null.
fn insert(connection: &Connection, stored: &StoredMessage, hash: MessageHash, topic: &str) {
    let blob = |bytes: &[u8]| Some(bytes.to_vec()).filter(|bytes| !bytes.is_empty());
    let message = &stored.message;
    let row = params![
        hash.as_bytes().as_slice(),
        topic.as_bytes(),
        message.content_topic.as_str().as_bytes(),
        blob(&message.payload),
        message.version,
        message.timestamp.as_nanos(),
        blob(message.meta.as_bytes()),
    ];
    connection.execute(INSERT, row).expect("inserted");
}

fn create(path: &Path, messages: &[StoredMessage]) -> Connection {
    let mut connection = Connection::open(path).expect("made");
    connection.execute_batch(SQLITE).expect("nwaku's schema");
    let transaction = connection.transaction().expect("begun");
    for stored in messages {
        insert(&transaction, stored, stored.hash, &stored.topic.to_string());
    }
    transaction.commit().expect("committed");
    connection
}

fn open(path: &Path) -> Result<Reader, NwakuError> {
    Reader::open(&Source::Sqlite(path.to_owned()), Timestamp::from_nanos(i64::MIN))
}

/// Everything there is to read, and how many parts it came in.
fn read_all(reader: &mut Reader) -> (Part, usize) {
    let (mut all, mut parts) = (Part::default(), 0);
    while let Some(part) = reader.next_part().expect("read") {
        assert!(part.messages.len() + part.refused.len() <= MAX_BATCH);
        all.messages.extend(part.messages);
        all.refused.extend(part.refused);
        parts += 1;
    }
    (all, parts)
}

struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: TempDir::new().expect("temporary folder") }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("store.sqlite3")
    }
}

#[test]
fn sqlite_rows_come_in_order_and_whole_while_nwaku_has_the_file_open() {
    let world = World::new();
    let messages = messages(1300);
    let nwaku = create(&world.file(), &messages);
    let mut reader = open(&world.file()).expect("opened");
    assert_eq!(reader.count().expect("counted"), 1300);
    let first = reader.next_part().expect("read").expect("a part");
    assert_eq!(first.messages, messages[..MAX_BATCH]);

    // nwaku goes on: it drops the oldest rows and writes a new one at the end.
    nwaku.execute("DELETE FROM Message WHERE timestamp < 1700000000000000100", []).expect("deleted");
    let mut late = messages[0].message.clone();
    late.timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);
    let late = StoredMessage::new(messages[0].topic, late);
    insert(&nwaku, &late, late.hash, &late.topic.to_string());
    nwaku.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).expect("not blocked");

    let (rest, parts) = read_all(&mut reader);
    assert_eq!(rest.refused, []);
    assert_eq!(rest.messages[..rest.messages.len() - 1], messages[MAX_BATCH..]);
    assert_eq!(rest.messages.last(), Some(&late));
    assert_eq!(parts, 2);
}

#[test]
fn reading_begins_at_the_start() {
    let world = World::new();
    let messages = messages(9);
    create(&world.file(), &messages);
    let start = messages[4].message.timestamp;
    let mut reader = Reader::open(&Source::Sqlite(world.file()), start).expect("opened");
    assert_eq!(reader.count().expect("counted"), 5);
    assert_eq!(read_all(&mut reader).0.messages, messages[4..]);
}

#[test]
fn rows_that_are_no_messages_of_ours_are_told_apart() {
    let world = World::new();
    let messages = messages(6);
    let nwaku = create(&world.file(), &messages[..1]);
    let topic = messages[0].topic.to_string();
    let named = |byte| MessageHash::from_bytes([byte; 32]);
    insert(&nwaku, &messages[1], named(1), &topic);
    insert(&nwaku, &messages[2], named(2), "/waku/2/default-waku/proto");
    insert(&nwaku, &messages[3], named(3), &topic);
    insert(&nwaku, &messages[4], named(4), &topic);
    insert(&nwaku, &messages[5], named(5), &topic);
    for (column, value, hash) in
        [("meta", "zeroblob(65)", 3), ("contentTopic", "x'ff'", 4), ("version", "-1", 5)]
    {
        let update = format!("UPDATE Message SET {column} = {value} WHERE messageHash = ?");
        assert_eq!(nwaku.execute(&update, [named(hash).as_bytes()]).expect("updated"), 1);
    }
    let (all, _) = read_all(&mut open(&world.file()).expect("opened"));
    assert_eq!(all.messages, messages[..1]);
    let mut refused: Vec<(Refusal, String)> =
        all.refused.into_iter().map(|row| (row.refusal, row.example)).collect();
    refused.sort();
    let mut expected = vec![
        (Refusal::ForeignTopic, "/waku/2/default-waku/proto".to_owned()),
        (Refusal::WrongHash, named(1).to_string()),
        (Refusal::ContentTopic, named(4).to_string()),
        (Refusal::Meta, named(3).to_string()),
        (Refusal::Version, named(5).to_string()),
    ];
    expected.sort();
    assert_eq!(refused, expected);
}

#[test]
fn the_file_is_left_as_it_was() {
    let world = World::new();
    drop(create(&world.file(), &messages(20)));
    let before = std::fs::read(world.file()).expect("there");
    assert_eq!(read_all(&mut open(&world.file()).expect("opened")).0.messages.len(), 20);
    assert_eq!(std::fs::read(world.file()).expect("there"), before);
    let log = world.folder.path().join("store.sqlite3-wal").metadata();
    assert!(log.is_ok_and(|log| log.len() == 0), "readers in WAL mode leave an empty log behind");
    let nwaku = Connection::open(world.file()).expect("opened");
    assert_eq!(nwaku.query_row("SELECT count(*) FROM Message", [], |row| row.get::<_, i64>(0)), Ok(20));
}

#[test]
fn a_file_in_a_folder_that_cannot_be_written_is_read_without_a_log() {
    let world = World { folder: TempDir::with_prefix("50%? #").expect("temporary folder") };
    let messages = messages(3);
    drop(create(&world.file(), &messages));
    let connection = sqlite::connect_immutable(&world.file()).expect("opened");
    assert_eq!(connection.query_row("SELECT count(*) FROM Message", [], |row| row.get::<_, i64>(0)), Ok(3));
    assert_eq!(std::fs::read_dir(world.folder.path()).expect("read").count(), 1);
}

#[test]
fn what_a_killed_nwaku_left_in_its_log_is_read() {
    let world = World::new();
    let messages = messages(20);
    let nwaku = create(&world.file(), &messages);
    let copy = World::new();
    for suffix in ["", "-wal"] {
        let name = format!("store.sqlite3{suffix}");
        std::fs::copy(world.folder.path().join(&name), copy.folder.path().join(&name)).expect("copied");
    }
    drop(nwaku);
    assert_eq!(read_all(&mut open(&copy.file()).expect("opened")).0.messages, messages);
}

#[test]
fn schemas_of_other_versions_are_refused_by_their_number() {
    for (statements, text) in [
        ("PRAGMA user_version = 11", "has version 11 of nwaku's schema; this weir reads up to 10"),
        ("PRAGMA user_version = 9", "has version 9 of nwaku's schema; versions 10 to 10 are read"),
        ("DROP TABLE Message", "has no archive of nwaku"),
        ("ALTER TABLE Message DROP COLUMN meta", "has no archive of nwaku"),
        (
            "ALTER TABLE Message ADD COLUMN storedAt; PRAGMA user_version = 0",
            "has version 0 of nwaku's schema",
        ),
    ] {
        let world = World::new();
        create(&world.file(), &[]).execute_batch(statements).expect("done");
        let refused = open(&world.file()).expect_err("refused").to_string();
        assert!(refused.contains(text), "{statements}: {refused}");
    }
    let world = World::new();
    create(&world.file(), &[]).execute_batch("PRAGMA user_version = 0").expect("done");
    assert_eq!(read_all(&mut open(&world.file()).expect("made without migrations")), (Part::default(), 0));
}

#[test]
fn what_is_no_database_is_refused() {
    let world = World::new();
    assert!(matches!(open(&world.file()), Err(NwakuError::Missing(_))));
    assert!(!world.file().exists());
    std::fs::write(world.file(), [7; 5000]).expect("written");
    let refused = open(&world.file()).expect_err("refused").to_string();
    assert!(refused.contains("not a database"), "{refused}");
    std::fs::write(world.file(), []).expect("written");
    assert!(matches!(open(&world.file()), Err(NwakuError::NotNwaku(_))));
}

#[test]
fn the_next_rows_are_found_in_an_index() {
    let world = World::new();
    let nwaku = create(&world.file(), &messages(1));
    let plan: String = nwaku
        .query_row(
            &format!("EXPLAIN QUERY PLAN {}", sqlite::next_rows_query()),
            params![0, [0_u8; 32]],
            |row| row.get(3),
        )
        .expect("explained");
    assert_eq!(plan, "SEARCH Message USING INDEX i_ts ((timestamp,messageHash)>(?,?))");
}

#[test]
fn sources_are_read_as_nwaku_writes_them() {
    assert_eq!("sqlite:///var/store.sqlite3".parse(), Ok(Source::Sqlite("/var/store.sqlite3".into())));
    assert_eq!("sqlite://store.sqlite3".parse(), Ok(Source::Sqlite("store.sqlite3".into())));
    let postgres: Source = "postgres://waku:secret@host/waku".parse().expect("a source");
    assert_eq!(postgres.to_string(), "postgres://waku@host/waku");
    for text in ["", "store.sqlite3", "sqlite://", "mysql://host/waku", "postgres://"] {
        assert_eq!(text.parse::<Source>(), Err(NotASource), "{text}");
    }
}
