//! `relay-load`: see [`weir_benches::load`].

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use weir_benches::load::{Arguments, Format, run};

/// One thread: the nodes need the others.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let text = match run(&arguments).await {
        Ok(report) => match arguments.format {
            Format::Text => report.to_string(),
            Format::Json => {
                serde_json::to_string_pretty(&report).expect("the report has only text keys") + "\n"
            }
        },
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = writeln!(io::stderr(), "relay-load: {error}");
            return ExitCode::FAILURE;
        }
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
