//! The report for programs: one object whose keys do not change.
//!
//! ```json
//! { "machine": {…}, "iterations": 20, "threads": 1,
//!   "weir":  { "prove_full_ms": 0.0, "verify_batch_ms_per_proof": { "8": 0.0 }, … },
//!   "rln_3": { … },
//!   "ratio": { "rln_3": { "prove_full_ms": 0.0, … } },
//!   "spread": { "weir": { "prove_full_ms": { "samples": 20, "cpu_p10_ms": 0.0, … } } },
//!   "footprints": [ … ], "fallbacks": { "weir": 0 } }
//! ```
//!
//! Figures are medians of processor time; those that exist once, at a start, are wall time. A figure
//! that an engine does not have is `null`.

use serde_json::{Map, Value, json};

use super::{EngineReport, Figure, Report};
use crate::Task;

pub(super) fn json(report: &Report) -> String {
    let figures = report.figures();
    let mut object = Map::new();
    object.insert("machine".to_owned(), json!(report.machine));
    object.insert("iterations".to_owned(), json!(report.iterations));
    object.insert("threads".to_owned(), json!(report.threads));
    object.insert("footprints".to_owned(), json!(report.footprints));
    for engine in &report.engines {
        let medians = by_key(&figures, |figure| json!(engine.median_ms(figure)));
        object.insert(engine.name.to_owned(), medians);
    }
    let ratios = |peer: &EngineReport| by_key(&figures, |figure| json!(report.ratio(peer, figure)));
    object.insert("ratio".to_owned(), by_engine(report.peers(), ratios));
    let spread = |engine: &EngineReport| by_key(&figures, |figure| json!(engine.figures.get(&figure)));
    object.insert("spread".to_owned(), by_engine(&report.engines, spread));
    let fallbacks = by_engine(&report.engines, |engine| json!(engine.fallbacks));
    object.insert("fallbacks".to_owned(), fallbacks);
    format!("{:#}", Value::Object(object))
}

fn by_engine(engines: &[EngineReport], value: impl Fn(&EngineReport) -> Value) -> Value {
    engines.iter().map(|engine| (engine.name.to_owned(), value(engine))).collect::<Map<_, _>>().into()
}

fn by_key(figures: &[Figure], value: impl Fn(Figure) -> Value) -> Value {
    let mut object = Map::new();
    for &figure in figures {
        match figure {
            Figure::Task(Task::VerifyBatch(size)) => {
                object.entry(figure.key()).or_insert_with(|| json!({}))[size.to_string()] = value(figure);
            }
            _ => {
                object.insert(figure.key().to_owned(), value(figure));
            }
        }
    }
    object.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn figures_are_under_their_engine_and_what_does_not_exist_is_null() {
        let value: Value = serde_json::from_str(&json(&report(6.5))).expect("an object");
        assert_eq!(value["weir"]["prove_full_ms"], 1.0);
        assert_eq!(value["rln_3"]["verify_batch_ms_per_proof"]["128"], 6.5);
        assert_eq!(value["ratio"]["rln_3"]["verify_batch_ms_per_proof"]["8"], 6.5);
        assert_eq!(value["spread"]["rln_3"]["prove_full_ms"]["samples"], 1);
        let weir = value["weir"].as_object().expect("an object");
        assert_eq!(weir.get("verify_single_parsed_ms"), Some(&Value::Null));
        assert_eq!(value["ratio"]["rln_3"]["verify_single_parsed_ms"], Value::Null);
    }
}
