//! `relay-rln`: see [`weir_benches::relay_rln`].

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use weir_benches::relay_rln::{Arguments, run};

/// One thread: the nodes need the others.
#[tokio::main(flavor = "current_thread")]
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
            let _ = writeln!(io::stderr(), "relay-rln: {error}");
            ExitCode::FAILURE
        }
    }
}
