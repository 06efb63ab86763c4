//! On a real server.

use tokio::runtime::Builder;
use tokio_postgres::{Client, NoTls};

use super::*;
use crate::postgres_server::PostgresServer;

/// The tables of schemas 6 to 8, which differ in what is not read, with the indexes of the newest.
const TABLES: &str = "
    CREATE TABLE messages (
        messageHash VARCHAR, timestamp BIGINT, pubsubTopic VARCHAR NOT NULL, contentTopic VARCHAR NOT NULL,
        payload VARCHAR, meta VARCHAR, version INTEGER NOT NULL, id VARCHAR NOT NULL,
        PRIMARY KEY (messageHash, timestamp)
    ) PARTITION BY RANGE (timestamp);
    CREATE INDEX ON messages (messageHash);
    CREATE INDEX ON messages (timestamp);
    CREATE INDEX ON messages (pubsubTopic);
    CREATE INDEX ON messages (contentTopic);
    CREATE TABLE version (version INTEGER NOT NULL)";

const INSERT: &str = "INSERT INTO messages (id, messageHash, pubsubTopic, contentTopic, payload, version, timestamp, meta) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, nullif($8, ''))";

/// Nanoseconds of an hour, which a partition has.
const HOUR: i64 = 3600 * 1_000_000_000;

/// A database of nwaku.
struct Database(String);

impl Database {
    /// With the schema of `version` and no partition.
    fn of_version(version: usize) -> Self {
        let database = Self(PostgresServer::shared().database());
        database.execute(&format!("{TABLES}; INSERT INTO version VALUES ({version})"));
        database
    }

    /// With partitions for the hours of `messages`, and those in them.
    fn with(messages: &[StoredMessage]) -> Self {
        let database = Self::of_version(8);
        database.on_client(async |client| {
            for stored in messages {
                insert(client, stored, &hex::encode(stored.hash.as_bytes()), &stored.topic.to_string()).await;
            }
        });
        database
    }

    fn execute(&self, sql: &str) {
        self.on_client(async |client| client.batch_execute(sql).await.expect(sql));
    }

    fn on_client<T>(&self, work: impl AsyncFnOnce(&Client) -> T) -> T {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.0, NoTls).await.expect("connected");
            tokio::spawn(connection);
            work(&client).await
        })
    }

    fn open(&self, start: i64) -> Result<Reader, NwakuError> {
        let source = self.0.parse().expect("a source");
        Reader::open(&source, Timestamp::from_nanos(start))
    }
}

/// As nwaku does, with a partition for the hour made first.
async fn insert(client: &Client, stored: &StoredMessage, hash: &str, topic: &str) {
    let message = &stored.message;
    let timestamp = message.timestamp.as_nanos();
    let from = timestamp - timestamp.rem_euclid(HOUR);
    let until = from + HOUR;
    let name = format!("messages_{}_{}", from / 1_000_000_000, until / 1_000_000_000);
    let exists = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name]).await.expect("asked");
    if !exists.get::<_, bool>(0) {
        let create =
            format!("CREATE TABLE {name} PARTITION OF messages FOR VALUES FROM ({from}) TO ({until})");
        client.batch_execute(&create).await.expect("a partition");
    }
    let (payload, meta) = (hex::encode(&message.payload), hex::encode(message.meta.as_bytes()));
    let (content_topic, version) = (message.content_topic.as_str(), message.version as i32);
    let row: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
        [&"0", &hash, &topic, &content_topic, &payload, &version, &timestamp, &meta];
    client.execute(INSERT, &row).await.expect("inserted");
}

/// Messages over three days, most of them in one hour.
fn spread(count: i64) -> Vec<StoredMessage> {
    let mut spread: Vec<StoredMessage> = messages(count)
        .into_iter()
        .zip(0..)
        .map(|(stored, index): (StoredMessage, i64)| {
            let mut message = stored.message;
            let days = if index % 10 < 8 { 0 } else { index % 3 };
            let moment = message.timestamp.as_nanos() + days * postgres::WINDOW;
            message.timestamp = Timestamp::from_nanos(moment);
            StoredMessage::new(stored.topic, message)
        })
        .collect();
    spread.sort_by_key(StoredMessage::place);
    spread
}

#[test]
fn rows_come_in_order_and_whole_over_all_windows() {
    let messages = spread(1300);
    let database = Database::with(&messages);
    let mut reader = database.open(i64::MIN).expect("opened");
    assert_eq!(reader.count().expect("counted"), 1300);
    let (all, _) = read_all(&mut reader);
    assert_eq!((all.messages, all.refused), (messages.clone(), vec![]));

    let start = messages[1200].message.timestamp.as_nanos();
    let from = messages.partition_point(|stored| stored.message.timestamp.as_nanos() < start);
    let mut reader = database.open(start).expect("opened");
    assert_eq!(reader.count().expect("counted"), (1300 - from) as u64);
    assert_eq!(read_all(&mut reader).0.messages, messages[from..]);
}

