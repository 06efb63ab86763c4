//! What an engine costs a process that has nothing else: start, first proof, memory.
//!
//! Measured in a process of its own, since memory of one process cannot be told apart by engine, and
//! a first start only happens once.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use serde::{Deserialize, Serialize};
use weir_bench_kit::{ms, peak_rss_kib, rss_kib};
use weir_rln::Threads;

use crate::{CompareError, Contestant, EngineError, Message, Outcome, Proven, StartSettings, Task, Workload};

/// Start, first proof and memory of one engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Footprint {
    /// The engine's key.
    pub engine: String,
    /// Where its tables came from: `built`, `cache`, or nothing for an engine without.
    pub tables: Option<String>,
    /// Reading its proving key and circuit.
    pub key_load_ms: f64,
    /// Reading and preparing the verifying key; nothing when that happens at each check.
    pub verifier_load_ms: Option<f64>,
    /// Computing its tables, or reading them, as `tables` says.
    pub tables_ms: Option<f64>,
    /// From the start of the engine to its first proof, all it waits for included.
    pub start_to_first_proof_ms: f64,
    /// Loading the verifier, and the first check.
    pub start_to_first_verification_ms: f64,
    /// Memory in RAM before the engine was started.
    pub rss_before_kib: u64,
    /// After its first proof and its first check.
    pub rss_after_kib: u64,
    /// The most there was so far.
    pub rss_peak_kib: u64,
}

/// Measures `contestant` in this process, which should not have done anything else yet. It has all the
/// threads that it wants, as in a node.
pub fn footprint(contestant: &Contestant, table_cache: Option<&Path>) -> Result<Footprint, CompareError> {
    let in_engine = |source| CompareError::Engine { engine: contestant.name, source };
    let mut workload = Workload::new().map_err(CompareError::Workload)?;
    let message = Message { epoch: 1, message_id: 1, signal: [1; 32] };
    let rss_before_kib = rss_kib();

    let started = Instant::now();
    let settings =
        StartSettings { table_cache: table_cache.map(Path::to_owned), threads: Threads::available() };
    let mut engine = (contestant.start)(&settings).map_err(in_engine)?;
    let proof = match engine.prepare(Task::ProveFull, &workload, message).map_err(in_engine)? {
        Some(work) => (work.work)().map_err(in_engine)?,
        None => Outcome::Prepared,
    };
    let first_proof = started.elapsed();

    let Outcome::Proof(proof) = proof else {
        return Err(CompareError::WrongAnswer { engine: contestant.name, task: Task::ProveFull });
    };
    workload.proofs.push(Proven::parse(&proof).map_err(CompareError::Workload)?);
    let checking = Instant::now();
    let verdict = match engine.prepare(Task::VerifySingle, &workload, message).map_err(in_engine)? {
        Some(work) => (work.work)().map_err(in_engine)?,
        None => Outcome::Prepared,
    };
    let first_check = checking.elapsed();
    if !matches!(verdict, Outcome::Verdict(true)) {
        return Err(CompareError::WrongAnswer { engine: contestant.name, task: Task::VerifySingle });
    }
    let equipment = engine.equipment();
    let tables = match (equipment.table_build, equipment.table_load) {
        (_, Some(_)) => Some("cache"),
        (Some(_), None) => Some("built"),
        (None, None) => None,
    };
    Ok(Footprint {
        engine: contestant.name.to_owned(),
        tables: tables.map(str::to_owned),
        start_to_first_proof_ms: ms(first_proof),
        key_load_ms: ms(equipment.key_load),
        verifier_load_ms: equipment.verifier_load.map(ms),
        tables_ms: equipment.table_load.or(equipment.table_build).map(ms),
        start_to_first_verification_ms: ms(equipment.verifier_load.unwrap_or_default() + first_check),
        rss_before_kib,
        rss_after_kib: rss_kib(),
        rss_peak_kib: peak_rss_kib(),
    })
}

/// Measures an engine in a new process: this program with `arguments`, which must print what
/// [`footprint`] found as JSON.
pub(crate) fn footprint_of_child(arguments: &[&str]) -> Result<Footprint, EngineError> {
    let program = std::env::current_exe().map_err(EngineError::peer)?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(EngineError::peer)?;
    serde_json::from_slice(&output.stdout).map_err(EngineError::peer)
}
