//! Starts that must fail: with exit code 1, a text that names the setting and the mend, and every file
//! as it was.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{
    node::{Exit, Setup},
    ports::free_port,
    world::{World, meshed, topic},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named_with_its_setting() {
    let world = World::new();
    for (setting, port) in [
        ("--tcp-port", Setup::tcp_port as fn(&Setup) -> u16),
        ("--rest-port", Setup::rest_port),
        ("--metrics-server-port", Setup::metrics_port),
    ] {
        let setup = world.node("a");
        let port = port(&setup);
        let occupant = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
        assert_refused(&setup.clone().run_to_end(), &[setting, &port.to_string(), "in use"]);
        drop(occupant);
        setup.start().await.stop();
    }
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let world = World::new();
    // Root may write anywhere but under a file.
    let file = world.path().join("file");
    fs::write(&file, "not a folder").expect("a writable world");
    let inside = file.join("data");
    let exit = Setup::new("a", inside.clone()).option("rln-relay", false).run_to_end();
    assert_refused(&exit, &["--data-dir", &inside.display().to_string(), "write access"]);
    assert_eq!(fs::read(&file).expect("still there"), b"not a folder");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_keystore_password_is_refused_and_the_keystore_stays() {
    let world = World::new();
    let first = world.node("a").option("rln-relay-cred-password", "horse battery").start().await;
    let setup = first.stop();
    let files = Files::of(setup.data_dir());
    let exit = setup.clone().option("rln-relay-cred-password", "open sesame").run_to_end();
    assert_refused(&exit, &["--rln-relay-cred-password", "password does not open", "keystore.json"]);
    assert!(!exit.stderr.contains("open sesame"), "a password is not repeated: {}", exit.stderr);
    files.assert_unchanged(&["keystore.json", "keystore.json.quota"]);
    setup.start().await.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_named_and_left_alone() {
    let world = World::new();
    let setup = world.node("a").start().await.stop();
    for (file, setting) in [
        (setup.data_dir().join("state.redb"), "--data-dir"),
        (setup.data_dir().join("keystore.json"), "--rln-relay-cred-path"),
        (setup.data_dir().join("keystore.json.quota"), "--rln-relay-cred-path"),
        (world.registry(), "--rln-relay-registry-path"),
    ] {
        let good = fs::read(&file).expect("the node made it");
        // All but the bytes that tell what kind of file it is.
        let mut damaged = good.clone();
        damaged[16..].fill(0xa5);
        fs::write(&file, &damaged).expect("writable");
        let exit = setup.clone().run_to_end();
        assert_refused(&exit, &[setting, &file.display().to_string()]);
        assert!(fs::read(&file).expect("still there") == damaged, "{} was changed", file.display());

        fs::write(&file, "something else entirely, and long enough to have a header").expect("writable");
        let exit = setup.clone().run_to_end();
        assert_refused(&exit, &[setting, &file.display().to_string()]);
        assert_eq!(
            fs::read(&file).expect("still there").first(),
            Some(&b's'),
            "{} was changed",
            file.display()
        );
        fs::write(&file, good).expect("writable");
    }
    setup.start().await.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_one_keystore_does_not_start() {
    let world = World::new();
    let first = world.node("a").option("rln-relay-cred-password", "shared").start().await;
    let keystore = first.data_dir().join("keystore.json");
    let second = world
        .node("second")
        .option("rln-relay-cred-path", keystore.display())
        .option("rln-relay-cred-password", "shared");
    let exit = second.clone().run_to_end();
    assert_refused(&exit, &["--rln-relay-cred-path", "keystore.json.quota", "in use by another process"]);

    // The first was not disturbed, and a node with a keystore of its own is welcome.
    let other = world.node("other").peer(&first).start().await;
    meshed(&[&first, &other], topic(0)).await;
    assert!(first.rest().publish(topic(0), b"still here").await.is_ok());
    assert_eq!(other.receive(topic(0), 1).await[0].payload, b"still here");

    // One after the other is fine.
    first.stop();
    second.start().await.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_one_data_directory_does_not_start() {
    let world = World::new();
    let first = world.node("a").start().await;
    let second = Setup::new("second", first.data_dir().to_owned());
    assert_refused(&second.run_to_end(), &["--data-dir", "state.redb", "in use by another process"]);
    first.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_cannot_be_used_is_named_and_a_made_key_is_its_owners_alone() {
    let world = World::new();
    let secure = |name: &str| {
        world
            .plain_node(name)
            .option("rln-relay", false)
            .option("websocket-secure-support", true)
            .option("websocket-secure-port", free_port())
    };
    let made = secure("a").option("websocket-secure-self-signed", true).start().await.stop();
    let [certificate, key] =
        ["websocket-cert.pem", "websocket-key.pem"].map(|file| made.data_dir().join(file));
    let mode = fs::metadata(&key).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");

    let given = |certificate: &Path, key: &Path| {
        secure("b")
            .option("websocket-secure-cert-path", certificate.display())
            .option("websocket-secure-key-path", key.display())
    };
    let missing = world.path().join("missing.pem");
    let broken = world.path().join("broken.pem");
    fs::write(&broken, "-----BEGIN CERTIFICATE-----\n").expect("writable");
    let text = |path: &Path| path.display().to_string();
    for (certificate, key, reason) in [
        (&missing, &key, [text(&missing), "cannot be read".to_owned()]),
        (&broken, &key, [text(&broken), "-----END CERTIFICATE----- is missing".to_owned()]),
        (&certificate, &certificate, [text(&certificate), "has no private key".to_owned()]),
    ] {
        let exit = given(certificate, key).run_to_end();
        assert_refused(&exit, &[&reason[0], &reason[1], "--websocket-secure-cert-path"]);
    }
    given(&certificate, &key).start().await.stop();
}

/// Exit code 1 and a text with all of `parts` in it.
fn assert_refused(exit: &Exit, parts: &[&str]) {
    assert_eq!(exit.code, Some(1), "{exit:?}");
    for part in parts {
        assert!(exit.stderr.contains(part), "`{part}` is not in: {}", exit.stderr);
    }
    assert!(!exit.stderr.contains("panicked"), "{}", exit.stderr);
}

/// The bytes of the files of a folder at one moment.
struct Files {
    folder: PathBuf,
    bytes: Vec<(PathBuf, Vec<u8>)>,
}

impl Files {
    fn of(folder: &Path) -> Self {
        let read = |path: PathBuf| (path.clone(), fs::read(&path).expect("a readable file"));
        let entries = fs::read_dir(folder).expect("a folder");
        let bytes = entries.map(|entry| read(entry.expect("an entry").path())).collect();
        Self { folder: folder.to_owned(), bytes }
    }

    fn assert_unchanged(&self, names: &[&str]) {
        for name in names {
            let path = self.folder.join(name);
            let (_, before) = self.bytes.iter().find(|(known, _)| *known == path).expect("it was there");
            assert!(fs::read(&path).expect("it is there") == *before, "{name} was changed");
        }
    }
}
