//! The report for people: aligned columns, or the same as Markdown.

use std::fmt::Write;

use weir_bench_kit::{Rows, digits};

use super::{EngineReport, Figure, Report};
use crate::samples::Spread;

/// What stands where there is no figure.
const NOTHING: &str = "-";

pub(super) fn table(report: &Report) -> String {
    with_tables(report, "", Rows::to_table)
}

pub(super) fn markdown(report: &Report) -> String {
    with_tables(report, "  ", Rows::to_markdown)
}

fn with_tables(report: &Report, line_end: &str, write: fn(&Rows) -> String) -> String {
    let mut text = introduction(report, line_end);
    for rows in [figures(report), footprints(report)].iter().filter(|rows| !rows.is_empty()) {
        text.push('\n');
        text.push_str(&write(rows));
    }
    text.trim_end().to_owned()
}

/// What was measured where. `line_end` keeps lines apart in Markdown.
fn introduction(report: &Report, line_end: &str) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "{}; weir's arithmetic: {}{line_end}\n\
         {} rounds, {} thread(s). Median processor time in ms (10th to 90th percentile; w: median wall \
         time); a ratio is how many times as long it takes the other{line_end}\n",
        machine.host, machine.backend, report.iterations, report.threads
    );
    for engine in report.engines.iter().filter(|engine| engine.fallbacks > 0) {
        let _ = writeln!(
            text,
            "WARNING: {} fell back {} times, so some figures are not its own{line_end}",
            engine.label, engine.fallbacks
        );
    }
    text
}

fn figures(report: &Report) -> Rows {
    let mut heading = vec!["operation".to_owned()];
    heading.extend(report.engines.iter().map(|engine| engine.label.to_owned()));
    heading.extend(report.peers().iter().map(|peer| format!("ratio to {}", peer.label)));
    let row = |figure: Figure| {
        let mut row = vec![figure.label()];
        let time = |engine: &EngineReport| engine.figures.get(&figure).map_or(NOTHING.to_owned(), cell);
        row.extend(report.engines.iter().map(time));
        row.extend(report.peers().iter().map(|peer| {
            report.ratio(peer, figure).map_or(NOTHING.to_owned(), |ratio| format!("{}x", digits(ratio)))
        }));
        row
    };
    let mut rows = Rows::new(heading);
    report.figures().into_iter().map(row).for_each(|row| rows.push(row));
    rows
}

fn cell(spread: &Spread) -> String {
    let Spread { samples, cpu_p50_ms, cpu_p10_ms, cpu_p90_ms, wall_p50_ms, .. } = spread;
    if *samples == 1 {
        return format!("{} once", digits(*cpu_p50_ms));
    }
    let [p10, p90, wall] = [cpu_p10_ms, cpu_p90_ms, wall_p50_ms].map(|ms| digits(*ms));
    format!("{} ({p10} to {p90}; w {wall})", digits(*cpu_p50_ms))
}

fn footprints(report: &Report) -> Rows {
    let heading =
        ["alone in a process", "tables", "start to first proof", "to first check", "memory", "peak"];
    let mut rows = Rows::new(heading.map(str::to_owned));
    for footprint in &report.footprints {
        let mib = |kib: u64| format!("{} MiB", digits(kib as f64 / 1024.0));
        rows.push(vec![
            footprint.engine.clone(),
            footprint.tables.clone().unwrap_or_else(|| NOTHING.to_owned()),
            format!("{} ms", digits(footprint.start_to_first_proof_ms)),
            format!("{} ms", digits(footprint.start_to_first_verification_ms)),
            mib(footprint.rss_after_kib.saturating_sub(footprint.rss_before_kib)),
            mib(footprint.rss_peak_kib.saturating_sub(footprint.rss_before_kib)),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn a_row_has_every_engine_and_ratio() {
        let table = table(&report(6.5));
        let row = table.lines().find(|line| line.starts_with("prove, from nothing")).expect("the row");
        assert!(row.contains("1.00 once") && row.ends_with("6.50x"), "{table}");
        let row = table.lines().find(|line| line.starts_with("verify one, points")).expect("the row");
        assert!(row.trim_end().ends_with('-'), "{table}");
        assert!(markdown(&report(2.0)).contains("\n|---|---|---|---|\n| prove, from nothing |"));
    }

    #[test]
    fn a_fallback_is_told_before_any_figure() {
        let mut report = report(2.0);
        report.engines[0].fallbacks = 3;
        assert!(table(&report).contains("WARNING: weir fell back 3 times"));
    }
}
