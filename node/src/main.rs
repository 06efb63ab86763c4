//! `weir`: a Waku node whose relay is rate limited by RLN proofs.

use std::process::ExitCode;

use clap::Parser;
use weir_node::{
    cli::{Cli, Command},
    commands, config, lifecycle, output, telemetry,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let done = match cli.into_command() {
        Command::Run(settings) => run(*settings),
        Command::Rln { command } => commands::rln::run(command).map_err(Into::into),
        Command::Circuits { command } => commands::circuits::run(command).map_err(Into::into),
        Command::Store { command } => commands::store::run(&command).map_err(Into::into),
        Command::Bench { command } => commands::bench::run(&command).map_err(Into::into),
    };
    output::exit(done)
}

fn run(settings: config::RawConfig) -> Result<(), Box<dyn std::error::Error>> {
    let config = config::load(settings, std::env::vars_os())?;
    telemetry::init(config.log)?;
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
    lifecycle::run(config)?;
    Ok(())
}
