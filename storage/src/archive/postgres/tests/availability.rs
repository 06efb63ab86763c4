//! Servers that are not there, or do not do everything.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn unavailable<T: std::fmt::Debug>(result: Result<T, ArchiveError>) -> String {
    match result {
        Err(ArchiveError::Unavailable(reason)) => reason,
        other => panic!("expected it to be unavailable: {other:?}"),
    }
}

#[test]
fn a_server_that_comes_and_goes_is_used_while_it_is_there() {
    let server = PostgresServer::start(Fsync::On);
    let url = server.database();
    server.stop();
    let archive = archive(&url);
    let one = [message(this_hour(), 0, "/a/1/b/c", 1)];
    unavailable(archive.insert(&one));
    unavailable(archive.query(&Query::default(), &|| true));
    unavailable(archive.summary());
    server.start_again();
    in_time("after the start", || archive.insert(&one));
    assert_eq!(ask(&*archive, &Query::default()).rows.len(), 1);
    server.crash();
    unavailable(archive.query(&Query::default(), &|| true));
    unavailable(archive.insert(&one));
    server.start_again();
    let inserted = in_time("after the crash", || archive.insert(&one));
    assert_eq!(inserted, Inserted { new: 0, known: 1 });
    assert_eq!(ask(&*archive, &Query::default()).rows.len(), 1);
}

#[test]
fn a_server_that_takes_no_writes_still_answers() {
    let server = PostgresServer::shared();
    let url = server.database();
    let one = [message(this_hour(), 0, "/a/1/b/c", 1)];
    archive(&url).insert(&one).expect("inserts");
    server.sql(
        "postgres",
        &format!("ALTER DATABASE {} SET default_transaction_read_only = on", database(&url)),
    );
    let archive = archive(&url);
    let two = [message(this_hour(), 0, "/a/1/b/c", 2)];
    let reason = unavailable(archive.insert(&two));
    assert!(reason.contains("read-only"), "{reason}");
    unavailable(archive.trim(Trim::OlderThan(Timestamp::from_nanos(i64::MAX))));
    assert_eq!(ask(&*archive, &Query::default()).rows.len(), 1);
    assert_eq!(archive.summary().expect("answers").messages, 1);
}

#[test]
fn an_empty_database_that_takes_no_writes_is_waited_for() {
    let server = PostgresServer::shared();
    let url = server.database();
    let set =
        |value| format!("ALTER DATABASE {} SET default_transaction_read_only = {value}", database(&url));
    server.sql("postgres", &set("on"));
    let archive = archive(&url);
    let reason = unavailable(archive.query(&Query::default(), &|| true));
    assert!(reason.contains("read-only"), "{reason}");
    server.sql("postgres", &set("off"));
    // Sessions that began before keep what they were told.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weir'";
    server.sql(database(&url), &format!("{end} AND datname = current_database()"));
    in_time("writes are back", || archive.insert(&[message(this_hour(), 0, "/a/1/b/c", 1)]));
}

#[test]
fn a_full_disk_is_told_apart() {
    let server = PostgresServer::shared();
    let url = server.database();
    let archive = archive(&url);
    server.sql(
        database(&url),
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN RAISE EXCEPTION USING ERRCODE = ''53100'', MESSAGE = ''no space''; END';
         CREATE TRIGGER full_disk BEFORE INSERT ON weir.message EXECUTE FUNCTION full_disk()",
    );
    let error = archive.insert(&[message(this_hour(), 0, "/a/1/b/c", 1)]).expect_err("full");
    assert!(matches!(&error, ArchiveError::Full(reason) if reason.contains("no space")), "{error}");
    assert_eq!(archive.summary().expect("answers").messages, 0);
}

