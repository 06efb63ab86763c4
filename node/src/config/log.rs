//! What is logged and how it looks.

use clap::ValueEnum;

/// nwaku's log levels; each shows itself and everything graver.
///
/// weir logs on five levels. NOTICE shows what WARN shows, and FATAL what ERROR shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "UPPER")]
#[expect(missing_docs, reason = "the names are their meaning")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Notice,
    Warn,
    Error,
    Fatal,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum LogFormat {
    /// One readable line, with colours when standard error is a terminal.
    Text,
    /// One JSON object a line.
    Json,
}
