//! `filter-load`: see [`weir_benches::filter_load`].

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use weir_benches::filter_load::{Arguments, run};

/// As many threads as there are processors: a thousand clients are more work than the node.
#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(report) => {
            let json = serde_json::to_string_pretty(&report).expect("the report has only text keys");
            match writeln!(io::stdout(), "{json}") {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = writeln!(io::stderr(), "filter-load: {error}");
            ExitCode::FAILURE
        }
    }
}
