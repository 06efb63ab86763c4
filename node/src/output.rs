//! Everything the binary prints: answers on standard output, errors on standard error.
//!
//! Nothing else in the workspace writes to standard output; logs go through [`crate::telemetry`].

use std::{
    error::Error,
    fmt::{self, Display},
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;

use crate::cli::Format;

pub mod banner;
pub mod progress;

/// Exit code of everything that is not success, as nwaku has it.
const FAILED: u8 = 1;

/// Writes `answer` to standard output. A reader that went away, as `head` does, is no error.
pub fn print(answer: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{answer}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes `answer` in the form that was asked for: its own text, or JSON of its public fields.
pub fn print_as(format: Format, answer: &(impl Display + Serialize)) -> io::Result<()> {
    match format {
        Format::Text => print(answer),
        Format::Json => print(serde_json::to_string_pretty(answer)?),
    }
}

/// Writes `note` to standard error: what is worth knowing and no answer. A command that did its work does not fail
/// because nobody can be told.
pub fn note(note: impl Display) {
    let _ = writeln!(io::stderr(), "{note}");
}

/// Shows clap's help, version or refusal, where each belongs.
pub fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to do when even this cannot be written.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
}

/// The process's exit code; an error is shown with its causes.
pub fn exit(done: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    // Nothing is left to do when even this cannot be written.
    let _ = writeln!(io::stderr(), "error: {}", with_causes(error.as_ref()));
    ExitCode::from(FAILED)
}

/// The error's text and those of its causes which it does not repeat itself.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// Rows of text in aligned columns under a heading.
#[derive(Debug)]
pub struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table with only a heading.
    pub fn new(heading: [&str; COLUMNS]) -> Self {
        Self { rows: vec![heading.map(str::to_owned)] }
    }

    /// Adds a row.
    pub fn push(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }
}

impl<const COLUMNS: usize> Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (index, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let line_end = if index + 1 < self.rows.len() { "\n" } else { "" };
            write!(f, "{}{line_end}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["INDEX", "STATE"]);
        table.push(["0".into(), "active".into()]);
        table.push(["1234567".into(), "erased".into()]);
        assert_eq!(table.to_string(), "INDEX    STATE\n0        active\n1234567  erased");
    }

    #[test]
    fn causes_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot start")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("the disk is full"));
        assert_eq!(with_causes(&error), "cannot start: the disk is full");
        assert_eq!(with_causes(&io::Error::other("alone")), "alone");
    }
}
