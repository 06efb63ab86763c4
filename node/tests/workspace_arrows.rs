//! The one structural gate: who may depend on whom in this workspace.
//!
//! [`ARROWS`] is the table of `ARCHITECTURE.md`: a crate may depend on those in its row and on no
//! other of ours. Dependencies for tests alone are free, since nothing is shipped with them.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("circuits", &[]),
    ("circuits-setup", &["circuits"]),
    ("groth16", &[]),
    ("wire", &["core"]),
    ("rln", &["core", "circuits", "groth16"]),
    ("storage", &["core", "wire"]),
    ("membership", &["core", "rln"]),
    ("protocols", &["core", "rln"]),
    ("net", &["core", "wire"]),
    ("actors", &["core", "wire", "rln", "membership", "protocols", "storage", "net"]),
    ("api", &["core", "wire", "protocols"]),
    ("bench-kit", &[]),
    ("bench-rln", &["bench-kit", "core", "circuits", "groth16", "rln"]),
    ("bench-store", &["bench-kit", "core", "wire", "protocols", "storage", "net", "actors"]),
    (
        "node",
        &[
            "core",
            "wire",
            "circuits",
            "circuits-setup",
            "groth16",
            "rln",
            "membership",
            "storage",
            "protocols",
            "net",
            "actors",
            "api",
            "bench-kit",
            "bench-rln",
            "bench-store",
        ],
    ),
    ("testkit", &["core", "wire", "rln", "membership", "protocols", "storage"]),
    (
        "benches",
        &[
            "core",
            "wire",
            "circuits",
            "groth16",
            "rln",
            "membership",
            "storage",
            "protocols",
            "net",
            "actors",
            "api",
            "bench-kit",
            "bench-rln",
            "node",
            "testkit",
        ],
    ),
];

/// Foreign crates that one crate of ours keeps to itself.
const KEPT: &[(&str, &str)] = &[
    ("actix", "actors"),
    ("axum", "api"),
    ("libp2p", "net"),
    ("redb", "storage"),
    ("tokio-postgres", "storage"),
    ("rusqlite", "storage"),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .expect("cargo describes the workspace")
}

/// The names of what `package` is built with.
fn dependencies(package: &Package) -> BTreeSet<&str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.as_str())
        .collect()
}

/// The folder of one of our crates by its name.
fn folder(name: &str) -> Option<&str> {
    name.strip_prefix("weir-")
}

#[test]
fn no_dependency_points_the_wrong_way() {
    let metadata = metadata();
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for package in metadata.workspace_packages() {
        let name = folder(&package.name).expect("our packages are named weir-<folder>");
        let allowed = arrows.get(name).unwrap_or_else(|| panic!("{name} has no row in ARROWS"));
        let wrong: Vec<&str> = dependencies(package)
            .into_iter()
            .filter_map(folder)
            .filter(|dependency| !allowed.contains(dependency))
            .collect();
        assert!(wrong.is_empty(), "{name} may not depend on {wrong:?}");
    }
}

#[test]
fn the_table_itself_has_no_cycle() {
    for (row, (name, allowed)) in ARROWS.iter().enumerate() {
        for dependency in *allowed {
            let position = ARROWS.iter().position(|(other, _)| other == dependency);
            assert!(
                position.is_some_and(|position| position < row),
                "{name} -> {dependency} is not downward"
            );
        }
    }
}

#[test]
fn each_large_dependency_is_named_in_one_crate_alone() {
    let metadata = metadata();
    for (dependency, keeper) in KEPT {
        let users: Vec<&str> = metadata
            .workspace_packages()
            .into_iter()
            .filter(|package| dependencies(package).contains(dependency))
            .filter_map(|package| folder(&package.name))
            .collect();
        assert_eq!(users, [*keeper], "users of {dependency}");
    }
}
