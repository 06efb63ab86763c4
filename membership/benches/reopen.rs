//! What a start costs with a registry of many members, with and without the tree on disk.
//!
//! `cargo bench -p weir-membership --bench reopen -- 1000000`

// A bench speaks to whoever started it.
#![allow(clippy::print_stdout)]

use std::{fs, io::Write, path::Path, sync::Arc, time::Instant};

use weir_membership::{Group, Ledger, LedgerEvent, RegistryFile, SavedGroup};
use weir_rln::{MerkleRoot, MerkleTree, TREE_DEPTH};
use weir_storage::{TreeFile, TreeHeader};

fn main() {
    let members = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(10_000);
    let world = tempfile::tempdir().expect("a directory");
    let registry = world.path().join("registry");
    write_registry(&registry, members);
    println!("{members} members, {} MB resident", resident_megabytes());

    let events = timed("read the registry", || {
        RegistryFile::open(&registry).expect("a registry").poll().expect("readable")
    });
    let group = timed("make the group anew", || {
        let mut group = Group::new();
        group.apply_all(&events).expect("lawful");
        group
    });
    let file = TreeFile::new(world.path().join("tree"));
    timed("write the tree", || save(&file, &group.to_saved()));
    let root = group.root();
    drop(group);
    let saved = timed("read the tree", || load(&file));
    let resumed = timed("resume the group", || resume(saved, &events));
    assert_eq!(resumed.root(), root);
}

/// Tells the time on a processor of this thread too, since a busy machine lets it wait.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (start, cpu) = (Instant::now(), cpu_milliseconds());
    let result = work();
    println!(
        "{what:>20}: {:6} ms, {:6} ms of this thread, {} MB resident after it",
        start.elapsed().as_millis(),
        cpu_milliseconds() - cpu,
        resident_megabytes()
    );
    result
}

fn cpu_milliseconds() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).expect("nanoseconds first")
        / 1_000_000
}

fn resume(saved: SavedGroup, events: &[LedgerEvent]) -> Group {
    let (group, fit) = Group::resume(saved, events).expect("lawful");
    fit.expect("the same ledger");
    group
}

fn save(file: &TreeFile, saved: &SavedGroup) {
    let header = TreeHeader {
        depth: TREE_DEPTH as u16,
        leaves: saved.tree.used_leaves(),
        changes: saved.changes,
        source: saved.source,
        roots: saved.roots.iter().map(MerkleRoot::to_bytes).collect(),
    };
    file.write(&header, saved.tree.nodes()).expect("room on the disk");
}

fn load(file: &TreeFile) -> SavedGroup {
    let mut reader = file.open(TREE_DEPTH as u16).expect("the tree");
    let TreeHeader { leaves, changes, source, ref roots, .. } = *reader.header();
    let roots = roots.iter().map(|root| MerkleRoot::from_bytes(root).expect("a root")).collect();
    let tree = Arc::new(MerkleTree::from_nodes(leaves, reader.by_ref()).expect("its nodes"));
    reader.finish().expect("undamaged");
    SavedGroup { changes, source, roots, tree }
}

/// As `docs/registry-format.md` says, without a sync for each of a million records.
fn write_registry(path: &Path, members: u32) {
    drop(RegistryFile::open(path).expect("a new registry"));
    let header = fs::read(path).expect("its header");
    let mut checksum = u32::from_le_bytes([header[60], header[61], header[62], header[63]]);
    let mut records = Vec::with_capacity(64 * members as usize);
    for index in 0..members {
        let mut record = [0; 64];
        record[0] = 1;
        record[4..8].copy_from_slice(&index.to_le_bytes());
        record[8..12].copy_from_slice(&100_u32.to_le_bytes());
        record[16..20].copy_from_slice(&(index + 1).to_le_bytes());
        record[40..44].copy_from_slice(&index.wrapping_mul(0x9e37_79b9).to_le_bytes());
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&checksum.to_le_bytes());
        hasher.update(&record[..60]);
        checksum = hasher.finalize();
        record[60..].copy_from_slice(&checksum.to_le_bytes());
        records.extend_from_slice(&record);
    }
    let mut file = fs::OpenOptions::new().append(true).open(path).expect("just made");
    file.write_all(&records).expect("room on the disk");
}

fn resident_megabytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("told by Linux");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1000
}
