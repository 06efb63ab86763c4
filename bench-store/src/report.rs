//! What was found, and its forms.
//!
//! ```json
//! { "backend": "redb", "messages": 1000000, "machine": {…}, "load_before": 0.1, …,
//!   "ingest_per_s": 0.0,
//!   "idle":      { "hash_1": { "p50_ms": 0.0, "p90_ms": 0.0, "p95_ms": 0.0, "p99_ms": 0.0, … }, … },
//!   "ingesting": { "hash_1": { … }, … },
//!   "over_libp2p": { "idle": { … }, "ingesting": { … } } }
//! ```

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Serialize;
use strum::VariantArray;
use weir_bench_kit::{Format, Machine, Rows, digits, ms, percentile, sorted};

use crate::{Backend, Kind, Relayed};

/// An archive, measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What keeps the messages.
    pub backend: Backend,
    /// Messages it was filled with.
    pub messages: u64,
    /// What the messages were made from.
    pub seed: u64,
    /// What it was measured on.
    pub machine: Machine,
    /// Processes that wanted a processor when it began: the mean of a minute.
    pub load_before: f64,
    /// Messages kept a second while it was filled, each of them on disk.
    pub ingest_per_s: f64,
    /// Seconds that the filling took.
    pub fill_s: f64,
    /// What passed through the relay meanwhile.
    pub relayed_while_filling: Relayed,
    /// Seconds that the whole measurement took.
    pub total_s: f64,
    /// What the archive says it takes on disk after it was filled.
    pub bytes: u64,
    /// The same for one message.
    pub bytes_per_message: f64,
    /// The most memory this process took, in KiB.
    pub peak_rss_kib: u64,
    /// Queries of the node's store service while nothing else is done.
    pub idle: Answers,
    /// The same while messages come in.
    pub ingesting: Answers,
    /// Queries of a peer.
    pub over_libp2p: OverLibp2p,
    /// What came in through the relay meanwhile.
    pub relayed_while_asking: Relayed,
    /// Where the archive was left, when it was to be kept.
    pub kept_in: Option<PathBuf>,
}

/// Queries of a peer: the service, two networks between them, and what the peer itself does, all on this machine.
#[derive(Debug, Clone, Default, Serialize)]
pub struct OverLibp2p {
    /// While nothing else is done.
    pub idle: Answers,
    /// While messages come in.
    pub ingesting: Answers,
}

/// How long each kind of query took.
pub type Answers = BTreeMap<Kind, Spread>;

/// How the times of one kind of query lie, from asking to having the messages.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the queries took no longer.
    pub p50_ms: f64,
    /// Nine of ten.
    pub p90_ms: f64,
    /// 95 of a hundred.
    pub p95_ms: f64,
    /// 99 of a hundred.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Queries.
    pub samples: usize,
    /// Messages of an answer, on average.
    pub mean_rows: f64,
}

/// The times of one kind of query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    taken: Vec<Duration>,
    rows: usize,
}

impl Samples {
    pub(crate) fn push(&mut self, taken: Duration, rows: usize) {
        self.taken.push(taken);
        self.rows += rows;
    }

    /// `None` when nothing was measured.
    pub(crate) fn spread(&self) -> Option<Spread> {
        let taken = sorted(self.taken.iter().copied());
        let of = |percent| percentile(&taken, percent).map(ms);
        Some(Spread {
            p50_ms: of(50)?,
            p90_ms: of(90)?,
            p95_ms: of(95)?,
            p99_ms: of(99)?,
            max_ms: of(100)?,
            samples: taken.len(),
            mean_rows: self.rows as f64 / taken.len() as f64,
        })
    }
}

impl Report {
    /// The report as text of `format`.
    pub fn to_text(&self, format: Format) -> String {
        match format {
            Format::Table => self.with_rows("", Rows::to_table),
            Format::Markdown => self.with_rows("  ", Rows::to_markdown),
            Format::Json => format!("{:#}", serde_json::json!(self)),
        }
    }

