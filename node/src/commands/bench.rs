//! `weir bench rln`: how fast this machine makes and checks proofs.
//!
//! One proof at a time, after a first one that is not counted. With `--format json` the answer is
//! one object whose keys do not change:
//!
//! ```json
//! { "iterations": 20, "threads": 2, "cpu_features": ["avx2"],
//!   "generation": {"min_us": 0, "p50_us": 0, "p90_us": 0, "p99_us": 0, "max_us": 0},
//!   "verification": {"min_us": 0, "p50_us": 0, "p90_us": 0, "p99_us": 0, "max_us": 0} }
//! ```
//!
//! Times are whole microseconds of wall time; a percentile is the nearest rank.

use std::{
    fmt, io, thread,
    time::{Duration, Instant},
};

use rand::rngs::OsRng;
use serde::Serialize;
use weir_core::RateLimitProof;
use weir_rln::{
    ClaimError, EngineSettings, Epoch, Identity, MembershipIndex, MerklePath, MerkleTree, MessageId,
    ProofClaim, ProveError, ProveRequest, Prover, RateCommitment, RlnIdentifier, ShareX, UserMessageLimit,
    Verifier, VerifyingKeyError,
};

use crate::{
    cli::{BenchCommand, BenchRlnArgs},
    output,
};

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The prover could not be loaded or refused.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The verifier could not be loaded.
    #[error(transparent)]
    VerifyingKey(#[from] VerifyingKeyError),
    /// A fresh proof has parts that are not canonical.
    #[error("a proof made here cannot be read back: {0}")]
    Claim(#[from] ClaimError),
    /// A fresh proof does not hold.
    #[error("a proof made here does not hold; this build of weir is broken")]
    ProofDoesNotHold,
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command of `weir bench`.
pub fn run(command: &BenchCommand) -> Result<(), BenchError> {
    let BenchCommand::Rln(BenchRlnArgs { iterations, format }) = command;
    output::print_as(*format, &measure(*iterations)?)?;
    Ok(())
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    iterations: u32,
    threads: usize,
    cpu_features: Vec<&'static str>,
    generation: Times,
    verification: Times,
}

/// Wall times in whole microseconds.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Times {
    min_us: u64,
    p50_us: u64,
    p90_us: u64,
    p99_us: u64,
    max_us: u64,
}

fn measure(iterations: u32) -> Result<Report, BenchError> {
    let (prover, verifier, member) =
        (Prover::load(&EngineSettings::default())?, Verifier::load()?, Member::new());
    let mut generation = Vec::new();
    let mut verification = Vec::new();
    for number in 0..=iterations {
        let (proof, made_in) = timed(|| member.prove(&prover, number));
        let claim = ProofClaim::parse(&proof?)?;
        let (holds, checked_in) = timed(|| verifier.verify(&claim));
        if !holds {
            return Err(BenchError::ProofDoesNotHold);
        }
        // The first round warms caches and lazy tables.
        if number > 0 {
            generation.push(made_in);
            verification.push(checked_in);
        }
    }
    Ok(Report {
        iterations,
        threads: thread::available_parallelism().map_or(1, usize::from),
        cpu_features: cpu_features(),
        generation: Times::of(generation),
        verification: Times::of(verification),
    })
}

/// The only member of a group, with the largest quota.
struct Member {
    identity: Identity,
    limit: UserMessageLimit,
    path: MerklePath,
}

impl Member {
    fn new() -> Self {
        let identity = Identity::generate(&mut OsRng);
        let limit = UserMessageLimit::new(u32::from(u16::MAX)).expect("65535 is the largest limit");
        let index = MembershipIndex::new(0).expect("the tree has a first leaf");
        let mut tree = MerkleTree::new();
        tree.set(index, RateCommitment::new(identity.commitment(), limit));
        let path = tree.path(index).expect("the leaf was just set");
        Self { identity, limit, path }
    }

    /// Proves signal `number`; each uses its own message id, in as many epochs as that takes.
    fn prove(&self, prover: &Prover, number: u32) -> Result<RateLimitProof, ProveError> {
        let mut signal = [0; 32];
        signal[..4].copy_from_slice(&number.to_le_bytes());
        prover.prove(&ProveRequest {
            identity: self.identity.secret(),
            limit: self.limit,
            message_id: MessageId(number % self.limit.get()),
            path: &self.path,
            epoch: Epoch::new(u64::from(number / self.limit.get())),
            rln_identifier: RlnIdentifier::WAKU,
            signal: ShareX::from_bytes(&signal).expect("four bytes are below the modulus"),
        })
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

impl Times {
    /// Of at least one measurement.
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let rank = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            u64::try_from(times[rank - 1].as_micros()).unwrap_or(u64::MAX)
        };
        Self { min_us: rank(0), p50_us: rank(50), p90_us: rank(90), p99_us: rank(99), max_us: rank(100) }
    }
}

/// The instruction sets that matter for field arithmetic and this processor has.
fn cpu_features() -> Vec<&'static str> {
    macro_rules! present {
        ($detect:ident: $($feature:tt),+) => {
            [$(($feature, std::arch::$detect!($feature))),+]
                .into_iter()
                .filter_map(|(feature, is_present)| is_present.then_some(feature))
                .collect()
        };
    }
    #[cfg(target_arch = "x86_64")]
    return present!(is_x86_feature_detected: "adx", "avx2", "avx512f", "avx512ifma", "avx512vl", "bmi2");
    #[cfg(target_arch = "aarch64")]
    return present!(is_aarch64_feature_detected: "neon", "sve", "sve2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return Vec::new();
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let features =
            if self.cpu_features.is_empty() { "none".to_owned() } else { self.cpu_features.join(" ") };
        writeln!(
            f,
            "RLN proofs, depth 20, one at a time, {} of each, {} threads",
            self.iterations, self.threads
        )?;
        writeln!(f, "CPU features: {features}\n")?;
        let mut table = output::Table::new(["MILLISECONDS", "MIN", "P50", "P90", "P99", "MAX"]);
        for (name, times) in [("generation", &self.generation), ("verification", &self.verification)] {
            let columns = [times.min_us, times.p50_us, times.p90_us, times.p99_us, times.max_us];
            let [min, p50, p90, p99, max] = columns.map(|us| format!("{}.{:03}", us / 1000, us % 1000));
            table.push([name.to_owned(), min, p50, p90, p99, max]);
        }
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let times = Times::of((1..=200).rev().map(Duration::from_micros).collect());
        assert_eq!(times, Times { min_us: 1, p50_us: 100, p90_us: 180, p99_us: 198, max_us: 200 });
        let one = Times::of(vec![Duration::from_micros(7)]);
        assert_eq!(one, Times { min_us: 7, p50_us: 7, p90_us: 7, p99_us: 7, max_us: 7 });
    }
}
