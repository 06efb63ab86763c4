//! What was found, and its forms.

use std::collections::BTreeMap;

use weir_bench_kit::Format;

use crate::{
    Contestant, Engine, Footprint, Machine, Task,
    samples::{Samples, Spread},
};

mod json;
mod text;

/// A comparison of engines, ours first.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it was measured on.
    pub machine: Machine,
    /// Rounds that count.
    pub iterations: u32,
    /// Threads that were allowed.
    pub threads: usize,
    /// One entry an engine.
    pub engines: Vec<EngineReport>,
    /// Starts and memory of engines in processes of their own.
    pub footprints: Vec<Footprint>,
}

/// What was measured of one engine.
#[derive(Debug, Clone)]
pub struct EngineReport {
    /// Its key.
    pub name: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// Times it did something in another way than the one to be measured; figures with any are not
    /// those of the engine.
    pub fallbacks: u64,
    /// What was measured; a figure that is not there does not exist for this engine.
    pub figures: Figures,
}

/// The figures of one engine.
pub type Figures = BTreeMap<Figure, Spread>;

/// One line of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// A task's time.
    Task(Task),
    /// Reading proving key and circuit.
    KeyLoad,
    /// Reading and preparing the verifying key.
    VerifierLoad,
    /// Computing tables, and keeping them on disk.
    TableBuild,
    /// Reading tables from disk.
    TableLoad,
}

impl EngineReport {
    pub(crate) fn new(
        contestant: Contestant,
        engine: &dyn Engine,
        samples: &BTreeMap<Figure, Samples>,
    ) -> Self {
        let spread = |(figure, samples): (&Figure, &Samples)| Some((*figure, samples.spread()?));
        let figures = samples.iter().filter_map(spread).collect();
        Self { name: contestant.name, label: contestant.label, fallbacks: engine.fallbacks(), figures }
    }

    /// The median processor time, in milliseconds.
    pub fn median_ms(&self, figure: Figure) -> Option<f64> {
        self.figures.get(&figure).map(|spread| spread.cpu_p50_ms)
    }
}

/// One measurement. It is of the wall's clock, as it happens at a start that somebody waits for.
fn single(time: f64) -> Spread {
    Spread {
        samples: 1,
        cpu_p50_ms: time,
        cpu_min_ms: time,
        cpu_p10_ms: time,
        cpu_p90_ms: time,
        cpu_max_ms: time,
        cpu_mad_ms: 0.0,
        wall_p50_ms: time,
        wall_p90_ms: time,
    }
}

impl Report {
    /// With what was measured of each engine in a process of its own.
    pub(crate) fn with_footprints(mut self, footprints: Vec<Footprint>) -> Self {
        for footprint in &footprints {
            let Some(engine) = self.engines.iter_mut().find(|engine| engine.name == footprint.engine) else {
                continue;
            };
            let tables = match footprint.tables.as_deref() {
                Some("cache") => Figure::TableLoad,
                _ => Figure::TableBuild,
            };
            let once = [
                (Figure::KeyLoad, Some(footprint.key_load_ms)),
                (Figure::VerifierLoad, footprint.verifier_load_ms),
                (tables, footprint.tables_ms),
            ];
            for (figure, time) in once {
                // Of two starts the first one counts, which found nothing prepared.
                if let Some(time) = time {
                    engine.figures.entry(figure).or_insert_with(|| single(time));
                }
            }
        }
        self.footprints = footprints;
        self
    }

    /// How many times as long `peer` takes as our engine.
    pub fn ratio(&self, peer: &EngineReport, figure: Figure) -> Option<f64> {
        let ours = self.engines.first()?.median_ms(figure)?;
        let theirs = peer.median_ms(figure)?;
        (ours > 0.0).then(|| theirs / ours)
    }

    /// All engines but ours.
    pub fn peers(&self) -> &[EngineReport] {
        self.engines.get(1..).unwrap_or_default()
    }

    /// The report as text of `format`.
    pub fn to_text(&self, format: Format) -> String {
        match format {
            Format::Table => text::table(self),
            Format::Markdown => text::markdown(self),
            Format::Json => json::json(self),
        }
    }

    /// Every figure that any engine has, in order.
    fn figures(&self) -> Vec<Figure> {
        let mut figures: Vec<Figure> =
            self.engines.iter().flat_map(|engine| engine.figures.keys().copied()).collect();
        figures.sort_unstable();
        figures.dedup();
        figures
    }
}

