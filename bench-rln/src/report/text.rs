//! The report for people: aligned columns, or the same as Markdown.

use std::fmt::Write;

use super::{EngineReport, Figure, Report};
use crate::samples::Spread;

/// What stands where there is no figure.
const NOTHING: &str = "-";

pub(super) fn table(report: &Report) -> String {
    let mut text = introduction(report, "");
    for rows in [figures(report), footprints(report)] {
        if rows.len() > 1 {
            text.push('\n');
            text.push_str(&aligned(&rows));
        }
    }
    text.trim_end().to_owned()
}

pub(super) fn markdown(report: &Report) -> String {
    let mut text = introduction(report, "  ");
    for rows in [figures(report), footprints(report)] {
        let [heading, body @ ..] = &rows[..] else { continue };
        if body.is_empty() {
            continue;
        }
        let _ = write!(text, "\n| {} |\n|{}\n", heading.join(" | "), "---|".repeat(heading.len()));
        for row in body {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
    }
    text.trim_end().to_owned()
}

/// What was measured where. `line_end` keeps lines apart in Markdown.
fn introduction(report: &Report, line_end: &str) -> String {
    let machine = &report.machine;
    let features = if machine.cpu_features.is_empty() { "none" } else { &machine.cpu_features.join(" ") };
    let mut text = format!(
        "{} ({} cores; {features}); weir's arithmetic: {}{line_end}\n\
         {} rounds, {} thread(s). Median processor time in ms (10th to 90th percentile; w: median wall \
         time); a ratio is how many times as long it takes the other{line_end}\n",
        machine.cpu_model, machine.cores, machine.backend, report.iterations, report.threads
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

fn figures(report: &Report) -> Vec<Vec<String>> {
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
    std::iter::once(heading).chain(report.figures().into_iter().map(row)).collect()
}

fn cell(spread: &Spread) -> String {
    let Spread { samples, cpu_p50_ms, cpu_p10_ms, cpu_p90_ms, wall_p50_ms, .. } = spread;
    if *samples == 1 {
        return format!("{} once", digits(*cpu_p50_ms));
    }
    let [p10, p90, wall] = [cpu_p10_ms, cpu_p90_ms, wall_p50_ms].map(|ms| digits(*ms));
    format!("{} ({p10} to {p90}; w {wall})", digits(*cpu_p50_ms))
}

fn footprints(report: &Report) -> Vec<Vec<String>> {
    let heading =
        ["alone in a process", "tables", "start to first proof", "to first check", "memory", "peak"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
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

/// Three digits that count: more would be of noise.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        size if size >= 0.0995 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn three_digits_are_shown() {
        let shown = [1234.5, 51.26, 2.345, 0.5214, 0.01234].map(digits);
        assert_eq!(shown, ["1234", "51.3", "2.35", "0.521", "0.0123"]);
    }

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
