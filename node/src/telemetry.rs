//! Logs: on standard error, as text or JSON, at a level that can be changed while the node runs.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat, LogLevel};

/// The one filter of the process, as the subscriber it belongs to is one of the process.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Logs were set up twice, by this or by another subscriber.
#[derive(Debug, thiserror::Error)]
#[error("logging is set up already: {0}")]
pub struct TelemetryError(#[from] tracing_subscriber::util::TryInitError);

/// Sets up logging for the process; once.
pub fn init(config: LogConfig) -> Result<(), TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter(config.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match config.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    // Only the subscriber that was installed gets its handle here.
    FILTER.get_or_init(|| handle);
    Ok(())
}

/// Changes the level: one of nwaku's level names, in any case.
///
/// # Errors
/// A text to show: the level does not exist, or logging was never set up.
pub fn set_log_level(level: &str) -> Result<(), String> {
    let level = LogLevel::from_str(level, true).map_err(|_| {
        format!(
            "Invalid log-level: {level}. Please specify one of TRACE, DEBUG, INFO, NOTICE, WARN, ERROR or FATAL"
        )
    })?;
    let handle = FILTER.get().ok_or("logging is not set up")?;
    handle.reload(filter(level)).map_err(|error| error.to_string())
}

fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(directives(level))
}

/// What weir's own crates log, and what its dependencies do: these are one step quieter and, at
/// INFO, silent but for warnings, since an operator's log is about this node. gossipsub's warnings
/// print whole messages when a peer is slow, so only its errors are shown.
const fn directives(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "debug,weir=trace",
        LogLevel::Debug => "info,weir=debug",
        LogLevel::Info => "warn,libp2p_gossipsub=error,weir=info",
        LogLevel::Notice | LogLevel::Warn => "warn,libp2p_gossipsub=error",
        LogLevel::Error | LogLevel::Fatal => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_a_valid_filter() {
        for level in LogLevel::value_variants() {
            assert!(EnvFilter::try_new(directives(*level)).is_ok(), "{level:?}");
        }
    }

    #[test]
    fn an_unknown_level_is_refused_with_the_list() {
        let error = set_log_level("LOUD").expect_err("no level");
        assert!(error.starts_with("Invalid log-level: LOUD."), "{error}");
        assert_eq!(set_log_level("debug"), Err("logging is not set up".to_owned()));
    }
}