impl Figure {
    /// Its key in JSON. Those of batches are under one key, by size.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Task(Task::ProveFull) => "prove_full_ms",
            Self::Task(Task::PrepareMember) => "prove_cached_precompute_ms",
            Self::Task(Task::ProveCached) => "prove_cached_ms",
            Self::Task(Task::PrepareSlot) => "prove_slot_precompute_ms",
            Self::Task(Task::ProveSlot) => "prove_slot_online_ms",
            Self::Task(Task::VerifySingle) => "verify_single_ms",
            Self::Task(Task::VerifyParsed) => "verify_single_parsed_ms",
            Self::Task(Task::VerifyBatch(_)) => "verify_batch_ms_per_proof",
            Self::Task(Task::TreeBuild) => "tree_build_4096_ms",
            Self::Task(Task::TreeUpdate) => "tree_update_ms",
            Self::Task(Task::TreePath) => "tree_path_ms",
            Self::KeyLoad => "key_load_ms",
            Self::VerifierLoad => "verifier_load_ms",
            Self::TableBuild => "table_build_ms",
            Self::TableLoad => "table_load_ms",
        }
    }

    /// What people call it.
    pub(crate) fn label(self) -> String {
        match self {
            Self::Task(Task::ProveFull) => "prove, from nothing".to_owned(),
            Self::Task(Task::PrepareMember) => "prepare a member (once a root)".to_owned(),
            Self::Task(Task::ProveCached) => "prove, member prepared".to_owned(),
            Self::Task(Task::PrepareSlot) => "prepare a slot (in idle time)".to_owned(),
            Self::Task(Task::ProveSlot) => "prove, slot prepared".to_owned(),
            Self::Task(Task::VerifySingle) => "verify one, from bytes".to_owned(),
            Self::Task(Task::VerifyParsed) => "verify one, points read before".to_owned(),
            Self::Task(Task::VerifyBatch(size)) => format!("verify, batch of {size}, each"),
            Self::Task(Task::TreeBuild) => "tree: build with 4096 leaves".to_owned(),
            Self::Task(Task::TreeUpdate) => "tree: set a leaf".to_owned(),
            Self::Task(Task::TreePath) => "tree: find a path".to_owned(),
            Self::KeyLoad => "load the proving key (once)".to_owned(),
            Self::VerifierLoad => "load the verifier (once)".to_owned(),
            Self::TableBuild => "build tables (once)".to_owned(),
            Self::TableLoad => "load tables (once)".to_owned(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Ours takes 1 ms for whatever rln_3 takes `factor` ms for.
    pub(crate) fn report(factor: f64) -> Report {
        let spread = |ms| Spread { cpu_p50_ms: ms, ..single(1000.0) };
        let engine = |name, label, ms, tasks: &[Task]| EngineReport {
            name,
            label,
            fallbacks: 0,
            figures: tasks.iter().map(|task| (Figure::Task(*task), spread(ms))).collect(),
        };
        let both = [Task::ProveFull, Task::VerifyBatch(8), Task::VerifyBatch(128)];
        let theirs = [both[0], both[1], both[2], Task::VerifyParsed];
        Report {
            machine: Machine::here(),
            iterations: 3,
            threads: 1,
            engines: vec![engine("weir", "weir", 1.0, &both), engine("rln_3", "rln 3.0.0", factor, &theirs)],
            footprints: Vec::new(),
        }
    }

    #[test]
    fn what_happens_once_comes_from_processes_of_their_own() {
        let footprint = |tables: Option<&str>, key_load_ms, tables_ms| Footprint {
            engine: "weir".to_owned(),
            tables: tables.map(str::to_owned),
            key_load_ms,
            verifier_load_ms: Some(3.0),
            tables_ms,
            start_to_first_proof_ms: 0.0,
            start_to_first_verification_ms: 0.0,
            rss_before_kib: 0,
            rss_after_kib: 0,
            rss_peak_kib: 0,
        };
        let footprints =
            vec![footprint(Some("built"), 30.0, Some(900.0)), footprint(Some("cache"), 31.0, Some(20.0))];
        let report = report(2.0).with_footprints(footprints);
        let ours = [Figure::KeyLoad, Figure::TableBuild, Figure::TableLoad]
            .map(|figure| report.engines[0].median_ms(figure));
        assert_eq!(ours, [Some(30.0), Some(900.0), Some(20.0)]);
        assert_eq!(report.ratio(&report.peers()[0], Figure::KeyLoad), None);
    }

    #[test]
    fn a_ratio_needs_both_figures() {
        let report = report(6.5);
        let peer = &report.peers()[0];
        assert_eq!(report.ratio(peer, Figure::Task(Task::ProveFull)), Some(6.5));
        assert_eq!(report.ratio(peer, Figure::Task(Task::VerifyParsed)), None);
        assert_eq!(report.ratio(peer, Figure::TableBuild), None);
    }
}
