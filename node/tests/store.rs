//! `weir store` as an operator meets it.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use weir_core::{ContentTopic, MessageHash, Meta, ProofField, Timestamp, WakuMessage, store::StoredMessage};
use weir_storage::{
    archive::{self, Archive, Location, MAX_BATCH, Options},
    postgres_server::{Fsync, PostgresServer},
};
use weir_wire::encode_archive_record;

/// Where the first message is: 2023-11-14T22:13:20Z.
const BEGIN: i64 = 1_700_000_000;

fn command(arguments: &[&str]) -> Command {
    let inherited = std::env::vars().filter(|(name, _)| !name.starts_with("WEIR_"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("store").args(arguments).env_clear().envs(inherited);
    command
}

/// A child has our open files, and their locks, until it runs its own program. So processes are started and
/// archives opened one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(command: &mut Command) -> Child {
    let _alone = alone();
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

fn weir(arguments: &[&str]) -> Output {
    start(command(arguments).stdin(Stdio::null())).wait_with_output().expect("it ends")
}

fn weir_fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = start(command(arguments).stdin(Stdio::piped()));
    // It may stop reading early.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("it ends")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn success(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

/// Exit code 1; the text on standard error.
fn failure(output: &Output) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error: ") && !text.contains("panicked"), "{text}");
    text
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}{}", stdout(output), stderr(output)))
}