    /// `line_end` keeps lines apart in Markdown.
    fn with_rows(&self, line_end: &str, write: fn(&Rows) -> String) -> String {
        let introduction = [
            format!("{}; load {} before", self.machine, digits(self.load_before)),
            format!(
                "{} messages in {}: {} bytes on disk each, {} kept a second",
                self.messages,
                self.backend,
                digits(self.bytes_per_message),
                digits(self.ingest_per_s),
            ),
            format!(
                "while filling {}, while asking (ingesting) {}",
                relayed(&self.relayed_while_filling),
                relayed(&self.relayed_while_asking),
            ),
        ];
        let mut text = String::new();
        for line in introduction {
            text.push_str(&line);
            text.push_str(line_end);
            text.push('\n');
        }
        let peer = &self.over_libp2p;
        for (caption, idle, ingesting) in [
            ("the node's store service, asked as REST asks it", &self.idle, &self.ingesting),
            ("a peer asks over libp2p, on loopback", &peer.idle, &peer.ingesting),
        ] {
            text.push_str(&format!("\n{caption}; ms until the messages are there\n\n"));
            text.push_str(&write(&rows(idle, ingesting)));
        }
        text.trim_end().to_owned()
    }
}

fn rows(idle: &Answers, ingesting: &Answers) -> Rows {
    let percents = ["p50", "p90", "p95", "p99"];
    let heading = |phase: &'static str| percents.map(|percent| format!("{phase} {percent}"));
    let mut headings = vec!["query".to_owned(), "messages".to_owned()];
    headings.extend(heading("idle"));
    headings.extend(heading("ingesting"));
    let mut rows = Rows::new(headings);
    for kind in Kind::VARIANTS {
        let found = idle.get(kind).map_or("-".to_owned(), |spread| digits(spread.mean_rows));
        let mut row = vec![kind.label().to_owned(), found];
        row.extend([idle, ingesting].into_iter().flat_map(|answers| cells(answers.get(kind))));
        rows.push(row);
    }
    rows
}

fn relayed(relayed: &Relayed) -> String {
    let Relayed { asked_per_s, published_per_s, published, archived } = relayed;
    format!(
        "{} of {} messages a second were relayed ({archived} of {published} archived)",
        digits(*published_per_s),
        digits(*asked_per_s),
    )
}

fn cells(spread: Option<&Spread>) -> [String; 4] {
    let percents = spread.map(|spread| [spread.p50_ms, spread.p90_ms, spread.p95_ms, spread.p99_ms]);
    percents.map_or_else(|| ["-"; 4].map(str::to_owned), |percents| percents.map(digits))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn report() -> Report {
        let mut samples = Samples::default();
        (1..=200).for_each(|n| samples.push(Duration::from_millis(n), 20));
        let answers: Answers =
            Kind::VARIANTS.iter().filter_map(|kind| Some((*kind, samples.spread()?))).collect();
        let relayed =
            Relayed { asked_per_s: 1_000.0, published_per_s: 999.5, published: 1_999, archived: 1_999 };
        Report {
            backend: Backend::Redb,
            messages: 1_000,
            seed: 1,
            machine: Machine::here(),
            load_before: 0.5,
            ingest_per_s: 12_345.6,
            fill_s: 0.1,
            relayed_while_filling: relayed,
            total_s: 1.0,
            bytes: 1_300_000,
            bytes_per_message: 1_300.0,
            peak_rss_kib: 0,
            idle: answers.clone(),
            ingesting: answers.clone(),
            over_libp2p: OverLibp2p { idle: answers.clone(), ingesting: answers },
            relayed_while_asking: relayed,
            kept_in: None,
        }
    }

    #[test]
    fn the_keys_of_json_are_those_that_were_promised() {
        let json: Value = serde_json::from_str(&report().to_text(Format::Json)).expect("an object");
        assert_eq!(json["ingest_per_s"], 12_345.6);
        assert_eq!(json["backend"], "redb");
        for phase in ["idle", "ingesting"] {
            let kinds =
                ["hash_1", "hash_10", "hour_10_topics", "newest_20", "topic_tenth_of_time", "page_100"];
            for kind in kinds {
                let found = &json[phase][kind];
                let percents = ["p50_ms", "p90_ms", "p95_ms", "p99_ms"].map(|key| found[key].as_f64());
                assert_eq!(percents, [100.0, 180.0, 190.0, 198.0].map(Some), "{phase} {kind}");
            }
            assert_eq!(json[phase].as_object().map(serde_json::Map::len), Some(6));
        }
    }

    #[test]
    fn a_row_has_both_phases() {
        let table = report().to_text(Format::Table);
        let row = table.lines().find(|line| line.starts_with("one hash")).expect("the row");
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[2..], ["20.0", "100", "180", "190", "198", "100", "180", "190", "198"], "{table}");
        assert!(report().to_text(Format::Markdown).contains("\n| one hash | 20.0 | 100 | 180 |"));
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        assert_eq!(Samples::default().spread(), None);
    }
}