#[test]
fn what_will_not_get_better_fails_at_the_start_and_keeps_passwords() {
    let server = PostgresServer::start(Fsync::Off);
    let url = server.database();
    server.sql("postgres", "CREATE ROLE other LOGIN PASSWORD 'right'; CREATE ROLE guest LOGIN");
    server.sql(
        "postgres",
        "DO $$ BEGIN EXECUTE format(
             'COPY (VALUES (''local all other scram-sha-256''), (''local all all trust'')) TO %L',
             current_setting('hba_file')); END $$;
         SELECT pg_reload_conf()",
    );
    let other = |password: &str| url.replace("weir@", &format!("other{password}@"));
    let wrong_password = in_time("the rules are read again", || match try_open(&other(":s3cret")) {
        Err(error) => Ok(error),
        Ok(_) => Err(ArchiveError::Unavailable("logged in".to_owned())),
    });
    let parameter = format!("{url}&sslmode=require&password=s3cret");
    for (error, part) in [
        (wrong_password, "password authentication failed"),
        (try_open(&other("")).expect_err("no password"), "password"),
        (try_open(&url.replace(database(&url), "nowhere")).expect_err("no database"), "does not exist"),
        (try_open(&url.replace("weir@", "guest@")).expect_err("no rights"), "permission denied"),
        (try_open(&url.replace("weir@", "nobody@")).expect_err("no role"), "does not exist"),
    ] {
        assert!(matches!(error, OpenArchiveError::Refused { .. }), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(part) && !text.contains("s3cret"), "{text}");
    }
    for (url, part) in [
        (parameter.as_str(), "not encrypted"),
        ("postgres://weir:s3cret@localhost/weir?sslmode=verify-full", "sslmode"),
        ("postgres://weir:s3cret@localhost/weir?passwort=s3cret", "passwort"),
        ("postgres://weir:s3cret@localhost:port/weir", "port"),
    ] {
        let error = try_open(url).expect_err("refused");
        assert!(matches!(error, OpenArchiveError::Url { .. }), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(part) && !text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_query_that_nobody_waits_for_ends_at_the_server_too() {
    let server = PostgresServer::shared();
    let url = server.database();
    let archive = archive(&url);
    archive.insert(&[message(this_hour(), 0, "/a/1/b/c", 1)]).expect("inserts");
    let held = server.session(&url, "BEGIN; LOCK TABLE weir.message");
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'weir' AND wait_event_type = 'Lock' AND datname = current_database()";
    let count = || server.sql(database(&url), waiting);
    let wanted = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let query = scope.spawn(|| archive.query(&Query::default(), &|| wanted.load(Ordering::Relaxed)));
        let is = |expected: &str| match count() {
            count if count == expected => Ok(()),
            count => Err(ArchiveError::Unavailable(count)),
        };
        in_time("the query waits", || is("1"));
        wanted.store(false, Ordering::Relaxed);
        let answer = query.join().expect("no panic");
        assert!(matches!(answer, Err(ArchiveError::Cancelled)), "{answer:?}");
        in_time("the server has given up", || is("0"));
    });
    drop(held);
    in_time("the lock is gone", || archive.query(&Query::default(), &|| true));
}

#[test]
fn queries_that_hang_leave_connections_for_writing() {
    let server = PostgresServer::shared();
    let url = server.database();
    let archive = archive(&url);
    archive.insert(&[message(this_hour(), 0, "/a/1/b/c", 1)]).expect("inserts");
    // What these queries read and trimming does not.
    let held = server.session(&url, "BEGIN; LOCK TABLE weir.topic IN ACCESS EXCLUSIVE MODE");
    let wanted = AtomicBool::new(true);
    let query = Query { content_topics: vec![content_topic("/a/1/b/c")], ..Query::default() };
    std::thread::scope(|scope| {
        // More than there are connections; they wait for weir.topic.
        for _ in 0..8 {
            scope.spawn(|| archive.query(&query, &|| wanted.load(Ordering::Relaxed)));
        }
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE application_name = 'weir' AND wait_event_type = 'Lock' AND datname = current_database()";
        in_time("all connections for reading are busy", || {
            match server.sql(database(&url), waiting).as_str() {
                "2" => Ok(()),
                count => Err(ArchiveError::Unavailable(count.to_owned())),
            }
        });
        let trimmed = archive.trim(Trim::ToCount(0));
        wanted.store(false, Ordering::Relaxed);
        assert!(matches!(trimmed, Ok(Trimmed { removed: 1, .. })), "{trimmed:?}");
    });
    drop(held);
}