/// A temporary folder; `data` in it is the data folder.
struct World {
    folder: TempDir,
    data: String,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().expect("temporary folder");
        let data = format!("--data-dir={}", folder.path().join("data").display());
        Self { folder, data }
    }

    /// With an archive of `messages`.
    fn with(messages: &[StoredMessage]) -> Self {
        let world = Self::new();
        let _alone = alone();
        let archive = world.open();
        for batch in messages.chunks(MAX_BATCH) {
            archive.insert(batch).expect("stored");
        }
        world
    }

    fn archive(&self) -> String {
        self.path("data/archive")
    }

    fn open(&self) -> Arc<dyn Archive> {
        fs::create_dir_all(self.folder.path().join("data")).expect("made");
        archive::open(&Location::Folder(self.archive().into()), Options::default()).expect("opened")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn names(&self) -> Vec<String> {
        let entries = self.folder.path().read_dir().expect("there");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("read").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn count(&self) -> String {
        success(&weir(&["count", &self.data])).trim().to_owned()
    }
}

/// The URL of a new database.
fn database() -> String {
    let _alone = alone();
    PostgresServer::shared().database()
}

/// Messages in their order, one a second, on 3 shards with 2 content topics.
fn messages(count: i64) -> Vec<StoredMessage> {
    (0..count)
        .map(|index| {
            let message = WakuMessage {
                payload: vec![index as u8; 100 + (index as usize * 37) % 1900].into(),
                content_topic: ContentTopic::new(&format!("/app/1/{}/proto", index % 2)).expect("topic"),
                version: 0,
                timestamp: Timestamp::from_secs(BEGIN + index),
                meta: Meta::new(vec![7; index as usize % 3].into()).expect("short"),
                ephemeral: false,
                proof: if index % 4 == 0 {
                    ProofField::Malformed(vec![9; 20].into())
                } else {
                    ProofField::Absent
                },
            };
            StoredMessage::new(format!("/waku/2/rs/1/{}", index % 3).parse().expect("topic"), message)
        })
        .collect()
}

fn records(messages: &[StoredMessage]) -> Vec<u8> {
    messages.iter().flat_map(encode_archive_record).collect()
}

#[test]
fn an_export_is_imported_and_exported_to_the_same_bytes() {
    let messages = messages(1000);
    let from = World::with(&messages);
    let file = from.path("export.bin");
    let exported = weir(&["export", &from.data, "--output", &file]);
    assert_eq!(success(&exported), "");
    let bytes = fs::read(&file).expect("written");
    assert!(bytes == records(&messages), "an export is the records of the messages in their order");
    assert!(stderr(&exported).contains(&format!("exported 1000 messages in {} bytes", bytes.len())));
    assert_eq!(from.names(), ["data", "export.bin"], "nothing unfinished is left");

    let to = World::new();
    let report = success(&weir(&["import", &to.data, "--input", &file]));
    assert_eq!(report, "read     1000\nnew      1000\nknown    0\nrefused  0\n");
    let again = weir(&["export", &to.data]);
    assert!(again.status.success() && again.stdout == bytes);

    let repeated = weir_fed(&["import", &to.data, "--format=json"], &bytes);
    success(&repeated);
    assert_eq!(answer(&repeated), json!({"read": 1000, "new": 0, "known": 1000, "refused": {}}));
    assert_eq!(to.count(), "1000");
    assert_eq!(
        success(&weir(&["verify", &to.data])),
        "messages      1000\nwrong hash    0\nindex errors  0\n"
    );
}

#[test]
fn a_part_is_selected_by_time_and_topic() {
    let messages = messages(600);
    let world = World::with(&messages);
    let at = |index: i64| (BEGIN + index) * 1_000_000_000;
    let (first, last) = (format!("--start={}", at(100)), format!("--end={}", at(299)));
    for (selection, selected) in [
        (vec![first.as_str(), &last], messages[100..300].to_vec()),
        (vec!["--start=2023-11-14T22:15:00Z"], messages[100..].to_vec()),
        (vec!["--end", "2023-11-14T23:14:59+01:00"], messages[..100].to_vec()),
        (vec!["--start", "-1", "--end", "0"], vec![]),
        (
            vec!["--pubsub-topic=/waku/2/rs/1/2", "--content-topic=/app/1/0/proto", &first],
            messages[100..]
                .iter()
                .enumerate()
                .filter(|(index, _)| (index + 100) % 6 == 2)
                .map(|(_, m)| m.clone())
                .collect(),
        ),
        (vec!["--content-topic=/app/1/0/proto", "--content-topic=/app/1/1/proto"], messages.clone()),
    ] {
        let exported = weir(&[&["export", &world.data][..], &selection].concat());
        assert!(exported.status.success(), "{selection:?}: {}", stderr(&exported));
        assert!(exported.stdout == records(&selected), "{selection:?}");
        let counted = weir(&[&["count", &world.data, "--format=json"][..], &selection].concat());
        assert_eq!(answer(&counted), json!({"messages": selected.len()}), "{selection:?}");
    }
    for (selection, reason) in [
        ("--start=yesterday", "expected a time as 2026-11-25T09:30:00Z"),
        ("--end=2300-01-01T00:00:00Z", "between the years 1677 and 2262"),
        ("--pubsub-topic=/waku/2/default-waku/proto", "is not a pubsub topic"),
        ("--content-topic= ", "the content topic is empty"),
    ] {
        let text = failure(&weir(&["export", &world.data, selection]));
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn stats_tell_what_there_is() {
    let world = World::with(&messages(4));
    let stats = answer(&weir(&["stats", &world.data, "--format=json"]));
    assert!(stats["bytes"].as_u64() > Some(1000), "{stats}");
    assert_eq!(
        stats,
        json!({
            "backend": "redb",
            "place": world.archive(),
            "messages": 4,
            "bytes": stats["bytes"],
            "oldest": BEGIN * 1_000_000_000,
            "newest": (BEGIN + 3) * 1_000_000_000,
            "by_topic": {"/waku/2/rs/1/0": 2, "/waku/2/rs/1/1": 1, "/waku/2/rs/1/2": 1},
        })
    );
    let table = success(&weir(&["stats", &world.data]));
    assert!(table.contains("oldest    2023-11-14T22:13:20.000000000Z\n"), "{table}");
    assert!(
        table
            .ends_with("TOPIC           MESSAGES\n/waku/2/rs/1/0  2\n/waku/2/rs/1/1  1\n/waku/2/rs/1/2  1\n"),
        "{table}"
    );
}

#[test]
fn a_stream_that_is_cut_short_or_garbage_is_refused_at_its_place() {
    let messages = messages(30);
    let bytes = records(&messages);
    let whole = records(&messages[..20]);
    let garbage = [&whole[..], &[0xff; 30]].concat();
    let no_message = [&whole[..], &[3, 1, 2, 3]].concat();
    let place = format!("record 21 at byte {}", whole.len());
    for (stream, reason) in [
        (
            &bytes[..whole.len() + 9],
            format!("cut short: it ends inside record 21, which begins at byte {}", whole.len()),
        ),
        (&garbage, format!("no export: {place}: the length prefix does not end")),
        (&no_message, format!("no export: {place}: ")),
    ] {
        let world = World::new();
        let output = weir_fed(&["import", &world.data], stream);
        let text = failure(&output);
        assert!(text.contains(&reason), "{text}");
        assert!(stdout(&output).contains("new      20\n"), "{}", stdout(&output));
        assert_eq!(world.count(), "20");
        // What was there is no hindrance when the whole stream comes.
        assert!(success(&weir_fed(&["import", &world.data], &bytes)).contains("new      10\nknown    20\n"));
    }
    let world = World::new();
    let text = failure(&weir(&["import", &world.data, "--input", &world.path("none")]));
    assert!(text.contains("none: No such file"), "{text}");
    assert_eq!(world.names(), Vec::<String>::new(), "no archive is made for nothing");
}

#[test]
fn records_that_no_archive_keeps_are_counted_and_the_others_stored() {
    let mut messages = messages(5);
    messages[1].hash = messages[0].hash;
    messages[3].message.ephemeral = true;
    let world = World::new();
    let output = weir_fed(&["import", &world.data, "--format=json"], &records(&messages));
    assert!(failure(&output).contains("messages refused: 2"), "{}", stderr(&output));
    let report = answer(&output);
    assert_eq!((&report["read"], &report["new"]), (&json!(5), &json!(3)), "{report}");
    assert_eq!(report["refused"]["ephemeral"], json!({"messages": 1, "example": "record 4"}));
    assert_eq!(report["refused"]["wrong_hash"]["messages"], 1);
    assert_eq!(world.count(), "3");
}

#[test]
fn an_archive_that_contradicts_itself_is_told_by_the_exit_code() {
    let mut messages = messages(5);
    messages[2].hash = MessageHash::from_bytes([7; 32]);
    let world = World::with(&messages);
    let output = weir(&["verify", &world.data, "--format=json"]);
    assert!(failure(&output).contains("the archive is damaged: 1 errors"), "{}", stderr(&output));
    assert_eq!(answer(&output), json!({"messages": 5, "wrong_hash": 1, "index_errors": 0}));
}

#[test]
fn a_server_that_goes_away_ends_an_import_that_can_be_run_again() {
    let alone_for = |work: &dyn Fn()| {
        let _alone = alone();
        work();
    };
    let (server, url) = {
        let _alone = alone();
        let server = PostgresServer::start(Fsync::Off);
        let url = server.database();
        (server, url)
    };
    let into = format!("--store-message-db-url={url}");
    let bytes = records(&messages(100));
    success(&weir_fed(&["import", &into], &bytes[..0]));
    alone_for(&|| server.stop());
    let text = failure(&weir_fed(&["import", &into], &bytes));
    assert!(text.contains("the archive is unavailable") && text.contains("0 messages were stored"), "{text}");
    alone_for(&|| server.start_again());
    assert!(success(&weir_fed(&["import", &into], &bytes)).contains("new      100\n"));
}

#[test]
fn an_archive_that_is_not_there_is_not_made_by_looking() {
    let world = World::new();
    for (name, more) in
        [("count", ""), ("stats", "--format=json"), ("verify", "--format=text"), ("export", "-o-")]
    {
        let arguments: Vec<&str> =
            [name, &world.data, more].into_iter().filter(|text| !text.is_empty()).collect();
        let text = failure(&weir(&arguments));
        assert!(text.contains(&format!("there is no archive in {}", world.archive())), "{text}");
    }
    assert_eq!(world.names(), Vec::<String>::new());
}

#[test]
fn an_archive_in_use_is_said_to_be() {
    let world = World::with(&messages(3));
    let node = {
        let _alone = alone();
        world.open()
    };
    let file = world.path("export.bin");
    for arguments in [
        vec!["count", &world.data],
        vec!["stats", &world.data],
        vec!["verify", &world.data],
        vec!["export", &world.data, "--output", &file],
        vec!["import", &world.data, "--input", "/dev/null"],
    ] {
        let text = failure(&weir(&arguments));
        assert!(text.contains(&format!("the archive in {} is in use", world.archive())), "{text}");
    }
    assert!(!Path::new(&file).exists());
    drop(node);
    assert_eq!(world.count(), "3");
}

#[test]
fn urls_that_are_none_are_refused_without_their_passwords() {
    let world = World::new();
    for (url, reason) in [
        ("mysql://waku:secret@host/waku", "not a URL that starts with mysql:"),
        ("secret", "expected postgres://"),
        ("postgres://waku:secret@127.0.0.1:1/waku", "the archive is unavailable"),
        ("postgres://waku:secret@127.0.0.1:1/waku?sslmode=require", "sslmode=require is not supported"),
    ] {
        let text = failure(&weir(&["count", &format!("--store-message-db-url={url}")]));
        assert!(text.contains(reason) && !text.contains("secret"), "{text}");
    }
    let text = failure(&weir(&["migrate", &world.data, "--from=mysql://waku:secret@host/waku"]));
    assert!(text.contains("--from: expected sqlite://") && !text.contains("secret"), "{text}");
    assert_eq!(world.names(), Vec::<String>::new());
}

#[test]
fn a_reader_that_leaves_early_ends_the_export_with_a_word() {
    let world = World::with(&messages(500));
    let mut child = start(&mut command(&["export", &world.data]));
    let mut reader = child.stdout.take().expect("piped");
    reader.read_exact(&mut [0; 10]).expect("the first bytes");
    drop(reader);
    let text = failure(&child.wait_with_output().expect("it ends"));
    assert!(text.contains("the export was not read to its end"), "{text}");
}

#[test]
fn an_export_that_fails_leaves_what_was_there() {
    let world = World::with(&messages(500));
    let text = failure(&weir(&["export", &world.data, "--output", &world.path("none/export.bin")]));
    assert!(text.contains("No such file"), "{text}");
    let text = failure(&weir(&["export", &world.data, "--output=/dev/full"]));
    assert!(text.contains("/dev/full: No space left"), "{text}");
    success(&weir(&["export", &world.data, "--output=/dev/null"]));
    assert!(!Path::new("/dev/null").metadata().expect("there").is_file());

    // A link stays a link, and its target is replaced.
    let (target, link) = (world.path("target"), world.path("link"));
    fs::write(&target, "before").expect("written");
    std::os::unix::fs::symlink(&target, &link).expect("linked");
    success(&weir(&["export", &world.data, "--output", &link]));
    assert!(Path::new(&link).is_symlink());
    assert!(fs::read(&target).expect("there") == records(&messages(500)));
    assert_eq!(world.names(), ["data", "link", "target"]);
}

#[test]
fn an_archive_in_postgresql_is_used_in_the_same_way() {
    let messages = messages(700);
    let url = database();
    let with_url = |arguments: &[&str], input: &[u8]| {
        let mut child =
            start(command(arguments).env("WEIR_STORE_MESSAGE_DB_URL", &url).stdin(Stdio::piped()));
        child.stdin.take().expect("piped").write_all(input).expect("read");
        child.wait_with_output().expect("it ends")
    };
    assert!(success(&with_url(&["import"], &records(&messages))).contains("new      700\n"));
    assert_eq!(success(&with_url(&["count"], b"")), "700\n");
    let exported = with_url(&["export"], b"");
    assert!(exported.status.success() && exported.stdout == records(&messages));
    let stats = answer(&with_url(&["stats", "--format=json"], b""));
    assert_eq!((&stats["backend"], &stats["messages"]), (&json!("postgres"), &json!(700)));
    assert_eq!(answer(&with_url(&["verify", "--format=json"], b""))["index_errors"], 0);
}

/// As nwaku's archive has it: without a proof.
fn without_proof(messages: &[StoredMessage]) -> Vec<StoredMessage> {
    let without = |stored: &StoredMessage| {
        let message = WakuMessage { proof: ProofField::Absent, ..stored.message.clone() };
        StoredMessage::new(stored.topic, message)
    };
    messages.iter().map(without).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An archive of nwaku in SQLite: `messages`, and a row of a named topic.
fn nwaku_in_sqlite(path: &str, messages: &[StoredMessage]) -> Connection {
    let nwaku = Connection::open(path).expect("made");
    let mut sql = "PRAGMA journal_mode = WAL;
        CREATE TABLE Message (messageHash BLOB NOT NULL PRIMARY KEY, pubsubTopic BLOB NOT NULL,
            contentTopic BLOB NOT NULL, payload BLOB, version INTEGER NOT NULL, timestamp INTEGER NOT NULL,
            meta BLOB) WITHOUT ROWID;
        CREATE INDEX i_ts ON Message (timestamp);
        PRAGMA user_version = 10;
        BEGIN;
        INSERT INTO Message VALUES (x'01', CAST('/waku/2/default-waku/proto' AS BLOB), x'61', NULL, 0, 5, NULL);"
        .to_owned();
    for StoredMessage { hash, topic, message } in messages {
        sql.push_str(&format!(
            "INSERT INTO Message VALUES (x'{}', x'{}', x'{}', x'{}', 0, {}, nullif(x'{}', x''));",
            hex(hash.as_bytes()),
            hex(topic.to_string().as_bytes()),
            hex(message.content_topic.as_str().as_bytes()),
            hex(&message.payload),
            message.timestamp,
            hex(message.meta.as_bytes()),
        ));
    }
    nwaku.execute_batch(&(sql + "COMMIT;")).expect("nwaku's archive");
    nwaku
}

#[test]
fn nwakus_sqlite_archive_is_taken_over_while_it_runs() {
    let messages = messages(1000);
    let world = World::new();
    let file = world.path("store.sqlite3");
    let from = format!("--from=sqlite://{file}");
    let nwaku = nwaku_in_sqlite(&file, &messages[..900]);

    let output = weir(&["migrate", &world.data, &from]);
    let report = success(&output);
    assert_eq!(
        report,
        "read     901\nnew      900\nknown    0\nrefused  1\n  1: the pubsub topic is not \
         /waku/2/rs/<cluster>/<shard>, for example of /waku/2/default-waku/proto\n"
    );
    assert!(stderr(&output).contains("keep no RLN proofs"), "{}", stderr(&output));
    assert!(weir(&["export", &world.data]).stdout == records(&without_proof(&messages[..900])));

    // Broken off or not, it is run again; a row that was altered fails it.
    drop(nwaku);
    fs::remove_file(&file).expect("there");
    let nwaku = nwaku_in_sqlite(&file, &messages);
    nwaku
        .execute_batch("UPDATE Message SET payload = x'00' WHERE timestamp = 1700000950000000000")
        .expect("altered");
    let output = weir(&["migrate", &world.data, &from, "--format=json", "--start=2023-11-14T22:28:20Z"]);
    assert!(failure(&output).contains("messages refused: 1"), "{}", stderr(&output));
    let report = answer(&output);
    assert_eq!((&report["read"], &report["new"], &report["known"]), (&json!(100), &json!(99), &json!(0)));
    let refused = json!({"wrong_hash": {"messages": 1, "example": messages[950].hash.to_string()}});
    assert_eq!(report["refused"], refused);
    assert!(success(&weir(&["verify", &world.data])).starts_with("messages      999\nwrong hash    0\n"));
}

#[test]
fn nwakus_postgresql_archive_is_taken_over_even_into_the_same_database() {
    let messages = messages(700);
    let url = database();
    let run = |sql: &str| {
        let _alone = alone();
        // postgres://weir@/<database>?host=...
        let database = url.split(['/', '?']).nth(3).expect("the URL names it");
        PostgresServer::shared().sql(database, sql);
    };
    run("CREATE TABLE messages (messageHash varchar, timestamp bigint, pubsubTopic varchar, contentTopic varchar,
             payload varchar, meta varchar, version integer, id varchar, PRIMARY KEY (messageHash, timestamp))
             PARTITION BY RANGE (timestamp);
         CREATE INDEX ON messages (timestamp);
         CREATE TABLE version (version integer);
         INSERT INTO version VALUES (8)");
    let hour = BEGIN - BEGIN % 3600;
    let mut sql = format!(
        "CREATE TABLE messages_{hour}_{end} PARTITION OF messages FOR VALUES FROM ({hour}000000000) TO ({end}000000000);",
        end = hour + 3600
    );
    for StoredMessage { hash, topic, message } in &messages {
        sql.push_str(&format!(
            "INSERT INTO messages (id, messageHash, pubsubTopic, contentTopic, payload, version, timestamp, meta) \
             VALUES ('0', '{}', '{topic}', '{}', '{}', 0, {}, nullif('{}', ''));",
            hex(hash.as_bytes()),
            message.content_topic,
            // Statements on a command line have their limit.
            hex(&message.payload),
            message.timestamp,
            hex(message.meta.as_bytes()),
        ));
        if sql.len() > 50_000 {
            run(&sql);
            sql.clear();
        }
    }
    run(&format!("{sql}SELECT 1"));

    let world = World::new();
    let from = format!("--from={url}");
    assert!(success(&weir(&["migrate", &world.data, &from])).starts_with("read     700\nnew      700\n"));
    assert!(weir(&["export", &world.data]).stdout == records(&without_proof(&messages)));

    let into = format!("--store-message-db-url={url}");
    assert!(success(&weir(&["migrate", &into, &from])).starts_with("read     700\nnew      700\n"));
    assert!(
        success(&weir(&["migrate", &into, &from])).starts_with("read     700\nnew      0\nknown    700\n")
    );
    assert!(weir(&["export", &into]).stdout == records(&without_proof(&messages)));
}

#[test]
fn what_is_no_archive_of_nwaku_is_refused_and_nothing_is_made() {
    let world = World::new();
    let none = format!("--from=sqlite://{}", world.path("none.sqlite3"));
    assert!(failure(&weir(&["migrate", &world.data, &none])).contains("there is no file"));
    let file = world.path("store.sqlite3");
    Connection::open(&file).expect("made").execute_batch("CREATE TABLE other (a)").expect("made");
    let from = format!("--from=sqlite://{file}");
    assert!(failure(&weir(&["migrate", &world.data, &from])).contains("has no archive of nwaku"));
    assert_eq!(world.names(), ["store.sqlite3"]);
    let empty = format!("--from={}", database());
    assert!(failure(&weir(&["migrate", &world.data, &empty])).contains("has no archive of nwaku"));
}
