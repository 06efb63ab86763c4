//! The ratios as a picture: an SVG of bars that needs nothing else.
//!
//! Bars are on a logarithmic scale, since ratios lie between two and some hundred. Text and lines are
//! of a grey that can be read on white and on black; there is no background.

use std::fmt::Write;

use weir_bench_kit::digits;

use crate::{Report, Task, report::Figure};

/// What is drawn: what a member waits for, and what a relay does.
const DRAWN: [Figure; 7] = [
    Figure::Task(Task::ProveFull),
    Figure::Task(Task::ProveCached),
    Figure::Task(Task::ProveSlot),
    Figure::Task(Task::VerifySingle),
    Figure::Task(Task::VerifyBatch(8)),
    Figure::Task(Task::VerifyBatch(32)),
    Figure::Task(Task::VerifyBatch(128)),
];

/// One colour a peer: blue and orange differ for every eye, on white and on black.
const COLORS: [&str; 3] = ["#4c8dd6", "#e08a3c", "#5aa469"];
const GREY: &str = "#80868f";

const WIDTH: f64 = 860.0;
const LEFT: f64 = 210.0;
/// Room behind the longest bar for its text.
const RIGHT: f64 = 250.0;
const TOP: f64 = 64.0;
const BAR: f64 = 18.0;
const GAP: f64 = 14.0;

/// Draws how many times as long each peer takes as our engine.
pub fn plot(report: &Report) -> String {
    let peers = report.peers();
    let group = peers.len() as f64 * BAR + GAP;
    let height = TOP + group * DRAWN.len() as f64 + 34.0;
    let ratios = DRAWN.iter().flat_map(|figure| peers.iter().filter_map(|peer| report.ratio(peer, *figure)));
    // A power of ten, so that the scale ends at a line.
    let decades = ratios.fold(10.0, f64::max).log10().ceil();
    let x = |ratio: f64| LEFT + (WIDTH - LEFT - RIGHT) * ratio.max(1.0).log10() / decades;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"{GREY}\">\n\
         <title>How many times as long as weir</title>\n"
    );
    let machine = &report.machine;
    text(
        &mut svg,
        (10.0, 20.0),
        "start",
        &format!(
            "Processor time as a multiple of weir's ({}, {} thread(s), {})",
            machine.host.cpu_model, report.threads, machine.backend
        ),
    );
    for (number, peer) in peers.iter().enumerate() {
        let left = LEFT + 150.0 * number as f64;
        rectangle(&mut svg, (left, 32.0), (12.0, 12.0), color(number));
        text(&mut svg, (left + 18.0, 43.0), "start", peer.label);
    }
    for decade in 0..=decades as i32 {
        let ratio = 10f64.powi(decade);
        let _ = writeln!(
            svg,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{1:.1}\" stroke=\"{GREY}\" stroke-opacity=\"0.4\"/>",
            x(ratio),
            height - 30.0
        );
        text(&mut svg, (x(ratio), height - 12.0), "middle", &format!("{ratio}x"));
    }
    for (row, figure) in DRAWN.iter().enumerate() {
        let top = TOP + group * row as f64 + GAP / 2.0;
        text(&mut svg, (LEFT - 10.0, top + (group - GAP) / 2.0 + 4.0), "end", &figure.label());
        for (number, peer) in peers.iter().enumerate() {
            let (Some(ratio), Some(ours), Some(theirs)) =
                (report.ratio(peer, *figure), report.engines[0].median_ms(*figure), peer.median_ms(*figure))
            else {
                continue;
            };
            let y = top + BAR * number as f64;
            rectangle(&mut svg, (LEFT, y), (x(ratio) - LEFT, BAR - 3.0), color(number));
            let figures = format!("{}x  ({} : {} ms)", digits(ratio), digits(theirs), digits(ours));
            text(&mut svg, (x(ratio) + 6.0, y + 12.0), "start", &figures);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn color(number: usize) -> &'static str {
    COLORS[number % COLORS.len()]
}

fn rectangle(svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), color: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" fill=\"{color}\"/>"
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{escaped}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn each_ratio_is_a_bar_with_its_figures() {
        let svg = plot(&report(42.0));
        assert!(svg.contains("42.0x  (42.0 : 1.00 ms)"), "{svg}");
        // The legend and three figures that both engines have.
        assert_eq!(svg.matches("<rect").count(), 1 + 3);
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }

    #[test]
    fn names_cannot_break_the_picture() {
        let mut report = report(2.0);
        report.machine.host.cpu_model = "<A&B>".to_owned();
        assert!(plot(&report).contains("&lt;A&amp;B>"));
    }
}
