//! How far a long command is, on standard error: a bar at a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two lines where there is no terminal: a log of an hour has 360.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// How far a command is. Dropped, it leaves nothing on a terminal.
#[derive(Debug)]
pub struct Progress {
    unit: Unit,
    total: Option<u64>,
    shown: Shown,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Messages.
    Messages,
    /// Bytes.
    Bytes,
    /// Queries.
    Queries,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    /// When the last line was written.
    Lines(Instant),
}

impl Progress {
    /// Nothing done of `total`, if that is known.
    pub fn new(unit: Unit, total: Option<u64>) -> Self {
        let shown = if io::stderr().is_terminal() {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            Shown::Bar(bar.with_style(style(unit, total.is_some())))
        } else {
            Shown::Lines(Instant::now())
        };
        Self { unit, total, shown }
    }

    /// Shows that `done` are done altogether.
    pub fn set(&mut self, done: u64) {
        match &mut self.shown {
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Lines(last) if last.elapsed() >= BETWEEN_LINES => {
                *last = Instant::now();
                // A command goes on when nobody can see how far it is.
                let _ = writeln!(io::stderr(), "{}", line(self.unit, self.total, done));
            }
            Shown::Lines(_) => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

fn line(unit: Unit, total: Option<u64>, done: u64) -> String {
    let unit = match unit {
        Unit::Messages => "messages",
        Unit::Bytes => "bytes",
        Unit::Queries => "queries",
    };
    match total {
        Some(total) => format!("{done} of {total} {unit}"),
        None => format!("{done} {unit}"),
    }
}

fn style(unit: Unit, total_is_known: bool) -> ProgressStyle {
    let template = match (unit, total_is_known) {
        (Unit::Messages, true) => "{wide_bar} {human_pos} of {human_len} messages, {per_sec}, {eta} left",
        (Unit::Messages, false) => "{spinner} {human_pos} messages, {per_sec}, {elapsed}",
        (Unit::Queries, true) => "{wide_bar} {human_pos} of {human_len} queries, {per_sec}, {eta} left",
        (Unit::Queries, false) => "{spinner} {human_pos} queries, {per_sec}, {elapsed}",
        (Unit::Bytes, true) => "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        (Unit::Bytes, false) => "{spinner} {bytes}, {bytes_per_sec}, {elapsed}",
    };
    ProgressStyle::with_template(template).expect("the templates above are well formed; a test reads them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_well_formed() {
        for unit in [Unit::Messages, Unit::Bytes, Unit::Queries] {
            style(unit, true);
            style(unit, false);
        }
    }

    #[test]
    fn a_line_tells_the_total_where_it_is_known() {
        assert_eq!(line(Unit::Messages, Some(10), 3), "3 of 10 messages");
        assert_eq!(line(Unit::Bytes, None, 3), "3 bytes");
    }
}
