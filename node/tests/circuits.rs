//! `weir circuits` as a developer meets it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use cargo_metadata::MetadataCommand;
use serde_json::Value;
use tempfile::TempDir;
use weir_circuits::{RLN_V2_DEPTH_20, RLN_V2_DEPTH_20_MULTI_4};

fn weir(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("circuits").args(arguments).output().expect("the binary runs")
}

/// The answer as JSON.
fn answer(arguments: &[&str]) -> Value {
    let output = weir(&[arguments, &["--format=json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Exit code 1, nothing on standard output; the text on standard error.
fn refusal(arguments: &[&str]) -> String {
    let output = weir(arguments);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    String::from_utf8(output.stderr).expect("UTF-8")
}

/// The files that the `rln` crate, as locked, compiles in.
fn published(name: &str) -> String {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .expect("cargo metadata of this workspace");
    let rln = metadata.packages.iter().find(|package| package.name.as_str() == "rln").expect("a dependency");
    rln.manifest_path.with_file_name("resources").join("tree_depth_20").join(name).into_string()
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("UTF-8").to_owned()
}

/// Unpacks a compiled circuit into `folder`.
fn circuit(folder: &TempDir, name: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../circuits/tests/fixtures");
    let packed = fs::read(fixtures.join(format!("{name}.r1cs.xz"))).expect("a fixture");
    let mut bytes = Vec::new();
    lzma_rs::xz_decompress(&mut &packed[..], &mut bytes).expect("xz");
    let path = path(folder, &format!("{name}.r1cs"));
    fs::write(&path, bytes).expect("written");
    path
}

#[test]
fn a_compiled_circuit_is_recognised_by_its_constraints() {
    let folder = TempDir::new().expect("a folder");
    let inspection = answer(&["inspect", &circuit(&folder, "rln_20_16")]);
    assert_eq!(inspection["kind"], "compiled circuit (r1cs)");
    assert_eq!(inspection["constraints_of"], RLN_V2_DEPTH_20.name);
    assert_eq!(inspection["constraints"], 5820);
    assert_eq!(inspection["domain"], 8192);
    assert_eq!(inspection["published_file_of"], Value::Null);
}

#[test]
fn the_published_keys_are_verified_against_their_circuits() {
    let folder = TempDir::new().expect("a folder");
    for (key, source, known) in [
        ("rln_final.arkzkey", "rln_20_16", RLN_V2_DEPTH_20),
        ("multi_message_id/max_out_4/rln_final.arkzkey", "rln_multi_20_16_4", RLN_V2_DEPTH_20_MULTI_4),
    ] {
        let r1cs = circuit(&folder, source);
        let verified = answer(&["verify-key", &published(key), "--r1cs", &r1cs]);
        assert_eq!(verified["circuit"], known.name);
        assert_eq!(verified["is_published_file"], true);
        assert_eq!(verified["verifying_key"], known.verifying_key);
    }
    let other = circuit(&folder, "rln_multi_20_16_4");
    let text = refusal(&["verify-key", &published("rln_final.arkzkey"), "--r1cs", &other]);
    assert!(text.starts_with("error: the key's constraints are not those of "), "{text}");
}

#[test]
fn the_verifying_key_of_the_node_is_the_published_one() {
    let file: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "rln", "keys", "rln_v2_depth_20.vk"].iter().collect();
    let file = file.to_str().expect("UTF-8");
    assert_eq!(answer(&["verify-key", file])["circuit"], RLN_V2_DEPTH_20.name);
    let inspection = answer(&["inspect", file]);
    assert_eq!(inspection["kind"], "verifying key");
    assert_eq!(inspection["public_inputs"], 5);
    let text = refusal(&["verify-key", file, "--r1cs", file]);
    assert!(text.contains("a verifying key holds no constraints"), "{text}");
}

#[test]
fn a_damaged_key_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let damaged = path(&folder, "damaged.arkzkey");
    let mut bytes = fs::read(published("rln_final.arkzkey")).expect("a key");
    // In the middle of the first query, 64 bytes a point: the x of some point.
    bytes[100_000] ^= 1;
    fs::write(&damaged, &bytes).expect("written");
    let text = refusal(&["verify-key", &damaged]);
    assert!(text.contains("A query: point") && text.contains("is not in its group"), "{text}");
    fs::write(&damaged, &bytes[..bytes.len() - 1]).expect("written");
    assert!(refusal(&["inspect", &damaged]).contains("is neither an .r1cs nor a key"), "{text}");
}

#[test]
fn a_development_key_is_made_once_and_never_taken_for_a_published_one() {
    let folder = TempDir::new().expect("a folder");
    let r1cs = circuit(&folder, "rln_20_16");
    let out = path(&folder, "keys");
    let made = answer(&["setup", "--r1cs", &r1cs, "--out", &out]);
    assert!(made["warning"].as_str().is_some_and(|text| text.contains("never for production")), "{made}");
    let key = made["proving_key"]["path"].as_str().expect("a path");
    let inspection = answer(&["inspect", key]);
    assert_eq!(inspection["sha256"], made["proving_key"]["sha256"]);
    assert_eq!(inspection["verifying_key_sha256"], made["verifying_key"]["sha256"]);
    assert_eq!(inspection["constraints_of"], RLN_V2_DEPTH_20.name);
    assert_eq!(inspection["published_set_up_of"], Value::Null);

    let text = refusal(&["verify-key", key, "--r1cs", &r1cs]);
    assert!(text.contains("its verifying key is not a published one"), "{text}");
    let text = refusal(&["setup", "--r1cs", &r1cs, "--out", &out]);
    assert!(text.starts_with("error: cannot write "), "{text}");
}

#[test]
fn files_that_are_something_else_are_named() {
    let folder = TempDir::new().expect("a folder");
    let r1cs = circuit(&folder, "rln_20_16");
    let text = path(&folder, "notes.txt");
    fs::write(&text, "not a key").expect("written");
    let vk: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "rln", "keys", "rln_v2_depth_20.vk"].iter().collect();
    let vk = vk.to_str().expect("UTF-8");
    for (arguments, reason) in [
        (&["inspect", "/no/such/file"][..], "cannot read /no/such/file"),
        (&["inspect", &text], "is neither an .r1cs nor a key"),
        (&["verify-key", &r1cs], "is compiled circuit (r1cs), not a key"),
        (&["setup", "--r1cs", vk, "--out", &text], "is verifying key, not an .r1cs"),
    ] {
        let text = refusal(arguments);
        assert!(text.contains(reason), "{arguments:?}: {text}");
    }
    let mut bytes = fs::read(&r1cs).expect("a circuit");
    bytes.truncate(bytes.len() / 2);
    fs::write(&r1cs, bytes).expect("written");
    let text = refusal(&["inspect", &r1cs]);
    assert!(text.contains("ends in the middle of its"), "{text}");
}
