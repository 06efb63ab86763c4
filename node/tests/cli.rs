//! The binary as an operator meets it: help, refusals, and the commands beside `run`.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::rngs::OsRng;
use serde_json::Value;
use tempfile::TempDir;
use weir_core::{ContentTopic, Timestamp};
use weir_rln::{
    EngineSettings, Epoch, Identity, MembershipIndex, MerkleTree, MessageId, ProveRequest, Prover,
    RateCommitment, RlnIdentifier, UserMessageLimit, signal_hash,
};
use weir_storage::{EvidenceRecord, StateStore};

/// Runs `weir` with no environment of ours but what `environment` gives.
fn weir_with(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let inherited = std::env::vars().filter(|(name, _)| !name.starts_with("WEIR_"));
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(arguments)
        .env_clear()
        .envs(inherited)
        .envs(environment.iter().copied())
        .output()
        .expect("the binary runs")
}

fn weir(arguments: &[&str]) -> Output {
    weir_with(arguments, &[])
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Exit code 1, nothing on standard output; the text on standard error.
fn refusal(output: &Output) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(stdout(output), "", "{text}");
    text
}

fn success(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("UTF-8").to_owned()
}

#[test]
fn help_names_the_commands_and_groups_the_options() {
    let help = success(&weir(&["--help"]));
    for part in [
        "run ",
        "rln ",
        "circuits ",
        "store ",
        "bench ",
        "General:",
        "Network:",
        "Relay and shards:",
        "Rate limiting (RLN):",
        "REST:",
    ] {
        assert!(help.contains(part), "{part} is missing in\n{help}");
    }
    assert!(help.contains("--rln-relay-registry-path"), "{help}");
    let short = success(&weir(&["-h"]));
    assert!(!short.contains("--store-sync-interval"), "{short}");
    assert!(help.contains("store sync: --store-sync, --store-sync-interval"), "{help}");
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(success(&weir(&["--version"])), format!("weir {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn bad_flags_are_refused_with_a_reason() {
    for (arguments, reason) in [
        (&["--no-such-flag"][..], "unexpected argument '--no-such-flag'"),
        (&["--tcp-port=many"], "invalid value 'many'"),
        (&["--tcp-port=65536"], "65536 is not in 0..=65535"),
        (&["--preset=nowhere"], "invalid value 'nowhere'"),
        (&["--log-level=LOUD"], "invalid value 'LOUD'"),
        (&["--tcp-port=1", "--tcp-port=2"], "cannot be used multiple times"),
        (&["--shard=[1"], "JSON array"),
        (&["--max-msg-size=150"], "the unit must be B, KB or KiB"),
        (&["no-such-command"], "unrecognized subcommand"),
        (&["--mix=true"], "weir does not serve mix yet"),
        (&["run", "--quic-port=1"], "--quic-port has no effect, as QUIC is off"),
        (&["--websocket-port=1"], "--websocket-port has no effect, as WebSockets are off"),
        (&["--preset=twn"], "memberships on a contract are not there yet"),
        (&["--shard=9"], "--shard: the network has 8 shards, so 9 is not one of 0 to 7"),
        (&["--rest=false", "--rest-admin"], "--rest-admin has no effect, as the REST server is off (--rest)"),
        (&["--tcp-port=8645"], "tcp-port"),
        (&["bench", "rln", "--iterations=0"], "0 is not in 1..=100000"),
        (&["bench", "store", "--messages=99"], "99 is not in 100..=1000000000"),
        (&["bench", "store", "--queries=0"], "0 is not in 1..=1000000"),
        (&["bench", "store", "--backend=sqlite"], "[possible values: redb, postgres]"),
        (&["bench", "store", "--backend=postgres"], "--backend=postgres needs --db-url=postgres://"),
        (&["bench", "store", "--db-url=postgres://host/waku"], "--db-url has no effect with --backend=redb"),
        (
            &["bench", "store", "--backend=postgres", "--db-url=sqlite://store.sqlite3"],
            "--db-url: expected postgres://user:password@host:port/database",
        ),
        (
            &["bench", "store", "--backend=postgres", "--db-url=postgres://host/waku", "--dir=x"],
            "--dir has no effect with --backend=postgres",
        ),
        (&["bench", "store", "--dir=/dev/null"], "cannot make a folder in /dev/null: "),
    ] {
        let text = refusal(&weir(arguments));
        assert!(text.contains(reason), "{arguments:?}: {text}");
        assert!(text.starts_with("error: "), "{text}");
    }
}

#[test]
fn a_bad_variable_is_named() {
    let text = refusal(&weir_with(&[], &[("WEIR_REST_PORT", "high")]));
    assert!(text.starts_with("error: WEIR_REST_PORT: invalid value 'high'"), "{text}");
}

#[test]
fn bad_files_are_refused_with_the_line_or_the_key_at_fault() {
    let folder = TempDir::new().expect("temporary folder");
    for (content, reason) in [
        ("\ntcp-port = ", "is not TOML, line 2"),
        ("tcp-prot = 60000", "did you mean tcp-port?"),
        ("tcp_port = 60000", "there is no such setting"),
        ("[rest]\nport = 1", "rest in"),
        ("tcp-port = 70000", "tcp-port in"),
        ("config-file = 'other.toml'", "cannot name another"),
        ("mix = true", "weir does not serve mix yet"),
        ("relay = 1979-05-27", "expected a text, a number"),
        ("shard = [[1]]", "expected a text, a number"),
        ("data-dir = 'a'\nlocal-storage-path = 'b'", "cannot be used multiple times"),
    ] {
        let file = path(&folder, "weir.toml");
        fs::write(&file, content).expect("writable");
        let text = refusal(&weir(&["--config-file", &file]));
        assert!(text.contains(reason), "{content:?}: {text}");
        assert!(text.contains(&file), "{content:?}: {text}");
    }
}

#[test]
fn a_secret_in_a_refused_file_is_not_repeated() {
    let folder = TempDir::new().expect("temporary folder");
    let file = path(&folder, "weir.toml");
    fs::write(&file, "nodekey = 'c0ffee'\nrln-relay-cred-password = 'correct horse'").expect("writable");
    let text = refusal(&weir(&["--config-file", &file]));
    assert!(text.contains("nodekey in"), "{text}");
    assert!(!text.contains("c0ffee") && !text.contains("horse"), "{text}");

    fs::write(&file, "rln-relay-cred-password = 'correct horse").expect("writable");
    let text = refusal(&weir(&["--config-file", &file]));
    assert!(text.contains("is not TOML, line 1") && !text.contains("horse"), "{text}");
}

const PASSWORD: (&str, &str) = ("WEIR_RLN_RELAY_CRED_PASSWORD", "correct horse");

#[test]
fn an_identity_is_made_registered_once_and_listed() {
    let folder = TempDir::new().expect("temporary folder");
    let data = format!("--data-dir={}", folder.path().display());
    let made = success(&weir_with(&["rln", "keygen", &data], &[PASSWORD]));
    let commitment = value_of(&made, "identity commitment").to_owned();
    assert_eq!(commitment.len(), 64, "{made}");

    let register = ["rln", "register", &data, "--rln-relay-user-message-limit=20"];
    let registered = success(&weir_with(&register, &[PASSWORD]));
    assert_eq!(value_of(&registered, "identity commitment"), commitment);
    assert_eq!(value_of(&registered, "index"), "0");
    let again = success(&weir_with(&register, &[PASSWORD]));
    assert!(again.starts_with("registered before"), "{again}");

    let listed = success(&weir(&["rln", "list", &data, "--format=json"]));
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(
        listed,
        serde_json::json!([{"index": 0, "commitment": commitment, "limit": 20, "state": "active"}])
    );
    let table = success(&weir(&["rln", "list", &data]));
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(!folder.path().join("keystore.json.new").exists());
}

#[test]
fn keygen_never_overwrites_a_keystore_and_asks_for_a_password() {
    let folder = TempDir::new().expect("temporary folder");
    let keystore = path(&folder, "keys/my.json");
    let flag = format!("--rln-relay-cred-path={keystore}");
    success(&weir_with(&["rln", "keygen", &flag], &[PASSWORD]));
    let before = fs::read(&keystore).expect("made");
    let text = refusal(&weir_with(&["rln", "keygen", &flag], &[PASSWORD]));
    assert!(text.contains("never replaces a file"), "{text}");
    assert_eq!(fs::read(&keystore).expect("still there"), before);

    let text = refusal(&weir(&["rln", "keygen", "--rln-relay-cred-path=other.json"]));
    assert!(text.contains("--rln-relay-cred-password"), "{text}");
    let text = refusal(&weir(&["rln", "keygen", "--rln-relay-cred-password="]));
    assert!(text.contains("the password is empty"), "{text}");
}

#[test]
fn a_wrong_password_changes_nothing() {
    let folder = TempDir::new().expect("temporary folder");
    let data = format!("--data-dir={}", folder.path().display());
    success(&weir_with(&["rln", "keygen", &data], &[PASSWORD]));
    let before = fs::read(folder.path().join("keystore.json")).expect("made");
    let text =
        refusal(&weir_with(&["rln", "register", &data, "--rln-relay-cred-password=wrong"], &[PASSWORD]));
    assert!(text.contains("the password does not open"), "{text}");
    assert!(!folder.path().join("registry").exists(), "a registry was made for nothing");
    assert_eq!(fs::read(folder.path().join("keystore.json")).expect("still there"), before);
}

#[test]
fn what_is_not_there_is_not_made_by_looking() {
    let folder = TempDir::new().expect("temporary folder");
    let data = format!("--data-dir={}", folder.path().display());
    for (arguments, what) in
        [(["rln", "list", &data], "registry"), (["rln", "recover", &data], "node's state")]
    {
        let text = refusal(&weir(&arguments));
        assert!(text.contains(&format!("there is no {what} at")), "{text}");
    }
    assert!(is_empty(folder.path()));
}

#[test]
fn two_shares_of_one_line_give_the_secret() {
    // y = 5 + 7 x at x = 1 and x = 2.
    let share = |x: u8, y: u8| {
        format!(r#"{{"x": "{x:02x}{zeros}", "y": "{y:02x}{zeros}"}}"#, zeros = "00".repeat(31))
    };
    let answer = success(&weir(&["rln", "recover", "--format=json", &share(1, 12), &share(2, 19)]));
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["secret"], format!("05{}", "00".repeat(31)));

    let text = refusal(&weir(&["rln", "recover", &share(1, 12), &share(1, 12)]));
    assert!(text.contains("same x"), "{text}");
    let text = refusal(&weir(&["rln", "recover", &share(1, 12), "no proof"]));
    assert!(text.contains("proof 2 is not the base64 of a proof"), "{text}");
    let text = refusal(&weir(&["rln", "recover", &share(1, 12)]));
    assert!(text.contains("2 values required"), "{text}");
}

/// The proof of `signal` under message id `id`, as REST shows it.
fn proof_of(member: &Identity, id: u32, signal: &[u8]) -> String {
    let (limit, index) =
        (UserMessageLimit::new(5).expect("in range"), MembershipIndex::new(0).expect("in range"));
    let mut tree = MerkleTree::new();
    tree.set(index, RateCommitment::new(member.commitment(), limit));
    let topic = ContentTopic::new("/weir/1/test/proto").expect("valid");
    let proof = Prover::load(&EngineSettings::default()).and_then(|prover| {
        prover.prove(&ProveRequest {
            identity: member.secret(),
            limit,
            message_id: MessageId(id),
            path: &tree.path(index).expect("set above"),
            epoch: Epoch::new(7),
            rln_identifier: RlnIdentifier::WAKU,
            signal: signal_hash(signal, &topic, Timestamp::from_secs(1)),
        })
    });
    STANDARD.encode(weir_wire::encode_rate_limit_proof(&proof.expect("provable")))
}

#[test]
fn two_proofs_of_one_message_id_give_the_secret_and_of_two_ids_nothing() {
    let member = Identity::generate(&mut OsRng);
    let (first, second) = (proof_of(&member, 0, b"first"), proof_of(&member, 0, b"second"));
    let answer = success(&weir(&["rln", "recover", &first, &second]));
    assert_eq!(value_of(&answer, "identity commitment"), member.commitment().to_string());
    assert_eq!(value_of(&answer, "identity secret"), hex::encode(*member.secret().to_bytes()));

    let text = refusal(&weir(&["rln", "recover", &first, &proof_of(&member, 1, b"third")]));
    assert!(text.contains("different nullifiers"), "{text}");
}

#[test]
fn evidence_is_listed_and_its_secret_only_on_request() {
    let folder = TempDir::new().expect("temporary folder");
    let store = StateStore::open(folder.path().join("state.redb")).expect("made");
    let record = EvidenceRecord {
        epoch: 7,
        root: [1; 32],
        nullifier: [2; 32],
        share_x_1: [3; 32],
        share_y_1: [4; 32],
        share_x_2: [5; 32],
        share_y_2: [6; 32],
        commitment: [7; 32],
        secret: [8; 32].into(),
        seen_at: Timestamp::from_secs(9),
    };
    store.record_evidence(&record).expect("stored");
    let data = format!("--data-dir={}", folder.path().display());
    let text = refusal(&weir(&["rln", "recover", &data]));
    assert!(text.contains("in use by another process"), "{text}");
    drop(store);

    let table = success(&weir(&["rln", "recover", &data]));
    assert!(table.contains(&"07".repeat(32)) && !table.contains(&"08".repeat(32)), "{table}");
    let listed = success(&weir(&["rln", "recover", &data, "--show-secrets", "--format=json"]));
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(
        listed,
        serde_json::json!([{
            "epoch": 7,
            "commitment": "07".repeat(32),
            "nullifier": "02".repeat(32),
            "root": "01".repeat(32),
            "seen_at": 9_000_000_000_i64,
            "secret": "08".repeat(32),
        }])
    );
}

#[test]
fn the_archives_benchmark_tells_how_far_it_is_and_leaves_nothing() {
    let folder = TempDir::new().expect("temporary folder");
    let within = format!("--dir={}", folder.path().display());
    let arguments = ["bench", "store", "--messages=100", "--queries=1", "--format=json", &within];
    let output = weir(&arguments);
    let answer: Value = serde_json::from_str(&success(&output)).expect("JSON");
    assert!(answer["ingest_per_s"].as_f64() > Some(0.0), "{answer}");
    for phase in ["idle", "ingesting"] {
        for kind in ["hash_1", "hash_10", "hour_10_topics", "newest_20", "topic_tenth_of_time", "page_100"] {
            for percent in ["p50_ms", "p90_ms", "p95_ms", "p99_ms"] {
                assert!(answer[phase][kind][percent].as_f64() > Some(0.0), "{phase} {kind}: {answer}");
            }
        }
    }
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("filling the archive\nasking it"), "{told}");
    assert!(is_empty(folder.path()));
}

#[test]
fn the_benchmark_answers_with_keys_that_do_not_change() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plot = folder.path().join("plot.svg");
    let plot_option = format!("--plot={}", plot.display());
    let answer = success(&weir(&[
        "bench",
        "rln",
        "--iterations=1",
        "--batches=2,3",
        "--threads=2",
        "--format=json",
        &plot_option,
    ]));
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    for engine in ["weir", "rln_3"] {
        for key in [
            "prove_full_ms",
            "prove_cached_ms",
            "prove_slot_online_ms",
            "prove_slot_precompute_ms",
            "verify_single_ms",
            "tree_update_ms",
            "key_load_ms",
        ] {
            assert!(answer[engine][key].as_f64() > Some(0.0), "{engine} {key}: {answer}");
        }
        assert!(answer[engine]["verify_batch_ms_per_proof"]["3"].as_f64() > Some(0.0), "{answer}");
        let footprint = |entry: &&Value| entry["engine"] == engine;
        let footprints = answer["footprints"].as_array().expect("a list");
        assert!(footprints.iter().find(footprint).expect("one")["start_to_first_proof_ms"].is_f64());
    }
    assert!(answer["ratio"]["rln_3"]["prove_full_ms"].is_f64(), "{answer}");
    assert_eq!((&answer["threads"], &answer["iterations"]), (&2.into(), &1.into()));
    assert!(std::fs::read_to_string(plot).expect("the plot").starts_with("<svg"));
}

fn value_of<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_else(|| panic!("no `{name}` in\n{text}"))
        .trim()
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().expect("the folder exists").next().is_none()
}
