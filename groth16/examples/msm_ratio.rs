//! How much faster sums with tables are than ark's, in this process, on one thread.
//!
//! `cargo run --release -p weir-groth16 --example msm_ratio`
//!
//! Times are processor time, medians of interleaved runs. Look at the ratios: times
//! depend on what else the machine does.

#![allow(clippy::print_stdout, reason = "it is there to print")]

use std::hint::black_box;

use ark_bn254::{Fr, G1Projective, G2Projective};
use ark_ec::VariableBaseMSM;
use ark_ff::UniformRand;
use rand::{SeedableRng, rngs::StdRng};
use rustix::time::{ClockId, clock_gettime};
use weir_groth16::lanes::BackendKind;
use weir_groth16::msm::{FixedBaseTable, PointTable, TableGroup, few};

const RUNS: usize = 9;

fn main() {
    let kind = BackendKind::detect();
    println!("backend: {kind}");
    println!("{:<22} {:>9} {:>9} {:>9} {:>8} {:>8}", "sum", "build ms", "ark ms", "ours ms", "ratio", "MiB");
    compare::<G1Projective>("G1 8192 (H)", kind, 8192);
    compare::<G1Projective>("G1 5797 (A)", kind, 5797);
    compare::<G1Projective>("G1 17875 (H, L, B1)", kind, 17875);
    compare::<G2Projective>("G2 3845 (B2)", kind, 3845);
    compare::<G1Projective>("G1 489", kind, 489);

    println!("{:<22} {:>9} {:>9} {:>9} {:>8}", "a few points", "ark us", "few us", "table us", "ratios");
    compare_few::<G1Projective>("G1 1", 1);
    compare_few::<G1Projective>("G1 4", 4);
    compare_few::<G2Projective>("G2 1", 1);
}

/// Products one by one in ark, the same sum with `few`, and with a table of each point.
fn compare_few<G: TableGroup>(name: &str, count: usize) {
    let mut rng = StdRng::seed_from_u64(2);
    let points: Vec<_> = (0..count).map(|_| G::rand(&mut rng)).collect();
    let affine = G::normalize_batch(&points);
    let terms: Vec<_> = affine.iter().map(|point| (*point, Fr::rand(&mut rng))).collect();
    let tables: Vec<_> = points.iter().map(|point| PointTable::new(*point, 8)).collect();

    let (mut arks, mut fews, mut with_tables) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS * 20 {
        let (expected, time) =
            timed(|| black_box(&points).iter().zip(&terms).map(|(p, (_, k))| *p * k).sum::<G>());
        arks.push(time);
        let (sum, time) = timed(|| few::<G>(black_box(&terms)));
        fews.push(time);
        assert_eq!(sum, expected, "both sums are the same point");
        let (sum, time) =
            timed(|| tables.iter().zip(black_box(&terms)).map(|(t, (_, k))| t.mul(k)).sum::<G>());
        with_tables.push(time);
        assert_eq!(sum, expected, "both sums are the same point");
    }
    let [arks, fews, with_tables] = [arks, fews, with_tables].map(|times| median(times) * 1e3);
    println!(
        "{name:<22} {arks:>9.1} {fews:>9.1} {with_tables:>9.1} {:>7.2}x {:>7.2}x",
        arks / fews,
        arks / with_tables,
    );
}

fn compare<G: TableGroup + VariableBaseMSM>(name: &str, kind: BackendKind, count: usize) {
    let mut rng = StdRng::seed_from_u64(1);
    let points: Vec<_> = (0..count).map(|_| G::rand(&mut rng)).collect();
    let bases = G::normalize_batch(&points);
    let scalars: Vec<_> = (0..count).map(|_| Fr::rand(&mut rng)).collect();

    let (table, build) = timed(|| FixedBaseTable::<G>::build(kind, &bases));
    let (mut arks, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (expected, time) = timed(|| G::msm_unchecked(&bases, black_box(&scalars)));
        arks.push(time);
        let (sum, time) = timed(|| table.msm(black_box(&scalars)));
        ours.push(time);
        assert_eq!(sum, expected, "both sums are the same point");
    }
    let (arks, ours) = (median(arks), median(ours));
    println!(
        "{name:<22} {build:>9.1} {arks:>9.2} {ours:>9.2} {:>7.2}x {:>8.1}",
        arks / ours,
        table.bytes() as f64 / f64::from(1 << 20),
    );
}

/// What `calculate` gives, and the milliseconds of processor time it took.
fn timed<T>(calculate: impl FnOnce() -> T) -> (T, f64) {
    let start = processor_time();
    let result = calculate();
    (result, processor_time() - start)
}

/// Milliseconds that the processor has worked for this process.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
