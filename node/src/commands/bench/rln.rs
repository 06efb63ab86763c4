//! `weir bench rln`: how fast this machine makes and checks proofs, beside zerokit's engine.
//!
//! The measurement itself is [`weir_bench_rln`]'s, which `rln-compare` uses as well.

use std::{fs, io, path::PathBuf};

use weir_bench_rln::{CompareError, Contestant, RLN_3, Run, Settings, WEIR};

use crate::{cli::BenchRlnArgs, output};

/// What is compared, ours first.
const CONTESTANTS: [Contestant; 2] = [WEIR, RLN_3];

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum BenchRlnError {
    /// An engine failed or could not be started.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// The picture could not be written.
    #[error("cannot write {path}: {source}")]
    Plot {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Measures and answers.
pub(super) fn run(arguments: &BenchRlnArgs) -> Result<(), BenchRlnError> {
    let run = Run { contestants: &CONTESTANTS, own_arguments: &["bench", "rln"] };
    if let Some(engine) = &arguments.footprint_of {
        return Ok(output::print(run.footprint_json(engine, arguments.table_cache.as_deref())?)?);
    }
    let BenchRlnArgs { iterations, threads, batches, .. } = arguments;
    let settings =
        Settings { iterations: *iterations, threads: usize::from(*threads), batches: batches.clone() };
    let report = run.compare(&settings)?;
    if let Some(path) = &arguments.plot {
        let written = fs::write(path, weir_bench_rln::plot(&report));
        written.map_err(|source| BenchRlnError::Plot { path: path.clone(), source })?;
    }
    Ok(output::print(report.to_text(arguments.format.into()))?)
}
