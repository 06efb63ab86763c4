//! The keys in use are the pinned ones: those of `weir_circuits`, of the `rln` crate's files, and of
//! the verifying key in `keys/`.

use std::{fs, path::PathBuf};

use ark_serialize::CanonicalSerialize;
use cargo_metadata::MetadataCommand;
use sha2::{Digest, Sha256};
use weir_circuits::RLN_V2_DEPTH_20;
use zerokit_rln::prelude::default_zkey_single;

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files that the `rln` crate, as locked, compiles in.
fn embedded_resources() -> PathBuf {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .expect("cargo metadata of this workspace");
    // The benches compare with an older one, so there may be two in the lock file.
    let is_ours = |package: &&cargo_metadata::Package| {
        package.name.as_str() == "rln" && package.version.to_string() == "3.0.0"
    };
    let rln = metadata.packages.iter().find(is_ours).expect("a dependency");
    rln.manifest_path.with_file_name("resources").join("tree_depth_20").into()
}

#[test]
fn the_embedded_proving_key_and_graph_are_the_pinned_ones() {
    let resources = embedded_resources();
    let file = |name: &str| fs::read(resources.join(name)).expect("an embedded resource");
    assert_eq!(sha256(&file("rln_final.arkzkey")), RLN_V2_DEPTH_20.arkzkey);
    assert_eq!(sha256(&file("graph.bin")), RLN_V2_DEPTH_20.graph);
}

#[test]
fn the_verifying_key_is_the_pinned_one_and_that_of_the_proving_key() {
    let ours = include_bytes!("../keys/rln_v2_depth_20.vk");
    assert_eq!(sha256(ours), RLN_V2_DEPTH_20.verifying_key);
    let mut theirs = Vec::new();
    default_zkey_single().0.vk.serialize_compressed(&mut theirs).expect("into memory");
    assert_eq!(theirs, ours);
}
