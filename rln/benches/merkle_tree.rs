//! The membership tree beside zerokit's: loads of 2^10 to 2^18 leaves, and single changes.
//!
//! `RAYON_NUM_THREADS=1 cargo bench -p weir-rln --bench merkle_tree`
//!
//! Prints CPU time of the whole process, so that a busy machine disturbs little, and ratios of medians.
//! All trees are measured in turn, one thread each. `-- --threads N` gives ours more, `-- --million`
//! loads 2^20 leaves into ours and tells the memory that takes.

// A bench speaks to whoever started it.
#![allow(clippy::print_stdout)]

use std::{fs, hint::black_box, num::NonZeroUsize, time::Instant};

use ark_ff::PrimeField;
use weir_groth16::lanes::BackendKind;
use weir_rln::{MembershipIndex, MerkleTree, PairHasher, RateCommitment};
use zerokit_rln::prelude::{Fr, PoseidonHash};
use zerokit_utils::merkle_tree::{FullMerkleTree, OptimalMerkleTree, ZerokitMerkleTree};

const DEPTH: usize = 20;
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let threads = arguments.iter().position(|word| word == "--threads");
    let threads = threads.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(NonZeroUsize::MIN);
    let hasher = PairHasher::new(BackendKind::detect(), threads);
    println!("backend {}, {threads} thread(s)", BackendKind::detect());
    if arguments.iter().any(|word| word == "--million") {
        return load_a_million(hasher);
    }
    println!(
        "{:>16} {:>12} {:>12} {:>12} {:>8} {:>8}",
        "", "ours ms", "full ms", "optimal ms", "/full", "/optimal"
    );
    for power in [10, 12, 14, 16, 18] {
        let leaves = leaves(1 << power);
        let rounds = if power < 16 { ROUNDS } else { 1 };
        let ours = || drop(black_box(loaded(hasher, &leaves)));
        print_row(
            &format!("load 2^{power}"),
            rounds,
            ours,
            || drop(full(&leaves)),
            || drop(optimal(&leaves)),
        );
    }
    let leaves = leaves(1 << 10);
    let (mut tree, mut full, mut optimal) = (loaded(hasher, &leaves), full(&leaves), optimal(&leaves));
    let changes = 50;
    print_row(
        "50 single sets",
        ROUNDS,
        || (0..changes).for_each(|i| tree.set(index(i), leaves[i + 1].0)),
        || (0..changes).for_each(|i| full.set(i, leaves[i + 1].1).expect("in range")),
        || (0..changes).for_each(|i| optimal.set(i, leaves[i + 1].1).expect("in range")),
    );
}

fn load_a_million(hasher: PairHasher) {
    let before = resident_kilobytes();
    let start = Instant::now();
    let mut tree = MerkleTree::with_hasher(hasher);
    tree.update((0..1 << DEPTH).map(|i| (index(i), Some(cheap_leaf(i)))));
    let took = start.elapsed();
    println!(
        "2^20 leaves in {took:?}, {} MB resident more than before",
        (resident_kilobytes() - before) / 1000
    );
    black_box(tree.root());
}

fn loaded(hasher: PairHasher, leaves: &[(RateCommitment, Fr)]) -> MerkleTree {
    let mut tree = MerkleTree::with_hasher(hasher);
    tree.update(leaves.iter().enumerate().map(|(i, leaf)| (index(i), Some(leaf.0))));
    tree
}

fn full(leaves: &[(RateCommitment, Fr)]) -> FullMerkleTree<PoseidonHash> {
    let mut tree = FullMerkleTree::default(DEPTH).expect("depth 20");
    tree.set_range(0, leaves.iter().map(|leaf| leaf.1)).expect("in range");
    tree
}

fn optimal(leaves: &[(RateCommitment, Fr)]) -> OptimalMerkleTree<PoseidonHash> {
    let mut tree = OptimalMerkleTree::default(DEPTH).expect("depth 20");
    tree.set_range(0, leaves.iter().map(|leaf| leaf.1)).expect("in range");
    tree
}

fn print_row(
    name: &str,
    rounds: usize,
    mut ours: impl FnMut(),
    mut full: impl FnMut(),
    mut optimal: impl FnMut(),
) {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        times[0].push(cpu_milliseconds(&mut ours));
        times[1].push(cpu_milliseconds(&mut full));
        times[2].push(cpu_milliseconds(&mut optimal));
    }
    let [ours, full, optimal] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    println!("{name:>16} {ours:12.2} {full:12.2} {optimal:12.2} {:8.2} {:8.2}", full / ours, optimal / ours);
}

/// Time on a processor, all threads together.
fn cpu_milliseconds(work: &mut dyn FnMut()) -> f64 {
    let spent = || -> u64 {
        let tasks = fs::read_dir("/proc/self/task").expect("Linux");
        let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat")).ok();
        let nanoseconds = |text: String| text.split(' ').next().and_then(|number| number.parse::<u64>().ok());
        tasks.flatten().filter_map(of).filter_map(nanoseconds).sum()
    };
    let before = spent();
    work();
    // A thread that ended in between is not counted: only `--threads` makes such.
    spent().saturating_sub(before) as f64 / 1e6
}

fn resident_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("told by Linux");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Distinct leaves, as ours and as zerokit's.
fn leaves(count: usize) -> Vec<(RateCommitment, Fr)> {
    (0..count).map(cheap_leaf).map(|leaf| (leaf, Fr::from_le_bytes_mod_order(&leaf.to_bytes()))).collect()
}

/// Hashing takes as long whatever the leaf is, so it need not be one of a member.
fn cheap_leaf(number: usize) -> RateCommitment {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[31] = 0;
    RateCommitment::from_bytes(&bytes).expect("below the order")
}

fn index(number: usize) -> MembershipIndex {
    MembershipIndex::new(u32::try_from(number).expect("small")).expect("in range")
}