#[test]
fn nwaku_drops_a_partition_between_two_parts() {
    let messages = spread(1300);
    let database = Database::with(&messages);
    let mut reader = database.open(i64::MIN).expect("opened");
    let first = reader.next_part().expect("read").expect("a part");
    assert_eq!(first.messages, messages[..MAX_BATCH]);
    let hour = messages[0].message.timestamp.as_nanos() / HOUR * 3600;
    database.execute(&format!("SET lock_timeout = '2s'; DROP TABLE messages_{hour}_{}", hour + 3600));
    let rest = read_all(&mut reader).0;
    let kept: Vec<StoredMessage> = messages
        .into_iter()
        .filter(|stored| stored.message.timestamp.as_nanos() / HOUR * 3600 != hour)
        .collect();
    assert!(!kept.is_empty());
    assert_eq!(rest.messages, kept);
}

#[test]
fn rows_that_are_no_messages_of_ours_are_told_apart() {
    let messages = messages(6);
    let database = Database::with(&messages[..1]);
    let named = |byte| MessageHash::from_bytes([byte; 32]);
    let topic = messages[0].topic.to_string();
    database.on_client(async |client| {
        for (index, topic) in
            [(1, topic.as_str()), (2, "/waku/2/default-waku/proto"), (3, &topic), (4, &topic)]
        {
            let hash = hex::encode(named(index).as_bytes());
            insert(client, &messages[usize::from(index)], &hash, topic).await;
        }
        insert(client, &messages[5], "zz", &topic).await;
    });
    database.execute(&format!("UPDATE messages SET payload = 'f' WHERE messageHash = '{}'", "03".repeat(32)));
    database.execute(&format!("UPDATE messages SET version = -1 WHERE messageHash = '{}'", "04".repeat(32)));
    let (all, _) = read_all(&mut database.open(0).expect("opened"));
    assert_eq!(all.messages, messages[..1]);
    let mut refused: Vec<(Refusal, String)> =
        all.refused.into_iter().map(|row| (row.refusal, row.example)).collect();
    refused.sort();
    let mut expected = vec![
        (Refusal::WrongHash, named(1).to_string()),
        (Refusal::ForeignTopic, "/waku/2/default-waku/proto".to_owned()),
        (Refusal::NotHex, "03".repeat(32)),
        (Refusal::Version, named(4).to_string()),
        (Refusal::NotHex, "zz".to_owned()),
    ];
    expected.sort();
    assert_eq!(refused, expected);
}

#[test]
fn versions_6_to_8_are_read_and_others_named() {
    for version in 1..=9 {
        let opened = Database::of_version(version).open(0);
        match version {
            1..=5 => assert!(matches!(opened, Err(NwakuError::TooOld { .. })), "{version}"),
            6..=8 => assert!(read_all(&mut opened.expect("read")).0.messages.is_empty()),
            _ => assert!(matches!(opened, Err(NwakuError::TooNew { found: 9, .. }))),
        }
    }
    let empty = Database(PostgresServer::shared().database());
    assert!(matches!(empty.open(0), Err(NwakuError::NotNwaku(_))));
}

#[test]
fn the_next_rows_are_found_in_the_indexes_of_their_partitions() {
    let messages = spread(1300);
    let database = Database::with(&messages);
    let (from, until) =
        (messages[0].message.timestamp.as_nanos(), messages[0].message.timestamp.as_nanos() + HOUR);
    let query = postgres::next_rows_query()
        .replace("$1", &from.to_string())
        .replace("$2", "'77'")
        .replace("$3", &until.to_string());
    let plan: String = database.on_client(async |client| {
        client.batch_execute(postgres::SESSION).await.expect("set");
        let rows = client.query(&format!("EXPLAIN (COSTS OFF) {query}"), &[]).await.expect("explained");
        rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
    });
    assert!(plan.contains("Index Scan using messages_"), "{plan}");
    assert!(plan.contains("_timestamp_idx"), "{plan}");
    assert!(!plan.contains("Seq Scan"), "{plan}");
}

#[test]
fn a_server_that_is_not_there_or_refuses_is_told_without_the_password() {
    let url = "postgres://waku:secret@127.0.0.1:1/waku";
    let refused =
        Reader::open(&url.parse().expect("a source"), Timestamp::ZERO).expect_err("refused").to_string();
    assert!(refused.contains("postgres://waku@127.0.0.1:1/waku"), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
    let none = PostgresServer::shared().url("nowhere");
    let refused =
        Reader::open(&none.parse().expect("a source"), Timestamp::ZERO).expect_err("refused").to_string();
    assert!(refused.contains("does not exist"), "{refused}");
}
