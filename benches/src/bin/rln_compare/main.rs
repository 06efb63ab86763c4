//! `rln-compare`: `weir bench rln` with the version of zerokit that live nodes run as a third engine.
//!
//! `cargo run --release -p weir-benches --bin rln-compare -- --iterations 20 --plot docs/pictures/rln.svg`

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use weir_bench_rln::{Contestant, RLN_3, Run, Settings, WEIR};

mod rln_2;

/// What is compared, ours first.
const CONTESTANTS: [Contestant; 3] = [WEIR, RLN_3, rln_2::RLN_2];

/// Compare weir's RLN engine with zerokit 3.0.0 and with 2.0.2, which live nodes run.
///
/// Every operation is done by all in turns, in one process; figures are medians of processor time.
#[derive(Debug, Parser)]
#[command(name = "rln-compare", version)]
struct Arguments {
    /// Times each operation is measured
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "NUMBER")]
    iterations: u32,
    /// Threads that an engine may use; one of weir's proofs takes two at most
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "NUMBER")]
    threads: u16,
    /// Sizes of the batches that are verified
    #[arg(long, default_values_t = [8, 32, 128], value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=4096), value_name = "SIZES")]
    batches: Vec<u32>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    format: Format,
    /// Draw the ratios into an SVG file as well
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Measure one engine's start and memory in this process; the program starts itself with it
    #[arg(long, hide = true, value_name = "ENGINE")]
    footprint_of: Option<String>,
    /// Where that engine keeps its tables
    #[arg(long, hide = true, requires = "footprint_of", value_name = "FILE")]
    table_cache: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people at a terminal.
    Table,
    /// For documents.
    Markdown,
    /// For programs.
    Json,
}

fn main() -> ExitCode {
    let done = answer(&Arguments::parse())
        .and_then(|text| Ok(writeln!(io::stdout(), "{text}").or_else(ignore_a_reader_that_left)?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = writeln!(io::stderr(), "rln-compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(arguments: &Arguments) -> Result<String, Box<dyn std::error::Error>> {
    let run = Run { contestants: &CONTESTANTS, own_arguments: &[] };
    if let Some(engine) = &arguments.footprint_of {
        return Ok(run.footprint_json(engine, arguments.table_cache.as_deref())?);
    }
    let report = run.compare(&Settings {
        iterations: arguments.iterations,
        threads: usize::from(arguments.threads),
        batches: arguments.batches.clone(),
    })?;
    if let Some(path) = &arguments.plot {
        fs::write(path, weir_bench_rln::plot(&report))?;
    }
    Ok(report.to_text(match arguments.format {
        Format::Table => weir_bench_kit::Format::Table,
        Format::Markdown => weir_bench_kit::Format::Markdown,
        Format::Json => weir_bench_kit::Format::Json,
    }))
}

fn ignore_a_reader_that_left(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}
